#!/usr/bin/env python3
"""Real programs through the emulator by the official Python SDK, unmodified: E2B_API_URL and
E2B_SANDBOX_URL name it. Each scenario asserts what came of it."""
import asyncio
import os
import time

from e2b import CommandExitException, NotFoundException, SandboxQuery, SandboxState, TimeoutException
from e2b_code_interpreter import AsyncSandbox, Sandbox


def raises(kind, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def new(**named):
    return Sandbox.create(timeout=120, **named)


def a_program_prints_and_has_a_value():
    with new() as sandbox:
        execution = sandbox.run_code("print('hello')\n6 * 7")
        assert (execution.logs.stdout, execution.text, execution.error) == (["hello\n"], "42", None)


def events_arrive_while_it_runs():
    with new() as sandbox:
        heard = []
        code = "import sys\nprint('out')\nprint('err', file=sys.stderr)\n{'a': 1}"
        execution = sandbox.run_code(code, on_stdout=heard.append, on_stderr=heard.append, on_result=heard.append)
        assert len(heard) == 3 and execution.results[0].json == {"a": 1}


def variables_stay_in_their_context():
    with new() as sandbox:
        sandbox.run_code("x = 41")
        assert sandbox.run_code("x + 1").text == "42"
        context = sandbox.create_code_context(language="python", cwd="/tmp")
        assert sandbox.run_code("x", context=context).error.name == "NameError"
        assert len(sandbox.list_code_contexts()) == 2
        sandbox.run_code("y = 1", context=context)
        sandbox.restart_code_context(context)
        assert sandbox.run_code("y", context=context).error.name == "NameError"
        sandbox.remove_code_context(context)
        raises(NotFoundException, sandbox.run_code, "1", context=context)


def javascript_runs():
    with new() as sandbox:
        execution = sandbox.run_code("console.log('hi'); console.error('no'); 6 * 7", language="js")
        assert (execution.logs.stdout, execution.logs.stderr, execution.text) == (["hi\n"], ["no\n"], "42")
        assert sandbox.run_code("throw new TypeError('x')", language="js").error.name == "TypeError"


def exceptions_have_name_value_and_traceback():
    with new() as sandbox:
        error = sandbox.run_code("def f(): return 1 / 0\nf()").error
        assert (error.name, error.value) == ("ZeroDivisionError", "division by zero") and "f()" in error.traceback


def it_is_a_notebook():
    with new() as sandbox:
        assert sandbox.run_code("import sys; sys.exit(3)").error.value == "3"
        assert sandbox.run_code("exit()\nprint('goes on')").logs.stdout == ["goes on\n"]
        assert sandbox.run_code("input()").error.name == "StdinNotImplementedError"
        assert sandbox.run_code("import asyncio\nasyncio.run(asyncio.sleep(0))").error.name == "RuntimeError"
        assert sandbox.run_code("await __import__('asyncio').sleep(0)\n'done'").text == "done"


def a_kernel_that_ends_is_started_again():
    with new() as sandbox:
        assert sandbox.run_code("import os; os._exit(7)").error.name == "ContextRestarting"
        assert sandbox.run_code("print('again')").logs.stdout == ["again\n"]


def a_run_that_takes_too_long_is_left_and_interrupted():
    with new() as sandbox:
        code = "import time\ntry:\n    while True: time.sleep(0.05)\nexcept KeyboardInterrupt: interrupted = True"
        raises(TimeoutException, sandbox.run_code, code, timeout=1)
        time.sleep(2)
        assert sandbox.run_code("interrupted").text == "True"


def variables_of_a_sandbox_and_of_a_run():
    with new(envs={"A": "1"}) as sandbox:
        execution = sandbox.run_code("import os; print(os.environ['A'], os.environ['B'])", envs={"B": "2"})
        assert execution.logs.stdout == ["1 2\n"]
        assert sandbox.commands.run("echo $A").stdout == "1\n"


def commands_have_streams_status_and_input():
    with new() as sandbox:
        result = sandbox.commands.run("echo out; echo err >&2; echo $X; pwd", envs={"X": "y"}, cwd="/tmp")
        assert (result.exit_code, result.stderr) == (0, "err\n") and result.stdout.startswith("out\ny\n")
        assert raises(CommandExitException, sandbox.commands.run, "exit 3").exit_code == 3
        assert raises(CommandExitException, sandbox.commands.run, "kill -9 $$").exit_code == -1
        raises(TimeoutException, sandbox.commands.run, "sleep 60", timeout=1)
        handle = sandbox.commands.run("cat", background=True, stdin=True)
        sandbox.commands.send_stdin(handle.pid, "typed\n")
        sandbox.commands.close_stdin(handle.pid)
        assert handle.wait().stdout == "typed\n"
        handle = sandbox.commands.run("sleep 60", background=True)
        assert any(one.pid == handle.pid for one in sandbox.commands.list())
        assert handle.kill() and not sandbox.commands.kill(handle.pid)


def files_are_kept():
    with new() as sandbox:
        sandbox.files.write("/home/user/a.txt", "content é")
        assert sandbox.files.read("/home/user/a.txt") == "content é"
        assert sandbox.commands.run("cat /home/user/a.txt").stdout == "content é"
        sandbox.files.write_files([{"path": "/tmp/1", "data": "x"}, {"path": "/tmp/2", "data": b"\x00\xff"}])
        assert sandbox.files.read("/tmp/2", format="bytes") == b"\x00\xff"
        sandbox.files.write("/tmp/o", "octet", use_octet_stream=True)
        assert {"1", "2", "o"} <= {entry.name for entry in sandbox.files.list("/tmp")}
        raises(NotFoundException, sandbox.files.read, "/nope")
        assert sandbox.files.make_dir("/tmp/d") and not sandbox.files.make_dir("/tmp/d")
        sandbox.files.rename("/tmp/1", "/tmp/d/one")
        assert sandbox.files.exists("/tmp/d/one") and not sandbox.files.exists("/tmp/1")
        sandbox.files.remove("/tmp/d")
        assert not sandbox.files.exists("/tmp/d")


def sandboxes_are_found_sleep_and_end():
    sandbox = new(metadata={"run": "r 1&x"})
    pages = Sandbox.list(query=SandboxQuery(metadata={"run": "r 1&x"}, state=[SandboxState.RUNNING]), limit=1)
    assert [one.sandbox_id for one in pages.next_items()] == [sandbox.sandbox_id]
    assert sandbox.get_info().metadata == {"run": "r 1&x"}
    sandbox.set_timeout(60)
    assert sandbox.is_running()
    sandbox.pause()
    assert not sandbox.is_running()
    again = Sandbox.connect(sandbox.sandbox_id, timeout=60)
    assert again.run_code("1 + 1").text == "2"
    assert sandbox.kill() and not sandbox.is_running() and not Sandbox.kill(sandbox.sandbox_id)


def the_asynchronous_client_too():
    async def work():
        sandbox = await AsyncSandbox.create(timeout=120)
        runs = [sandbox.run_code(f"{n} * 2", context=await sandbox.create_code_context()) for n in range(3)]
        assert [execution.text for execution in await asyncio.gather(*runs)] == ["0", "2", "4"]
        await sandbox.kill()

    asyncio.run(work())


SCENARIOS = [
    a_program_prints_and_has_a_value,
    events_arrive_while_it_runs,
    variables_stay_in_their_context,
    javascript_runs,
    exceptions_have_name_value_and_traceback,
    it_is_a_notebook,
    a_kernel_that_ends_is_started_again,
    a_run_that_takes_too_long_is_left_and_interrupted,
    variables_of_a_sandbox_and_of_a_run,
    commands_have_streams_status_and_input,
    files_are_kept,
    sandboxes_are_found_sleep_and_end,
    the_asynchronous_client_too,
]
for scenario in SCENARIOS:
    scenario()
    print("ok", scenario.__name__.replace("_", " "))
print(f"{len(SCENARIOS)} scenarios of the Python SDK", flush=True)
# The SDK's HTTP library sometimes aborts while the interpreter is taken down, when all is done.
os._exit(0)
