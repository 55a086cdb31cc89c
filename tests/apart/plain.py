"""Runs a program and its tests in one process, as a plain interpreter does, and tells the verdict.

The verdict is the exit status of a script made of the program, the prelude, the tests, and the calls
that the tests leave to their runner: `check(entry_point)`, functions named `test_…`, `unittest.main()`.
A `console.assert` that does not hold sets the exit status of a JavaScript program. This is the
reference for programs that mean no harm, and what a program that means harm must not be judged by.

    python3 tests/apart/plain.py tests/data/apart/cheats.jsonl

runs the rows of a file and says which are not as their `passes` or `pays_in_process` claims.
"""

import ast
import concurrent.futures
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

TIMEOUT_S = 5
MEMORY_KIB = 2 << 20

# Before a JavaScript program.
CONSOLE_ASSERT = "console.assert = (holds) => { if (!holds) process.exitCode = 1; };\n"

# Counts where the verdict alone is not enough: assertions that fail, one by one, and a statement
# that raises and so ends the tests.
COUNT_JAVASCRIPT = """
let failing = 0;
console.assert = (holds) => { if (!holds) failing += 1; };
process.on('exit', () => { process.stderr.write(`\\nfailing ${failing}\\n`); });
process.on('uncaughtException', () => { failing += 1; });
"""


def texts(row):
    return row["tests"] if isinstance(row["tests"], list) else [row["tests"]]


def runs(row):
    """What a runner does after the tests' text."""
    text = "\n".join(texts(row))
    called = []
    if row["language"] == "javascript":
        if row.get("entry_point") and re.search(r"^(async )?function check\b|^const check\b", text, re.M):
            called.append("check(%s);" % row["entry_point"])
        called += ["(async () => test_%s())();" % name for name in re.findall(r"^(?:async )?function test_(\w+)", text, re.M)]
        return "\n".join(called)
    if row.get("entry_point") and re.search(r"^def check\b", text, re.M):
        called.append("check(%s)" % row["entry_point"])
    called += ["test_%s()" % name for name in re.findall(r"^def test_(\w+)", text, re.M)]
    if re.search(r"^class \w+\(.*TestCase\)", text, re.M) and "unittest.main" not in text:
        called.append("import unittest\nunittest.main()")
    return "\n".join(called)


def script(row):
    whole = [row["code"], row.get("prelude", ""), *texts(row), runs(row), ""]
    if row["language"] == "javascript":
        whole[0] = CONSOLE_ASSERT + whole[0]
    return "\n\n".join(whole)


def run(command, language):
    """Exit status or None where time ran out, stderr, seconds; in a directory and group of its own."""
    if language == "python":
        command = ["sh", "-c", 'ulimit -v %d; exec "$@"' % MEMORY_KIB, "sh", *command]
    started = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        child = subprocess.Popen(
            command,
            cwd=os.path.dirname(command[-1]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        try:
            status = child.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            status = None
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()
        said.seek(0)
        return status, said.read(1 << 20), time.monotonic() - started


def interpreter(language):
    return [sys.executable, "-E", "-s"] if language == "python" else ["node", "--max-old-space-size=512"]


def verdict(row):
    """Whether it passes, stderr, and the seconds it took."""
    suffix = "py" if row["language"] == "python" else "js"
    with tempfile.TemporaryDirectory() as directory:
        file = os.path.join(directory, "main." + suffix)
        with open(file, "w") as out:
            out.write(script(row))
        status, said, seconds = run([*interpreter(row["language"]), file], row["language"])
    return status == 0, said if status is not None else "timeout", seconds


def failing(row):
    """How many assertions fail, an ended run as one more, or None where it cannot be told; the seconds."""
    if row["language"] == "python":
        return failing_in_fork(row)
    with tempfile.TemporaryDirectory() as directory:
        file = os.path.join(directory, "count.js")
        with open(file, "w") as out:
            out.write(COUNT_JAVASCRIPT + script(row)[len(CONSOLE_ASSERT):])
        _, said, seconds = run([*interpreter("javascript"), file], "javascript")
    found = re.findall(r"^failing (\d+)$", said, re.M)
    return int(found[-1]) if found else None, seconds


def failing_in_fork(row):
    """As `failing`, in a fork of this process: many times faster than a start of an interpreter."""
    started = time.monotonic()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(TIMEOUT_S)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_KIB << 10, MEMORY_KIB << 10))
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        try:
            os.write(write, b"%d" % count(row))
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return int(told) if told else None, time.monotonic() - started


def count(row):
    failed = []

    class Each(ast.NodeTransformer):
        def visit_Assert(self, node):
            attempt = ast.parse("try:\n    pass\nexcept BaseException as error:\n    _failed(error)").body[0]
            attempt.body = [node]
            return attempt

    def attempt(code):
        try:
            exec(code, space)
        except BaseException as error:
            note(error)

    def note(error):
        if isinstance(error, MemoryError):
            os._exit(1)
        failed.append(error)

    space = {"__name__": "main", "_failed": note}
    exec(compile(row["code"], "main.py", "exec"), space)
    exec(compile(row.get("prelude", ""), "prelude.py", "exec"), space)
    for text in texts(row):
        attempt(compile(ast.fix_missing_locations(Each().visit(ast.parse(text))), "tests.py", "exec"))
    attempt(runs(row))
    return len(failed)


def main():
    wrong = 0
    for path in sys.argv[1:]:
        with open(path) as lines:
            rows = [json.loads(line) for line in lines]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for row, (passes, said, _) in zip(rows, pool.map(verdict, rows)):
                claimed = row["passes"] if "passes" in row else row["pays_in_process"]
                if passes != claimed:
                    wrong += 1
                    print("%s: passes is %s, not %s: %s" % (row["id"], passes, claimed, said.strip()[-300:]))
        print("%s: %d rows" % (path, len(rows)))
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
