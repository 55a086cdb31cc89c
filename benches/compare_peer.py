"""The plain way of comparing `actual` with `expected`, by name; prints the seconds it takes.

`reward_kit` is the algorithm of reward-kit 0.4.1 for texts that are no numbers and no lists, written
from its description: the longest common subsequence by a full table.
"""

import ast
import json
import re
import sys
import time
import unicodedata
from collections import Counter


def common(left, right):
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in range(1, len(left) + 1):
        for j in range(1, len(right) + 1):
            if left[i - 1] == right[j - 1]:
                table[i][j] = table[i - 1][j - 1] + 1
            else:
                table[i][j] = max(table[i - 1][j], table[i][j - 1])
    return table[len(left)][len(right)]


def reward_kit(actual, expected):
    fold = lambda text: re.sub(r"\s+", " ", text.strip())
    actual, expected = fold(actual), fold(expected)
    # Without the shortcut for equal texts, which is not what is measured.
    return common(actual, expected) / max(len(actual), len(expected)) == 1


def floats(actual, expected):
    actual, expected = actual.split(), expected.split()
    near = lambda a, b: abs(float(a) - float(b)) <= 1e-9
    return len(actual) == len(expected) and all(map(near, actual, expected))


def redraw(text):
    lines = []
    for line in text.split("\n"):
        seen = ""
        for part in line.split("\r"):
            seen = part + seen[len(part) :]
        lines.append(seen)
    return "\n".join(lines).strip()


def position(actual, expected):
    actual, expected = actual.split("\n"), expected.split("\n")
    same = sum(map(lambda a, b: a == b, actual, expected))
    return same / max(len(actual), len(expected)) == 1


def lines(text):
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").split("\n")).rstrip("\n")


def both(step):
    return lambda actual, expected: step(actual) == step(expected)


ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
PEERS = {
    "equal": both(lambda text: text),
    "strip": both(lambda text: text.replace("\r\n", "\n").strip()),
    "lines": both(lines),
    "split": both(str.split),
    "casefold": both(lambda text: text.strip().casefold()),
    "floats": floats,
    "literal": both(ast.literal_eval),
    "json": both(json.loads),
    "counter": both(lambda text: Counter(text.split())),
    "json_counter": both(lambda text: Counter(json.loads(text))),
    "regex": lambda actual, expected: re.fullmatch(r"a*[^\d]|x\d*", actual),
    "search": lambda actual, expected: re.search(r"\d$", actual),
    "contains": lambda actual, expected: expected in actual,
    "position": position,
    "lcs_lines": lambda actual, expected: common(actual.split("\n"), expected.split("\n")),
    "nfc": both(lambda text: unicodedata.normalize("NFC", text.strip())),
    "nfkc": both(lambda text: unicodedata.normalize("NFKC", text.strip())),
    "ansi": both(lambda text: ANSI.sub("", text).strip()),
    "redraw": both(redraw),
    "reward_kit": reward_kit,
}

with open("actual", newline="") as file:
    actual = file.read()
with open("expected", newline="") as file:
    expected = file.read()
started = time.perf_counter()
PEERS[sys.argv[1]](actual, expected)
print(time.perf_counter() - started)
