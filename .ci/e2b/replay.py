#!/usr/bin/env python3
"""What the official Python SDK makes of the recorded streams of the real interpreter, as JSON.

    replay.py EMULATOR DIRECTORY [WANTED]

Prints it, or with WANTED, a file, fails unless it is the same."""
import json
import os
import pathlib
import subprocess
import sys

LONG = 2000
FORMS = "text html markdown svg png jpeg pdf latex json javascript data extra".split()


def short(value):
    if isinstance(value, str) and len(value) > LONG:
        return {"length": len(value), "begin": value[:100], "end": value[-100:]}
    if isinstance(value, dict):
        return {key: short(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [short(inner) for inner in value]
    return value


def told(execution):
    results = []
    for result in execution.results:
        found = {name: getattr(result, name) for name in FORMS if getattr(result, name) is not None}
        results.append({**found, "is_main_result": result.is_main_result})
    error = execution.error
    return short({
        "stdout": execution.logs.stdout,
        "stderr": execution.logs.stderr,
        "results": results,
        "error": error and {"name": error.name, "value": error.value, "traceback": error.traceback},
        "execution_count": execution.execution_count,
    })


def replay(name, recording):
    from e2b_code_interpreter import Context, Sandbox

    sandbox = Sandbox.create(metadata={"replay": name})
    found = []
    for step in recording["steps"]:
        request, response = step["request"], step["response"]
        if request["path"] != "/execute" or response.get("ended") != "eof" or response["status"] != 200:
            continue
        body = request["body"]
        context = body.get("context_id")
        execution = sandbox.run_code(
            body["code"],
            context=context and Context(context, body.get("language") or "python", "/home/user"),
            language=None if context else body.get("language"),
            envs=body.get("env_vars"),
            timeout=30,
        )
        found.append(told(execution))
    sandbox.kill()
    return found


def main():
    emulator, directory, *wanted = sys.argv[1:]
    server = subprocess.Popen(
        [emulator, "--listen", "127.0.0.1:0", "--replay", directory], stdout=subprocess.PIPE, text=True
    )
    address = server.stdout.readline().split()[-1]
    os.environ.update(E2B_API_KEY="e2b_00", E2B_API_URL=address, E2B_SANDBOX_URL=address)
    try:
        found = {}
        for path in sorted(pathlib.Path(directory).glob("*.json")):
            executions = replay(path.stem, json.loads(path.read_text()))
            if executions:
                found[path.stem] = executions
    finally:
        server.terminate()
    count = sum(map(len, found.values()))
    if not wanted:
        print(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True))
        return
    assert found == json.loads(pathlib.Path(wanted[0]).read_text()), "the SDK makes something else of the streams"
    print(f"{count} recorded streams, as the SDK reads them")


main()
