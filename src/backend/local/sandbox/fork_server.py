"""A warmed CPython in a slot of the sandbox: each program is a fork of it, in namespaces of its own.

What a program is given, and what it becomes before its first line runs, is the same as of a start of
its own. The frame of this file, which was started with `-c`, is hidden while a program runs.

A fork has no descriptor of this process, no capability, and cannot name it: what it changes is its
own copy. Only code of this file, of the standard library, of preloaded modules and of the suite's
own runners is run or compiled here; a program's code never is.
"""

# Before any name of this file is among them.
FIRST = {**globals(), "__doc__": None}

import builtins
import sys

# What every start of the interpreter loads by itself: it comes before files of the program.
COLD = frozenset(sys.modules)
# Those that the interpreter has when it begins to take them down; `open` is the first of the rest.
BUILTINS = list(vars(builtins)).index("open")
# A program that changes the builtins changes nothing of what follows it here.
globals().update({name: value for name, value in vars(builtins).items() if not name.startswith("__")})


class Imports:
    """Which modules each module imports while it is loaded."""

    def __init__(self):
        self.of = {}
        self.real, builtins.__import__ = builtins.__import__, self.note

    def note(self, name, globals=None, locals=None, fromlist=(), level=0):
        module = self.real(name, globals, locals, fromlist, level)
        names = self.of.setdefault((globals or {}).get("__name__"), set())
        if level:
            package = globals["__package__"].rsplit(".", level - 1)[0]
            name = f"{package}.{name}" if name else package
        parts = name.split(".")
        names.update(".".join(parts[: count + 1]) for count in range(len(parts)))
        names.update(f"{name}.{part}" for part in fromlist or () if f"{name}.{part}" in sys.modules)
        return module

    def end(self):
        builtins.__import__ = self.real

    def reached(self, name):
        """What is loaded once a module is."""
        seen, left = set(), [name]
        while left:
            name = left.pop()
            if name not in seen:
                seen.add(name)
                left.extend(self.of.get(name, ()))
        return seen


IMPORTS = Imports()

import _signal
import _socket
import _thread
import ast
import atexit
import ctypes
import functools
import gc
import itertools
import json
import linecache
import marshal
import os
import re
import resource
import weakref

# A list for programs as models write them.
USUAL = """
    abc ast bisect collections contextlib copy copyreg dataclasses datetime enum errno functools hashlib
    heapq inspect io itertools json keyword linecache math numbers operator os random re reprlib string
    struct textwrap time token tokenize traceback types typing warnings weakref
""".split()

# What numerical libraries take their number of threads from: a process with more than one cannot be
# forked.
ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

POINTER = ctypes.sizeof(ctypes.c_void_p)
# How much of the interpreter's state is looked at: it holds much more in one version.
STATE_WORDS = 1000 if sys.version_info < (3, 12) else 40000 if sys.version_info < (3, 13) else 3000
CONTROL, SETUP = 3, 4
# How many kinds of programs are kept prepared.
KINDS_MAX = 64
# Below are the descriptors that programs get.
FIRST_FREE = 16

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_GET_TID_ADDRESS = 1, 4, 22, 40
PR_SET_MM, PR_SET_MM_MAP = 35, 14
SECCOMP_MODE_FILTER = 2
CLONE_NEWNS, CLONE_NEWIPC = 0x00020000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
CLONE_PARENT, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID = 0x00008000, 0x00200000, 0x01000000
LINUX_CAPABILITY_VERSION_3 = 0x20080522
MESSAGE_MAX, DESCRIPTORS_MAX = 65536, 16
# Callbacks for the end that every start has, and none of which does anything then.
CALLBACKS = 0

api = ctypes.pythonapi
# Through PyDLL, which holds the interpreter's lock all the while: nothing else may run in a fork.
libc = ctypes.PyDLL(None, use_errno=True)
syscall = libc.syscall
syscall.restype = ctypes.c_long
run_file = api.PyRun_FileExFlags
run_file.restype = ctypes.py_object
run_file.argtypes = [
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.py_object,
    ctypes.py_object,
    ctypes.c_int,
    ctypes.c_void_p,
]
PY_FILE_INPUT = 257
libc.sbrk.restype = ctypes.c_void_p
libc.sbrk.argtypes = [ctypes.c_ssize_t]
libc.fopen.restype = ctypes.c_void_p
libc.fopen.argtypes = [ctypes.c_char_p, ctypes.c_char_p]


# Looked up here, since a program may watch that.
fflush = libc.fflush
api.PyThreadState_Get.restype = ctypes.c_void_p
api.PyInterpreterState_Get.restype = ctypes.c_void_p


class Unimported(type(sys.__spec__)):
    """The spec of a module that is loaded, until a program imports it: the interpreter asks each time
    whether it is being loaded. What the import of a module makes visible of packages is so invisible
    before."""

    @property
    def _initializing(self):
        self.__class__ = type(self).__base__
        for package, name, module in self.__dict__.pop("_shows"):
            vars(package).setdefault(name, module)
        return False


Unimported.__name__, Unimported.__qualname__ = ("ModuleSpec",) * 2


def hide_submodules(imports):
    """Takes away what packages have of modules that others of the loaded imported."""
    hidden = {}
    for name in set().union(*imports.of.values()):
        package, _, rest = name.rpartition(".")
        spec = getattr(sys.modules.get(name), "__spec__", None)
        # A package gives those of the interpreter itself their other names.
        is_own = package and spec is not None and not spec.name.startswith("_frozen")
        if is_own and name not in COLD and name not in imports.reached(package):
            hidden[name] = sys.modules[package], rest, sys.modules[name]
    for name, module in sys.modules.items():
        shows = [hidden[one] for one in imports.reached(name) if one in hidden]
        spec = getattr(module, "__spec__", None)
        if shows and name not in COLD and type(spec) is Unimported.__base__:
            spec._shows = shows
            spec.__class__ = Unimported
    for package, rest, _ in hidden.values():
        vars(package).pop(rest, None)


class Depth:
    """How deep the interpreter counts itself to be: a program is not to count what is below it."""

    # Calls of C functions, which count like those of Python in versions before 3.12.
    calls = 1 if sys.version_info < (3, 12) else 0
    # Those below a program where they have a count of their own, or nothing has a place to find.
    others = 2 if sys.version_info < (3, 11) else 0 if sys.version_info < (3, 12) else 3

    def __init__(self):
        self.left = None
        for _ in range(self.others):
            api.Py_LeaveRecursiveCall()
        if sys.version_info < (3, 11):
            return
        # What is left stands before the limit, which is known, in the state of the thread.
        usual, rare = sys.getrecursionlimit(), 54321
        words = (ctypes.c_int * 64).from_address(api.PyThreadState_Get())
        sys.setrecursionlimit(rare)
        places = [place for place in range(1, 64) if words[place] == rare]
        if len(places) == 1 and rare - 10 < words[places[0] - 1] < rare:
            address = ctypes.addressof(words) + 4 * places[0]
            self.left, self.limit = ctypes.c_int.from_address(address - 4), ctypes.c_int.from_address(address)
        sys.setrecursionlimit(usual)

    def forget(self, calls=0):
        """The next call is the first, but for some calls of C functions."""
        if self.left is not None:
            # This one is left again.
            self.left.value = self.limit.value + calls - 1


class Memory(ctypes.Structure):
    """struct prctl_mm_map, PR_SET_MM_MAP of prctl(2)."""

    _fields_ = [
        *(
            (name, ctypes.c_uint64)
            for name in """start_code end_code start_data end_data start_brk brk start_stack
            arg_start arg_end env_start env_end auxv""".split()
        ),
        ("auxv_size", ctypes.c_uint32),
        ("exe_fd", ctypes.c_uint32),
    ]

    @classmethod
    def of_this(cls):
        """Of this process, by the numbers of proc_pid_stat(5)."""
        with open("/proc/self/stat") as stat:
            fields = ["", "", *stat.read().rpartition(")")[2].split()]
        number = lambda place: int(fields[place - 1])
        return cls(
            start_code=number(26),
            end_code=number(27),
            start_stack=number(28),
            start_data=number(45),
            end_data=number(46),
            start_brk=number(47),
            arg_start=number(48),
            arg_end=number(49),
            env_start=number(50),
            env_end=number(51),
            exe_fd=0xFFFFFFFF,
        )


class Filter(ctypes.Structure):
    """struct sock_fprog, seccomp(2)."""

    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def called(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


class Kind:
    """Programs that are ordered in the same words: what is prepared once, for all of them."""

    def __init__(self, order, scratch):
        self.command, self.arguments = order["command"], [order["script"], *order["args"]]
        self.limits = [(limit, tuple(most)) for limit, most in order["limits"]]
        path = os.path.join(scratch, order["script"])
        self.path, self.directory = os.fsencode(path), os.path.dirname(path)
        # Those that a fork finds loaded besides, by their names; the main one, with what is left to do there.
        self.modules, self.main, self.rest = {}, None, None
        # All that it did not load itself.
        self.warm = frozenset()


class Server:
    """What is prepared once, for all programs."""

    def __init__(self, setup):
        # Where orders come, once this is ready.
        self.control = None
        self.calls = setup["calls"]
        self.scratch = setup["scratch"]
        self.full, self.no_room = b'{"is_full":true}', setup["no_room"].encode()
        self.warm(setup["preload"])
        self.preloads = bool(setup["preload"])
        self.reseed = seeding(sys.modules["random"]) if "random" in sys.modules else None
        self.scripts, self.hooks = found_out(
            {path: (text, os.path.join(self.scratch, path)) for path, text in setup["scripts"]}
        )
        # Of scripts, by their files: as main modules, with what is left to do there, and as others.
        self.mains, self.modules = {}, {}
        # By the words of their orders; the last that was ordered, and the one that this process looks like.
        self.kinds, self.last, self.worn = {}, None, None
        # A main module that is no script of ours, and for which kind.
        self.blank, self.blank_of = None, None
        self.restrict_self = ctypes.c_long(self.calls["landlock_restrict_self"])
        code = bytes.fromhex(setup["filter"])
        self.filter_code = ctypes.create_string_buffer(code, len(code))
        self.filter = Filter(len(code) // 8, ctypes.addressof(self.filter_code))
        self.memory = Memory.of_this()
        self.no_capabilities = (ctypes.c_uint32 * 2)(LINUX_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
        # Where the C library keeps the number of this thread, which is another one in a fork.
        self.thread_number = ctypes.c_void_p()
        libc.prctl(PR_GET_TID_ADDRESS, ctypes.byref(self.thread_number), 0, 0, 0)

    def warm(self, preload):
        for name in USUAL:
            try:
                __import__(name)
            except ImportError:
                # Builds without some of it are usual.
                continue
        IMPORTS.end()
        hide_submodules(IMPORTS)
        # What this file left in them.
        re.purge()
        linecache.clearcache()
        # Libraries read these when they are loaded; programs do not see them.
        for name in ONE_THREAD:
            os.putenv(name, "1")
        for name in preload:
            try:
                __import__(name)
            except BaseException as error:
                raise Refused(f"`preload` cannot import `{name}`: {type(error).__name__}: {error}")
            if threads() != 1:
                raise Refused(f"`preload` cannot hold `{name}`: it starts a thread, which no fork has")
        for name in ONE_THREAD:
            os.unsetenv(name)
        self.loaded = frozenset(sys.modules)
        # Seen by programs that preload; their state is renewed in each.
        self.generators = numpy_generators() if "numpy" in sys.modules else None

    def names(self):
        """Modules that a file of a program could stand before, were they not loaded."""
        return sorted({name.partition(".")[0] for name in sys.modules} - {name for name in COLD if "." not in name})

    def serve(self):
        """Forks a program for each order. Returns in the fork.

        Each page that this touches is copied once more for every fork: hence so little here."""
        while True:
            message, descriptors = receive(self.control)
            if not message:
                os._exit(0)
            kind = self.kinds.get(message) or self.kind(message)
            # Ordered twice, it will be ordered again.
            if kind is self.last and kind is not self.worn:
                self.wear(kind)
            self.last = kind
            if kind.main is None and kind is not self.blank_of:
                self.blank, self.blank_of = self.new_module(kind.arguments[0], "__main__"), kind
            try:
                pid = self.fork(descriptors[0])
            except OSError as error:
                say(descriptors[2], {"failed": f"could not fork the interpreter: {error}"})
                pid = None
            if pid == 0:
                return kind, descriptors
            if pid is not None:
                os.write(descriptors[2], b'{"forked":%d}\n' % pid)
            for descriptor in descriptors:
                os.close(descriptor)
            # Not until the next one comes: what is held then would be each fork's.
            del kind, message, descriptors

    def kind(self, message):
        """What is ordered in words that were not heard before."""
        order = json.loads(message)
        self.begin(order)
        kind = Kind(order, self.scratch)
        for known in order["known"]:
            if known == order["script"] and self.mains[known]:
                kind.main, kind.rest = self.mains[known]
            elif known != order["script"] and self.modules[known]:
                module, _ = self.modules[known]
                kind.modules[module.__name__] = module
        kind.warm = self.loaded.union(kind.modules)
        if len(self.kinds) >= KINDS_MAX:
            self.kinds.clear()
        self.kinds[message] = kind
        # But for a blank module, which is freed at a program's end, nothing here is a program's.
        self.blank_of = self.blank = None
        gc.freeze()
        return kind

    def begin(self, order):
        """Makes the modules of the scripts that a program begins with, where there are none yet. What a
        fork makes of them is its own. The main one comes last, and finds the others."""
        found = {}
        for path in sorted(order["known"], key=lambda path: path == order["script"]):
            is_main = path == order["script"]
            begun = self.mains if is_main else self.modules
            if path not in begun:
                module = self.new_module(path, "__main__" if is_main else path.partition(".")[0])
                sys.modules.update(found)
                rest = self.begun(path, module)
                for name in found:
                    del sys.modules[name]
                begun[path] = rest and (module, rest)
                self.loaded = frozenset(sys.modules)
                self.kinds.clear()
            if not is_main and begun[path]:
                found[begun[path][0].__name__] = begun[path][0]

    def new_module(self, path, name):
        path = os.path.join(self.scratch, path)
        module = type(sys)(name)
        namespace = module.__dict__
        namespace.update(FIRST, __name__=name)
        if "__annotations__" in FIRST:
            namespace["__annotations__"] = {}
        loader = sys.modules["_frozen_importlib_external"].SourceFileLoader
        namespace.update(__loader__=loader(name, path), __file__=path, __cached__=None)
        return module

    def begun(self, path, module):
        """Runs a script but for what it does as a main module, and returns the code of that; none where
        this is not how it ends, or it fails."""
        definitions, rest = self.scripts[path]
        try:
            if definitions is not None:
                exec(definitions, module.__dict__)
                return rest
        except BaseException:
            pass
        return None

    def fork(self, init):
        """A child of this process's parent, in the namespace of processes that `init` heads."""
        called(libc.setns(init, CLONE_NEWPID))
        if self.preloads:
            api.PyOS_BeforeFork()
        flags = CLONE_PARENT
        number = self.thread_number.value
        if number:
            flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID
        pid = syscall(
            ctypes.c_long(self.calls["clone"]),
            ctypes.c_ulong(flags),
            ctypes.c_void_p(0),
            ctypes.c_void_p(0),
            # The last two are the thread's number and its storage, in the order of the machine.
            ctypes.c_void_p(number),
            ctypes.c_void_p(number),
        )
        if pid == 0:
            self.after_fork()
            return 0
        if self.preloads:
            api.PyOS_AfterFork_Parent()
        return called(pid)

    def after_fork(self):
        """Makes the interpreter usable in the fork.

        It had one thread, so no lock is in a state that only another could change, and the modules that
        are always loaded ask for nothing but what is renewed here. Preloaded modules may have asked for
        more."""
        if self.preloads:
            api.PyOS_AfterFork_Child()
        elif self.reseed is not None:
            self.reseed()
        threading = sys.modules.get("threading")
        if threading is not None:
            threading.main_thread()._set_native_id()

    def become(self, kind, descriptors):
        """Gives up everything, as a program that is started does."""
        init_process, init, report, go, *streams = descriptors
        # Kept: it is closed with all others.
        self.init = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fileno=init)
        prepared, ruleset = receive(self.init)
        if not prepared:
            # It has said why.
            os._exit(1)
        called(libc.setns(init_process, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC))
        called(libc.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0))
        called(libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
        # Init closes its memory to others only once it was entered.
        os.write(init, b"+")
        os.setsid()
        os.chdir(self.scratch)
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
        for descriptor in ruleset:
            called(syscall(self.restrict_self, descriptor, 0))
        header, none = self.no_capabilities
        called(syscall(ctypes.c_long(self.calls["capset"]), header, none))
        for limit, most in kind.limits:
            set_limit(limit, most)
        if os.read(init, 1) != b"+":
            raise OSError("init is gone")
        if not os.read(go, 64):
            os._exit(1)
        if prepared == self.full:
            os.write(2, self.no_room)
            os._exit(1)
        called(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(self.filter), 0, 0))
        close_range = ctypes.c_long(self.calls["close_range"])
        called(syscall(close_range, ctypes.c_uint(len(streams)), ctypes.c_uint(0xFFFFFFFF), ctypes.c_uint(0)))

    def show_command(self, words):
        """Makes the words this process's command line, as others see it."""
        text = b"\0".join(map(os.fsencode, words)) + b"\0"
        memory = self.memory
        if len(text) > memory.arg_end - memory.arg_start:
            return
        ctypes.memmove(memory.arg_start, text, len(text))
        memory.arg_end = memory.arg_start + len(text)
        memory.brk = libc.sbrk(0)
        # A kernel that was built without it shows more behind them.
        libc.prctl(PR_SET_MM, PR_SET_MM_MAP, ctypes.byref(memory), ctypes.sizeof(memory), 0)

    def wear(self, kind):
        """Looks as if it had been started with a command."""
        sys.argv[:] = kind.arguments
        if hasattr(sys, "orig_argv"):
            sys.orig_argv[:] = kind.command
        self.show_command(kind.command)
        self.worn = kind

    def look_like_a_start(self, kind):
        """What a program sees of how it was started."""
        if kind is not self.worn:
            self.wear(kind)
        if not sys.flags.isolated:
            sys.path[0] = kind.directory
        sys.modules.update(kind.modules)
        main = sys.modules["__main__"] = kind.main or self.blank
        self.blank = None
        if self.generators is not None:
            self.generators()
        gc.enable()
        return main.__dict__


class Refused(Exception):
    """Why there can be no such server: the author's to mend."""


def found_out(scripts):
    """The code of scripts, and where the interpreter keeps the hooks of `sys.addaudithook`, or none. A child
    finds out: the memory that this takes would be each fork's, and a hook stays."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        code = {path: compiled_script(text, name) for path, (text, name) in scripts.items()}
        with open(write, "wb") as file:
            marshal.dump(code, file)
            file.flush()
            marshal.dump(place_of_hooks(), file)
        os._exit(0)
    os.close(write)
    with open(read, "rb") as file:
        code = marshal.load(file)
        try:
            hooks = marshal.load(file)
        except EOFError:
            hooks = None
    os.waitpid(child, 0)
    return code, hooks


def place_of_hooks():
    """The address that holds the list of audit hooks, in the interpreter's state, or null."""
    state = api.PyInterpreterState_Get()
    words = (ctypes.c_void_p * STATE_WORDS).from_address(state)
    before = list(words)
    sys.addaudithook(lambda *_: None)
    new = [place for place, word in enumerate(words) if word and not before[place]]
    places = [place for place in new if word_at(words[place] + POINTER) == id(list)]
    return state + places[0] * POINTER if len(places) == 1 else None


def compiled_script(text, name):
    """The code of what a script defines, and of what it does as a main module; in place of the former
    nothing, where the latter is not its last statement."""
    tree = ast.parse(text, name)
    last = tree.body[-1]
    is_main = isinstance(last, ast.If) and ast.unparse(last.test) == "__name__ == '__main__'"
    if not is_main or last.orelse:
        return None, None
    definitions, rest = ast.Module(tree.body[:-1], []), ast.Module([last], [])
    return tuple(compile(part, name, "exec", 0, True) for part in (definitions, rest))


def seeding(random):
    """Renews what the module draws from by default, but for what is as it was loaded."""
    generator = random._inst
    return functools.partial(super(type(generator), generator).seed)


def threads():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("Threads:"))


def numpy_generators():
    """Renews what numpy draws from by default, which a fork would share with all others."""
    numpy = sys.modules["numpy"]
    return lambda: numpy.random.seed()


def receive(control):
    data, ancillary, _, _ = control.recvmsg(
        MESSAGE_MAX, _socket.CMSG_LEN(DESCRIPTORS_MAX * 4), _socket.MSG_CMSG_CLOEXEC
    )
    descriptors = []
    for _, _, rights in ancillary:
        descriptors += memoryview(rights).cast("i").tolist()
    return data, descriptors


def say(descriptor, what):
    os.write(descriptor, (json.dumps(what) + "\n").encode())


def complain(error):
    """Shows an exception that nobody caught, as the interpreter does; the exit status."""
    if isinstance(error, SystemExit):
        return status_of(error)
    kind, trace = type(error), error.__traceback__
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    absent = object()
    hook = getattr(sys, "excepthook", absent)
    if hook is absent:
        print("sys.excepthook is missing", file=sys.stderr)
        show(kind, error, trace)
        return 1
    try:
        # What cannot be called fails here, as there.
        alone(functools.partial(hook, kind, error, trace)) if callable(hook) else hook(kind, error, trace)
    except SystemExit as inner:
        return status_of(inner)
    except BaseException as inner:
        print("Error in sys.excepthook:", file=sys.stderr)
        show_inner(inner, 2 if callable(hook) else 1)
        print("\nOriginal exception was:", file=sys.stderr)
        show(kind, error, trace)
    return 1


show = sys.excepthook


def status_of(error):
    """What `SystemExit` asks for, as `_Py_HandleSystemExit` of CPython reads it."""
    try:
        code = error.code
    except BaseException:
        code = error
    if code is None:
        return 0
    if isinstance(code, int):
        if -(1 << 63) <= code < 1 << 63:
            return int(code) & 0xFF
        if sys.version_info >= (3, 12):
            show(OverflowError, OverflowError("Python int too large to convert to C long"), None)
        return 0xFF
    for text in (code, "\n"):
        try:
            print(text, end="", file=sys.stderr)
        except BaseException as error:
            if sys.version_info >= (3, 12):
                show_inner(error)
    return 1


def alone(call, calls=0):
    """Calls something that is not written in Python with no frame below, and as the first call."""
    depth.forget(calls)
    memmove(found_at, slot, POINTER)
    memmove(slot, nothing_at, POINTER)
    try:
        return call()
    finally:
        memmove(slot, found_at, POINTER)


def show_inner(error, frames=1):
    """Shows an exception that was raised beyond some frames of this file."""
    trace = error.__traceback__
    for _ in range(frames):
        trace = trace.tb_next
    show(type(error), error.with_traceback(trace), trace)


def flush():
    """Whether both streams took what was left for them."""
    is_whole = True
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name, None)
        try:
            is_closed = stream is None or bool(stream.closed)
        except BaseException:
            is_closed = False
        try:
            if not is_closed:
                stream.flush()
        except BaseException as error:
            if name == "stdout":
                unraisable(error, stream)
            is_whole = False
    return is_whole


def flush_quietly(*names):
    for name in names:
        try:
            getattr(sys, name).flush()
        except BaseException:
            continue


def restore_streams():
    for name in ("stdin", "stdout", "stderr"):
        sys.__dict__[name] = sys.__dict__.get(f"__{name}__")


def unraisable(error, source):
    try:
        is_new = sys.version_info >= (3, 13)
        what = "on flushing sys.stdout:" if is_new else f"in: {source!r}"
        sys.stderr.write(f"Exception ignored {what}\n")
        show_inner(error)
    except BaseException:
        return


def end(status, is_interrupted, warm):
    """Ends as the interpreter does, but for taking down what every fork has a copy of."""
    threading = sys.modules.get("threading")
    if threading is not None and (_thread._count() or getattr(threading, "_threading_atexits", True)):
        try:
            alone(functools.partial(threading._shutdown))
        except BaseException as error:
            print(f"Exception ignored in: {threading!r}", file=sys.stderr)
            show_inner(error, 2)
    if count_callbacks() != CALLBACKS:
        try:
            alone(run_exitfuncs, Depth.calls)
        except BaseException:
            # Shown already.
            pass
    is_whole = flush()
    if not is_whole:
        status = 120
    if is_whole and not is_interrupted and not has_last_words(warm):
        restore_streams()
        flush_quietly("stdout", "stderr")
        fflush(None)
        leave(status)
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        sys.__dict__.pop(name, None)
    for name in ("path", "argv", "path_hooks", "path_importer_cache", "meta_path"):
        sys.__dict__[name] = None
    restore_streams()
    main = sys.modules.get("__main__")
    alive = weakref.ref(main) if main is not None else None
    del main
    own = modules_of_program(warm)
    if "__main__" in own:
        own.remove("__main__")
    # As in `alone`: what is left of the program may run code.
    depth.forget()
    memmove(found_at, slot, POINTER)
    memmove(slot, nothing_at, POINTER)
    collect()
    # No comprehension, which would be a frame.
    held = []
    for name in own:
        held.append(sys.modules.pop(name, None))
    if (3, 11) <= sys.version_info < (3, 12):
        held.clear()
    sys.modules.pop("__main__", None)
    collect()
    while held:
        held.pop()
    collect()
    main = alive and alive()
    if main is not None:
        main.__dict__.clear()
    for name in [*vars(builtins)][BUILTINS:]:
        vars(builtins).pop(name, None)
    memmove(slot, found_at, POINTER)
    flush_quietly("stdout", "stderr")
    fflush(None)
    if is_interrupted:
        set_signal(SIGINT, 0)
        send_signal(libc.getpid(), SIGINT)
    leave(status)


def modules_of_program(warm):
    """The names of what it loaded, the last first: those of the server are never looked at."""
    return list(itertools.takewhile(lambda name: name not in warm, reversed(sys.modules)))


def has_last_words(warm):
    """Whether anything happens when what a program left is freed: not where it only loaded what was loaded
    already, and none of its objects has a `__del__`, as files and generators have, or is watched for its
    end."""
    try:
        # It would be told of the look below.
        if hooks is None or hooks.value:
            return True
        # What else it loaded may hold types that end in some other way.
        if any(name != "__main__" for name in modules_of_program(warm)):
            return True
        objects = get_objects()
        for kind in set(map(type, objects)):
            if is_last_word(kind):
                return True
            if issubclass(kind, type) and any(is_last_word(one) for one in objects if type(one) is kind):
                return True
            if issubclass(kind, weakref.ref) and any(is_watched(one) for one in objects if type(one) is kind):
                return True
        return False
    except BaseException:
        return True


def is_last_word(kind):
    return kind is PROXIES[0] or kind is PROXIES[1] or any("__del__" in namespace_of(base) for base in bases_of(kind))


def is_watched(reference):
    callback = reference.__callback__
    # Caches of abstract classes forget other classes so.
    return callback is not None and not (type(callback) is type(len) and callback.__name__ == "_destroy")


def word_at(address):
    return ctypes.c_void_p.from_address(address).value


def frame_places():
    """Addresses that may hold which frame is the innermost: words of the thread's state, or of what one
    of them points to on the stack."""
    state = api.PyThreadState_Get()
    places = [state + number * POINTER for number in range(32)]
    with open("/proc/self/maps") as maps:
        stack = next(line.split()[0] for line in maps if line.rstrip().endswith("[stack]"))
    low, high = (int(address, 16) for address in stack.split("-"))
    if (3, 11) <= sys.version_info < (3, 13):
        pointers = {word_at(place) or 0 for place in places}
        places = [one + by for one in pointers if low <= one < high - 2 * POINTER for by in (0, POINTER)]
    return places


# Kept, whatever a program puts into their places.
collect, leave, send_signal = gc.collect, os._exit, os.kill
get_objects, set_limit = gc.get_objects, resource.setrlimit
# Which no metaclass answers for.
namespace_of, bases_of = type.__dict__["__dict__"].__get__, type.__dict__["__mro__"].__get__
PROXIES = weakref.ProxyType, weakref.CallableProxyType
run_exitfuncs, count_callbacks = atexit._run_exitfuncs, atexit._ncallbacks
set_signal, SIGINT = _signal.signal, _signal.SIGINT
get_trace, set_trace, get_profile, set_profile = sys.gettrace, sys.settrace, sys.getprofile, sys.setprofile


def open_server():
    """Prepares the server and says so, or why there is none; the server."""
    global CONTROL_HIGH
    CONTROL_HIGH = os.dup(CONTROL)
    with open(SETUP, "rb") as file:
        setup = json.load(file)
    null = os.open("/dev/null", os.O_RDONLY)
    held = [CONTROL_HIGH, null]
    while held[-1] < FIRST_FREE:
        held.append(os.dup(null))
    CONTROL_HIGH = os.dup(CONTROL_HIGH)
    os.dup2(null, CONTROL)
    answer = {}
    try:
        server = Server(setup)
        answer["Ok"] = {"names": server.names()}
    except Refused as refusal:
        answer["Err"] = {"message": str(refusal), "is_refusal": True}
    except Exception as error:
        answer["Err"] = {"message": f"{type(error).__name__}: {error}", "is_refusal": False}
    os.write(CONTROL_HIGH, json.dumps(answer).encode())
    if "Err" in answer:
        os._exit(1)
    # Held by the server, and so open in each fork until all is closed.
    server.control = _socket.socket(fileno=CONTROL_HIGH)
    global CALLBACKS
    CALLBACKS = atexit._ncallbacks()
    return server


server = open_server()
# Where the list of audit hooks is found, if there is one.
hooks = server.hooks and ctypes.c_void_p.from_address(server.hooks)
depth = Depth()
# Where the interpreter keeps which frame is the innermost. It is none while a program runs, which so
# sees none below its own; what stands there is looked for here since each function has a frame.
memmove = ctypes.memmove
frame = sys._getframe()
kept = ctypes.c_void_p(id(frame) if sys.version_info < (3, 11) else word_at(id(frame) + 3 * POINTER))
nothing, found = ctypes.c_void_p(), ctypes.c_void_p()
nothing_at, found_at, kept_at = map(ctypes.addressof, (nothing, found, kept))
# Where it is not found, that is nowhere that matters.
slot = found_at
for place in frame_places():
    memmove(found_at, place, POINTER)
    if found.value == kept.value:
        slot = place
        break
del frame, place
gc.collect()
gc.freeze()
gc.disable()
kind, descriptors = server.serve()
try:
    server.become(kind, descriptors)
except BaseException as error:
    say(descriptors[2], {"failed": f"could not become a program: {type(error).__name__}: {error}"})
    os._exit(1)
namespace = server.look_like_a_start(kind)
script, path, warm = kind.rest, kind.path, kind.warm
# The server itself stays: to take it down would touch, and so copy, all that it holds.
del descriptors, kind
failure, status, is_interrupted = None, 0, False
try:
    stream = libc.fopen(path, b"rb") if script is None else None
    depth.forget(Depth.calls)
    memmove(slot, nothing_at, POINTER)
    if script is not None:
        exec(script, namespace)
    else:
        run_file(stream, path, PY_FILE_INPUT, namespace, namespace, 1, None)
except BaseException as error:
    memmove(slot, kept_at, POINTER)
    failure = error.with_traceback(error.__traceback__.tb_next)
else:
    memmove(slot, kept_at, POINTER)
# A program's watcher is not to see what follows.
if get_trace() is not None:
    set_trace(None)
if get_profile() is not None:
    set_profile(None)
flush_quietly("stderr", "stdout")
del namespace, script
if failure is not None:
    status = complain(failure)
    is_interrupted = type(failure) is KeyboardInterrupt
    del failure
end(status, is_interrupted, warm)
