"""Runs a program as a module, then tests in its namespace, and reports on descriptor 4.

The tests and the nonce wait on descriptor 3 and are read only after the program's top level has
run, so a program that ends early, with whatever exit status, cannot have reported. What a program
does to its own interpreter while the tests run is out of reach here: the report says where the
tests were judged.
"""

import ast
import json
import os
import sys
import traceback
import types

TEXT_SHOWN_MAX = 200
FAILURES_MAX = 5


def main():
    read, write, loads, dumps = os.read, os.write, json.loads, json.dumps
    file = sys.argv[1]
    del sys.argv[0]
    module = run_program(file)
    order = loads(read_all(read, 3))
    session = Session(module.__dict__)
    if order["prelude"]:
        exec(compile(order["prelude"], "prelude.py", "exec"), module.__dict__)
    for text in order["texts"]:
        session.run(text, order["entry_point"])
    sys.stdout.flush()
    report = session.report()
    report["nonce"] = order["nonce"]
    data = (dumps(report) + "\n").encode()
    while data:
        data = data[write(4, data):]


def run_program(file):
    """Runs the program's top level as an import would: `__name__` is the file's stem."""
    name = file.rsplit(".", 1)[0]
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

    def __init__(self, namespace):
        self.namespace = namespace
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

    def run(self, text, entry_point):
        try:
            tree = ast.parse(text, "tests.py")
        except SyntaxError as error:
            self.broken = "the tests do not parse: %s (line %s)" % (error.msg, error.lineno)
            return
        counter = Counter(text)
        tree = ast.fix_missing_locations(counter.visit(tree))
        self.written += counter.written
        if not self.run_statements(tree.body):
            return
        names = [node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))]
        for name in names:
            value = self.namespace.get(name)
            if name == "check" and entry_point:
                self.unit("check(%s)" % entry_point, lambda: value(self.look_up(entry_point)))
            elif name.startswith("test_") and callable(value):
                self.unit(name, lambda: self.call(value))
            elif isinstance(value, type) and is_test_case(value):
                self.run_test_case(value)

    def run_statements(self, statements):
        """Runs statements one by one, so that every assertion at top level has its own result.
        Returns whether none but an assertion failed."""
        for statement in expand(statements):
            code = compile(ast.Module(body=statement.body, type_ignores=[]), "tests.py", "exec")
            if statement.is_assertion:
                self.unit("line %d" % statement.line, lambda: exec(code, self.namespace))
                continue
            before = self.ran
            try:
                exec(code, self.namespace)
            except Exception as error:
                self.units += 1
                self.fail("line %d: %s" % (statement.line, told(error)))
                return False
            if self.ran > before:
                self.units += 1
                self.passed += 1
        return True

    def unit(self, name, run):
        self.units += 1
        try:
            run()
        except Exception as error:
            self.fail("%s: %s" % (name, told(error)))
        else:
            self.passed += 1

    def fail(self, message):
        self.failures.append(message)

    def look_up(self, dotted):
        first, *rest = dotted.split(".")
        value = self.namespace[first]
        for name in rest:
            value = getattr(value, name)
        return value

    @staticmethod
    def call(function):
        result = function()
        if hasattr(result, "__await__"):
            import asyncio

            async def wait():
                return await result

            asyncio.run(wait())

    def run_test_case(self, case):
        import unittest

        for test in unittest.defaultTestLoader.loadTestsFromTestCase(case):
            result = unittest.TestResult()
            test.run(result)
            self.units += 1
            bad = result.errors + result.failures + [(test, "unexpected success") for test in result.unexpectedSuccesses]
            if bad:
                self.fail("%s: %s" % (test.id().split(".", 1)[-1], bad[0][1].strip().splitlines()[-1]))
            else:
                self.passed += 1


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


class Counter(ast.NodeTransformer):
    """Counts assertions, written and run, and makes `assert a == b` tell both values."""

    def __init__(self, text):
        self.text = text
        self.written = 0

    def visit_Assert(self, node):
        self.generic_visit(node)
        self.written += 1
        test = node.test
        if node.msg is None and isinstance(test, ast.Compare) and len(test.ops) == 1 and not contains_walrus(test):
            made = self.compare(node, test)
        else:
            made = [ran(), node]
        group = object()
        for statement in made:
            ast.copy_location(statement, node)
            statement.rewardspec_group = group
        return made

    def compare(self, node, test):
        left, right = ast.Name("_rewardspec_left", ast.Load()), ast.Name("_rewardspec_right", ast.Load())
        holds = ast.Compare(left, test.ops, [right])
        source = ast.get_source_segment(self.text, node.test) or ""
        differ_call = ast.Call(ast.Name("_rewardspec_differ", ast.Load()), [ast.Constant(source), left, right], [])
        return [
            ast.Assign([ast.Name("_rewardspec_left", ast.Store())], test.left),
            ast.Assign([ast.Name("_rewardspec_right", ast.Store())], test.comparators[0]),
            ran(),
            ast.Assert(holds, differ_call),
        ]

    def visit_Expr(self, node):
        self.generic_visit(node)
        if isinstance(node.value, ast.Await):
            call = node.value.value
        else:
            call = node.value
        if isinstance(call, ast.Call) and is_assertion_name(call.func):
            self.written += 1
            made = [ran(), node]
            group = object()
            for statement in made:
                ast.copy_location(statement, node)
                statement.rewardspec_group = group
            return made
        return node

    def visit_With(self, node):
        self.generic_visit(node)
        if any(isinstance(item.context_expr, ast.Call) and is_assertion_name(item.context_expr.func) for item in node.items):
            self.written += 1
            return [ast.copy_location(ran(), node), node]
        return node

    def visit_If(self, node):
        self.generic_visit(node)
        if any(isinstance(statement, ast.Raise) for statement in node.body + node.orelse):
            self.written += 1
            return [ast.copy_location(ran(), node), node]
        return node

    def visit_Try(self, node):
        # `try: f(); except ValueError: pass; else: raise …` asserts that something is raised.
        self.generic_visit(node)
        if any(isinstance(statement, ast.Raise) for statement in node.body + node.orelse):
            self.written += 1
            return [ast.copy_location(ran(), node), node]
        return node


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


def ran():
    return ast.Expr(ast.Call(ast.Name("_rewardspec_ran", ast.Load()), [], []))


def differ(source, left, right):
    return "%s: the left is %s, the right is %s" % (source, shown(left), shown(right))


def shown(value):
    try:
        text = repr(value)
    except Exception as error:
        text = "a value whose repr raises %s" % type(error).__name__
    return text if len(text) <= TEXT_SHOWN_MAX else text[:TEXT_SHOWN_MAX] + "..."


def told(error):
    try:
        message = str(error)
    except Exception:
        message = ""
    if isinstance(error, AssertionError):
        return message or "the assertion does not hold"
    return "%s: %s" % (type(error).__name__, message) if message else type(error).__name__


main()
