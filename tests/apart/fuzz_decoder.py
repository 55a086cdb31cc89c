"""Gives the judge of Python tests messages of all kinds: it reads them or calls them a violation.

    python3 tests/apart/fuzz_decoder.py src/evaluator/apart/python/judge.py [rounds]

Messages are made by chance, from a fixed seed, of tags, words and values that mean something, and
changed by chance afterwards. Ends with 1 and shows the message where the judge does anything else.
"""

import importlib.util
import json
import random
import sys
import warnings

NAMES = ["x", "__eq__", "__class__", "mro", "a b", "", "\ud800", "val", "A", "ValueError", "SystemExit", "open", "object", "_rewardspec_talk"]
NUMBERS = [0, 1, 2, 3, 9, -1, 1 << 62, -(1 << 63), 1 << 70, 0.0, -0.0, float("nan"), float("inf"), True, None]
SHAPES = ["plain", "error", "named", "frozen", "enum", "other"]
SPECIALS = ["__call__", "__eq__", "__len__", "__hash__", "__class__", "__init__", "__getattribute__", "unhashable", "__iter__", "x", 5]
RESTS = ["IntEnum", "Enum", "StrEnum", "Flag", "str", "decimal", "json.decoder", "unittest.case"]

# Values that are right, as far as classes and places are known.
GOOD = [
    ["int", "ff"], ["str", "eda080"], ["l", 1, 2], ["d", 1, 2], ["s", 1], ["t", 1], ["fs", 1], ["b", "00ff"], ["ba", "00"],
    ["c", 1.0, 2.0], ["r", 0, 9, 2], ["sl", 0, None, 2], ["..."], ["kv", 1], ["vv", 1], ["iv", 1, 2], ["cn", "a", 1], ["od", 1, 2],
    ["dd", ["type", "list"], 1, 2], ["dq", 2, 1, 2, 3], ["dec", "1E+5"], ["fr", 1, 2], ["td", 1, 2, 3], ["tz", 3600, 0, "x"],
    ["date", 2024, 2, 29], ["dt", 2024, 2, 29, 1, 2, 3, 4, 0, None], ["time", 1, 2, 3, 4, 0, ["tz", 0, 0, "UTC"]], ["k", 1],
    ["exc", "ValueError"], ["h", 5, 1, None], ["it", 6], ["g", 7], ["co", 8], ["f", 0], ["nt", 3, 1, 2], ["fz", 4, 1, 2],
    ["en", 5, "A"], ["ev", 6, 3], ["i", "x"], ["x", "ValueError", ["a"], None, [], None, None, None], ["x", 2, [1], "text", ["a", 1], None, None, 9],
    ["e", 0], ["@", 0], ["@", 4],
]
CLASSES = [
    [1, "plain", "P", [], ["__call__", "__eq__"]], [2, "error", "E", ["ValueError"], ["main"]], [3, "named", "N", [], ["x", "y"]],
    [4, "frozen", "F", [], ["x", "y"]], [5, "enum", "C", [], ["Enum", "A", 1]], [6, "enum", "G", [], ["IntFlag", "A", 1, "B", 2]],
]


def load(path):
    spec = importlib.util.spec_from_file_location("rewardspec_judge", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Maker:
    """Makes messages."""

    def __init__(self, seed, judge):
        self.random = random.Random(seed)
        self.tags = list(judge.Reader.TAGS)
        self.words = list(judge.ANSWERS)

    def value(self, deep=0):
        pick = self.random.random()
        if pick < 0.5 and deep < 4:
            tag, *rest = self.random.choice(GOOD)
            return [tag, *(part if self.random.random() < 0.85 else self.value(deep + 1) for part in rest)]
        pick = self.random.random()
        if deep > 5 or pick < 0.25:
            return self.random.choice(NUMBERS)
        if pick < 0.4:
            return self.random.choice(NAMES + ["ff", "-1", "1/3", "1.5", "12:00", "zz", "nan"])
        if pick < 0.42:
            return {"a": 1}
        size = self.random.randrange(8)
        return [self.random.choice(self.tags), *(self.value(deep + 1) for _ in range(size))] if pick < 0.95 else [self.value(deep + 1)]

    def definition(self):
        rest = self.random.choice(
            [self.random.sample(SPECIALS, 3), [self.random.choice(RESTS)], [self.random.choice(RESTS), "A", self.value(4), "B", self.value(4)], ["x", "y"]]
        )
        bases = self.random.choice([[], ["ValueError"], ["KeyError", "AttributeError"], [1], [2, "open"], [None]])
        return [self.random.choice([1, 2, 3, 7, "x"]), self.random.choice(SHAPES), self.random.choice(NAMES), bases, rest]

    def message(self):
        word = self.random.choice(self.words + ["ok"] * 20)
        plain = self.random.choice([[], [0], ["size"], ["math", "sqrt"], [0, "x"], [None]])
        count = 1 if word in ("ok", "err", "claim") else self.random.randrange(3)
        if word in ("ok", "err"):
            plain = []
        definitions = [self.definition() for _ in range(self.random.choice([0, 0, 0, 0, 0, 1, 2]))]
        changes = [[self.random.randrange(6), [self.value(3) for _ in range(2)]] for _ in range(self.random.choice([0, 0, 0, 1, 2]))]
        objects = [[self.random.choice(NAMES), self.value(4)] for _ in range(self.random.choice([0, 0, 0, 1]))]
        return [word, plain, [self.value() for _ in range(count)], changes, objects, definitions, ["", ""], self.random.choice([[], [], [], [0], [9]])]

    def mutated(self, body):
        body = bytearray(body)
        for _ in range(self.random.choice([0, 0, 0, 1, 3])):
            place = self.random.randrange(len(body))
            change = self.random.randrange(3)
            if change == 0:
                body[place] = self.random.randrange(256)
            elif change == 1:
                del body[place:place + self.random.randrange(1, 4)]
            else:
                body[place:place] = bytes(self.random.choice([b"[", b"]", b",", b'"', b"9", b"\\u0000", b"e5"]))
            if not body:
                return b"0"
        return bytes(body)


class OfTheTests:
    """A class of the tests, of which instances cross."""

    val = 0

    def method(self):
        return 1


def talk_of(judge):
    """A talk in the middle of a call with one argument of each kind that can change."""
    talk = judge.Talk()
    talk.own_classes["x"] = OfTheTests
    talk.functions.append(len)
    talk.raised.append(ValueError("x"))
    for value in ([1], {1: 2}, {3}, bytearray(b"x"), OfTheTests()):
        talk.enter(value).seen = judge.contents(value)
    judge.Reader(talk).message(["ok", [], [None], [], [], CLASSES, ["", ""], []])
    return talk


def main():
    judge = load(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    warnings.simplefilter("ignore", RuntimeWarning)  # Coroutines that nobody awaits.
    maker = Maker(20_240_501, judge)
    read = 0
    talk = talk_of(judge)
    for count in range(rounds):
        if count % 20 == 0:
            talk = talk_of(judge)
        message = maker.message()
        body = maker.mutated(json.dumps(message).encode())
        try:
            judge.Reader(talk).message(judge.parse(body))
            read += 1
        except judge.Violation:
            pass
        except BaseException as error:
            print("%s: %r for %r" % (type(error).__name__, error, body))
            sys.exit(1)
    print("%d messages, of which %d were read" % (rounds, read))


main()
