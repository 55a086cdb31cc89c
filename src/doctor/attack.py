"""One attempt to get out, named by the first argument; prints what it could do, or nothing."""

import os
import socket
import sys
import time


def reaches(what, attempt):
    try:
        attempt()
    except (OSError, AttributeError):
        return
    print(what)


def make(path):
    open(path, "x").close()
    os.remove(path)


def files(secret, own):
    reaches("a file of the machine was read", lambda: open(secret).read())
    reaches("a file of the machine was made", lambda: make(secret + ".made"))
    reaches("a file of the machine was given another mode", lambda: os.chmod(secret, 0o777))
    reaches("a file of the machine was given other times", lambda: os.utime(secret, (0, 0)))
    reaches("/etc/shadow was read", lambda: open("/etc/shadow").read())
    reaches("a file of the system was made", lambda: make("/usr/.rewardspec-doctor"))
    reaches("the interpreter was changed", lambda: open(own, "r+b"))


def secrets(supervisor):
    known = {"PATH", "HOME", "TMPDIR", "LANG", "LC_CTYPE"}
    others = sorted(set(os.environ) - known)
    if others:
        print("the environment holds", *others)
    for name in ("environ", "mem", "maps", "fd"):
        path = f"/proc/{supervisor}/{name}"
        attempt = os.listdir if name == "fd" else lambda path: open(path, "rb").read(1)
        reaches(f"rewardspec's {path} was read", lambda: attempt(path))
    for number in range(3, 256):
        reaches(f"descriptor {number} was inherited", lambda: os.fstat(number))


def network(port, path, abstract):
    reaches("a TCP port of the machine answered", lambda: socket.create_connection(("127.0.0.1", int(port)), 2))
    local = lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    reaches("a local socket of the machine answered", lambda: local().connect(path))
    reaches("an abstract socket of the machine answered", lambda: local().connect("\0" + abstract))


def limits(process):
    import resource

    resource.prlimit(process, resource.RLIMIT_CORE, (0, 0))


def processes(supervisor):
    supervisor = int(supervisor)
    reaches("rewardspec could be signalled", lambda: os.kill(supervisor, 0))
    reaches("rewardspec's limits were read or set", lambda: limits(supervisor))
    reaches("rewardspec was bound to a processor", lambda: os.sched_setaffinity(supervisor, {0}))
    reaches("rewardspec was slowed down", lambda: os.setpriority(os.PRIO_PROCESS, supervisor, 1))
    if os.path.isdir(f"/proc/{supervisor}/task"):
        reaches("rewardspec's threads were listed", lambda: os.listdir(f"/proc/{supervisor}/task"))


def identity():
    if 0 in os.getresuid():
        print("it runs as root")
    reaches("it became root", lambda: os.setuid(0))
    if os.path.exists("/proc/self/status"):
        for line in open("/proc/self/status"):
            if line.startswith(("CapEff", "CapPrm")) and int(line.split()[1], 16):
                print("it has capabilities:", line.split()[1])


def kernel():
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    calls = {
        "a user namespace was made": lambda: libc.unshare(0x10000000),
        "a file system was mounted": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
        "a process was traced": lambda: libc.ptrace(0, 0, 0, 0),
        "an eBPF program was asked for": lambda: libc.syscall({"x86_64": 321}.get(os.uname().machine, 280), 0, 0, 0),
    }
    for what, call in calls.items():
        if call() >= 0:
            print(what)


def memory():
    try:
        held = [bytearray(b"x" * (1 << 20)) for _ in range(1024)]
    except MemoryError:
        return
    print(f"{len(held)} MiB were held")


def tasks():
    made = 0
    try:
        while made < 200:
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            made += 1
    except OSError:
        return
    # Where processes are counted by looking, the look may be to come.
    time.sleep(1)
    print(f"{made} processes were made")


def disk():
    try:
        with open("large", "wb", 0) as file:
            for _ in range(64):
                if file.write(bytes(1 << 20)) < 1 << 20:
                    return
    except OSError:
        return
    # Where files are limited by looking, the look may be to come.
    time.sleep(1)
    print("64 MiB were written")


def output():
    for _ in range(1 << 16):
        print("x" * 1024)


def clock():
    time.sleep(60)
    print("it slept for a minute")


def daemon(mark):
    ready, tell = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(tell, b"+")
            time.sleep(60)
        os._exit(0)
    os.read(ready, 1)


globals()[sys.argv[1]](*sys.argv[2:])
