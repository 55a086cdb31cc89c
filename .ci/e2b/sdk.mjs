// Real programs through the emulator by the official JavaScript SDK, unmodified: E2B_API_URL and
// E2B_SANDBOX_URL name it. Each scenario asserts what came of it.
import assert from "node:assert/strict";
import { Sandbox } from "@e2b/code-interpreter";

async function within(options, work) {
  const sandbox = await Sandbox.create({ timeoutMs: 120_000, ...options });
  try {
    await work(sandbox);
  } finally {
    await sandbox.kill();
  }
}

const scenarios = {
  "a program prints and has a value": () =>
    within({}, async (sandbox) => {
      const execution = await sandbox.runCode("print('hello')\n6 * 7");
      assert.deepEqual(execution.logs.stdout, ["hello\n"]);
      assert.equal(execution.text, "42");
    }),
  "events arrive while it runs": () =>
    within({}, async (sandbox) => {
      const heard = [];
      const hear = (event) => void heard.push(event);
      const code = "import sys\nprint('out')\nprint('err', file=sys.stderr)\n{'a': 1}";
      await sandbox.runCode(code, { onStdout: hear, onStderr: hear, onResult: hear });
      assert.equal(heard.length, 3);
    }),
  "variables stay in their context": () =>
    within({}, async (sandbox) => {
      await sandbox.runCode("x = 41");
      assert.equal((await sandbox.runCode("x + 1")).text, "42");
      const context = await sandbox.createCodeContext({ language: "python", cwd: "/tmp" });
      assert.equal((await sandbox.runCode("x", { context })).error.name, "NameError");
      assert.equal((await sandbox.listCodeContexts()).length, 2);
      await sandbox.restartCodeContext(context);
      await sandbox.removeCodeContext(context);
      await assert.rejects(sandbox.runCode("1", { context }), { name: "NotFoundError" });
    }),
  "javascript runs": () =>
    within({}, async (sandbox) => {
      const execution = await sandbox.runCode("console.log('hi'); 6 * 7", { language: "js" });
      assert.deepEqual([execution.logs.stdout, execution.text], [["hi\n"], "42"]);
    }),
  "exceptions have name, value and traceback": () =>
    within({}, async (sandbox) => {
      const { error } = await sandbox.runCode("1 / 0");
      assert.deepEqual([error.name, error.value], ["ZeroDivisionError", "division by zero"]);
    }),
  "a run that takes too long is left": () =>
    within({}, async (sandbox) => {
      const run = sandbox.runCode("import time\nwhile True: time.sleep(0.05)", { timeoutMs: 1000 });
      await assert.rejects(run, { name: "TimeoutError" });
    }),
  "commands have streams, status and input": () =>
    within({ envs: { A: "1" } }, async (sandbox) => {
      const result = await sandbox.commands.run("echo out $A $X; echo err >&2", { envs: { X: "y" }, cwd: "/tmp" });
      assert.deepEqual([result.exitCode, result.stdout, result.stderr], [0, "out 1 y\n", "err\n"]);
      await assert.rejects(sandbox.commands.run("exit 3"), { name: "CommandExitError", exitCode: 3 });
      await assert.rejects(sandbox.commands.run("sleep 60", { timeoutMs: 1000 }), { name: "TimeoutError" });
      const handle = await sandbox.commands.run("cat", { background: true, stdin: true });
      await sandbox.commands.sendStdin(handle.pid, "typed\n");
      await sandbox.commands.closeStdin(handle.pid);
      assert.equal((await handle.wait()).stdout, "typed\n");
      const other = await sandbox.commands.run("sleep 60", { background: true });
      assert.ok((await sandbox.commands.list()).some(({ pid }) => pid === other.pid));
      assert.equal(await other.kill(), true);
    }),
  "files are kept": () =>
    within({}, async (sandbox) => {
      await sandbox.files.write("/home/user/a.txt", "content é");
      assert.equal(await sandbox.files.read("/home/user/a.txt"), "content é");
      await sandbox.files.write([{ path: "/tmp/1", data: "x" }, { path: "/tmp/2", data: "y" }]);
      assert.equal(await sandbox.files.read("/tmp/2"), "y");
      const names = (await sandbox.files.list("/tmp")).map(({ name }) => name);
      assert.ok(names.includes("1") && names.includes("2"));
      await assert.rejects(sandbox.files.read("/nope"), { name: "FileNotFoundError" });
    }),
  "sandboxes are found, sleep and end": async () => {
    const sandbox = await Sandbox.create({ timeoutMs: 120_000, metadata: { run: "r 1&x" } });
    const pages = Sandbox.list({ query: { metadata: { run: "r 1&x" }, state: ["running"] }, limit: 1 });
    assert.deepEqual((await pages.nextItems()).map(({ sandboxId }) => sandboxId), [sandbox.sandboxId]);
    await sandbox.setTimeout(60_000);
    await sandbox.pause();
    assert.equal(await sandbox.isRunning(), false);
    const again = await Sandbox.connect(sandbox.sandboxId, { timeoutMs: 60_000 });
    assert.equal((await again.runCode("1 + 1")).text, "2");
    assert.equal(await sandbox.kill(), true);
    assert.equal(await sandbox.isRunning(), false);
  },
};
for (const [name, scenario] of Object.entries(scenarios)) {
  await scenario();
  console.log("ok", name);
}
console.log(`${Object.keys(scenarios).length} scenarios of the JavaScript SDK`);
