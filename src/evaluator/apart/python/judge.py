"""Runs tests in a process of their own and calls the program that they judge, which runs in another.

What the program sends is hostile: nothing of it is executed, imported by its name or formatted with
its own code. Values are made here from tags, by exact type, so that what an object of the program says
of itself decides nothing. Anything that is no value is a stand-in whose uses travel to the program
and back; it equals no value, and it refuses whatever would hand the program what a test expects.
What is no message, or more than a cap, ends the talk for good: `Ended` cannot be turned into a pass.

A message is four bytes of length and JSON: see `program.py`, which serves the other end. The judge
reads the channel on descriptor 0 and writes it on 1; its order is on 3, its report goes to 4.
"""

import itertools
import json
import os
import sys
import weakref
from _thread import allocate_lock, get_ident

MESSAGE_MAX = 8 << 20
MESSAGES_MAX = 200_000
LEVELS_MAX = 100
ITEMS_MAX = 200_000
PULLED_MAX = 100_000
SEPARATORS_MAX = 1_200_000
INT_BITS_MAX = 1 << 20
# Making a fraction, and what a test may do with it, takes the square of its length.
FRACTION_BITS_MAX = 1 << 16
DECIMAL_LETTERS_MAX = 20_000
DECIMAL_EXPONENT_MAX = 100_000
NUMBER_LETTERS_MAX = 40
SMALL = 1 << 63
# Numbers and keys that share a hash make a set or a dict take the square of its length.
SAME_HASH_MAX = 500
NAME_LETTERS_MAX = 200
CALLS_DEEP_MAX = 150
FOLLOWED_MAX = 256
KEPT_MAX = 128
CLASSES_MAX = 2000
CAUSES_MAX = 8
NOTES_MAX = 5
NOTE_LETTERS_MAX = 200
RECURSION_MAX = 8_000

BESIDE = "; `judged: beside` runs the tests in the program's own process"

BUILTIN_TYPES = {
    kind.__name__: kind
    for kind in (
        int, float, complex, bool, str, bytes, bytearray, list, tuple, set, frozenset, dict, range, object, type(None),
    )
}
# Modules of which the judge takes its own function or class where a test uses the very name that the
# program imported it by. None of them has anything that equals what it is not, or runs code it is given.
SHARED_MODULES = frozenset(
    "abc array base64 binascii bisect calendar cmath collections collections.abc contextlib copy csv dataclasses "
    "datetime decimal difflib enum fractions functools hashlib heapq html ipaddress itertools json json.decoder "
    "json.encoder keyword math numbers operator queue random re secrets statistics string struct textwrap time types "
    "typing unicodedata uuid zlib _bisect _heapq _collections _functools _operator _random _statistics _struct "
    "_collections_abc collections _queue _datetime _decimal _json".split()
)
# Modules that tests lean on, and whose names no function or class under test has: whatever the program
# has by such a name, the judge's own is meant.
HELPER_MODULES = frozenset("cmath collections functools itertools json math re unittest".split())
# Where exceptions of the standard library are at home, with the module a test names them by.
ERROR_MODULES = {
    name: name
    for name in (
        "decimal dataclasses queue asyncio.exceptions asyncio.queues binascii copy statistics zipfile subprocess configparser "
        "xml.etree.ElementTree sqlite3 socket zlib tarfile shutil ipaddress urllib.error calendar graphlib struct re csv "
        "concurrent.futures._base json.decoder uuid string pickle"
    ).split()
}
ERROR_MODULES.update({"_queue": "queue", "_csv": "csv", "_pickle": "pickle", "sre_constants": "re", "_struct": "struct"})
# Equality in disguise: what such a method or function is told is what a test expects.
COMPARERS = frozenset(
    "equals equal equal_to eq ne is_equal is_equal_to isequal isequals same is_same issame same_as is_close isclose "
    "allclose array_equal array_equiv approx approx_equal almost_equal assert_equal compare compare_to deep_equal "
    "deepequal deep_equals are_equal fabs __eq__ __ne__".replace("_", "").split()
)
# In the name of an assertion, that it compares.
ASSERTED = ("equal", "close", "same", "less", "greater")
# What a text, a set or a number answers about itself or about another value: of an object that a test
# takes for one of these, the answer is the program's word.
SET_ANSWERS = frozenset("difference symmetric_difference intersection".split())
VALUE_PREDICATES = SET_ANSWERS | frozenset(
    "startswith endswith isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace "
    "istitle isupper isdisjoint issubset issuperset is_integer".split()
)
COMPARISONS = {"__lt__": "<", "__le__": "<=", "__gt__": ">", "__ge__": ">="}
ARITHMETIC = {
    "add": "+", "sub": "-", "mul": "*", "matmul": "@", "truediv": "/", "floordiv": "//", "mod": "%", "divmod": "divmod",
    "pow": "**", "lshift": "<<", "rshift": ">>", "and": "&", "xor": "^", "or": "|",
}
# What an operator between an object that the tests made and a value may give, beside another object.
HELD = (str, bytes, bytearray, list, tuple, dict, set, frozenset)
CONVERSIONS = {
    "__int__": "int", "__float__": "float", "__complex__": "complex", "__index__": "an index", "__round__": "round",
    "__trunc__": "trunc", "__floor__": "floor", "__ceil__": "ceil", "__bytes__": "bytes",
}


class Ended(BaseException):
    """The talk with the program is over, and no test passes any more."""


class Violation(Exception):
    """What the program sent is no message."""


class Uncrossed(Exception):
    """Something cannot cross between the tests and the program."""


def main():
    talk = TALK
    talk.source, talk.sink = os.dup(0), os.dup(1)
    # What tests print does not get into the channel.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    order = json.loads(read_all(3))
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    sys.setrecursionlimit(RECURSION_MAX // 2)
    raise_limit = sys.setrecursionlimit
    # JSON that is nested deeper than the stack is long would end the process.
    sys.setrecursionlimit = lambda limit: raise_limit(min(limit, RECURSION_MAX))
    report = judge(talk, order)
    data = (json.dumps(report) + "\n").encode()
    while data:
        data = data[os.write(4, data):]
    os._exit(0)


def read_all(descriptor):
    chunks = []
    while True:
        chunk = os.read(descriptor, 65536)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)


def judge(talk, order):
    import rewardspec_tests as tests

    session = (SESSION or session_class(tests))(talk, order)
    left = list(order["texts"])
    try:
        session.run_prelude()
        while left:
            session.run(left.pop(0), order["entry_point"])
    except BaseException as error:
        session.units += 1
        session.fail(tests.told(error))
        session.leave(left)
    report = session.report()
    report["calls"] = session.calls()
    report["nonce"] = order["nonce"]
    report["words"] = ["None", "True", "False"]
    report["ended"] = talk.ended
    session.note_shadows()
    report["leaks"] = talk.leaks
    report["uncrossed"] = talk.uncrossed
    return report


def session_class(tests):
    class ApartSession(tests.Session):
        """Test texts in a namespace whose unknown names are the program's."""

        CAUGHT = BaseException

        def __init__(self, talk, order):
            self.talk = talk
            self.order = order
            name = os.path.basename(order.get("file") or "main.py").rsplit(".", 1)[0]
            self.names = talk.names
            super().__init__({"__name__": name, "__builtins__": self.names}, order.get("stop", False))
            self.namespace["_rewardspec_differ"] = self.differ
            talk.stem = name
            talk.knows_stops = any("StopIteration" in text for text in [*order["texts"], order["prelude"] or ""])
            others = [module for module in order.get("modules") or [] if not is_at_hand(module)]
            for module in [name, *others]:
                if module not in sys.modules and not is_standard(module):
                    sys.modules[module] = module_stand_in(talk, module)

        def run_prelude(self):
            try:
                if self.order["prelude"]:
                    exec(compile(self.order["prelude"], "prelude.py", "exec"), self.namespace)
            except BaseException as error:
                # A prelude that asks the program may fail by what it answers.
                if not self.order.get("prelude_may_fail"):
                    if self.talk.messages:
                        raise
                    self.broken = "the prelude fails: " + tests.told(error)
            for name in self.under_test():
                # The program's, whatever a stub or a builtin of that name is.
                self.namespace.pop(name, None)
                self.names.pop(name, None)
                self.talk.under_test.add(name)

        def under_test(self):
            if self.order["entry_point"]:
                return [self.order["entry_point"].split(".")[0]]
            name = tested_builtin(self.order["texts"], self.names, self.namespace)
            return [name] if name else []

        def look_up(self, dotted):
            first, *rest = dotted.split(".")
            try:
                value = self.talk.name(first)
            except LookupError:
                raise KeyError(first) from None
            for name in rest:
                value = getattr(value, name)
            return value

        def leave(self, texts):
            """Counts what is not run any more."""
            for text, (_, tree) in zip(texts, parsed(texts)):
                counter = tests.Counter(text)
                self.units += sum(tests.units_of(node, self.order["entry_point"]) for node in tree.body)
                self.units += sum(statement.is_assertion for statement in tests.expand(counter.visit(tree).body))
                self.written += counter.written

        def calls(self):
            """What came of the calls; one that ended the talk, and what is after it, is not made."""
            tagged, named = tests.reader_of_values()
            made = tests.make_calls(self, self.order.get("calls", []), tagged, named, json.dumps)
            ended = (index for index, outcome in enumerate(made) if outcome[0] == "raised" and outcome[1][0] == Ended.__name__)
            return made[:next(ended, None)]

        def differ(self, source, left, right):
            def shown(value):
                return "an object of the program, " + tests.shown(value) if is_stand_in(value) else tests.shown(value)

            return "%s: the left is %s, the right is %s" % (source, shown(left), shown(right))

        def mistake(self, error):
            if type(error) is not ModuleNotFoundError:
                return None
            trace = error.__traceback__
            while trace.tb_next:
                trace = trace.tb_next
            if trace.tb_frame.f_code.co_filename == __file__:
                # The program's, raised again.
                return None
            return "the tests import `%s`, which is not there; the program's own module is `%s`" % (error.name, self.talk.stem)

        def objection(self):
            if self.talk.ended:
                return "the talk with the program ended: " + self.talk.ended
            objection, self.talk.objection = self.talk.objection, None
            return objection

        def note_shadows(self):
            """Where something failed, tells of builtins that the program has by the same name."""
            if not self.failures or self.talk.ended:
                return
            used = sorted(builtins_used(self.order["texts"], self.names))
            try:
                for name, defined in zip(used, self.talk.defines(used)):
                    if defined:
                        self.talk.note("`%s` is Python's own in the tests, though the program defines one: name it as `entry_point`" % name)
            except BaseException:
                return

    return ApartSession


def parsed(texts):
    import ast

    for text in texts:
        try:
            yield ast, ast.parse(text)
        except (SyntaxError, ValueError):
            pass


def builtins_used(texts, names):
    used = set()
    for ast, tree in parsed(texts):
        used.update(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in names)
    return used


def tested_builtin(texts, names, namespace):
    """The builtin whose name the function under test has. Tests that use no other name of the program
    and compare what that one name gives in each assertion, and use it nowhere else, test it."""
    tested, calls, uses, unknown = set(), 0, 0, set()
    for ast, tree in parsed(texts):
        bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assert):
                left = node.test.left if isinstance(node.test, ast.Compare) else node.test
                calls += 1
                tested.add(left.func.id if isinstance(left, ast.Call) and isinstance(left.func, ast.Name) else None)
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.AsyncFunctionDef)):
                return None
            elif isinstance(node, ast.Name) and node.id not in names and node.id not in namespace and node.id not in bound:
                return None
        if len(tested) == 1:
            uses += sum(isinstance(node, ast.Name) and node.id in tested for node in ast.walk(tree))
    if len(tested) != 1:
        return None
    name = tested.pop()
    return name if name in names and uses == calls else None


class Names(dict):
    """Builtins, and behind them the names of the program."""

    def __init__(self, talk):
        import builtins

        super().__init__(builtins.__dict__)
        self.talk = talk

    def __missing__(self, name):
        try:
            return self.talk.name(name)
        except LookupError:
            raise KeyError(name) from None


# The talk.


class Container:
    """Something changeable that both sides hold during a call."""

    __slots__ = ("value", "seen")

    def __init__(self, value):
        self.value = value
        self.seen = None


class Turn:
    """Whose turn it is to talk: tests may have threads, and the channel has one line."""

    def __init__(self):
        self.lock = allocate_lock()
        self.owner = None
        self.deep = 0

    def __enter__(self):
        if self.owner != get_ident():
            self.lock.acquire()
            self.owner = get_ident()
        self.deep += 1

    def __exit__(self, *error):
        self.deep -= 1
        if not self.deep:
            self.owner = None
            self.lock.release()


class Talk:
    """The channel, and what both sides know of each other."""

    def __init__(self):
        self.source = self.sink = None
        # What tests see besides their own.
        self.names = Names(self)
        self.ended = None
        self.objection = None
        self.leaks = []
        self.uncrossed = []
        self.stem = "main"
        self.under_test = set()
        # Whether the tests say that a call may raise StopIteration.
        self.knows_stops = False
        # The program's functions and its classes and objects that the tests have used by name.
        self.called = set()
        self.named = set()
        self.messages = 0
        self.turn = Turn()
        self.deep = 0
        self.busy = False
        self.dead = []
        self.containers = []
        self.places = {}
        self.stand_ins = weakref.WeakValueDictionary()
        # Generators and coroutines, by their own identity.
        self.kept = {}
        self.classes = {}
        self.std = {}
        self.functions = []
        self.function_numbers = {}
        self.own_classes = {}
        self.raised = []
        self.raised_numbers = {}
        self.object = Kind("object", (Object,), {"__slots__": (), "_rewardspec_talk": self, "_rewardspec_shape": "plain"}, inner=True)
        self.iterator = iterator_class(self)
        self.stdout, self.stderr = sys.stdout, sys.stderr
        import builtins

        self.input = builtins.input

    def end(self, why):
        if self.ended is None:
            self.ended = why
        raise Ended(self.ended)

    def note(self, text):
        add_note(self.uncrossed, text)

    def leak(self, text):
        add_note(self.leaks, text)

    def object_to(self, text):
        self.leak(text)
        if self.objection is None:
            self.objection = text + BESIDE

    # Bytes.

    def send(self, message):
        try:
            body = ENCODER.encode(message).encode()
        except (ValueError, RecursionError) as error:
            raise Uncrossed("an argument cannot cross to the program: %s" % error)
        if len(body) > MESSAGE_MAX:
            raise Uncrossed("arguments of more than %d MiB cannot cross to the program%s" % (MESSAGE_MAX >> 20, BESIDE))
        data = len(body).to_bytes(4, "big") + body
        try:
            while data:
                data = data[os.write(self.sink, data):]
        except OSError:
            self.end("the program ended")

    def receive(self):
        self.messages += 1
        if self.messages > MESSAGES_MAX:
            self.end("the program was talked to more than %d times" % MESSAGES_MAX)
        size = int.from_bytes(self.read_exactly(4), "big")
        if size > MESSAGE_MAX:
            self.end("it sent more than %d MiB at once" % (MESSAGE_MAX >> 20))
        try:
            return parse(self.read_exactly(size))
        except Violation as error:
            self.end("it sent what is no message: %s" % error)
        except MemoryError:
            self.end("it sent more than there is memory for")

    def read_exactly(self, size):
        parts = []
        while size:
            try:
                part = os.read(self.source, min(size, 1 << 20))
            except OSError:
                part = b""
            if not part:
                self.end("the program ended")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    # Requests.

    def ask(self, word, plain=(), values=()):
        """One request; gives the word of the answer, what is plain in it and the values."""
        with self.turn:
            return self.asked(word, plain, values)

    def asked(self, word, plain, values):
        if self.ended is not None:
            raise Ended(self.ended)
        if self.deep >= CALLS_DEEP_MAX:
            raise RecursionError("the program and the tests call each other more than %d deep" % CALLS_DEEP_MAX)
        base, kept = len(self.containers), ()
        self.deep += 1
        places, follows = self.follow()
        try:
            self.send(Writer(self).message(word, list(plain), list(values), follows) + [self.take_dead(), self.streams()])
            while True:
                message = self.receive()
                inner = len(self.containers)
                answer, plain, values, kept = self.read(message, base)
                if answer not in ("back", "next", "await", "input"):
                    break
                self.serve(answer, plain, values, inner)
        finally:
            self.deep -= 1
            self.places = places
            self.leave(base, kept)
        return self.concluded(answer, plain, values)

    def leave(self, base, kept=()):
        """Forgets what crossed during a call, but for what the program keeps."""
        left = self.containers[base:]
        del self.containers[base:]
        for container in left:
            self.places.pop(id(container.value), None)
        for place in kept:
            container = left[place - base]
            self.places[id(container.value)] = len(self.containers)
            self.containers.append(container)

    def concluded(self, word, plain, values):
        if word == "err":
            raise values[0]
        if word == "lost":
            return self.lost(plain[0])
        return word, plain, values

    def lost(self, code):
        what = {
            "size": "what it gave is more than 8 MiB",
            "items": "what it gave has more than %d items" % ITEMS_MAX,
            "depth": "what it gave is nested too deep",
            "int": "what it gave has a whole number of more than %d bits" % INT_BITS_MAX,
        }[code]
        what = "%s, which cannot cross from the program to its tests%s" % (what, BESIDE)
        self.note(what)
        raise Uncrossed(what)

    def value(self, word, plain=(), values=()):
        """A request that is answered with a value."""
        answer, _, values = self.ask(word, plain, values)
        if answer != "ok":
            self.end("it sent what is no message: an answer that does not fit")
        return values[0]

    def follow(self):
        places, follows = self.places, len(self.containers) <= FOLLOWED_MAX
        if not follows:
            self.places = {}
        return places, follows

    def enter(self, value):
        container = Container(value)
        self.places[id(value)] = len(self.containers)
        self.containers.append(container)
        return container

    def take_dead(self):
        dead, self.dead = self.dead, []
        return [number for number in dead if number not in self.stand_ins]

    def streams(self):
        import builtins

        return (
            (sys.stdout is not self.stdout)
            + 2 * (sys.stderr is not self.stderr)
            + 4 * (builtins.input is not self.input or sys.stdin is not sys.__stdin__)
        )

    def read(self, message, base):
        try:
            word, plain, values, printed, kept = Reader(self).message(message, base)
        except Violation as error:
            self.end("it sent what is no message: %s" % error)
        except MemoryError:
            self.end("it sent more than there is memory for")
        except Exception as error:
            self.end("it sent what is no message: %s" % type(error).__name__)
        if printed[0]:
            sys.stdout.write(printed[0])
        if printed[1]:
            sys.stderr.write(printed[1])
        return word, plain, values, kept

    def serve(self, word, plain, values, base):
        """Does what the program asks of a test's function, iterator or coroutine."""
        try:
            result = self.served(word, plain, values)
            answer = "done"
        except Ended:
            raise
        except BaseException as error:
            if type(error) is AssertionError and self.objection is None:
                self.objection = "an assertion failed in a function that the tests gave to the program: %s" % error
            result, answer = error, "fail"
        places, follows = self.follow()
        try:
            self.send(Writer(self).message(answer, [], [result], follows) + [self.take_dead(), 0])
        except Uncrossed as error:
            self.send(Writer(self).message("fail", [], [TypeError(str(error))], False) + [self.take_dead(), 0])
        finally:
            self.places = places
            self.leave(base)

    def served(self, word, plain, values):
        if word == "input":
            return input(*values)
        number, *words = plain
        function = self.functions[number]
        if word == "next":
            return next(function)
        if word == "await":
            return awaited(function, self.turn)
        count = len(values) - len(words)
        return function(*values[:count], **dict(zip(words, values[count:])))

    def number_of(self, function):
        number = self.function_numbers.get(id(function))
        if number is None:
            number = self.function_numbers[id(function)] = len(self.functions)
            self.functions.append(function)
        return number

    # What a stand-in does.

    def name(self, name):
        if name in self.std:
            return self.std[name]
        answer, plain, values = self.ask("name", [name])
        if answer == "missing":
            raise LookupError(name)
        if answer == "claim":
            shared = self.shared(name, *plain)
            if shared is not None:
                self.std[name] = shared
                return shared
        elif answer != "ok":
            self.end("it sent what is no message: an answer that does not fit")
        if name in HELPER_MODULES and name not in self.under_test:
            self.std[name] = __import__(name)
            return self.std[name]
        return asked_for(self, name, values[0])

    def shared(self, name, module, attribute):
        """The judge's own module, function or class, where a test uses it by the name that is its own."""
        if name in self.under_test:
            return None
        if attribute is None:
            if module != name or not is_standard(name):
                return None
            return __import__(name)
        if attribute != name or module not in SHARED_MODULES:
            return None
        found = getattr(__import__(module, fromlist=["*"]), name, None)
        if getattr(found, "__name__", None) != name or not callable(found):
            return None
        return found

    def defines(self, names):
        found = self.value("defines", names)
        return found if type(found) is list else []

    def get(self, owner, name):
        answer, _, values = self.ask("get", [name], [owner])
        if answer == "method":
            return Method(self, owner, name)
        if answer != "ok":
            self.end("it sent what is no message: an answer that does not fit")
        value = asked_for(self, name, values[0])
        if (is_comparer(name) or name in VALUE_PREDICATES) and callable(value) and not is_asked(owner):
            # Whatever the program gives for it, what it answers is the program's word.
            return Method(self, owner, name)
        return value

    def call(self, function, args, kwargs):
        return self.called_for("call", list(kwargs), [function, *args, *kwargs.values()])

    def called_for(self, word, plain, values):
        """What a call gives. A call that stops the iteration of the tests around it, `map` for one, would
        keep them from what they go on to assert."""
        try:
            return self.value(word, plain, values)
        except StopIteration as error:
            if self.knows_stops:
                raise
            raise RuntimeError("a function of the program raised StopIteration") from error

    def method(self, owner, name, args, kwargs):
        self.watch_method(owner, name, args, kwargs)
        result = self.called_for("method", [name, *kwargs], [owner, *args, *kwargs.values()])
        if name in ("find", "rfind") and type(result) is int and [type(arg) for arg in args[:1]] == [str] and how_made(owner) != "built":
            self.object_to("`%s` is asked of an object that the program gave, which is no text" % name)
        if type(result) is bool and (args or kwargs) and not is_made(owner):
            self.leak("`%s` of an object that the program gave answers about a value of the tests" % shown_name(name))
        return result

    def watch_method(self, owner, name, args, kwargs):
        told = [*args, *kwargs.values()]
        if is_comparer(name) and any(not is_stand_in(value) for value in told):
            self.object_to("`%s` of an object of the program is told what the tests expect, and decides itself" % shown_name(name))
        elif name in SET_ANSWERS and all(map(is_stand_in, told)):
            return
        elif name in VALUE_PREDICATES and how_made(owner) != "built":
            self.object_to("`%s` is asked of an object that the program gave, which is no value" % shown_name(name))

    def watch_comparer(self, name, told):
        """A helper that compares is no judge of what another function of the program gives; where it is
        the only function that the tests use, it is what they test."""
        others = self.called - {name} or self.named and not any(map(is_stand_in, told))
        if name not in self.under_test and others and not all(map(is_stand_in, told)):
            self.object_to("`%s` of the program is told what the tests expect, and decides itself" % shown_name(name))

    def operate(self, name, *values):
        answer, _, values = self.ask("op", [name], values)
        if answer == "undone":
            return NotImplemented
        if answer != "ok":
            self.end("it sent what is no message: an answer that does not fit")
        return values[0]


def add_note(notes, text):
    text = text[:NOTE_LETTERS_MAX].encode("utf-8", "replace").decode("utf-8")
    if text not in notes and len(notes) < NOTES_MAX:
        notes.append(text)


def is_comparer(name):
    bare = name.replace("_", "").lower()
    return bare in COMPARERS or name in COMPARISONS or name == "__contains__" or bare.startswith("assert") and any(word in bare for word in ASSERTED)


def shown_name(name):
    return str(name)[:40]


def is_standard(name):
    known = getattr(sys, "stdlib_module_names", None)
    if known is not None:
        return name in known
    import importlib.util

    try:
        spec = importlib.util.find_spec(name)
    except ValueError:
        return False
    return spec is not None and (spec.origin in ("built-in", "frozen") or os.path.dirname(os.__file__) in str(spec.origin)) and "site-packages" not in str(spec.origin)


def is_at_hand(module):
    """Whether the judge has a module of its own by that name, the suite's or an installed one: no file of
    a reply takes its place."""
    import importlib.util

    try:
        return importlib.util.find_spec(module.split(".")[0]) is not None
    except ValueError:
        return False


def awaited(value, turn):
    """Runs a coroutine of the tests; where a loop runs already, in a loop of another thread, whose turn
    it is meanwhile."""
    import asyncio

    async def wait():
        return await value

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    import threading

    outcome = []
    own = turn.owner

    def run():
        turn.owner = get_ident()
        try:
            outcome.append((True, asyncio.run(wait())))
        except BaseException as error:
            outcome.append((False, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    turn.owner = own
    good, result = outcome[0]
    if not good:
        raise result
    return result


# Stand-ins.


class Kind(type):
    """The class of the stand-ins of classes."""

    def __new__(cls, name, bases, scope, inner=False):
        if bases and not inner:
            talk = bases[0]._rewardspec_talk
            what = "a class of the tests cannot derive from a class of the program" + BESIDE
            talk.note(what)
            raise Uncrossed(what)
        return super().__new__(cls, name, bases, scope)

    def __init__(cls, name, bases, scope, inner=False):
        super().__init__(name, bases, scope)

    def __call__(cls, *args, **kwargs):
        result = cls._rewardspec_talk.call(cls, args, kwargs)
        if cls._rewardspec_asked and isinstance(result, Object) and not result._rewardspec_made:
            object.__setattr__(result, "_rewardspec_made", "built")
        return result

    def __getattr__(cls, name):
        if name.startswith("_rewardspec_"):
            raise AttributeError(name)
        return cls._rewardspec_talk.get(cls, name)

    def __setattr__(cls, name, value):
        cls._rewardspec_talk.value("set", [name], [cls, value])

    def __delattr__(cls, name):
        cls._rewardspec_talk.value("del", [name], [cls])

    def __instancecheck__(cls, instance):
        if type.__instancecheck__(cls, instance):
            return True
        if not isinstance(type(instance), Kind) or cls is Object:
            return False
        return cls._rewardspec_talk.operate("__isinstance__", instance, cls) is True

    def __iter__(cls):
        return cls._rewardspec_talk.operate("__iter__", cls)

    def __len__(cls):
        return cls._rewardspec_talk.operate("__len__", cls)

    def __bool__(cls):
        return True

    def __getitem__(cls, key):
        return cls._rewardspec_talk.operate("__getitem__", cls, key)

    def __repr__(cls):
        return "<class '%s' of the program>" % cls.__name__


class Object(metaclass=Kind):
    """What stands in for an object of the program."""

    __slots__ = ("_rewardspec_number", "_rewardspec_made", "_rewardspec_hash", "_rewardspec_compares", "__weakref__")
    _rewardspec_talk = None
    _rewardspec_class = None
    _rewardspec_asked = False
    _rewardspec_specials = frozenset()

    def __getattr__(self, name):
        if name.startswith("_rewardspec_"):
            raise AttributeError(name)
        return self._rewardspec_talk.get(self, name)

    def __setattr__(self, name, value):
        self._rewardspec_talk.value("set", [name], [self, value])

    def __delattr__(self, name):
        self._rewardspec_talk.value("del", [name], [self])

    def __dir__(self):
        return self._rewardspec_talk.operate("__dir__", self)

    @property
    def __doc__(self):
        return self._rewardspec_talk.get(self, "__doc__")

    def __del__(self):
        number = getattr(self, "_rewardspec_number", None)
        if number is not None:
            self._rewardspec_talk.dead.append(number)

    def __eq__(self, other):
        if self is other:
            return True
        talk = self._rewardspec_talk
        if talk.busy or not is_stand_in(other):
            return False
        if "__eq__" not in self._rewardspec_specials and "__eq__" not in getattr(type(other), "_rewardspec_specials", ()):
            return False
        return asked_equal(talk, self, other)

    def __ne__(self, other):
        if is_made(self) and is_made(other):
            return not self == other
        refuse(self, "`!=`")

    def __hash__(self):
        digest = self._rewardspec_hash
        if digest is None:
            if "unhashable" in self._rewardspec_specials:
                raise TypeError("unhashable type: '%s'" % type(self).__name__)
            return hash(self._rewardspec_number)
        return digest

    def __repr__(self):
        return text_of(self._rewardspec_talk, "__repr__", self)

    def __str__(self):
        return text_of(self._rewardspec_talk, "__str__", self)

    def __format__(self, form):
        return text_of(self._rewardspec_talk, "__format__", self, form)

    def __contains__(self, part):
        if how_made(self) in ("built", "derived") and "__contains__" in self._rewardspec_specials:
            return truth(self._rewardspec_talk.operate("__contains__", self, part))
        refuse(self, "`in`")

    def __copy__(self):
        import copy

        return self._rewardspec_talk.call(copied("copy"), [self], {})

    def __deepcopy__(self, memo):
        return self._rewardspec_talk.call(copied("deepcopy"), [self], {})

    def __reduce_ex__(self, protocol):
        raise TypeError("an object of the program cannot be pickled by its tests" + BESIDE)


class copied:
    """A function of the module copy, as it crosses."""

    def __init__(self, name):
        self.name = name


def asked_equal(talk, one, other):
    talk.leak("an object of the program is asked whether it equals another: its own `__eq__` decides")
    for left, right in ((one, other), (other, one)):
        answer = talk.operate("__eq__", left, right)
        if answer is not NotImplemented:
            return answer is True
    return False


def defines(kind, name):
    """Whether a class or a base of it has the name, without asking the program."""
    return any(name in base.__dict__ for base in kind.__mro__)


def refuse(value, what):
    raise TypeError(
        "an object of the program (%s) is no value, and %s would let it decide what a test expects%s" % (type(value).__name__, what, BESIDE)
    )


def text_of(talk, name, *values):
    text = talk.operate(name, *values)
    if type(text) is not str:
        raise TypeError("%s returned non-string" % name)
    return text


def truth(value):
    if type(value) is not bool:
        raise TypeError("an object of the program answers with no truth value")
    return value


def is_stand_in(value):
    return isinstance(type(value), Kind) or isinstance(value, Kind) or type(value) is Method


def how_made(value):
    """How the tests made it: `built` by a class of the program that they name, `derived` from such by an
    operator, or `given`, which is one of these that came back as an answer; False of all others. What
    comes back where tests expect a value may not decide what a value is less than, or holds."""
    return getattr(value, "_rewardspec_made", False) if isinstance(value, Object) else False


def is_made(value):
    return how_made(value) is not False


def itself(value, name):
    """Asks an object for what is often the object itself, and then no answer to anything."""
    made = value._rewardspec_made
    result = value._rewardspec_talk.operate(name, value)
    if result is value:
        object.__setattr__(value, "_rewardspec_made", made)
    return result


def is_asked(value):
    """Whether it is a class that the tests name, or a module."""
    return isinstance(value, Kind) and value._rewardspec_asked or isinstance(value, type(sys))


def asked_for(talk, name, value):
    """A class that the tests name: by custom it begins with a capital letter, and a function does not."""
    is_class = isinstance(value, Kind)
    if is_class and name[:1].isupper():
        type.__setattr__(value, "_rewardspec_asked", True)
    if isinstance(value, Object) and "__call__" in value._rewardspec_specials:
        talk.called.add(name)
        if is_comparer(name):
            object.__setattr__(value, "_rewardspec_compares", name)
    elif is_class or isinstance(value, Object):
        talk.named.add(name)
    if callable(value) and not isinstance(value, Object) and is_comparer(name) and not name[:1].isupper():
        return comparing(talk, name, value)
    return value


def comparing(talk, name, value):
    """A class or another callable by the name of a comparer: what it makes holds in any case."""

    def run(*args, **kwargs):
        talk.watch_comparer(name, [*args, *kwargs.values()])
        return value(*args, **kwargs)

    return run


def special_methods():
    """What a stand-in can do if the program's class can."""

    def passed_on(name):
        def run(self, *args):
            return self._rewardspec_talk.operate(name, self, *args)

        return run

    def call(self, *args, **kwargs):
        talk = self._rewardspec_talk
        if self._rewardspec_compares is not None:
            talk.watch_comparer(self._rewardspec_compares, [*args, *kwargs.values()])
        return talk.call(self, args, kwargs)

    def count(self):
        found = self._rewardspec_talk.operate("__len__", self)
        if type(found) is not int:
            raise TypeError("an object of the program has no length")
        return found

    def holds(self):
        return truth(self._rewardspec_talk.operate("__bool__", self))

    def iterate(self):
        found = itself(self, "__iter__")
        if defines(type(found), "__next__"):
            return found
        raise TypeError("an object of the program gives no iterator")

    def leave(self, kind, error, trace):
        return self._rewardspec_talk.operate("__exit__", self, kind, error, None)

    async def leave_later(self, kind, error, trace):
        return self._rewardspec_talk.operate("__aexit__", self, kind, error, None)

    def later(name):
        async def run(self):
            return itself(self, name)

        return run

    def wait(self):
        async def run():
            return self._rewardspec_talk.value("await", [], [self])

        return run().__await__()

    methods = {
        "__call__": call, "__len__": count, "__bool__": holds, "__iter__": iterate, "__exit__": leave,
        "__enter__": lambda self: itself(self, "__enter__"), "__aexit__": leave_later, "__anext__": later("__anext__"), "__aenter__": later("__aenter__"), "__await__": wait,
    }
    for name in "__next__ __reversed__ __getitem__ __setitem__ __delitem__ __aiter__ __neg__ __pos__ __abs__ __invert__".split():
        methods[name] = passed_on(name)
    return methods


def refusing_methods():
    """What needs two objects of the program, or one that the tests made."""

    def between(name, what, gives_truth):
        def run(self, other, *more):
            between_objects = is_stand_in(other)
            if not between_objects and (how_made(self) != "built" if gives_truth else not is_made(self)):
                refuse(self, "`%s`" % what)
            if name not in self._rewardspec_specials:
                return NotImplemented
            result = self._rewardspec_talk.operate(name, self, other, *more)
            if result is NotImplemented:
                return result
            if gives_truth:
                return truth(result)
            if not (between_objects or is_stand_in(result) or isinstance(result, HELD)):
                # It may be the difference to what is expected, which is then compared with a tolerance.
                refuse(self, "a number that `%s` of it and a value gives" % what)
            if is_made(self) and isinstance(result, Object) and not result._rewardspec_made:
                object.__setattr__(result, "_rewardspec_made", "derived")
            return result

        return run

    def converted(name, what):
        def run(self, *more):
            if not is_made(self) or name not in self._rewardspec_specials:
                refuse(self, what)
            return self._rewardspec_talk.operate(name, self, *more)

        return run

    methods = {name: between(name, what, True) for name, what in COMPARISONS.items()}
    for name, what in ARITHMETIC.items():
        for side in ("__%s__", "__r%s__"):
            methods[side % name] = between(side % name, what, False)
    for name, what in CONVERSIONS.items():
        methods[name] = converted(name, what)
    return methods


def iterator_class(talk):
    """The class of the stand-ins of iterators: they are pulled one by one, and not for ever."""
    pulled = weakref.WeakKeyDictionary()

    def step(self):
        pulled[self] = count = pulled.get(self, 0) + 1
        if count > PULLED_MAX:
            talk.end("more than %d items were pulled from one iterator" % PULLED_MAX)
        return talk.operate("__next__", self)

    scope = {
        "__slots__": (), "_rewardspec_talk": talk, "_rewardspec_shape": "plain", "__iter__": lambda self: self, "__next__": step,
        "__contains__": lambda self, part: any(part is item or part == item for item in self),
    }
    return Kind("iterator", (Object,), scope, inner=True)


class Method:
    """A method of an object of the program."""

    __slots__ = ("_rewardspec_talk", "__self__", "__name__", "__weakref__")

    def __init__(self, talk, owner, name):
        self._rewardspec_talk = talk
        self.__self__ = owner
        self.__name__ = name

    def __call__(self, *args, **kwargs):
        return self._rewardspec_talk.method(self.__self__, self.__name__, args, kwargs)

    def __getattr__(self, name):
        return self._rewardspec_talk.get(self, name)

    def __eq__(self, other):
        return type(other) is Method and self.__self__ is other.__self__ and self.__name__ == other.__name__

    def __hash__(self):
        return hash(self.__name__)

    def __repr__(self):
        return "<method %s of an object of the program>" % self.__name__


def module_stand_in(talk, name):
    """A module of the program, as `import` finds it."""
    own = name == talk.stem

    class Module(type(sys)):
        # Names are looked up in the program when they are used.
        __all__ = ()

        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            try:
                return talk.name(name) if own else talk.get(self, name)
            except LookupError:
                raise AttributeError("module '%s' has no attribute '%s'" % (self.__name__, name)) from None

        def __setattr__(self, name, value):
            if name.startswith("__"):
                super().__setattr__(name, value)
            else:
                talk.value("set", [name], [self, value])

        def __delattr__(self, name):
            talk.value("del", [name], [self])

    return Module(name)


# What the program sends.


def parse(body):
    """JSON, within what is looked at before it is parsed."""
    if sum(map(body.count, (b",", b"[", b"{"))) > SEPARATORS_MAX:
        raise Violation("more than %d items" % ITEMS_MAX)
    try:
        return DECODER.decode(body.decode("utf-8"))
    except Violation:
        raise
    except RecursionError:
        raise Violation("more than %d levels" % LEVELS_MAX) from None
    except ValueError:
        raise Violation("not JSON") from None


def parse_int(digits):
    if len(digits) > NUMBER_LETTERS_MAX:
        raise Violation("a bad number")
    return int(digits)


def parse_float(digits):
    if len(digits) > NUMBER_LETTERS_MAX:
        raise Violation("a bad number")
    return float(digits)


def expect(holds, what):
    if not holds:
        raise Violation(what)


def hexadecimal(digits):
    expect(type(digits) is str, "bytes that are no text")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise Violation("bad digits") from None


def name_in(value):
    expect(type(value) is str and len(value) <= NAME_LETTERS_MAX, "a bad name")
    return value


def number_in(value, low=0, high=1 << 62):
    expect(type(value) is int and low <= value <= high, "a bad number")
    return value


ANSWERS = {
    # What is plain in them, and how many values they carry; None is any number.
    "ok": (0, 1), "err": (0, 1), "lost": (1, 0), "missing": (0, 0), "claim": (2, 1), "method": (0, 0), "undone": (0, 0),
    "back": (None, None), "next": (1, 0), "await": (1, 0), "input": (1, 1),
}
LOST = ("size", "items", "depth", "int")


class Reader:
    """Reads one message."""

    def __init__(self, talk):
        self.talk = talk
        self.left = ITEMS_MAX
        self.pending = []
        self.filled = []
        self.large = {}
        self.answers = False

    def message(self, message, base=0):
        expect(type(message) is list and len(message) == 8, "a message of another shape")
        word, plain, values, changes, objects, definitions, printed, kept = message
        expect(type(word) is str and word in ANSWERS, "an unknown word")
        expect(all(type(part) is list for part in message[1:]), "a message of another shape")
        self.check_plain(word, plain, values)
        expect(len(printed) == 2 and all(type(text) is str for text in printed), "a message of another shape")
        self.answers = word in ("ok", "err")
        self.talk.busy = True
        try:
            for definition in definitions:
                self.define(definition)
            known = len(self.talk.containers)
            values = [self.value(value, 0) for value in values]
            if word == "err":
                expect(isinstance(values[0], BaseException), "no exception")
            self.change(changes, known)
            self.fill_objects(objects)
            self.look_again()
        finally:
            self.talk.busy = False
        self.check_kept(kept, base)
        return word, plain, values, printed, kept

    def check_plain(self, word, plain, values):
        count, carried = ANSWERS[word]
        expect(count is None or len(plain) == count, "a message of another shape")
        expect(carried is None or len(values) == carried, "a message of another shape")
        if word == "lost":
            expect(plain[0] in LOST, "an unknown word")
        elif word == "claim":
            expect(type(plain[0]) is str and (plain[1] is None or type(plain[1]) is str), "a bad name")
        elif word in ("back", "next", "await", "input"):
            expect(bool(plain), "a message of another shape")
            if word != "input":
                number_in(plain[0], 0, len(self.talk.functions) - 1)
            expect(all(type(name) is str for name in plain[1:]), "a bad name")
            expect(len(plain) - 1 <= len(values), "a message of another shape")
            expect(len(set(plain[1:])) == len(plain) - 1, "a bad name")

    def check_kept(self, kept, base):
        for place in kept:
            number_in(place, base, len(self.talk.containers) - 1)
        expect(len(set(kept)) == len(kept) and (not kept or base + len(kept) <= KEPT_MAX), "what is kept twice")

    def change(self, changes, known):
        seen = set()
        for change in changes:
            expect(type(change) is list and len(change) == 2, "a message of another shape")
            place = number_in(change[0], 0, known - 1)
            expect(place not in seen, "what changes twice")
            seen.add(place)
            container = self.talk.containers[place]
            self.fill(container.value, change[1], 0)
            self.filled.append(container)

    def fill_objects(self, objects):
        for position, content in enumerate(objects):
            expect(position < len(self.pending), "attributes of nothing")
            self.fill(self.pending[position], content, 0)
        expect(len(objects) == len(self.pending), "an object without attributes")

    def look_again(self):
        for container in self.talk.containers:
            if container.seen is None:
                container.seen = contents(container.value)
        for container in self.filled:
            container.seen = contents(container.value)

    # Values.

    def value(self, value, level):
        kind = type(value)
        if value is None or kind is bool or kind is float or kind is str:
            return value
        if kind is int:
            return self.whole(value) if not -SMALL < value < SMALL else value
        expect(kind is list and value and type(value[0]) is str, "no value")
        expect(level <= LEVELS_MAX, "more than %d levels" % LEVELS_MAX)
        read = self.TAGS.get(value[0])
        expect(read is not None, "an unknown tag")
        return read(self, value, level + 1)

    def items(self, items, level):
        self.left -= len(items)
        expect(self.left >= 0, "more than %d items" % ITEMS_MAX)
        value = self.value
        return [value(item, level) for item in items]

    def arity(self, value, count):
        expect(len(value) == count + 1, "a value of another shape")

    def whole(self, value):
        """A whole number of which many with one hash would be slow to look up."""
        expect(value.bit_length() <= INT_BITS_MAX, "a whole number of more than %d bits" % INT_BITS_MAX)
        if value.bit_length() >= 61:
            self.same_hash(self.large, value)
        return value

    def same_hash(self, counts, value):
        digest = hash(value)
        counts[digest] = count = counts.get(digest, 0) + 1
        expect(count <= SAME_HASH_MAX, "more than %d keys of one hash" % SAME_HASH_MAX)

    def keys(self, keys):
        counts = {}
        try:
            for key in keys:
                self.same_hash(counts, key)
        except TypeError:
            raise Violation("a key that has no hash") from None
        return keys

    def entries(self, items, level):
        expect(len(items) % 2 == 0, "a key without a value")
        items = self.items(items, level)
        return zip(self.keys(items[::2]), items[1::2])

    def fill(self, value, content, level):
        if isinstance(value, bytearray):
            value[:] = hexadecimal(content)
            return
        expect(type(content) is list, "a message of another shape")
        if isinstance(value, dict):
            entries = list(self.entries(content, level))
            if type(value).__name__ == "OrderedDict":
                # It keeps its order beside its entries.
                value.clear()
                value.update(entries)
            else:
                dict.clear(value)
                dict.update(value, entries)
        elif isinstance(value, list):
            value[:] = self.items(content, level)
        elif isinstance(value, set):
            items = self.keys(self.items(content, level))
            value.clear()
            value.update(items)
        elif type(value).__name__ == "deque":
            items = self.items(content, level)
            value.clear()
            value.extend(items)
        else:
            self.fill_instance(value, content, level)

    def fill_instance(self, value, content, level):
        expect(len(content) % 2 == 0, "a name without a value")
        names = [name_in(name) for name in content[::2]]
        items = self.items(content[1::2], level)
        held = dict(zip(names, items))
        for name in names:
            expect(is_attribute(value, name), "an attribute that is none")
        for name, _ in attributes(value):
            if name not in held:
                object.__delattr__(value, name)
        for name, item in held.items():
            object.__setattr__(value, name, item)

    def entered(self, made, content, level):
        self.talk.enter(made)
        self.fill(made, content, level)
        return made

    def again(self, value, level):
        self.arity(value, 1)
        return self.talk.containers[number_in(value[1], 0, len(self.talk.containers) - 1)].value

    def digits(self, value, level):
        self.arity(value, 1)
        digits = value[1]
        expect(type(digits) is str and 0 < len(digits) <= INT_BITS_MAX // 4 + 1, "a bad number")
        bare = digits[1:] if digits[0] == "-" else digits
        expect(bare.isascii() and bare.isalnum(), "a bad number")
        try:
            return self.whole(int(digits, 16))
        except ValueError:
            raise Violation("a bad number") from None

    def text(self, value, level):
        self.arity(value, 1)
        try:
            return hexadecimal(value[1]).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise Violation("a text that is none") from None

    def a_list(self, value, level):
        return self.entered([], value[1:], level)

    def a_dict(self, value, level):
        return self.entered({}, value[1:], level)

    def a_set(self, value, level):
        return self.entered(set(), value[1:], level)

    def a_tuple(self, value, level):
        return tuple(self.items(value[1:], level))

    def a_frozenset(self, value, level):
        return frozenset(self.keys(self.items(value[1:], level)))

    def a_bytes(self, value, level):
        self.arity(value, 1)
        return hexadecimal(value[1])

    def a_bytearray(self, value, level):
        self.arity(value, 1)
        return self.entered(bytearray(), value[1], level)

    def a_complex(self, value, level):
        self.arity(value, 2)
        expect(type(value[1]) is float and type(value[2]) is float, "a bad number")
        return complex(value[1], value[2])

    def wholes(self, value, count, level):
        self.arity(value, count)
        parts = self.items(value[1:], level)
        expect(all(type(part) is int for part in parts), "a bad number")
        return parts

    def a_range(self, value, level):
        start, stop, step = self.wholes(value, 3, level)
        expect(step != 0, "a bad number")
        return range(start, stop, step)

    def a_slice(self, value, level):
        self.arity(value, 3)
        return slice(*self.items(value[1:], level))

    def an_ellipsis(self, value, level):
        self.arity(value, 0)
        return ...

    def a_keys_view(self, value, level):
        return dict.fromkeys(self.keys(self.items(value[1:], level))).keys()

    def a_values_view(self, value, level):
        return dict(enumerate(self.items(value[1:], level))).values()

    def an_items_view(self, value, level):
        return dict(self.entries(value[1:], level)).items()

    def a_counter(self, value, level):
        from collections import Counter

        return self.entered(Counter(), value[1:], level)

    def an_ordered_dict(self, value, level):
        from collections import OrderedDict

        made = OrderedDict()
        self.talk.enter(made)
        made.update(self.entries(value[1:], level))
        return made

    def a_defaultdict(self, value, level):
        from collections import defaultdict

        expect(len(value) >= 2, "a value of another shape")
        factory = self.value(value[1], level)
        expect(factory is None or callable(factory), "a factory that is none")
        return self.entered(defaultdict(factory), value[2:], level)

    def a_deque(self, value, level):
        from collections import deque

        expect(len(value) >= 2, "a value of another shape")
        size = None if value[1] is None else number_in(value[1])
        return self.entered(deque(maxlen=size), value[2:], level)

    def a_decimal(self, value, level):
        from decimal import Decimal

        self.arity(value, 1)
        digits = value[1]
        expect(type(digits) is str and len(digits) <= DECIMAL_LETTERS_MAX and "_" not in digits and digits.isascii(), "a bad number")
        try:
            made = Decimal(digits)
        except ArithmeticError:
            raise Violation("a bad number") from None
        expect(not made.is_finite() or abs(made.adjusted()) <= DECIMAL_EXPONENT_MAX, "a bad number")
        return made

    def a_fraction(self, value, level):
        from fractions import Fraction

        above, below = self.wholes(value, 2, level)
        expect(below > 0 and max(above.bit_length(), below.bit_length()) <= FRACTION_BITS_MAX, "a bad number")
        return Fraction(above, below)

    def moment(self, make):
        try:
            return make()
        except (ValueError, OverflowError, TypeError):
            raise Violation("a bad date or time") from None

    def a_timedelta(self, value, level):
        from datetime import timedelta

        parts = self.wholes(value, 3, level)
        return self.moment(lambda: timedelta(*parts))

    def a_timezone(self, value, level):
        from datetime import timedelta, timezone

        self.arity(value, 3)
        seconds, micros, name = value[1:]
        number_in(seconds, -86400, 86400), number_in(micros, 0, 999_999), name_in(name)
        plain = self.moment(lambda: timezone(timedelta(seconds=seconds, microseconds=micros)))
        return plain if plain.tzname(None) == name else timezone(plain.utcoffset(None), name)

    def a_date(self, value, level):
        from datetime import date

        parts = self.wholes(value, 3, level)
        return self.moment(lambda: date(*parts))

    def parts_of_time(self, value, count, level):
        self.arity(value, count + 2)
        parts = self.wholes(value[:-1], count + 1, level)
        zone = self.value(value[-1], level)
        return parts[:-1], parts[-1], zone

    def a_datetime(self, value, level):
        from datetime import datetime

        parts, fold, zone = self.parts_of_time(value, 7, level)
        return self.moment(lambda: datetime(*parts, tzinfo=zone, fold=fold))

    def a_time(self, value, level):
        from datetime import time

        parts, fold, zone = self.parts_of_time(value, 4, level)
        return self.moment(lambda: time(*parts, tzinfo=zone, fold=fold))

    # What is the program's or the tests' own.

    def known(self, number, shape=None):
        found = self.talk.classes.get(number) if type(number) is int else None
        expect(found is not None and (shape is None or found._rewardspec_shape == shape), "an unknown class")
        return found

    def a_class(self, value, level):
        self.arity(value, 1)
        return self.known(value[1])

    def a_builtin_type(self, value, level):
        self.arity(value, 1)
        kind = BUILTIN_TYPES.get(value[1]) if type(value[1]) is str else None
        expect(kind is not None, "an unknown class")
        return kind

    def a_builtin_error(self, value, level):
        self.arity(value, 1)
        return builtin_error(value[1])

    def an_object(self, value, level):
        self.arity(value, 3)
        number = number_in(value[1], 1)
        kind, digest = self.known(value[2], "plain"), value[3]
        expect(digest is None or type(digest) is int and -SMALL <= digest < SMALL, "a bad number")
        known = self.talk.stand_ins.get(number)
        if known is not None:
            expect(type(known) is kind, "an object of another class")
            if known._rewardspec_made and self.answers:
                object.__setattr__(known, "_rewardspec_made", "given")
            return known
        return self.keep(number, kind, digest)

    def keep(self, number, kind, digest=None):
        made = object.__new__(kind)
        for name, held in (("number", number), ("made", False), ("hash", digest), ("compares", None)):
            object.__setattr__(made, "_rewardspec_" + name, held)
        self.talk.stand_ins[number] = made
        return made

    def an_iterator(self, value, level):
        self.arity(value, 1)
        number = number_in(value[1], 1)
        known = self.talk.stand_ins.get(number)
        if known is not None:
            expect(type(known) is self.talk.iterator, "an object of another class")
            return known
        return self.keep(number, self.talk.iterator)

    def a_generator(self, value, level):
        self.arity(value, 1)
        number = number_in(value[1], 1)
        return self.running(number, generator)

    def a_coroutine(self, value, level):
        self.arity(value, 1)
        return self.running(number_in(value[1], 1), coroutine)

    def running(self, number, make):
        """A real generator or coroutine whose steps are the program's."""
        made = self.talk.stand_ins.get(number)
        if made is None:
            far = self.keep(number, self.talk.iterator)
            del self.talk.stand_ins[number]
            made = make(self.talk, far)
            self.talk.stand_ins[number] = made
            self.talk.kept[id(made)] = number
            weakref.finalize(made, self.talk.kept.pop, id(made), None).atexit = False
        expect(self.talk.kept.get(id(made)) == number, "an object of another class")
        return made

    def a_function(self, value, level):
        self.arity(value, 1)
        return self.talk.functions[number_in(value[1], 0, len(self.talk.functions) - 1)]

    def a_named_tuple(self, value, level):
        expect(len(value) >= 2, "a value of another shape")
        kind = self.known(value[1], "named")
        items = self.items(value[2:], level)
        expect(len(items) == len(kind._fields), "a value of another shape")
        return tuple.__new__(kind, items)

    def a_frozen(self, value, level):
        expect(len(value) >= 2, "a value of another shape")
        kind = self.known(value[1], "frozen")
        items = self.items(value[2:], level)
        expect(len(items) == len(kind._rewardspec_fields), "a value of another shape")
        made = object.__new__(kind)
        object.__setattr__(made, "_rewardspec_values", tuple(items))
        return made

    def a_member(self, value, level):
        self.arity(value, 2)
        members = self.known(value[1], "enum").__members__
        expect(type(value[2]) is str and value[2] in members, "an unknown member")
        return members[value[2]]

    def a_flag(self, value, level):
        self.arity(value, 2)
        kind = self.known(value[1], "enum")
        expect(type(value[2]) is int, "a bad number")
        try:
            return kind(value[2])
        except ValueError:
            raise Violation("an unknown member") from None

    def a_named_tuple_of_the_tests(self, value, level):
        expect(len(value) >= 2, "a value of another shape")
        kind = self.talk.own_classes.get(value[1]) if type(value[1]) is str else None
        expect(kind is not None and issubclass(kind, tuple), "an unknown class")
        items = self.items(value[2:], level)
        expect(len(items) == len(kind._fields), "a value of another shape")
        return tuple.__new__(kind, items)

    def an_instance(self, value, level):
        self.arity(value, 1)
        kind = self.talk.own_classes.get(value[1]) if type(value[1]) is str else None
        expect(kind is not None, "an unknown class")
        if issubclass(kind, tuple):
            raise Violation("an unknown class")
        made = object.__new__(kind)
        self.talk.enter(made)
        self.pending.append(made)
        return made

    def an_error(self, value, level):
        self.arity(value, 7)
        shown, args, text, held, cause, context, number = value[1:]
        expect(type(args) is list and type(held) is list and len(held) % 2 == 0, "a value of another shape")
        expect(text is None or type(text) is str, "a value of another shape")
        expect(number is None or number_in(number, 1), "a bad number")
        kind = builtin_error(shown) if type(shown) is str else self.known(shown, "error")
        made = make_error(kind, self.items(args, level), text, number)
        names, items = [name_in(name) for name in held[::2]], self.items(held[1::2], level)
        for name, item in zip(names, items):
            if not name.startswith("_") and not defines(type(made), name):
                made.__dict__[name] = item
        earlier = [None if part is None else self.value(part, level) for part in (cause, context)]
        expect(all(part is None or isinstance(part, BaseException) for part in earlier), "no exception")
        made.__context__ = earlier[1]
        if earlier[0] is not None:
            made.__cause__ = earlier[0]
        return made

    def a_raised(self, value, level):
        self.arity(value, 1)
        return self.talk.raised[number_in(value[1], 0, len(self.talk.raised) - 1)]

    TAGS = {
        "@": again, "int": digits, "str": text, "l": a_list, "d": a_dict, "s": a_set, "t": a_tuple, "fs": a_frozenset,
        "b": a_bytes, "ba": a_bytearray, "c": a_complex, "r": a_range, "sl": a_slice, "...": an_ellipsis,
        "kv": a_keys_view, "vv": a_values_view, "iv": an_items_view, "cn": a_counter, "od": an_ordered_dict,
        "dd": a_defaultdict, "dq": a_deque, "dec": a_decimal, "fr": a_fraction, "td": a_timedelta, "tz": a_timezone,
        "date": a_date, "dt": a_datetime, "time": a_time, "k": a_class, "type": a_builtin_type, "exc": a_builtin_error,
        "h": an_object, "it": an_iterator, "g": a_generator, "co": a_coroutine, "f": a_function, "nt": a_named_tuple,
        "tnt": a_named_tuple_of_the_tests, "fz": a_frozen, "en": a_member, "ev": a_flag, "i": an_instance, "x": an_error, "e": a_raised,
    }

    # Classes.

    def define(self, definition):
        expect(type(definition) is list and len(definition) == 5, "a class of another shape")
        number, shape, name, bases, rest = definition
        number_in(number, 1)
        expect(number not in self.talk.classes, "a class told twice")
        expect(len(self.talk.classes) < CLASSES_MAX, "more than %d classes" % CLASSES_MAX)
        expect(type(shape) is str and shape in SHAPES and type(bases) is list and type(rest) is list, "a class of another shape")
        expect(type(name) is str and len(name) <= NAME_LETTERS_MAX and "\0" not in name, "a bad name")
        expect(len(bases) <= 20 and len(rest) <= 4000, "a class of another shape")
        expect(name.isprintable(), "a bad name")
        made = SHAPES[shape](self, number, name, bases, rest)
        self.talk.classes[number] = made

    def with_bases(self, name, bases, scope, make):
        """A class; where the bases do not fit together, with the first of them that does."""
        for count in range(len(bases), 0, -1):
            try:
                return make(name, tuple(bases[:count]), dict(scope))
            except TypeError:
                continue
        raise Violation("a class whose bases do not fit")

    def scope(self, number, shape):
        return {"__module__": self.talk.stem, "_rewardspec_class": number, "_rewardspec_shape": shape, "_rewardspec_talk": self.talk}

    def plain_class(self, number, name, bases, rest):
        special, refusing = methods()
        scope = self.scope(number, "plain")
        expect(all(type(one) is str for one in rest), "a bad name")
        scope["__slots__"] = ()
        scope["_rewardspec_asked"] = False
        scope["_rewardspec_specials"] = frozenset(rest)
        scope.update((one, special[one]) for one in rest if one in special)
        scope.update((one, refusing[one]) for one in rest if one in refusing)
        bases = [self.talk.classes[base] for base in bases if type(base) is int and base in self.talk.classes]
        bases = [base for base in bases if base._rewardspec_shape == "plain"]
        if not bases:
            bases = [self.talk.object]
        return self.with_bases(name, bases, scope, lambda *parts: Kind(*parts, inner=True))

    def error_class(self, number, name, bases, rest):
        expect(len(rest) == 1 and type(rest[0]) is str, "a class of another shape")
        found = standard_error(rest[0], name)
        if found is not None:
            scope = self.scope(number, "error")
            return ErrorKind(name, (found,), dict(scope, _rewardspec_itself=found))
        made = [builtin_error(base) if type(base) is str else self.known(base, "error") for base in bases]
        scope = self.scope(number, "error")
        scope.update(__str__=error_text, __getattr__=error_attribute)
        return self.with_bases(name, made or [Exception], scope, ErrorKind)

    def named_class(self, number, name, bases, rest):
        scope = self.scope(number, "named")
        names = [name_in(one) for one in rest]
        expect(all(one.isidentifier() and not one.startswith("_") for one in names) and len(set(names)) == len(names), "a bad name")
        scope.update(__slots__=(), _fields=tuple(names), _rewardspec_asked=False)
        scope.update((one, property(item_at(place))) for place, one in enumerate(names))
        scope.update(NAMED_METHODS)
        return Kind(name, (tuple,), scope, inner=True)

    def frozen_class(self, number, name, bases, rest):
        scope = self.scope(number, "frozen")
        names = [name_in(one) for one in rest]
        expect(all(one.isidentifier() and not one.startswith("_rewardspec") for one in names) and len(set(names)) == len(names), "a bad name")
        scope.update(__slots__=("_rewardspec_values", "__weakref__"), _rewardspec_fields=tuple(names), _rewardspec_asked=False)
        scope.update(FROZEN_METHODS)
        return Kind(name, (), scope, inner=True)

    def enum_class(self, number, name, bases, rest):
        expect(rest and len(rest) % 2 == 1 and type(rest[0]) is str, "a class of another shape")
        names = [name_in(one) for one in rest[1::2]]
        values = [self.value(one, 0) for one in rest[2::2]]
        expect(len(set(names)) == len(names) > 0, "a bad name")
        expect(all(one.isidentifier() and not one.startswith("_") and one != "mro" for one in names), "a bad name")
        expect(all(map(is_simple, values)), "a member that is no value")
        return make_enum(self.talk, rest[0], name, list(zip(names, values)), number)


SHAPES = {
    "plain": Reader.plain_class, "error": Reader.error_class, "named": Reader.named_class, "frozen": Reader.frozen_class,
    "enum": Reader.enum_class,
}


def is_simple(value):
    if type(value) is tuple:
        return all(map(is_simple, value))
    return value is None or type(value) in (bool, int, float, str, bytes)


def methods(made=[]):
    if not made:
        made += [special_methods(), refusing_methods()]
    return made


def generator(talk, far):
    """A generator whose steps are the program's."""

    def run():
        word, args = "__next__", ()
        for count in itertools.count():
            if count > PULLED_MAX:
                talk.end("more than %d items were pulled from one generator" % PULLED_MAX)
            try:
                item = talk.operate(word, far) if word == "__next__" else talk.value("method", [word], [far, *args])
            except StopIteration as error:
                return error.value
            try:
                sent = yield item
                word, args = ("__next__", ()) if sent is None else ("send", (sent,))
            except GeneratorExit:
                if not talk.busy and talk.ended is None:
                    talk.value("method", ["close"], [far])
                raise
            except Exception as error:
                word, args = "throw", (error,)

    return run()


def coroutine(talk, far):
    async def run():
        return talk.value("await", [], [far])

    return run()


def builtin_error(name):
    import builtins

    kind = getattr(builtins, name, None) if type(name) is str else None
    expect(isinstance(kind, type) and issubclass(kind, BaseException), "an unknown exception")
    return kind


def standard_error(module, name):
    """The judge's own class, where tests have imported the module that it is of."""
    home = ERROR_MODULES.get(module)
    loaded = sys.modules.get(home) if home else None
    found = getattr(loaded, name, None)
    if isinstance(found, type) and issubclass(found, Exception) and found.__name__ == name and not isinstance(found, (Kind, ErrorKind)):
        return found
    return None


class ErrorKind(type):
    """The class of the classes of exceptions of the program."""

    def __getattr__(cls, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return cls._rewardspec_talk.get(cls, name)


def error_text(self):
    text = getattr(self, "_rewardspec_text", None)
    return BaseException.__str__(self) if text is None else text


def error_attribute(self, name):
    number = self.__dict__.get("_rewardspec_number")
    if number is None or name.startswith("_"):
        raise AttributeError(name)
    return self._rewardspec_talk.get(self, name)


def make_error(kind, args, text, number):
    kind = kind.__dict__.get("_rewardspec_itself", kind)
    # The text of such an error looks at that place of what could not be read, wherever it is.
    expect(not issubclass(kind, UnicodeError) or all(type(arg) is not int or 0 <= arg < SMALL for arg in args), "a bad number")
    try:
        made = kind(*args) if is_builtin_error(kind) else kind.__new__(kind, *args)
    except Exception:
        made = BaseException.__new__(kind) if not is_builtin_error(kind) else nearest(kind)(text or "")
    if made.args != tuple(args) and not isinstance(made, OSError):
        made.args = tuple(args)
    if number is not None:
        made.__dict__["_rewardspec_number"] = number
        made.__dict__["_rewardspec_text"] = text
    elif text is not None and not args:
        made.args = (text,) if text else ()
    return made


def is_builtin_error(kind):
    return kind.__module__ == "builtins"


def nearest(kind):
    """The nearest base that takes a text."""
    for base in kind.__mro__:
        try:
            if issubclass(base, BaseException):
                base("")
                return base
        except TypeError:
            continue
    return Exception


def item_at(place):
    return lambda self: tuple.__getitem__(self, place)


def field_value(self, name):
    fields = type(self)._rewardspec_fields
    if name in fields:
        return self._rewardspec_values[fields.index(name)]
    if name.startswith("_rewardspec"):
        raise AttributeError(name)
    return self._rewardspec_talk.get(self, name)


def named_attribute(self, name):
    if name.startswith("_rewardspec"):
        raise AttributeError(name)
    return self._rewardspec_talk.get(self, name)


def same_fields(self, other):
    if self is other:
        return True
    return type(self) is type(other) and self._rewardspec_values == other._rewardspec_values


def refuse_set(self, name, value):
    self._rewardspec_talk.value("set", [name], [self, value])


def refuse_delete(self, name):
    self._rewardspec_talk.value("del", [name], [self])


def far_text(self):
    return text_of(self._rewardspec_talk, "__repr__", self)


def far_str(self):
    return text_of(self._rewardspec_talk, "__str__", self)


NAMED_METHODS = {
    "__repr__": far_text,
    "__str__": far_str,
    "__getattr__": named_attribute,
    "_asdict": lambda self: dict(zip(self._fields, self)),
}
FROZEN_METHODS = {
    "__getattr__": field_value, "__eq__": same_fields, "__hash__": lambda self: hash((type(self), self._rewardspec_values)),
    "__repr__": far_text, "__str__": far_str, "__setattr__": refuse_set, "__delattr__": refuse_delete,
}
for _name, _sign in COMPARISONS.items():
    FROZEN_METHODS[_name] = lambda self, other, _name=_name: (
        truth(self._rewardspec_talk.operate(_name, self, other)) if type(self) is type(other) else NotImplemented
    )


def make_enum(talk, base, name, members, number):
    import enum

    class EnumKind(type(enum.Enum)):
        def __getattr__(cls, name):
            if name.startswith("_"):
                raise AttributeError(name)
            return talk.get(cls, name)

    def attribute(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return talk.get(self, name)

    wanted = {"IntFlag": int, "Flag": int, "IntEnum": int, "StrEnum": str, "str": str}.get(base)
    expect(wanted is not None or base == "Enum", "an unknown enum")
    expect(wanted is None or all(type(value) is wanted for _, value in members), "a bad member")
    if base == "Enum":
        bases = (enum.Enum,)
    elif base == "str" or base == "StrEnum" and not hasattr(enum, base):
        bases = (str, enum.Enum)
    else:
        bases = (getattr(enum, base),)
    try:
        scope = EnumKind.__prepare__(name, bases)
        scope["__getattr__"] = attribute
        for one, value in members:
            scope[one] = value
        made = EnumKind(name, bases, scope)
    except (TypeError, ValueError):
        raise Violation("an enum that is none") from None
    type.__setattr__(made, "__module__", talk.stem)
    for key, held in (("class", number), ("shape", "enum"), ("talk", talk)):
        type.__setattr__(made, "_rewardspec_" + key, held)
    return made


# What the tests send.


def contents(value):
    """What is in a container, to be compared by identity."""
    if isinstance(value, dict):
        return [part for entry in dict.items(value) for part in entry]
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, (list, set)) or type(value).__name__ == "deque":
        return list(value)
    return [part for entry in attributes(value) for part in entry]


def is_same(before, after):
    if isinstance(before, bytes):
        return before == after
    return len(before) == len(after) and all(map(lambda one, other: one is other, before, after))


def attributes(value):
    """The attributes of an instance of a class of the tests, those in slots too."""
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


def is_attribute(value, name):
    """Whether the program may give an instance of the tests' class this attribute: it may not take the
    place of what the class itself defines."""
    if name.startswith("__"):
        return False
    for kind in type(value).__mro__:
        if name in kind.__dict__:
            held = kind.__dict__[name]
            return type(held).__name__ == "member_descriptor" or not (callable(held) or hasattr(type(held), "__get__"))
    return True


class Writer:
    """Makes one message."""

    def __init__(self, talk):
        self.talk = talk
        self.instances = []

    def message(self, word, plain, values, changed_too):
        known = len(self.talk.containers)
        encoded = [self.value(value, 0) for value in values]
        changes = self.changes(known) if changed_too else []
        objects = []
        while len(objects) < len(self.instances):
            objects.append(self.flat(contents(self.instances[len(objects)]), 0))
        return [word, plain, encoded, changes, objects]

    def changes(self, known):
        changes = []
        for place, container in enumerate(self.talk.containers[:known]):
            now = contents(container.value)
            if not is_same(container.seen, now):
                container.seen = now
                changes.append([place, now.hex() if isinstance(now, bytes) else self.flat(now, 0)])
        return changes

    def flat(self, items, level):
        if level > LEVELS_MAX:
            raise Uncrossed("an argument of more than %d levels cannot cross to the program%s" % (LEVELS_MAX, BESIDE))
        return [self.value(item, level + 1) for item in items]

    def value(self, value, level):
        kind = type(value)
        if value is None or kind is bool or kind is float:
            return value
        if kind is int:
            return value if -SMALL < value < SMALL else ["int", "%x" % value]
        if kind is str:
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                return ["str", value.encode("utf-8", "surrogatepass").hex()]
            return value
        write = self.BY_TYPE.get(kind)
        if write is not None:
            return write(self, value, level)
        return self.other(value, kind, level)

    def container(self, tag, value, level, *head):
        place = self.talk.places.get(id(value))
        if place is not None:
            return ["@", place]
        container = self.talk.enter(value)
        container.seen = contents(value)
        return [tag, *head, *self.flat(container.seen, level)]

    def a_bytearray(self, value, level):
        place = self.talk.places.get(id(value))
        if place is not None:
            return ["@", place]
        self.talk.enter(value).seen = bytes(value)
        return ["ba", value.hex()]

    def fixed(self, tag, items, level):
        return [tag, *self.flat(items, level)]

    BY_TYPE = {
        list: lambda self, value, level: self.container("l", value, level),
        dict: lambda self, value, level: self.container("d", value, level),
        set: lambda self, value, level: self.container("s", value, level),
        tuple: lambda self, value, level: self.fixed("t", value, level),
        frozenset: lambda self, value, level: self.fixed("fs", value, level),
        bytes: lambda self, value, level: ["b", value.hex()],
        bytearray: a_bytearray,
        complex: lambda self, value, level: ["c", value.real, value.imag],
        range: lambda self, value, level: self.fixed("r", [value.start, value.stop, value.step], level),
        slice: lambda self, value, level: self.fixed("sl", [value.start, value.stop, value.step], level),
        type(...): lambda self, value, level: ["..."],
        type({}.keys()): lambda self, value, level: self.fixed("kv", list(value), level),
        type({}.values()): lambda self, value, level: self.fixed("vv", list(value), level),
        type({}.items()): lambda self, value, level: self.fixed("iv", [part for entry in value for part in entry], level),
        Method: lambda self, value, level: ["m", self.value(value.__self__, level), value.__name__],
        copied: lambda self, value, level: ["m", ["mod", "copy"], value.name],
        type(sys): lambda self, value, level: ["mod", value.__name__],
    }

    def other(self, value, kind, level):
        number = self.talk.kept.get(id(value))
        if number is not None:
            return ["h", number]
        if isinstance(value, type):
            return self.a_class(value)
        shape = getattr(kind, "_rewardspec_shape", None)
        if shape is not None:
            return self.the_programs(value, kind, shape, level)
        if isinstance(value, BaseException):
            return self.error(value, kind, level)
        if isinstance(value, type(sys)):
            return ["mod", value.__name__]
        written = self.standard(value, kind, level)
        if written is not None:
            return written
        if isinstance(value, tuple) and type(getattr(kind, "_fields", None)) is tuple:
            self.talk.own_classes.setdefault(kind.__name__, kind)
            return ["tnt", kind.__name__, list(kind._fields), *self.flat(list(value), level)]
        if callable(value):
            return self.a_function(value)
        if hasattr(value, "__await__") and hasattr(value, "send"):
            return ["aw", self.talk.number_of(value)]
        if hasattr(kind, "__next__"):
            return ["p", self.talk.number_of(value)]
        return self.instance(value, kind, level)

    def a_class(self, kind):
        import builtins

        number = kind.__dict__.get("_rewardspec_class")
        if number is not None:
            return ["h", number]
        if getattr(builtins, kind.__name__, None) is kind:
            return ["bi", kind.__name__]
        if kind is type(None):
            return ["m", None, "__class__"]
        if issubclass(kind, BaseException):
            self.talk.own_classes.setdefault(kind.__name__, kind)
            return ["tk", kind.__name__, builtin_base(kind).__name__]
        return self.a_function(kind)

    def a_function(self, value):
        import builtins

        name, module = getattr(value, "__name__", None), getattr(value, "__module__", None)
        if type(name) is not str:
            return ["f", self.talk.number_of(value), type(value).__name__]
        if getattr(builtins, name, None) is value:
            return ["bi", name]
        if type(module) is str and is_standard(module) and getattr(sys.modules.get(module), name, None) is value:
            # The program has its own, and may not run what it likes in the judge by way of `attrgetter`.
            return ["m", ["mod", module], name]
        return ["f", self.talk.number_of(value), name]

    def the_programs(self, value, kind, shape, level):
        if shape == "plain":
            return ["h", value._rewardspec_number]
        if shape == "named":
            return ["nt", kind._rewardspec_class, *self.flat(list(value), level)]
        if shape == "frozen":
            return ["fz", kind._rewardspec_class, *self.flat(value._rewardspec_values, level)]
        if shape == "enum":
            if value._name_ in kind.__members__:
                return ["en", kind._rewardspec_class, value._name_]
            return ["ev", kind._rewardspec_class, value._value_]
        return self.error(value, kind, level)

    def error(self, error, kind, level):
        number = error.__dict__.get("_rewardspec_number")
        if number is not None:
            return ["h", number]
        own = kind.__dict__.get("_rewardspec_class")
        if own is not None:
            return ["px", own, self.flat(list(error.args), level)]
        args = []
        for arg in error.args:
            try:
                args.append(self.value(arg, level + 1))
            except Uncrossed:
                args.append(str(arg))
        number = self.raised(error)
        if is_builtin_error(kind):
            return ["x", kind.__name__, args, number]
        self.talk.own_classes.setdefault(kind.__name__, kind)
        return ["tx", kind.__name__, builtin_base(kind).__name__, args, number]

    def raised(self, error):
        number = self.talk.raised_numbers.get(id(error))
        if number is None:
            number = self.talk.raised_numbers[id(error)] = len(self.talk.raised)
            self.talk.raised.append(error)
        return number

    def standard(self, value, kind, level):
        module, name = kind.__module__, kind.__name__
        if module == "collections":
            tag = {"Counter": "cn", "OrderedDict": "od", "deque": "dq", "defaultdict": "dd"}.get(name)
            if tag == "dd":
                return self.container(tag, value, level, self.value(value.default_factory, level))
            if tag == "dq":
                return self.container(tag, value, level, value.maxlen)
            return self.container(tag, value, level) if tag else None
        if module == "decimal" and name == "Decimal":
            return ["dec", str(value)]
        if module == "fractions" and name == "Fraction":
            return self.fixed("fr", [value.numerator, value.denominator], level)
        if module == "datetime":
            return self.of_datetime(value, name, level)
        if module == "re" and name == "Pattern":
            return ["re", self.value(value.pattern, level), value.flags]
        if module == "_io" and name in ("StringIO", "BytesIO"):
            return ["io", self.value(value.getvalue(), level), value.tell()]
        if "enum" in sys.modules and isinstance(value, sys.modules["enum"].Enum) and value.name is not None:
            return ["ten", name, value.name, self.value(value.value, level)]
        return None

    def of_datetime(self, value, name, level):
        if name == "timedelta":
            return ["td", value.days, value.seconds, value.microseconds]
        if name == "timezone":
            offset = value.utcoffset(None)
            return ["tz", offset.days * 86400 + offset.seconds, offset.microseconds, value.tzname(None)]
        if name == "date":
            return ["date", value.year, value.month, value.day]
        if name == "datetime":
            parts = ["dt", value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond]
        elif name == "time":
            parts = ["time", value.hour, value.minute, value.second, value.microsecond]
        else:
            return None
        zone = value.tzinfo
        if zone is not None:
            import datetime

            offset = value.utcoffset()
            if offset is None:
                return None
            zone = zone if type(zone) is datetime.timezone else datetime.timezone(offset, value.tzname() or "")
            zone = self.of_datetime(zone, "timezone", level)
        return [*parts, value.fold, zone]

    def instance(self, value, kind, level):
        if not hasattr(value, "__dict__") and not any("__slots__" in base.__dict__ for base in kind.__mro__):
            what = "an argument of the type %s cannot cross to the program%s" % (kind.__name__, BESIDE)
            self.talk.note(what)
            raise Uncrossed(what)
        place = self.talk.places.get(id(value))
        if place is not None:
            return ["@", place]
        self.talk.own_classes[kind.__name__] = kind
        self.talk.enter(value).seen = contents(value)
        self.instances.append(value)
        return ["i", kind.__name__]


def builtin_base(kind):
    return next(base for base in kind.__mro__ if is_builtin_error(base))


# Made before there is an order: a warm interpreter has it ready.
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
DECODER = json.JSONDecoder(parse_int=parse_int, parse_float=parse_float)
TALK = Talk()
SESSION = session_class(sys.modules["rewardspec_tests"]) if "rewardspec_tests" in sys.modules else None

if __name__ == "__main__":
    main()
