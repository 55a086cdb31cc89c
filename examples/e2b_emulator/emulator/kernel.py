"""A Python kernel: reads programs from standard input, a JSON text a line, and tells events on a
descriptor. Like the real one it shows the value of a last expression, runs inside an event loop, has no
standard input, and is not left by `exit()`."""

import ast
import asyncio
import builtins
import inspect
import json
import linecache
import os
import signal
import sys
import traceback
import types

tell = os.fdopen(int(sys.argv[1]), "w", encoding="utf-8")
orders = os.fdopen(os.dup(0))
os.dup2(os.open("/dev/null", os.O_RDONLY), 0)


def say(**event):
    tell.write(json.dumps(event) + "\n")
    tell.flush()


class Stream:
    """Standard output or error, in pieces as they are flushed."""

    encoding, errors = "utf-8", "strict"

    def __init__(self, name, descriptor):
        self.name, self.descriptor, self.pieces, self.length = name, descriptor, [], 0
        self.buffer = self

    def write(self, text):
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        self.pieces.append(text)
        self.length += len(text)
        if self.length > 16384:
            self.flush()
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        if self.pieces:
            text, self.pieces, self.length = "".join(self.pieces), [], 0
            say(type=self.name, text=text, timestamp="2026-01-01T00:00:00+00:00")

    def isatty(self):
        return False

    def fileno(self):
        return self.descriptor

    def writable(self):
        return True

    def readable(self):
        return False


class StdinNotImplementedError(RuntimeError):
    pass


def no_input(*_):
    raise StdinNotImplementedError(
        "raw_input was called, but this frontend does not support input requests."
    )


def show(value):
    if value is None:
        return
    text = repr(value)
    if isinstance(value, str):
        text = text[1:-1]
    more = {"json": value} if isinstance(value, (dict, list)) else {}
    try:
        json.dumps(more)
    except (TypeError, ValueError):
        more = {}
    say(type="result", text=text, **more, extra={}, is_main_result=True)


async def run(code, name, variables):
    tree = ast.parse(code, name)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not code.rstrip().endswith(";"):
        last = ast.Expression(tree.body.pop().value)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for part, mode in ((tree, "exec"), (last, "eval")):
        if part is None or mode == "exec" and not part.body:
            continue
        value = eval(compile(part, name, mode, flags=flags), variables)
        if inspect.iscoroutine(value):
            value = await value
        if mode == "eval":
            show(value)


def told(error):
    frames = error.__traceback__
    while frames and not frames.tb_frame.f_code.co_filename.startswith("<cell"):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


async def main():
    sys.stdout, sys.stderr = Stream("stdout", 1), Stream("stderr", 2)
    builtins.input = no_input
    builtins.exit = builtins.quit = lambda *_: None
    sys.argv = ["kernel", "-f", "/root/.local/share/jupyter/runtime/kernel.json"]
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    variables = module.__dict__
    for number, line in enumerate(orders, 1):
        code, name = json.loads(line), f"<cell {number}>"
        linecache.cache[name] = len(code), None, code.splitlines(True), name
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            await run(code, name, variables)
        except BaseException as error:
            sys.stdout.flush()
            value = str(error)
            say(type="error", name=type(error).__name__, value=value, traceback=told(error))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stdout.flush()
        sys.stderr.flush()
        say(type="end_of_execution")


# Not `asyncio.run`, which would keep interrupts from the program.
asyncio.new_event_loop().run_until_complete(main())
