"""Runs a program as a module, then serves what it defines to the judge of its tests.

The judge asks on descriptor 3 and is answered on descriptor 4: four bytes of length, then JSON.
Nothing here is trusted by the judge, for the program owns this process; so this file has only to be
right about programs that do not attack it, and to keep out of their way.

A message is `[word, plain, values, changes, objects, ...]`. `values` are encoded by exact type; what
can be changed (lists, dicts, sets, ...) is numbered in the order in which it crosses during a call
and all that is going on inside of it, `["@", n]` is the n-th of these again, `changes` tells what the
sender changed of them since, and `objects` holds the attributes of instances that cross by value, so
that a linked list of a thousand nodes is not a thousand levels deep. What the program still holds
when a call is over keeps its place at the start of the numbers, so that both sides go on seeing what
the other changes.
"""

import json
import os
import sys

LEVELS_MAX = 90
ITEMS_MAX = 190_000
MESSAGE_MAX = (8 << 20) - 4096
INT_BITS_MAX = 1 << 20
SMALL = 1 << 63
# A text with more of these than that crosses in hexadecimal digits, so that the judge can tell from
# the count of them how much a message holds before it parses it.
SEPARATORS_MAX = 1000
# More than these are compared for changes only when a call is over.
FOLLOWED_MAX = 256
# Of what stays known when a call is over: containers, what is in one, and what is in all of them.
KEPT_MAX = 128
KEPT_ITEMS_MAX = 1000
KEPT_ITEMS_ALL_MAX = 5000
CAUSES_MAX = 5
# What a call of a function of the tests and back takes of the stack here, which is not the program's.
FRAMES_OF_A_CALL = 16

BUILTIN_TYPES = (
    int, float, complex, bool, str, bytes, bytearray, list, tuple, set, frozenset, dict, range, object, type(None),
)
# What of a class's own methods the judge's stand-in has too.
SPECIALS = (
    "__call__ __len__ __bool__ __iter__ __next__ __reversed__ __getitem__ __setitem__ __delitem__ __contains__ "
    "__enter__ __exit__ __await__ __aiter__ __anext__ __aenter__ __aexit__ __repr__ __str__ __format__ __bytes__ "
    "__int__ __float__ __complex__ __index__ __round__ __trunc__ __floor__ __ceil__ "
    "__neg__ __pos__ __abs__ __invert__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__ "
    "__add__ __sub__ __mul__ __matmul__ __truediv__ __floordiv__ __mod__ __divmod__ __pow__ "
    "__lshift__ __rshift__ __and__ __xor__ __or__ "
    "__radd__ __rsub__ __rmul__ __rmatmul__ __rtruediv__ __rfloordiv__ __rmod__ __rdivmod__ __rpow__ "
    "__rlshift__ __rrshift__ __rand__ __rxor__ __ror__ "
    "__iadd__ __isub__ __imul__ __imatmul__ __itruediv__ __ifloordiv__ __imod__ __ipow__ "
    "__ilshift__ __irshift__ __iand__ __ixor__ __ior__"
).split()
# What is done as the language does it, which is more than to call the method.
DONE_BY = {
    "__len__": len, "__bool__": bool, "__iter__": iter, "__next__": next, "__reversed__": reversed,
    "__repr__": repr, "__str__": str, "__format__": format, "__bytes__": bytes, "__int__": int, "__float__": float,
    "__complex__": complex, "__round__": round, "__abs__": abs, "__contains__": lambda whole, part: part in whole,
    "__getitem__": lambda whole, key: whole[key], "__hash__": hash, "__isinstance__": lambda value, kind: isinstance(value, kind),
    "__dir__": lambda value: [str(name) for name in dir(value)],
}


def main():
    server = Server()
    file = sys.argv[1]
    del sys.argv[0]
    module = run_program(file)
    server.serve(module)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)


def run_program(file):
    """Runs the program's top level as an import would: `__name__` is the file's stem."""
    directory, base = os.path.split(file)
    name = base.rsplit(".", 1)[0]
    if directory:
        sys.path.insert(0, os.path.abspath(directory))
    module = type(sys)(name)
    module.__file__ = file
    sys.modules[name] = module
    with open(file, "rb") as source:
        text = source.read()
    try:
        exec(compile(text, file, "exec"), module.__dict__)
    except Exception as error:
        import traceback

        # The frames of this file are not the program's.
        trace = error.__traceback__.tb_next
        traceback.print_exception(type(error), error, trace)
        sys.stdout.flush()
        sys.exit(1)
    return module


class Uncrossable(Exception):
    """What a value is that cannot cross, in one of the words that the judge knows."""


class Over(BaseException):
    """The judge is gone."""


class Container:
    """Something changeable that both sides hold during a call."""

    __slots__ = ("value", "seen")

    def __init__(self, value):
        self.value = value
        self.seen = None


def contents(value):
    """What is in a container, to be compared by identity."""
    if isinstance(value, dict):
        return [part for entry in value.items() for part in entry]
    if isinstance(value, bytearray):
        return bytes(value)
    if hasattr(value, "__iter__"):
        return list(value)
    return [part for entry in attributes(value) for part in entry]


def is_same(before, after):
    if isinstance(before, bytes) or isinstance(after, bytes):
        return before == after
    return len(before) == len(after) and all(map(lambda one, other: one is other, before, after))


def attributes(value):
    """The attributes of an instance, those in slots too."""
    found = list(getattr(value, "__dict__", {}).items())
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__"):
                try:
                    found.append((name, getattr(value, name)))
                except AttributeError:
                    pass
    return [(name, item) for name, item in found if type(name) is str]


def references(container):
    return sys.getrefcount(container.value)


class Server:
    """Answers the judge, one request at a time, and asks it back where a test's function is called."""

    def __init__(self):
        self.read, self.write, self.loads = os.read, os.write, json.loads
        self.encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        self.module = None
        self.loop = None
        self.objects = {}
        self.numbers = {}
        self.kept_next = 1
        self.classes = {}
        self.told = set()
        self.containers = []
        self.places = {}
        self.crossed_classes = {}
        self.functions = {}
        self.errors = {}
        self.error_numbers = {}
        self.captured = None
        self.untold = []
        self.deep = 0
        # The references to a value that nothing but its container holds.
        self.unheld = references(Container([]))

    # The channel.

    def receive(self):
        head = self.read_exactly(4)
        if head is None:
            raise Over
        body = self.read_exactly(int.from_bytes(head, "big"))
        if body is None:
            raise Over
        return self.loads(body)

    def read_exactly(self, size):
        parts = []
        while size:
            part = self.read(3, min(size, 1 << 20))
            if not part:
                return None
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def send(self, message):
        body = self.encode(message).encode()
        if len(body) > MESSAGE_MAX:
            raise Uncrossable("size")
        self.write_all(len(body).to_bytes(4, "big") + body)

    def write_all(self, data):
        try:
            while data:
                data = data[self.write(4, data):]
        except BrokenPipeError:
            raise Over

    def serve(self, module):
        self.module = module
        try:
            while True:
                self.answer(self.receive())
        except Over:
            pass

    def answer(self, request):
        """Does what the judge asks, and says what came of it."""
        for number in request[5]:
            self.forget(number)
        base, kept = len(self.containers), []
        try:
            message = self.made(*self.done(request))
            # Nothing here holds a value any more but the containers themselves.
            kept = message[7] = self.kept(base)
            self.deliver(message)
        finally:
            self.leave(base, kept)

    def done(self, request):
        """What comes of a request: a word, what is plain and values."""
        word, plain, streams = request[0], request[1], request[6]
        values = Reader(self).message(request)
        try:
            with Capture(self, streams):
                result = getattr(self, "do_" + word)(plain, values)
        except Over:
            raise
        except BaseException as error:
            return "err", [], [error]
        if isinstance(result, Special):
            return result.word, result.plain, result.values
        return "ok", [], [result]

    def made(self, word, plain, values):
        try:
            return Writer(self).message(word, plain, values, changed_too=True)
        except (Uncrossable, RecursionError) as error:
            return self.lost(str(error) if isinstance(error, Uncrossable) else "depth")

    def deliver(self, message):
        try:
            self.send(message)
        except Uncrossable as error:
            message[:] = self.lost(str(error))
            self.send(message)

    def lost(self, code):
        # Classes that were told of in what did not cross are told of again.
        for definition in self.untold:
            self.told.discard(definition[0])
        self.untold = []
        return ["lost", [code], [], [], [], [], self.take_captured(), []]

    def leave(self, base, kept=()):
        left = self.containers[base:]
        del self.containers[base:]
        for container in left:
            self.places.pop(id(container.value), None)
        for place in kept:
            container = left[place - base]
            self.places[id(container.value)] = len(self.containers)
            self.containers.append(container)

    def kept(self, base):
        """The places of the containers of a call that the program holds on to."""
        if base >= KEPT_MAX or self.deep or base == len(self.containers) or len(self.containers) > base + FOLLOWED_MAX:
            return []
        if sum(len(container.seen) for container in self.containers) > KEPT_ITEMS_ALL_MAX:
            return []
        here = range(base, len(self.containers))
        inner = {}
        for container in self.containers:
            for item in container.seen if not isinstance(container.seen, bytes) else ():
                # Once in the container, once in what was seen of it.
                inner[id(item)] = inner.get(id(item), 0) + 2
        held = [place for place in here if references(self.containers[place]) - self.unheld > inner.get(id(self.containers[place].value), 0)]
        kept = []
        while held and len(kept) + base < KEPT_MAX:
            place = held.pop(0)
            container = self.containers[place]
            if place in kept or len(container.seen) > KEPT_ITEMS_MAX:
                continue
            kept.append(place)
            if not isinstance(container.seen, bytes):
                held += [self.places[id(item)] for item in container.seen if self.places.get(id(item), -1) >= base]
        return kept

    def enter(self, value):
        container = Container(value)
        self.places[id(value)] = len(self.containers)
        self.containers.append(container)
        return container

    def take_captured(self):
        return self.captured.take() if self.captured else ["", ""]

    # What the judge asks for.

    def do_name(self, plain, values):
        name = plain[0]
        scope = self.module.__dict__
        if name not in scope:
            return Special("missing", [], [])
        value = scope[name]
        if type(value) is type(sys):
            return Special("claim", [value.__name__, None], [value])
        origin = getattr(value, "__module__", None)
        if callable(value) and type(origin) is str and origin != self.module.__name__:
            return Special("claim", [origin, str(getattr(value, "__qualname__", ""))], [value])
        return value

    def do_module(self, plain, values):
        import importlib

        try:
            return importlib.import_module(plain[0])
        except ModuleNotFoundError:
            return Special("missing", [], [])

    def do_defines(self, plain, values):
        return [name in self.module.__dict__ for name in plain]

    def do_get(self, plain, values):
        owner, = values
        value = getattr(owner, plain[0])
        if type(value) is type(self.do_get) and value.__self__ is owner and value.__name__ == plain[0]:
            return Special("method", [], [])
        return value

    def do_set(self, plain, values):
        setattr(values[0], plain[0], values[1])

    def do_del(self, plain, values):
        delattr(values[0], plain[0])

    def do_call(self, plain, values):
        return called(values[0], values[1:], plain)

    def do_method(self, plain, values):
        return called(getattr(values[0], plain[0]), values[1:], plain[1:])

    def do_op(self, plain, values):
        name, = plain
        done_by = DONE_BY.get(name)
        if done_by is not None:
            return done_by(*values)
        result = getattr(type(values[0]), name)(*values)
        if name in ("__anext__", "__aenter__", "__aexit__"):
            return self.awaited(result)
        return Special("undone", [], []) if result is NotImplemented else result

    def do_await(self, plain, values):
        return self.awaited(values[0])

    def awaited(self, value):
        import asyncio

        if self.loop is None:
            self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)

        async def wait():
            return await value

        return self.loop.run_until_complete(wait())

    # What the program asks of the tests.

    def ask(self, word, number, args, kwargs):
        base = len(self.containers)
        words = list(kwargs)
        places = self.places
        follows = base <= FOLLOWED_MAX
        if not follows:
            self.places = {}
        try:
            self.deep += 1
            sys.setrecursionlimit(sys.getrecursionlimit() + FRAMES_OF_A_CALL)
            self.send(Writer(self).message(word, [number] + words, list(args) + list(kwargs.values()), follows))
            while True:
                answer = self.receive()
                if answer[0] in ("done", "fail"):
                    break
                self.answer(answer)
            for number in answer[5]:
                self.forget(number)
            value, = Reader(self).message(answer)
        except Uncrossable as error:
            raise TypeError("an argument of a function of the tests cannot cross to them: " + str(error))
        finally:
            self.deep -= 1
            self.places = places
            self.leave(base)
            try:
                sys.setrecursionlimit(sys.getrecursionlimit() - FRAMES_OF_A_CALL)
            except (RecursionError, ValueError):
                pass
        if answer[0] == "fail":
            raise value
        return value

    # What stays here and is known to the judge by a number.

    def keep(self, value):
        number = self.numbers.get(id(value))
        if number is None:
            number = self.kept_next
            self.kept_next += 1
            self.numbers[id(value)] = number
            self.objects[number] = value
        return number

    def forget(self, number):
        value = self.objects.pop(number, None)
        if value is not None:
            self.numbers.pop(id(value), None)


def called(function, values, words):
    args = values[:len(values) - len(words)]
    return function(*args, **dict(zip(words, values[len(args):])))


class Special:
    """An answer that is no value."""

    def __init__(self, word, plain, values):
        self.word = word
        self.plain = plain
        self.values = values


class Capture:
    """Keeps what the program prints while a test has replaced its own output streams, and lets the
    program ask a test for its input."""

    def __init__(self, server, streams):
        self.server = server
        self.streams = streams

    def __enter__(self):
        if not self.streams:
            return
        import builtins
        import io

        self.before = sys.stdout, sys.stderr, builtins.input, self.server.captured
        self.texts = io.StringIO(), io.StringIO()
        if self.streams & 1:
            sys.stdout = self.texts[0]
        if self.streams & 2:
            sys.stderr = self.texts[1]
        if self.streams & 4:
            builtins.input = lambda prompt="": self.server.ask("input", 0, [str(prompt)], {})
        self.server.captured = self

    def take(self):
        if self.texts is None:
            return ["", ""]
        taken = [text.getvalue() for text in self.texts]
        for text in self.texts:
            text.seek(0)
            text.truncate()
        return [clean(text) for text in taken]

    def __exit__(self, *error):
        if not self.streams:
            return
        import builtins

        if sys.stdout is self.texts[0]:
            sys.stdout = self.before[0]
        if sys.stderr is self.texts[1]:
            sys.stderr = self.before[1]
        builtins.input = self.before[2]


def clean(text):
    return text.encode("utf-8", "replace").decode("utf-8")


def std(module, name):
    """A class of a module, where the module is loaded."""
    loaded = sys.modules.get(module)
    return getattr(loaded, name, None) if loaded is not None else None


class Writer:
    """Makes messages."""

    def __init__(self, server):
        self.server = server
        self.left = ITEMS_MAX
        self.instances = []
        self.definitions = []

    def message(self, word, plain, values, changed_too):
        server = self.server
        known = len(server.containers)
        encoded = [self.value(value) for value in values]
        changes = self.changes(known) if changed_too else []
        objects = []
        while len(objects) < len(self.instances):
            objects.append(self.flat(contents(self.instances[len(objects)]), 0))
        server.untold = self.definitions
        return [word, plain, encoded, changes, objects, self.definitions, server.take_captured(), []]

    def changes(self, known):
        changes = []
        for place, container in enumerate(self.server.containers[:known]):
            now = contents(container.value)
            if not is_same(container.seen, now):
                container.seen = now
                changes.append([place, now.hex() if isinstance(now, bytes) else self.flat(now, 0)])
        return changes

    def flat(self, items, level):
        level += 1
        if level > LEVELS_MAX:
            raise Uncrossable("depth")
        self.left -= len(items)
        if self.left < 0:
            raise Uncrossable("items")
        return [self.value(item, level) for item in items]

    def value(self, value, level=0):
        kind = type(value)
        if value is None or kind is bool or kind is float:
            return value
        if kind is int:
            if -SMALL < value < SMALL:
                return value
            if value.bit_length() > INT_BITS_MAX:
                raise Uncrossable("int")
            return ["int", "%x" % value]
        if kind is str:
            return self.text(value)
        encode = self.BY_TYPE.get(kind)
        if encode is not None:
            return encode(self, value, level)
        return self.other(value, kind, level)

    def text(self, value):
        if len(value) > MESSAGE_MAX:
            raise Uncrossable("size")
        if len(value) > SEPARATORS_MAX and sum(map(value.count, ",[{")) > SEPARATORS_MAX or not is_plain(value):
            return ["str", value.encode("utf-8", "surrogatepass").hex()]
        return value

    def container(self, tag, value, level, *head):
        place = self.server.places.get(id(value))
        if place is not None:
            return ["@", place]
        container = self.server.enter(value)
        container.seen = contents(value)
        return [tag, *head, *self.flat(container.seen, level)]

    def a_bytearray(self, value, level):
        place = self.server.places.get(id(value))
        if place is not None:
            return ["@", place]
        self.server.enter(value).seen = bytes(value)
        return ["ba", value.hex()]

    def fixed(self, tag, items, level):
        return [tag, *self.flat(items, level)]

    def a_bytes(self, value, level):
        if len(value) > MESSAGE_MAX // 2:
            raise Uncrossable("size")
        return ["b", value.hex()]

    BY_TYPE = {
        list: lambda self, value, level: self.container("l", value, level),
        dict: lambda self, value, level: self.container("d", value, level),
        set: lambda self, value, level: self.container("s", value, level),
        tuple: lambda self, value, level: self.fixed("t", value, level),
        frozenset: lambda self, value, level: self.fixed("fs", value, level),
        bytes: a_bytes,
        bytearray: a_bytearray,
        complex: lambda self, value, level: ["c", value.real, value.imag],
        range: lambda self, value, level: self.fixed("r", [value.start, value.stop, value.step], level),
        slice: lambda self, value, level: self.fixed("sl", [value.start, value.stop, value.step], level),
        type(...): lambda self, value, level: ["..."],
        type({}.keys()): lambda self, value, level: self.fixed("kv", list(value), level),
        type({}.values()): lambda self, value, level: self.fixed("vv", list(value), level),
        type({}.items()): lambda self, value, level: self.fixed("iv", [part for entry in value for part in entry], level),
    }

    def other(self, value, kind, level):
        if isinstance(value, type):
            return self.a_class(value)
        if kind is Function:
            return ["f", value.number]
        if isinstance(value, BaseException):
            return self.error(value, level)
        module, name = kind.__module__, kind.__name__
        if module in STANDARD and std(module, name) is kind:
            encoded = STANDARD[module](self, value, name, level)
            if encoded is not None:
                return encoded
        if any(kind is crossed for crossed in self.server.crossed_classes.values()):
            if issubclass(kind, tuple):
                return ["tnt", kind.__name__, *self.flat(list(tuple.__iter__(value)), level)]
            place = self.server.places.get(id(value))
            if place is not None:
                return ["@", place]
            self.server.enter(value).seen = contents(value)
            self.instances.append(value)
            return ["i", kind.__name__]
        number = self.server.numbers.get(id(value))
        if number is None:
            plainly = self.by_class(value, kind, level)
            if plainly is not None:
                return plainly
        return self.handle(value, kind)

    def by_class(self, value, kind, level):
        """What an instance of a class of the program is by value, if it is."""
        shape = self.define(kind)
        if shape == "named":
            return ["nt", self.server.numbers[id(kind)], *self.flat(list(tuple.__iter__(value)), level)]
        if shape == "frozen":
            try:
                items = [getattr(value, name) for name in kind.__dataclass_fields__]
            except AttributeError:
                return None
            return ["fz", self.server.numbers[id(kind)], *self.flat(items, level)]
        if shape == "enum":
            if type(value._name_) is str and kind.__members__.get(value._name_) is value:
                return ["en", self.server.numbers[id(kind)], value._name_]
            if type(value._value_) is int:
                return ["ev", self.server.numbers[id(kind)], value._value_]
        return None

    def handle(self, value, kind):
        name, module = kind.__name__, kind.__module__
        if name in ITERATORS and (module == "builtins" or module == "itertools"):
            return ["it" if name != "generator" else "g", self.server.keep(value)]
        if name == "coroutine":
            return ["co", self.server.keep(value)]
        self.define(kind)
        digest = None
        if kind.__hash__ is not object.__hash__ and kind.__hash__ is not None:
            try:
                digest = hash(value)
            except Exception:
                pass
        return ["h", self.server.keep(value), self.server.numbers[id(kind)], self.value(digest)]

    def a_class(self, kind):
        # A class may say of itself that it equals any other.
        if any(kind is other for other in BUILTIN_TYPES):
            return ["type", kind.__name__]
        if issubclass(kind, BaseException) and is_builtin(kind):
            return ["exc", kind.__name__]
        self.define(kind)
        return ["k", self.server.numbers[id(kind)]]

    def define(self, kind):
        """Tells the judge about a class, once. Returns its shape."""
        server = self.server
        shape = server.classes.get(kind)
        if shape is None:
            shape = shape_of(kind)
            if shape == "enum" and not has_plain_members(kind):
                shape = "plain"
            server.classes[kind] = shape
        number = server.keep(kind)
        if number in server.told:
            return shape
        server.told.add(number)
        bases = [base for base in kind.__bases__ if not any(base is other for other in BUILTIN_TYPES)]
        if shape == "error":
            bases = [base.__name__ if is_builtin(base) else base for base in bases if issubclass(base, BaseException)]
            rest = [kind.__module__ if type(kind.__module__) is str else ""]
        elif shape == "named":
            bases, rest = [], [str(name) for name in kind._fields]
        elif shape == "frozen":
            bases, rest = [], list(kind.__dataclass_fields__)
        elif shape == "enum":
            bases = []
            rest = [enum_base(kind)]
            for name, member in kind.__members__.items():
                rest += [name, self.value(member._value_)]
        else:
            rest = [name for name in SPECIALS if getattr(kind, name, None) is not getattr(object, name, None)]
            if kind.__hash__ is None:
                rest.append("unhashable")
        bases = [base if type(base) is str else self.number_of(base) for base in bases]
        self.definitions.append([number, shape, clean(kind.__name__[:200]), bases, rest])
        return shape

    def number_of(self, kind):
        self.define(kind)
        return self.server.numbers[id(kind)]

    def error(self, error, level, causes=0):
        """An exception: class, arguments, text, attributes, cause, context and number."""
        number = self.server.error_numbers.get(id(error))
        if number is not None:
            return ["e", number]
        kind = type(error)
        if is_builtin(kind):
            shown, number = kind.__name__, None
        else:
            self.define(kind)
            shown, number = self.server.numbers[id(kind)], self.server.keep(error)
        try:
            args = self.flat(list(error.args), level)
        except (Uncrossable, RecursionError):
            args = []
        text = None
        if number is not None or not args:
            try:
                text = clean(str(error)[:10_000])
            except Exception:
                pass
        held = []
        for name, item in getattr(error, "__dict__", {}).items():
            try:
                held += [name, self.value(item, level + 1)]
            except (Uncrossable, RecursionError):
                pass
        earlier = []
        for one in (error.__cause__, error.__context__):
            earlier.append(self.error(one, level + 1, causes + 1) if one is not None and causes < CAUSES_MAX else None)
        return ["x", shown, args, text, held, *earlier, number]


def is_plain(text):
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_builtin(kind):
    import builtins

    return getattr(builtins, kind.__name__, None) is kind


ITERATORS = frozenset(
    "generator list_iterator list_reverseiterator tuple_iterator set_iterator dict_keyiterator dict_valueiterator "
    "dict_itemiterator dict_reversekeyiterator str_iterator str_ascii_iterator bytes_iterator bytearray_iterator range_iterator longrange_iterator "
    "map filter zip enumerate reversed callable_iterator iterator count cycle repeat accumulate chain combinations "
    "combinations_with_replacement compress dropwhile takewhile filterfalse groupby islice pairwise permutations "
    "product starmap tee _tee zip_longest batched".split()
)


def shape_of(kind):
    if issubclass(kind, BaseException):
        return "error"
    if kind.__bases__ == (tuple,) and type(getattr(kind, "_fields", None)) is tuple and tuple.__eq__ is kind.__eq__:
        return "named"
    parameters = getattr(kind, "__dataclass_params__", None)
    if parameters is not None and parameters.frozen and parameters.eq and "__eq__" in kind.__dict__:
        if kind.__eq__.__code__.co_filename == "<string>" and all(f.compare for f in kind.__dataclass_fields__.values()):
            return "frozen"
    enum = sys.modules.get("enum")
    if enum is not None and issubclass(kind, enum.Enum) and kind.__members__:
        return "enum"
    return "plain"


def enum_base(kind):
    enum = sys.modules["enum"]
    for name in ("IntFlag", "Flag", "IntEnum", "StrEnum"):
        base = getattr(enum, name, None)
        if base is not None and issubclass(kind, base):
            return name
    if issubclass(kind, int):
        return "IntEnum"
    return "str" if issubclass(kind, str) else "Enum"


def has_plain_members(kind):
    """Whether the judge can make the same enum from names and values."""
    base = enum_base(kind)
    wanted = {"IntFlag": int, "Flag": int, "IntEnum": int, "StrEnum": str, "str": str}.get(base)
    if base == "Enum" and any(issubclass(kind, other) for other in BUILTIN_TYPES if other is not object):
        return False
    for name, member in kind.__members__.items():
        if not (type(name) is str and name.isidentifier() and not name.startswith("_") and name != "mro"):
            return False
        value = member._value_
        if wanted is not None and type(value) is not wanted:
            return False
        if not is_simple(value):
            return False
    for owner in kind.__mro__:
        if owner.__module__ in ("enum", "builtins"):
            continue
        if any(name in owner.__dict__ for name in SPECIALS if name not in ("__str__", "__repr__", "__format__", "__call__")):
            # Members of an enum have these of its own making where a type is mixed in.
            if any(getattr(owner.__dict__.get(name), "__module__", "enum") != "enum" for name in SPECIALS if name in owner.__dict__):
                return False
    return True


def is_simple(value):
    if type(value) is tuple:
        return all(map(is_simple, value))
    return value is None or type(value) in (bool, int, float, str, bytes)


def of_collections(writer, value, name, level):
    if name == "Counter":
        return writer.container("cn", value, level)
    if name == "OrderedDict":
        return writer.container("od", value, level)
    if name == "defaultdict":
        return writer.container("dd", value, level, writer.value(value.default_factory, level + 1))
    if name == "deque":
        return writer.container("dq", value, level, value.maxlen)
    return None


def of_decimal(writer, value, name, level):
    return ["dec", str(value)] if name == "Decimal" else None


def of_fractions(writer, value, name, level):
    return writer.fixed("fr", [value.numerator, value.denominator], level) if name == "Fraction" else None


def of_datetime(writer, value, name, level):
    if name == "timedelta":
        return ["td", value.days, value.seconds, value.microseconds]
    if name == "timezone":
        offset = value.utcoffset(None)
        return ["tz", offset.days * 86400 + offset.seconds, offset.microseconds, value.tzname(None)]
    if name == "date":
        return ["date", value.year, value.month, value.day]
    zone = None
    if name in ("datetime", "time") and value.tzinfo is not None:
        from datetime import timezone

        offset = value.utcoffset()
        if offset is None:
            return None
        zone = value.tzinfo if type(value.tzinfo) is timezone else timezone(offset, value.tzname() or "")
        zone = of_datetime(writer, zone, "timezone", level)
    if name == "datetime":
        return ["dt", value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond, value.fold, zone]
    if name == "time":
        return ["time", value.hour, value.minute, value.second, value.microsecond, value.fold, zone]
    return None


STANDARD = {
    "collections": of_collections,
    "decimal": of_decimal,
    "fractions": of_fractions,
    "datetime": of_datetime,
}


class Reader:
    """Reads messages of the judge, which is trusted."""

    def __init__(self, server):
        self.server = server
        self.pending = []

    def message(self, message):
        _, _, values, changes, objects = message[:5]
        values = [self.value(value) for value in values]
        changed = []
        for place, content in changes:
            container = self.server.containers[place]
            self.fill(container.value, content)
            changed.append(container)
        for position, content in enumerate(objects):
            self.fill(self.pending[position], content)
        for container in self.server.containers:
            if container.seen is None:
                container.seen = contents(container.value)
        for container in changed:
            container.seen = contents(container.value)
        return values

    def fill(self, value, content):
        if isinstance(value, bytearray):
            value[:] = bytes.fromhex(content)
            return
        items = [self.value(item) for item in content]
        if isinstance(value, dict):
            value.clear()
            value.update(zip(items[::2], items[1::2])) if type(value).__name__ != "Counter" else dict.update(value, zip(items[::2], items[1::2]))
        elif isinstance(value, list):
            value[:] = items
        elif isinstance(value, set):
            value.clear()
            value.update(items)
        elif type(value).__name__ == "deque":
            value.clear()
            value.extend(items)
        else:
            held = dict(zip(items[::2], items[1::2]))
            for name in [name for name, _ in attributes(value) if name not in held]:
                object.__delattr__(value, name)
            for name, item in held.items():
                object.__setattr__(value, name, item)

    def value(self, value):
        if type(value) is not list:
            return value
        return getattr(self, "a_" + TAGS.get(value[0], value[0]))(*value[1:])

    def entered(self, value, content):
        self.server.enter(value)
        self.fill(value, content)
        return value

    def a_again(self, place):
        return self.server.containers[place].value

    def a_int(self, digits):
        return int(digits, 16)

    def a_str(self, digits):
        return bytes.fromhex(digits).decode("utf-8", "surrogatepass")

    def a_l(self, *items):
        return self.entered([], items)

    def a_d(self, *items):
        return self.entered({}, items)

    def a_s(self, *items):
        return self.entered(set(), items)

    def a_t(self, *items):
        return tuple(map(self.value, items))

    def a_fs(self, *items):
        return frozenset(map(self.value, items))

    def a_b(self, digits):
        return bytes.fromhex(digits)

    def a_ba(self, digits):
        return self.entered(bytearray(), digits)

    def a_c(self, real, imag):
        return complex(real, imag)

    def a_r(self, *parts):
        return range(*map(self.value, parts))

    def a_sl(self, *parts):
        return slice(*map(self.value, parts))

    def a_ellipsis(self):
        return ...

    def a_kv(self, *items):
        return dict.fromkeys(map(self.value, items)).keys()

    def a_vv(self, *items):
        return dict(enumerate(map(self.value, items))).values()

    def a_iv(self, *items):
        items = list(map(self.value, items))
        return dict(zip(items[::2], items[1::2])).items()

    def a_cn(self, *items):
        from collections import Counter

        return self.entered(Counter(), items)

    def a_od(self, *items):
        from collections import OrderedDict

        return self.entered(OrderedDict(), items)

    def a_dd(self, factory, *items):
        from collections import defaultdict

        made = defaultdict()
        self.server.enter(made)
        made.default_factory = self.value(factory)
        self.fill(made, items)
        return made

    def a_dq(self, size, *items):
        from collections import deque

        return self.entered(deque(maxlen=size), items)

    def a_dec(self, digits):
        from decimal import Decimal

        return Decimal(digits)

    def a_fr(self, above, below):
        from fractions import Fraction

        return Fraction(self.value(above), self.value(below))

    def a_td(self, days, seconds, micros):
        from datetime import timedelta

        return timedelta(days, seconds, micros)

    def a_tz(self, seconds, micros, name):
        from datetime import timedelta, timezone

        offset = timedelta(seconds=seconds, microseconds=micros)
        plain = timezone(offset)
        return plain if plain.tzname(None) == name else timezone(offset, name)

    def a_date(self, *parts):
        from datetime import date

        return date(*parts)

    def a_dt(self, *parts):
        from datetime import datetime

        *parts, fold, zone = parts
        return datetime(*parts, tzinfo=self.value(zone), fold=fold)

    def a_time(self, *parts):
        from datetime import time

        *parts, fold, zone = parts
        return time(*parts, tzinfo=self.value(zone), fold=fold)

    def a_h(self, number):
        return self.server.objects[number]

    def a_m(self, owner, name):
        return getattr(self.value(owner), name)

    def a_f(self, number, name):
        return self.server.functions.get(number) or self.server.functions.setdefault(number, Function(self.server, number, name))

    def a_p(self, number):
        return Items(self.server, number)

    def a_aw(self, number):
        return self.awaiting(number)

    async def awaiting(self, number):
        return self.server.ask("await", number, [], {})

    def a_bi(self, name):
        import builtins

        return getattr(builtins, name)

    def a_mod(self, name):
        import importlib

        return importlib.import_module(name)

    def a_re(self, pattern, flags):
        import re

        return re.compile(self.value(pattern), flags)

    def a_io(self, text, place):
        import io

        text = self.value(text)
        made = io.StringIO(text) if type(text) is str else io.BytesIO(text)
        made.seek(place)
        return made

    def a_nt(self, kind, *items):
        kind = self.server.objects[kind]
        return tuple.__new__(kind, map(self.value, items))

    def a_fz(self, kind, *items):
        kind = self.server.objects[kind]
        made = object.__new__(kind)
        for name, item in zip(kind.__dataclass_fields__, items):
            object.__setattr__(made, name, self.value(item))
        return made

    def a_en(self, kind, name):
        return self.server.objects[kind][name]

    def a_ev(self, kind, value):
        return self.server.objects[kind](value)

    def a_tnt(self, name, fields, *items):
        """A named tuple of a class of the tests."""
        own = self.own_class(name)
        if own is None or list(getattr(own, "_fields", [])) != fields:
            from collections import namedtuple

            own = self.server.crossed_classes.get(name)
            if own is None:
                own = self.server.crossed_classes[name] = namedtuple(name, fields)
        return tuple.__new__(own, map(self.value, items))

    def a_ten(self, kind, name, value):
        """A member of an enum of the tests."""
        own = self.own_class(kind)
        if own is not None and name in getattr(own, "__members__", {}):
            return own[name]
        return self.value(value)

    def a_i(self, name):
        kind = self.own_class(name) or self.server.crossed_classes.get(name)
        if kind is None:
            kind = type(name, (), {"__module__": self.server.module.__name__})
        self.server.crossed_classes[name] = kind
        made = object.__new__(kind)
        self.server.enter(made)
        self.pending.append(made)
        return made

    def own_class(self, name):
        own = self.server.module.__dict__.get(name)
        return own if isinstance(own, type) else None

    def a_x(self, name, args, number):
        """An exception that a test raised; it is the same one when it comes back."""
        import builtins

        if number in self.server.errors:
            return self.server.errors[number]
        kind = getattr(builtins, name)
        args = [self.value(arg) for arg in args]
        try:
            made = kind(*args)
        except Exception:
            made = kind()
        if number is not None:
            self.server.error_numbers[id(made)] = number
            self.server.errors[number] = made
        return made

    def a_px(self, kind, args):
        """One of a class of the program, made by a test."""
        return self.server.objects[kind](*map(self.value, args))

    def a_tx(self, name, base, args, number):
        """One of a class of the tests."""
        if number in self.server.errors:
            return self.server.errors[number]
        made = self.error_class(name, base)(*map(self.value, args))
        if number is not None:
            self.server.error_numbers[id(made)] = number
            self.server.errors[number] = made
        return made

    def a_tk(self, name, base):
        return self.error_class(name, base)

    def error_class(self, name, base):
        import builtins

        own = self.own_class(name) or self.server.crossed_classes.get(name)
        if own is None:
            own = self.server.crossed_classes[name] = type(name, (getattr(builtins, base),), {})
        return own


TAGS = {"@": "again", "...": "ellipsis"}


class Function:
    """A function of the tests: it can be called and nothing else."""

    def __init__(self, server, number, name):
        self.server = server
        self.number = number
        self.__name__ = self.__qualname__ = name

    def __call__(self, *args, **kwargs):
        return self.server.ask("back", self.number, args, kwargs)

    def __get__(self, owner, kind=None):
        return self if owner is None else lambda *args, **kwargs: self(owner, *args, **kwargs)


class Items:
    """An iterator of the tests."""

    def __init__(self, server, number):
        self.server = server
        self.number = number

    def __iter__(self):
        return self

    def __next__(self):
        return self.server.ask("next", self.number, [], {})


if __name__ == "__main__":
    main()
