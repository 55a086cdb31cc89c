"""Runs a program as a module, then tests in its namespace, and reports on descriptor 4.

Calls are made here and judged elsewhere: each is reported with the value it returned, read by exact
type, so that nothing an object says of itself counts, and what it must return is not known here.

The tests and the nonce wait on descriptor 3 and are read only after the program's top level has
run, so a program that ends early, with whatever exit status, cannot have reported. What a program
does to its own interpreter while the tests run is out of reach here: the report says where the
tests were judged.
"""

import ast
import builtins
import json
import os
import re
import sys
import traceback
import types

TEXT_SHOWN_MAX = 200
FAILURES_MAX = 5
FAILURE_SHOWN_MAX = 2000
# Of the value of a call.
DEPTH_MAX = 100
ITEMS_MAX = 100_000
BYTES_MAX = 1 << 20
BITS_MAX = 1 << 18
# Of the values of all calls.
ALL_BYTES_MAX = 6 << 20


def main():
    read, write, loads, dumps = os.read, os.write, json.loads, json.dumps
    # What was made before, a program is not to find by a name.
    hooks, (tagged, named) = MADE.pop()
    file = sys.argv[1]
    del sys.argv[0]
    module = run_program(file)
    order = loads(read_all(read, 3))
    session = BesideSession(module.__dict__, order.get("stop", False))
    session.hooks, session.said = hooks, "\n".join([*order["texts"], order["prelude"] or ""])
    if order["prelude"]:
        exec(compile(order["prelude"], "prelude.py", "exec"), module.__dict__)
    for text in order["texts"]:
        session.run(text, order["entry_point"])
    calls = make_calls(session, order.get("calls", []), tagged, named, dumps)
    sys.stdout.flush()
    report = session.report()
    report["nonce"] = order["nonce"]
    report["calls"] = calls
    report["words"] = ["None", "True", "False"]
    data = (dumps(report) + "\n").encode()
    while data:
        data = data[write(4, data):]


def run_program(file):
    """Runs the program's top level as an import would: `__name__` is the file's stem."""
    directory, base = os.path.split(file)
    name = base.rsplit(".", 1)[0]
    if directory:
        sys.path.insert(0, os.path.abspath(directory))
    module = types.ModuleType(name)
    module.__file__ = file
    sys.modules[name] = module
    with open(file, "rb") as source:
        text = source.read()
    try:
        exec(compile(text, file, "exec"), module.__dict__)
    except Exception as error:
        # The frames of this file are not the program's.
        trace = error.__traceback__.tb_next
        traceback.print_exception(type(error), error, trace)
        sys.stdout.flush()
        sys.exit(1)
    return module


def read_all(read, descriptor):
    chunks = []
    while True:
        chunk = read(descriptor, 65536)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)


class Session:
    """Runs test texts and counts."""

    # What of a test fails it; anything else ends the run.
    CAUGHT = Exception

    def __init__(self, namespace, stops_early):
        self.namespace = namespace
        self.stops_early = stops_early
        self.written = 0
        self.ran = 0
        self.units = 0
        self.passed = 0
        self.failures = []
        self.broken = None
        namespace["_rewardspec_ran"] = self.count
        namespace["_rewardspec_differ"] = differ

    def count(self):
        self.ran += 1

    def report(self):
        return {
            "written": self.written,
            "ran": self.ran,
            "units": self.units,
            "passed": self.passed,
            "failures": self.failures[:FAILURES_MAX],
            "broken": self.broken,
        }

    def is_over(self):
        return self.stops_early and bool(self.failures)

    def run(self, text, entry_point):
        if self.is_over():
            return
        try:
            tree = ast.parse(text, "tests.py")
        except SyntaxError as error:
            self.broken = "the tests do not parse: %s (line %s)" % (error.msg, error.lineno)
            return
        if "unittest" in text:
            import unittest

            # Test cases are run below; this would run them all and end the process.
            unittest.main = lambda *_, **__: None
        counter = Counter(text)
        tree = counter.visit(tree)
        self.written += counter.written
        left = self.run_statements(expand(tree.body))
        if left is not None:
            # What a failure kept from running has not passed.
            self.units += sum(statement.is_assertion for statement in left)
            self.units += sum(units_of(node, entry_point) for node in tree.body)
            return
        names = [node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))]
        for name in names:
            if self.is_over():
                return
            value = self.namespace.get(name)
            if name == "check" and entry_point:
                self.unit("check(%s)" % entry_point, lambda: value(self.look_up(entry_point)))
            elif name.startswith("test_") and callable(value):
                self.unit(name, lambda: self.call(value))
            elif isinstance(value, type) and is_test_case(value):
                self.run_test_case(value)
            elif isinstance(value, type) and name.startswith("Test"):
                self.run_test_class(name, value)

    def run_statements(self, statements):
        """Runs statements one by one, so that every assertion at top level has its own result.
        Returns None, or those that are left where one that is no assertion failed, or where the
        first failure is the last."""
        for index, statement in enumerate(statements):
            if self.is_over():
                return statements[index:]
            code = compile(ast.Module(body=statement.body, type_ignores=[]), "tests.py", "exec")
            if statement.is_assertion:
                self.unit("line %d" % statement.line, lambda: exec(code, self.namespace))
                continue
            before = self.ran
            try:
                exec(code, self.namespace)
            except self.CAUGHT as error:
                self.broken = self.broken or self.mistake(error)
                self.units += 1
                self.fail("line %d: %s" % (statement.line, told(error)))
                return statements[index + 1:]
            if self.ran > before:
                self.units += 1
                self.passes("line %d" % statement.line)
        return None

    def unit(self, name, run):
        self.units += 1
        try:
            run()
        except self.CAUGHT as error:
            self.fail("%s: %s" % (name, told(error)))
            self.objection()
        else:
            self.passes(name)

    def passes(self, name):
        """What held has passed, unless there is an objection."""
        objection = self.objection()
        if objection:
            self.fail("%s: %s" % (name, objection))
        else:
            self.passed += 1

    def objection(self):
        """Why what held just now has not passed, or None."""
        return None

    def mistake(self, error):
        """What the tests' author did wrong, where that is certain."""
        return None

    def fail(self, message):
        # A report is UTF-8, whatever a program put into a text.
        self.failures.append(message[:FAILURE_SHOWN_MAX].encode("utf-8", "replace").decode("utf-8"))

    def look_up(self, dotted):
        first, *rest = dotted.split(".")
        value = self.namespace[first]
        for name in rest:
            value = getattr(value, name)
        return value

    def run_test_class(self, name, kind):
        """A class without a base, as pytest runs it: each test in an instance of its own."""
        for test in [test for test in vars(kind) if test.startswith("test") and callable(getattr(kind, test))]:
            if self.is_over():
                return
            self.unit("%s.%s" % (name, test), lambda: self.call_method(kind(), test))

    def call_method(self, instance, test):
        method = getattr(instance, test)
        getattr(instance, "setup_method", lambda *_: None)(*[method][:takes(instance, "setup_method")])
        try:
            self.call(method)
        finally:
            getattr(instance, "teardown_method", lambda *_: None)(*[method][:takes(instance, "teardown_method")])

    def call(self, function):
        """Calls a test with the fixtures that its parameters name."""
        given, ends = {}, []
        for name in parameters(function):
            make = FIXTURES.get(name)
            if make is None:
                self.broken = "`%s` takes `%s`, which is no fixture that is known here: known are %s" % (function.__name__, name, ", ".join("`%s`" % known for known in FIXTURES))
                return
            given[name], end = make()
            ends.append(end)
        try:
            self.finish(function(**given))
        finally:
            for end in reversed(ends):
                end()

    @staticmethod
    def finish(result):
        if hasattr(result, "__await__"):
            import asyncio

            async def wait():
                return await result

            asyncio.run(wait())

    def run_test_case(self, case):
        import unittest

        tests = list(unittest.defaultTestLoader.loadTestsFromTestCase(case))
        if self.is_over() or not self.is_done(case, case.setUpClass, len(tests)):
            return
        for test in tests:
            if self.is_over():
                return
            self.run_test(test, unittest.TestResult())
        if self.is_done(case, case.tearDownClass, 1):
            self.is_done(case, case.doClassCleanups, 1)

    def is_done(self, case, step, units):
        """Whether what a class does for all of its tests went well; the units have failed if not."""
        try:
            step()
        except self.CAUGHT as error:
            self.units += units
            self.fail("%s.%s: %s" % (case.__name__, step.__name__, told(error)))
            return False
        return True

    def run_test(self, test, result):
        self.units += 1
        name = test.id().split(".", 1)[-1]
        try:
            test.run(result)
        except self.CAUGHT as error:
            self.fail("%s: %s" % (name, told(error)))
            return
        bad = result.errors + result.failures + [(test, "unexpected success") for test in result.unexpectedSuccesses]
        if bad:
            lines = bad[0][1].strip().splitlines()
            self.fail("%s: %s" % (name, next((line for line in lines if line.startswith("AssertionError")), lines[-1])))
        else:
            self.passes(name)


class Hooks:
    """What tests rely on and a program in their process can replace, as it was before it ran."""

    WORDS = re.compile(r"\w+")
    # What statements use without naming it.
    UNNAMED = {"__build_class__", "__import__"}

    def __init__(self, relied_on):
        self.builtins = dict(vars(builtins))
        self.relied_on = (relied_on | self.UNNAMED) & self.builtins.keys()
        self.held = {"settrace": (sys.gettrace, sys.gettrace()), "setprofile": (sys.getprofile, sys.getprofile())}

    def replaced(self, said):
        """The name of something that is not as it was, though the tests say nothing of replacing it."""
        for name, (get, before) in self.held.items():
            if get() is not before and name not in said:
                return name
        if "builtins" not in said:
            now = vars(builtins)
            # What tests import relies on more than they name.
            names = self.builtins if "import" in said else self.relied_on.union(self.WORDS.findall(said))
            for name in names:
                if name in self.builtins and now.get(name, self) is not self.builtins[name]:
                    return name
        return None if "TestCase." in said else self.replaced_assertion()

    def replaced_assertion(self):
        case = sys.modules.get("unittest.case")
        if case is None:
            return None
        own = vars(case)
        for name, method in vars(case.TestCase).items():
            if name == "fail" or name.startswith("assert"):
                if getattr(method, "__globals__", None) is not own:
                    return "TestCase." + name
        return None


class BesideSession(Session):
    """Tests in the program's own namespace. What they replace themselves is their own affair."""

    def objection(self):
        name = self.hooks.replaced(self.said)
        return "`%s` was replaced, which the tests rely on" % name if name else None


class TooLarge(Exception):
    pass


def reader_of_values():
    """What makes values and exceptions tagged JSON. It is made before the program runs and holds
    everything it needs, so that what a program puts in the place of a builtin is not asked."""
    too_large = TooLarge
    type_of, absent, base_error = type, type(None), BaseException
    boolean, integer, double, text, raw = bool, int, float, str, bytes
    a_list, a_tuple, a_set, a_frozenset, a_dict, length = list, tuple, set, frozenset, dict, len
    bits, digits, shown_double, hexadecimal = int.bit_length, int.__repr__, float.__repr__, bytes.hex
    encode, decode, name_of, bases_of = str.encode, bytes.decode, type.__dict__["__name__"].__get__, type.__dict__["__mro__"].__get__
    get_digits_max = getattr(sys, "get_int_max_str_digits", lambda: 0)
    set_digits_max = getattr(sys, "set_int_max_str_digits", lambda _: None)

    def clean(value, letters):
        return decode(encode(value[:letters], "utf-8", "replace"), "utf-8")

    def class_name(kind):
        return clean(name_of(kind), 100)

    def spend(left, bytes):
        left[0] -= 1
        left[1] -= bytes
        if left[0] < 0 or left[1] < 0:
            raise too_large

    def tag(value, depth, left):
        if depth > DEPTH_MAX:
            raise too_large
        kind = type_of(value)
        spend(left, 0)
        if kind is absent:
            return ["none"]
        if kind is boolean:
            return ["bool", value is True]
        if kind is integer:
            if bits(value) > BITS_MAX:
                raise too_large
            shown = digits(value)
            spend(left, length(shown))
            return ["int", shown]
        if kind is double:
            return ["float", shown_double(value)]
        if kind is text:
            spend(left, length(value))
            try:
                spend(left, length(encode(value, "utf-8")) - length(value))
            except UnicodeEncodeError:
                return ["other", "str with lone surrogates"]
            return ["str", value]
        if kind is raw:
            spend(left, 2 * length(value))
            return ["bytes", hexadecimal(value)]
        depth += 1
        if kind is a_list or kind is a_tuple or kind is a_set or kind is a_frozenset:
            spend(left, length(value))
            name = "list" if kind is a_list else "tuple" if kind is a_tuple else "set"
            return [name] + [tag(item, depth, left) for item in value]
        if kind is a_dict:
            spend(left, length(value))
            entries = ["dict"]
            for key, item in a_dict.items(value):
                entries += [tag(key, depth, left), tag(item, depth, left)]
            return entries
        return ["other", class_name(kind)]

    def tagged(value):
        digits_max = get_digits_max()
        set_digits_max(0)
        try:
            return tag(value, 0, [ITEMS_MAX, BYTES_MAX])
        except base_error:
            return ["large"]
        finally:
            set_digits_max(digits_max)

    def named(error):
        names = [class_name(kind) for kind in bases_of(type_of(error)) if kind is not object]
        try:
            message = clean(text(error), TEXT_SHOWN_MAX)
        except base_error:
            message = ""
        return ["raised", names, message]

    return tagged, named


def make_calls(session, calls, tagged, named, dumps):
    made = []
    left = ALL_BYTES_MAX
    for call in calls:
        if session.is_over():
            break
        outcome = make_call(session, call, tagged, named)
        size = len(dumps(outcome))
        if size > left:
            outcome = ["returned", ["large"]]
        else:
            left -= size
        made.append(outcome)
    return made


def make_call(session, call, tagged, named):
    try:
        function = session.look_up(call["name"])
    except (KeyError, AttributeError):
        return ["missing"]
    except BaseException as error:
        return named(error)
    try:
        # Made anew for each call, so that what one changes no other sees.
        args = [untagged(arg) for arg in call["args"]]
        kwargs = {name: untagged(arg) for name, arg in call["kwargs"]}
        result = function(*args, **kwargs)
        if type(result) is types.CoroutineType:
            import asyncio

            result = asyncio.run(result)
    except BaseException as error:
        return named(error)
    return ["returned", tagged(result)]


def untagged(value):
    kind, *rest = value
    if kind == "none":
        return None
    if kind == "list":
        return [untagged(item) for item in rest]
    if kind == "dict":
        return {untagged(key): untagged(item) for key, item in zip(rest[::2], rest[1::2])}
    if kind == "int":
        return int(rest[0])
    return float(rest[0]) if kind == "float" else rest[0]


def units_of(node, entry_point):
    """The units of credit that a definition is."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return node.name.startswith("test_") or bool(entry_point) and node.name == "check"
    if isinstance(node, ast.ClassDef) and (node.name.startswith("Test") or any(ast.unparse(base).endswith("TestCase") for base in node.bases)):
        return sum(isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)) and item.name.startswith("test") for item in node.body)
    return 0


def parameters(function):
    """The parameters of a test that must be given."""
    code = getattr(function, "__code__", None) or getattr(getattr(function, "__func__", None), "__code__", None)
    if code is None:
        return []
    names = code.co_varnames[:code.co_argcount]
    defaults = len(getattr(function, "__defaults__", None) or ())
    first = 1 if getattr(function, "__self__", None) is not None else 0
    return names[first:len(names) - defaults]


def takes(instance, name):
    """How many arguments a method takes beside its object; none where there is no such method."""
    method = getattr(instance, name, None)
    return len(parameters(method)) if method is not None else 0


def tmp_path():
    import pathlib
    import shutil
    import tempfile

    path = pathlib.Path(tempfile.mkdtemp(dir="."))
    return path.resolve(), lambda: shutil.rmtree(path, ignore_errors=True)


class Captured:
    """What is written to standard output and error while a test runs: pytest's `capsys`."""

    def __init__(self):
        import io

        self.streams = [io.StringIO(), io.StringIO()]
        self.kept = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = self.streams

    def readouterr(self):
        import collections

        texts = [stream.getvalue() for stream in self.streams]
        for stream in self.streams:
            stream.seek(0)
            stream.truncate()
        return collections.namedtuple("CaptureResult", "out err")(*texts)

    def end(self):
        sys.stdout, sys.stderr = self.kept


def capsys():
    captured = Captured()
    return captured, captured.end


class Patches:
    """Changes that are undone when a test has ended: pytest's `monkeypatch`."""

    ABSENT = object()

    def __init__(self):
        self.undoing = []

    def setattr(self, target, name, value=ABSENT, raising=True):
        if value is self.ABSENT:
            import importlib

            path, value = target, name
            home, name = path.rsplit(".", 1)
            target = sys.modules.get(home) or importlib.import_module(home)
        before = getattr(target, name, self.ABSENT)
        if before is self.ABSENT and raising:
            raise AttributeError("%r has no attribute %r" % (target, name))
        self.undoing.append(lambda: delattr(target, name) if before is self.ABSENT else setattr(target, name, before))
        setattr(target, name, value)

    def delattr(self, target, name, raising=True):
        if raising or hasattr(target, name):
            before = getattr(target, name)
            self.undoing.append(lambda: setattr(target, name, before))
            delattr(target, name)

    def setitem(self, mapping, key, value):
        before = mapping.get(key, self.ABSENT)
        self.undoing.append(lambda: mapping.pop(key, None) if before is self.ABSENT else mapping.__setitem__(key, before))
        mapping[key] = value

    def delitem(self, mapping, key, raising=True):
        if raising or key in mapping:
            before = mapping.pop(key)
            self.undoing.append(lambda: mapping.__setitem__(key, before))

    def setenv(self, name, value, prepend=None):
        before = os.environ.get(name)
        self.setitem(os.environ, name, str(value) + prepend + before if prepend and before else str(value))

    def delenv(self, name, raising=True):
        self.delitem(os.environ, name, raising)

    def chdir(self, path):
        before = os.getcwd()
        self.undoing.append(lambda: os.chdir(before))
        os.chdir(path)

    def undo(self):
        while self.undoing:
            self.undoing.pop()()


def monkeypatch():
    patches = Patches()
    return patches, patches.undo


# What tests may take as parameters; each makes its value and what ends it.
FIXTURES = {"capsys": capsys, "monkeypatch": monkeypatch, "tmp_path": tmp_path}


def is_test_case(value):
    unittest = sys.modules.get("unittest")
    return unittest is not None and issubclass(value, unittest.TestCase)


class Statement:
    def __init__(self, body, is_assertion, line):
        self.body = body
        self.is_assertion = is_assertion
        self.line = line


def expand(statements):
    """Groups what the counter made of one statement."""
    groups = []
    for statement in statements:
        group = getattr(statement, "rewardspec_group", None)
        if group is not None and groups and groups[-1][0] is group:
            groups[-1][1].append(statement)
        else:
            groups.append((group, [statement]))
    return [Statement(body, group is not None, body[0].lineno) for group, body in groups]


class Counter:
    """Counts assertions, written and run, and makes `assert a == b` tell both values.

    Only statements are looked at: expressions hold none, and are most of a text."""

    def __init__(self, text):
        self.lines = text.encode("utf-8", "surrogatepass").splitlines(keepends=True)
        self.may_bind = any(word in text for word in (":=", "await", "yield"))
        self.written = 0

    def visit(self, node):
        """What is in the place of the statements that a node holds is changed; the node."""
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            held = getattr(node, name, None)
            if type(held) is list:
                setattr(node, name, [made for one in held for made in self.of(one)])
        return node

    def of(self, node):
        """The statements in the place of one."""
        kind = type(node)
        if kind is ast.Assert:
            return self.of_assert(node)
        if kind is ast.Expr:
            call = node.value.value if isinstance(node.value, ast.Await) else node.value
            if isinstance(call, ast.Call) and is_assertion_name(call.func):
                self.written += 1
                return grouped([ran(at(node)), node])
            return [node]
        self.visit(node)
        if kind is ast.With:
            is_assertion = any(isinstance(item.context_expr, ast.Call) and is_assertion_name(item.context_expr.func) for item in node.items)
        else:
            # `try: f(); except ValueError: pass; else: raise …` asserts that something is raised.
            is_assertion = kind in (ast.If, ast.Try) and any(isinstance(statement, ast.Raise) for statement in node.body + node.orelse)
        if not is_assertion:
            return [node]
        self.written += 1
        return [ran(at(node)), node]

    def of_assert(self, node):
        self.written += 1
        test = node.test
        is_plain = node.msg is None and isinstance(test, ast.Compare) and len(test.ops) == 1
        if is_plain and not (self.may_bind and contains_walrus(test)):
            return grouped(self.compare(node, test))
        return grouped([ran(at(node)), node])

    def compare(self, node, test):
        here = at(node)
        left, right = (ast.Name(name, ast.Load(), **here) for name in ("_rewardspec_left", "_rewardspec_right"))
        holds = ast.Compare(left, test.ops, [right], **here)
        source = ast.Constant(self.source_of(test), **here)
        differ_call = ast.Call(ast.Name("_rewardspec_differ", ast.Load(), **here), [source, left, right], [], **here)
        return [
            ast.Assign([ast.Name("_rewardspec_left", ast.Store(), **here)], test.left, **here),
            ast.Assign([ast.Name("_rewardspec_right", ast.Store(), **here)], test.comparators[0], **here),
            ran(here),
            ast.Assert(holds, differ_call, **here),
        ]

    def source_of(self, node):
        """The text of a node, whose columns are bytes of UTF-8."""
        lines = self.lines[node.lineno - 1:node.end_lineno]
        lines[-1] = lines[-1][:node.end_col_offset]
        lines[0] = lines[0][node.col_offset:]
        return b"".join(lines).decode("utf-8", "surrogatepass")


def at(node):
    """Where a node stands, for what is made in its place."""
    return {
        "lineno": node.lineno,
        "col_offset": node.col_offset,
        "end_lineno": node.end_lineno,
        "end_col_offset": node.end_col_offset,
    }


def grouped(statements):
    group = object()
    for statement in statements:
        statement.rewardspec_group = group
    return statements


def contains_walrus(node):
    return any(isinstance(part, (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)) for part in ast.walk(node))


def is_assertion_name(function):
    if isinstance(function, ast.Attribute):
        name = function.attr
    elif isinstance(function, ast.Name):
        name = function.id
    else:
        return False
    return name.lower().startswith("assert") or name in ("raises", "fail")


def ran(here):
    return ast.Expr(ast.Call(ast.Name("_rewardspec_ran", ast.Load(), **here), [], [], **here), **here)


def differ(source, left, right):
    return "%s: the left is %s, the right is %s" % (source, shown(left), shown(right))


def shown(value):
    try:
        text = repr(value)
    except BaseException as error:
        text = "a value whose repr raises %s" % type(error).__name__
    return text if len(text) <= TEXT_SHOWN_MAX else text[:TEXT_SHOWN_MAX] + "..."


def told(error):
    try:
        message = str(error)
    except BaseException:
        message = ""
    if isinstance(error, AssertionError):
        return message or "the assertion does not hold"
    return "%s: %s" % (type(error).__name__, message) if message else type(error).__name__


def names_in(code):
    """The names that code uses, with that of its functions."""
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*map(names_in, inner))


MADE = [(Hooks(names_in(sys._getframe().f_code)), reader_of_values())]

if __name__ == "__main__":
    main()
