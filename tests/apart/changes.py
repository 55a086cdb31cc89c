"""Small changes of a program's text, each of one kind: what a mutant is made of.

Every change is `(kind, words, edits)`: `edits` are `(start, end, new)` in the text given. The texts are
changed in place, not printed anew, so a mutant reads as its original but for one spot.
"""

import ast
import re

BINARY = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "+"),
    ast.Div: ("/", "//"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "//"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.BitXor: ("^", "&"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
}
COMPARISON = {
    ast.Lt: [("<", "<="), ("<", ">")],
    ast.LtE: [("<=", "<"), ("<=", ">=")],
    ast.Gt: [(">", ">="), (">", "<")],
    ast.GtE: [(">=", ">"), (">=", "<=")],
    ast.Eq: [("==", "!="), ("==", "<=")],
    ast.NotEq: [("!=", "==")],
    ast.In: [("in", "not in")],
    ast.NotIn: [(r"not\s+in", "in")],
    ast.Is: [("is", "is not")],
    ast.IsNot: [(r"is\s+not", "is")],
}
CALLS = {
    "max": "min", "min": "max", "any": "all", "all": "any", "upper": "lower", "lower": "upper", "ceil": "floor",
    "floor": "ceil", "sorted": "list", "set": "list", "abs": "int", "startswith": "endswith", "endswith": "startswith",
    "append": "remove", "keys": "values", "lstrip": "rstrip", "strip": "lstrip", "find": "rfind",
}
SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr, ast.AnnAssign)


class Python:
    """The changes of the statements that begin at or after a line, counted from 1."""

    def __init__(self, text, first_line=1):
        self.text = text
        self.raw = text.encode()
        self.starts = [0]
        for line in self.raw.split(b"\n"):
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.first_line = first_line
        self.found = []

    def changes(self):
        tree = ast.parse(self.text)
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self.of_function(node)
        self.of_nodes(tree)
        return [change for change in self.found if self.changed(change[2]) != self.text]

    def changed(self, edits):
        raw = self.raw
        for start, end, new in sorted(edits, reverse=True):
            raw = raw[:start] + new.encode() + raw[end:]
        return raw.decode()

    def start(self, node):
        return self.starts[node.lineno - 1] + node.col_offset

    def end(self, node):
        return self.starts[node.end_lineno - 1] + node.end_col_offset

    def segment(self, node):
        return self.raw[self.start(node):self.end(node)].decode()

    def add(self, kind, words, *edits):
        self.found.append((kind, words, list(edits)))

    def replace(self, kind, node, new):
        old = self.segment(node)
        shown = " ".join(old.split())
        self.add(kind, "%s became %s" % (shown[:40], new[:40]), (self.start(node), self.end(node), new))

    def between(self, kind, left, right, pattern, new):
        """Replaces an operator: what stands between its operands, brackets apart."""
        start, end = self.end(left), self.start(right)
        match = re.search(pattern, self.raw[start:end].decode())
        if match:
            edit = (start + match.start(), start + match.end(), new)
            self.add(kind, "%s became %s" % (match.group(), new), edit)

    def of_nodes(self, node, inside=None):
        """`inside`: whether the node is part of a slice or of a range."""
        if isinstance(node, ast.JoinedStr) or is_docstring(node):
            return
        if getattr(node, "lineno", self.first_line) >= self.first_line:
            self.of_node(node, inside)
        is_limit = isinstance(node, ast.Slice) or is_call_of(node, "range")
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, (ast.arguments, ast.Import, ast.ImportFrom)):
                self.of_nodes(child, inside or is_limit)

    def of_node(self, node, inside):
        if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
            old, new = BINARY[type(node.op)]
            self.between("operator", node.left, node.right, re.escape(old), new)
        elif isinstance(node, ast.AugAssign) and type(node.op) in BINARY:
            old, new = BINARY[type(node.op)]
            self.between("operator", node.target, node.value, re.escape(old + "="), new + "=")
        elif isinstance(node, ast.BoolOp):
            old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            for left, right in zip(node.values, node.values[1:]):
                self.between("boolean operator", left, right, r"\b%s\b" % old, new)
        elif isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            for op, left, right in zip(node.ops, operands, operands[1:]):
                for old, new in COMPARISON[type(op)]:
                    self.between("comparison", left, right, old, new)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self.replace("removed not", node, "(%s)" % self.segment(node.operand))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            self.replace("operator", node, self.segment(node.operand))
        elif isinstance(node, ast.Constant):
            self.of_constant(node, inside)
        elif isinstance(node, (ast.If, ast.IfExp)):
            self.negate(node.test)
        elif isinstance(node, ast.comprehension):
            for test in node.ifs:
                self.negate(test)
        elif isinstance(node, ast.Slice):
            self.of_slice(node)
        elif isinstance(node, ast.Call):
            self.of_call(node)

    def negate(self, test):
        if test.lineno >= self.first_line:
            self.replace("negated condition", test, "not (%s)" % self.segment(test))

    def of_constant(self, node, inside):
        value = node.value
        kind = "boundary" if inside else "constant"
        if isinstance(value, bool):
            self.replace("constant", node, str(not value))
        elif isinstance(value, int):
            for new in dict.fromkeys((value + 1, value - 1, -value)):
                if new != value:
                    self.replace(kind, node, "(%d)" % new if new < 0 else str(new))
        elif isinstance(value, float):
            self.replace(kind, node, repr(value + 1))
            self.replace(kind, node, "(%r)" % -value)
        elif isinstance(value, str) and value:
            self.replace("constant", node, "''")
        elif isinstance(value, str):
            self.replace("constant", node, "' '")

    def of_slice(self, node):
        for bound in (node.lower, node.upper):
            if bound is not None and not isinstance(bound, ast.Constant):
                for new in ("(%s) + 1", "(%s) - 1"):
                    self.replace("boundary", bound, new % self.segment(bound))

    def of_call(self, node):
        if is_call_of(node, "range"):
            bound = node.args[min(1, len(node.args) - 1)] if node.args else None
            if bound is not None and not isinstance(bound, (ast.Constant, ast.Starred)):
                for new in ("(%s) - 1", "(%s) + 1"):
                    self.replace("boundary", bound, new % self.segment(bound))
            if len(node.args) == 1 and not isinstance(bound, ast.Starred):
                self.replace("boundary", bound, "1, %s" % self.segment(bound))
        arguments = [each for each in node.args if not isinstance(each, (ast.Starred, ast.GeneratorExp))]
        if len(arguments) == len(node.args):
            for left, right in zip(arguments, arguments[1:]):
                first, second = self.segment(left), self.segment(right)
                edits = ((self.start(left), self.end(left), second), (self.start(right), self.end(right), first))
                self.add("swapped arguments", "%s and %s changed places" % (first[:30], second[:30]), *edits)
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", None)
        if name in CALLS:
            end = self.end(node.func)
            self.add("call", "%s became %s" % (name, CALLS[name]), (end - len(name), end, CALLS[name]))

    def of_function(self, function):
        last = function.body[-1]
        given = last.value if isinstance(last, ast.Return) and last.value is not None else None
        bound = set()
        for node in ast.walk(function):
            if getattr(node, "lineno", 0) < self.first_line:
                continue
            if isinstance(node, (ast.For, ast.While)):
                for statement in node.body:
                    if isinstance(statement, SIMPLE):
                        self.end_early(statement, given)
            if isinstance(node, ast.Return) and node.value is not None and node is not last:
                self.replace("dropped statement", node, "pass")
            if isinstance(node, ast.Return) and node.value is not None:
                self.replace("returned value", node.value, "not (%s)" % self.segment(node.value))
                self.replace("returned value", node.value, "None")
            if isinstance(node, (ast.AugAssign, ast.Expr)) and not is_docstring(node):
                self.replace("dropped statement", node, "pass")
            if isinstance(node, ast.If) and not node.orelse and self.raw[self.start(node):].startswith(b"if"):
                self.replace("dropped statement", node, "pass")
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Name, ast.Subscript)):
                name = self.segment(node.targets[0])
                if name in bound or "[" in name:
                    self.replace("dropped statement", node, "pass")
                bound.add(name)

    def end_early(self, statement, given):
        end = self.end(statement)
        if isinstance(given, ast.Name):
            self.add("early return", "a loop ends with return %s" % given.id, (end, end, "; return %s" % given.id))
        self.add("early return", "a loop ends with break", (end, end, "; break"))


def is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_call_of(node, name):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)
    |(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?n?)
    |(?P<name>[A-Za-z_$][\w$]*)
    |(?P<mark>>>>=|\.\.\.|===|!==|\*\*=|>>>|<<=|>>=|=>|==|!=|<=|>=|&&|\|\||\?\?|\?\.|\+\+|--|\*\*|<<|>>|[-+*/%&|^]=|.)""",
    re.X | re.S,
)
PATTERN = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*")
JS_OPERATORS = {"+": "-", "-": "+", "*": "+", "/": "*", "%": "*", "**": "*", "+=": "-=", "-=": "+=", "*=": "+=", "&": "|", "|": "&"}
JS_BOOLEAN = {"&&": "||", "||": "&&"}
JS_COMPARISON = {
    "<": ["<=", ">"], "<=": ["<"], ">": [">=", "<"], ">=": [">"], "==": ["!="], "===": ["!=="], "!=": ["=="], "!==": ["==="],
}
JS_CALLS = {
    "max": "min", "min": "max", "some": "every", "every": "some", "toUpperCase": "toLowerCase", "toLowerCase": "toUpperCase",
    "ceil": "floor", "floor": "ceil", "push": "unshift", "indexOf": "lastIndexOf", "startsWith": "endsWith", "shift": "pop",
}


class JavaScript:
    """The changes of a program's text from a place on, found in its tokens."""

    def __init__(self, text, first=0):
        self.text = text
        self.first = first
        self.found = []

    def changes(self):
        tokens = self.tokens()
        for index, token in enumerate(tokens):
            self.of_token(tokens, index, *token)
        self.of_lines()
        return self.found

    def changed(self, edits):
        text = self.text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def tokens(self):
        """`(kind, text, start)` of all but spaces and comments."""
        tokens, at = [], self.first
        while at < len(self.text):
            match = TOKEN.match(self.text, at)
            kind, text = match.lastgroup, match.group()
            if text == "/" and (not tokens or tokens[-1][1] in "(,=:[!&|?{};" or tokens[-1][1] in ("return", "=>", "&&", "||")):
                pattern = PATTERN.match(self.text, at)
                kind, text = ("pattern", pattern.group()) if pattern else (kind, text)
            if kind != "space":
                tokens.append((kind, text, at))
            at += len(text)
        return tokens

    def add(self, kind, words, *edits):
        self.found.append((kind, words, list(edits)))

    def swap(self, kind, text, start, new):
        self.add(kind, "%s became %s" % (text[:40], new), (start, start + len(text), new))

    def of_token(self, tokens, index, kind, text, start):
        before = tokens[index - 1][:2] if index else ("mark", "{")
        is_binary = before[0] in ("name", "number", "string") and before[1] not in ("return", "case") or before[1] in ")]"
        if kind == "number":
            self.of_number(text, start)
        elif kind == "string":
            self.swap("constant", text, start, "''" if len(text) > 2 else "' '")
        elif text in ("true", "false"):
            self.swap("constant", text, start, "false" if text == "true" else "true")
        elif text in JS_BOOLEAN:
            self.swap("boolean operator", text, start, JS_BOOLEAN[text])
        elif text in JS_COMPARISON:
            for new in JS_COMPARISON[text]:
                self.swap("comparison", text, start, new)
        elif text in JS_OPERATORS and (is_binary or text.endswith("=")):
            self.swap("operator", text, start, JS_OPERATORS[text])
        elif text == "!":
            self.add("removed not", "! is left out", (start, start + 1, ""))
        elif kind == "name" and text in JS_CALLS and tokens[index + 1][1] == "(":
            self.swap("call", text, start, JS_CALLS[text])
        elif text == "(" and before[1] == "if":
            end = self.closing(tokens, index)
            self.add("negated condition", "%s is negated" % self.text[start:end + 1][:40], (start, start, "(!"), (end + 1, end + 1, ")"))
        elif text == "(" and before[0] == "name" and before[1] not in ("for", "while", "switch", "function", "catch"):
            self.of_arguments(tokens, index)

    def of_number(self, text, start):
        if not re.fullmatch(r"\d+(\.\d+)?", text):
            return
        value = float(text) if "." in text else int(text)
        for new in (value + 1, value - 1):
            self.swap("constant", text, start, str(new) if new >= 0 else "(%s)" % new)

    def closing(self, tokens, index):
        depth = 0
        for _, text, start in tokens[index:]:
            depth += text in ("(", "[", "{")
            depth -= text in (")", "]", "}")
            if depth == 0:
                return start
        return len(self.text)

    def of_arguments(self, tokens, index):
        """Changes places of two arguments, and moves the bounds of a slice."""
        end = self.closing(tokens, index)
        depth, cuts = 0, []
        for _, text, start in tokens[index:]:
            if start == end:
                break
            depth += text in ("(", "[", "{")
            depth -= text in (")", "]", "}")
            if text == "," and depth == 1:
                cuts.append(start)
        start = tokens[index][2] + 1
        if self.text[end + 1:].lstrip()[:2] in ("=>", "{"):
            return
        if len(cuts) == 1:
            left, right = self.text[start:cuts[0]], self.text[cuts[0] + 1:end]
            edit = (start, end, "%s, %s" % (right.strip(), left.strip()))
            self.add("swapped arguments", "%s and %s changed places" % (left.strip()[:30], right.strip()[:30]), edit)
        if tokens[index - 1][1] in ("slice", "substring", "substr", "splice") and end > start:
            bound = self.text[(cuts or [start - 1])[-1] + 1:end]
            for new in ("(%s) + 1", "(%s) - 1"):
                edit = (end - len(bound), end, new % bound.strip())
                self.add("boundary", "%s became %s" % (bound.strip()[:30], (new % bound.strip())[:40]), edit)

    def of_lines(self):
        at, in_loop = self.first, False
        for line in self.text[self.first:].split("\n"):
            bare = line.strip()
            end = at + len(line)
            in_loop = in_loop or bare.startswith(("for", "while"))
            is_simple = bare.endswith(";") and bare.count("(") == bare.count(")") and not re.match(r"(let|const|var|for|while|else|\}|\))", bare)
            if is_simple and not bare.startswith("if"):
                edit = (at + len(line) - len(line.lstrip()), end, ";")
                self.add("dropped statement", "%s is left out" % bare[:40], edit)
            if is_simple and in_loop and not re.match(r"(if|return|break|continue)\b", bare):
                self.add("early return", "a loop ends with break", (end, end, " break;"))
            at = end + 1
