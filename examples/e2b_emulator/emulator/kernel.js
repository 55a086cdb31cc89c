// A JavaScript kernel: reads programs from standard input, a JSON text a line, and tells events on a
// descriptor. Like the real one it shows the value of a last expression, and `process.exit` never ends.
"use strict";
const fs = require("fs");
const readline = require("readline");
const util = require("util");
const vm = require("vm");

const descriptor = Number(process.argv[2]);
const say = (event) => fs.writeSync(descriptor, JSON.stringify(event) + "\n");
const timestamp = "2026-01-01T00:00:00+00:00";
for (const name of ["stdout", "stderr"]) {
  process[name].write = (text, ...rest) => {
    say({ type: name, text: String(text), timestamp });
    const done = rest.find((one) => typeof one === "function");
    if (done) done();
    return true;
  };
}
process.exit = () => say({ type: "hangs" });
process.on("SIGINT", () => {});
globalThis.require = require;

async function run(code) {
  let value;
  try {
    value = vm.runInThisContext(code, { filename: "/home/user/index.ts" });
  } catch (error) {
    if (!(error instanceof SyntaxError) || !/await/.test(code)) throw error;
    value = vm.runInThisContext(`(async () => {\n${code}\n})()`, { filename: "/home/user/index.ts" });
  }
  value = await value;
  if (value !== undefined) {
    say({ type: "result", text: util.inspect(value), extra: {}, is_main_result: true });
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    try {
      await run(JSON.parse(line));
    } catch (error) {
      const known = error instanceof Error;
      say({
        type: "error",
        name: known ? error.name : typeof error,
        value: known ? error.message : String(error),
        traceback: known ? error.stack : "",
      });
    }
    say({ type: "end_of_execution" });
  }
}
main();
