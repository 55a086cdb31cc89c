"""What lives in an emulated sandbox: starts processes, keeps files, runs kernels.

Reads orders from standard input and says what happens on standard output, a JSON object a line. Every
order has an `id`, which everything said about it repeats.

A sandbox has two of them, each in a local sandbox of its own: the user's, and one of root, started with
the argument `root`, for what is in root's home. All that they share are FIFOs that root's processes make
for others in /tmp, whose bytes are passed on.
"""

import base64
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time

HOME = "/home/user"
IS_ROOT = sys.argv[1:] == ["root"]
HERE = os.path.dirname(os.path.abspath(__file__))
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": HOME,
    "USER": "root" if IS_ROOT else "user",
    "LANG": "C.UTF-8",
    "E2B_SANDBOX": "true",
}
saying = threading.Lock()
out = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
# As /tmp is, which is the same directory here.
os.chmod(HOME, 0o1777)


def say(order, **what):
    with saying:
        out.write(json.dumps({"id": order["id"], **what}) + "\n")
        out.flush()


def path_of(path):
    if IS_ROOT and (path == "/root" or path.startswith("/root/")):
        path = path[6:]
    return os.path.join(HOME, path)


# Processes

processes = {}


def start(order):
    directory = path_of(order.get("cwd") or "")
    if not os.path.isdir(directory):
        return say(order, error="invalid_argument", message=f"cwd '{directory}' does not exist")
    command = [order["cmd"], *order.get("args", [])]
    try:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env={**ENVIRONMENT, **order.get("sandbox", {}), **order.get("envs", {})},
            stdin=subprocess.PIPE if order.get("stdin") else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return say(order, error="invalid_argument", message=f"{order['cmd']}: {error}")
    processes[process.pid] = process, order
    say(order, start=process.pid)
    threads = [
        threading.Thread(target=forward, args=(order, name, stream), daemon=True)
        for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
    ]
    for thread in threads:
        thread.start()
    late = None
    if order.get("deadline_ms"):
        late = threading.Timer(order["deadline_ms"] / 1000, end_late, (order, process))
        late.daemon = True
        late.start()
    threading.Thread(target=wait, args=(order, process, threads, late), daemon=True).start()


def forward(order, name, stream):
    while piece := os.read(stream.fileno(), 32768):
        if IS_ROOT:
            tell_fifos()
        say(order, **{name: base64.b64encode(piece).decode()})


def end_late(order, process):
    order["late"] = True
    process.kill()


def wait(order, process, threads, late):
    status = process.wait()
    if late:
        late.cancel()
    # A child may hold the streams: what is there is told, and no more is waited for.
    for thread in threads:
        thread.join(0.2)
    processes.pop(process.pid, None)
    if order.get("late"):
        return say(order, error="deadline_exceeded", message="the process took too long")
    say(order, exit=status)


def find(order):
    found = processes.get(order["pid"])
    if not found:
        say(order, error="not_found", message=f"process with pid {order['pid']} not found")
    return found


def send_signal(order):
    if found := find(order):
        found[0].send_signal(signal.SIGKILL if order["signal"] == "SIGNAL_SIGKILL" else signal.SIGTERM)
        say(order, done=True)


def send_input(order):
    if found := find(order):
        found[0].stdin.write(base64.b64decode(order["data"]))
        found[0].stdin.flush()
        say(order, done=True)


def close_input(order):
    if found := find(order):
        found[0].stdin.close()
        say(order, done=True)


def list_processes(order):
    listed = [
        {"pid": pid, "config": {"cmd": started["cmd"], "args": started.get("args", [])}}
        for pid, (_, started) in processes.items()
    ]
    say(order, done=listed)


# Files


def write(order):
    path = path_of(order["path"])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(base64.b64decode(order["data"]))
    say(order, done={"name": os.path.basename(path), "type": "file", "path": path})


def read(order):
    path = path_of(order["path"])
    if not os.path.isfile(path):
        return say(order, error="not_found", message=f"path '{path}' does not exist")
    with open(path, "rb") as file:
        say(order, done=base64.b64encode(file.read()).decode())


def entry(path):
    kind = "FILE_TYPE_DIRECTORY" if os.path.isdir(path) else "FILE_TYPE_FILE"
    return {"name": os.path.basename(path), "type": kind, "path": path}


def list_directory(order):
    path = path_of(order["path"])
    if not os.path.isdir(path):
        return say(order, error="not_found", message=f"path '{path}' does not exist")
    say(order, done=[entry(os.path.join(path, name)) for name in sorted(os.listdir(path))])


def look(order):
    path = path_of(order["path"])
    if not os.path.lexists(path):
        return say(order, error="not_found", message=f"path '{path}' does not exist")
    say(order, done=entry(path))


def make_directory(order):
    path = path_of(order["path"])
    if os.path.exists(path):
        return say(order, error="already_exists", message=f"path '{path}' exists")
    os.makedirs(path)
    say(order, done=entry(path))


def move(order):
    os.rename(path_of(order["source"]), path_of(order["destination"]))
    say(order, done=entry(path_of(order["destination"])))


def remove(order):
    path = path_of(order["path"])
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)
    say(order, done=None)


# FIFOs

fifos_told = set()
fifos_open = {}


def tell_fifos():
    """Before anything that root's processes say, which may be that they have made one."""
    with os.scandir("/tmp") as entries:
        directories = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    for directory in directories:
        if not os.stat(directory).st_mode & stat.S_IXOTH:
            continue
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISFIFO(mode) and mode & 0o006 and path not in fifos_told:
                fifos_told.add(path)
                say({"id": 0}, fifo=path, mode=stat.S_IMODE(mode))


def make_fifo(order):
    os.makedirs(os.path.dirname(order["path"]), exist_ok=True)
    os.mkfifo(order["path"])
    os.chmod(order["path"], order["mode"] | 0o600)
    say(order, done=None)


def end_of_fifo(order, flags):
    """One end of it, which others must open too."""
    key = order["path"], flags
    if key not in fifos_open:
        fifos_open[key] = os.open(order["path"], flags)
    return fifos_open[key]


def take(order):
    piece = os.read(end_of_fifo(order, os.O_RDONLY), 65536)
    say(order, done=base64.b64encode(piece).decode())


def pour(order):
    data = base64.b64decode(order["data"])
    descriptor = end_of_fifo(order, os.O_WRONLY)
    while data:
        data = data[os.write(descriptor, data) :]
    say(order, done=None)


def leave(order):
    for flags in (os.O_RDONLY, os.O_WRONLY):
        if descriptor := fifos_open.pop((order["path"], flags), None):
            os.close(descriptor)
    say(order, done=None)


# Kernels

contexts = {}
KERNELS = {
    "python": [sys.executable, "-u", os.path.join(HERE, "kernel.py")],
    "javascript": ["node", os.path.join(HERE, "kernel.js")],
}
ALIASES = {"js": "javascript", "ts": "javascript", "typescript": "javascript"}


class Context:
    def __init__(self, language, cwd, variables):
        self.language, self.cwd, self.variables = language, cwd, variables
        self.lock = threading.Lock()
        self.interrupted_at = 0
        self.begin()

    def begin(self):
        self.is_first = True
        self.count = 0
        told, telling = os.pipe()
        self.process = subprocess.Popen(
            [*KERNELS[self.language], str(telling)],
            cwd=self.cwd if os.path.isdir(self.cwd) else HOME,
            env={**ENVIRONMENT, **self.variables},
            stdin=subprocess.PIPE,
            pass_fds=[telling],
            start_new_session=True,
            text=True,
        )
        os.close(telling)
        self.told = os.fdopen(told, encoding="utf-8", errors="surrogateescape")

    def end(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def interrupt(self):
        self.interrupted_at = time.monotonic()
        if self.language == "python":
            self.process.send_signal(signal.SIGINT)
        else:
            self.end()


def assignments(language, variables):
    """What the real server pastes before a program."""
    pattern = {
        "python": "import os; os.environ['{}'] = '{}'",
        "javascript": "process.env['{}'] = '{}'",
    }[language]
    return [pattern.format(name, value) for name, value in variables.items()]


def execute(order):
    context = contexts.get(order["context"])
    if not context:
        return say(order, error="not_found", message=f"Context {order['context']} not found")
    with context.lock:
        # The kernel drops what is queued when it is interrupted, and the server waits for it for ever.
        if time.monotonic() - context.interrupted_at < 1:
            return
        code = order["code"]
        lines = []
        if context.is_first:
            lines += [*assignments(context.language, context.variables), ""]
        if order.get("envs"):
            lines += [*assignments(context.language, order["envs"]), ""]
        context.is_first = False
        context.count += 1
        say(order, event={"type": "number_of_executions", "execution_count": context.count})
        process = context.process
        try:
            process.stdin.write(json.dumps("\n".join([*lines, code])) + "\n")
            process.stdin.flush()
        except OSError:
            pass
        for line in context.told:
            event = json.loads(line)
            if event["type"] == "hangs":
                return
            say(order, event=event)
            if event["type"] == "end_of_execution":
                return
        # It ended before it came to an end.
        process.wait()
        if context.interrupted_at and context.language == "javascript":
            return context.begin()
        if contexts.get(order["context"]) is not context:
            name, value = "UnexpectedEndOfExecution", "Connection to the execution was closed before the execution was finished"
        else:
            name, value = "ContextRestarting", "Context was restarted"
            if context.process is process:
                context.begin()
        say(order, event={"type": "error", "name": name, "value": value, "traceback": ""})
        say(order, event={"type": "end_of_execution"})


def create_context(order):
    language = (order.get("language") or "python").strip().lower()
    language = ALIASES.get(language, language)
    if language not in KERNELS:
        text = json.dumps({"message": f"The '{language}' kernel is not available. Please pick another suitable kernel instead, or install that kernel.", "short_message": f"{language} not found"})
        return say(order, error="unknown", message=f"Failed to create context: {text}")
    cwd = order.get("cwd") or HOME
    contexts[order["context"]] = Context(language, cwd, order["variables"])
    say(order, done={"id": order["context"], "language": language, "cwd": cwd})


def change_context(order):
    context = contexts.get(order["context"])
    if not context:
        return say(order, error="not_found", message=f"Context {order['context']} not found")
    if order["op"] == "interrupt":
        return context.interrupt()
    if order["op"] == "remove_context":
        del contexts[order["context"]]
    context.end()
    if order["op"] == "restart_context":
        context.begin()
    say(order, done=None)


OPERATIONS = {
    "start": start,
    "signal": send_signal,
    "input": send_input,
    "close_input": close_input,
    "list": list_processes,
    "write": write,
    "read": read,
    "list_directory": list_directory,
    "look": look,
    "make_directory": make_directory,
    "move": move,
    "remove": remove,
    "make_fifo": make_fifo,
    "take": take,
    "pour": pour,
    "leave": leave,
    "create_context": create_context,
    "execute": execute,
    "interrupt": change_context,
    "restart_context": change_context,
    "remove_context": change_context,
}


def obey(order):
    try:
        OPERATIONS[order["op"]](order)
    except Exception as error:
        say(order, error="internal", message=f"{type(error).__name__}: {error}")


for line in sys.stdin:
    threading.Thread(target=obey, args=(json.loads(line),), daemon=True).start()
