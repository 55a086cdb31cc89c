// Runs a program as a script, then tests that see its top-level names, and reports on
// descriptor 4.
//
// The tests and the nonce wait on descriptor 3 and are read only after the program's top level
// has run, so a program that ends early, with whatever exit status, cannot have reported. What a
// program does to its own interpreter while the tests run is out of reach here: the report says
// where the tests were judged.
'use strict';

const fs = require('fs');
const Module = require('module');
const path = require('path');
const vm = require('vm');
const { pathToFileURL } = require('url');

const FAILURES_MAX = 5;
const { stringify, parse } = JSON;
const { readFileSync, writeSync, writeFileSync } = fs;
const exit = process.exit.bind(process);
const session = { written: 0, ran: 0, units: 0, passed: 0, failures: [] };

main();

async function main() {
  const file = path.resolve(process.argv[2]);
  process.argv.splice(1, 1);
  const source = readFileSync(file, 'utf8');
  const module = new Module(file, null);
  module.filename = file;
  module.paths = Module._nodeModulePaths(path.dirname(file));
  Object.assign(globalThis, {
    module,
    exports: module.exports,
    require: Module.createRequire(file),
    __filename: file,
    __dirname: path.dirname(file),
  });
  await runProgram(source, file);

  const order = parse(readFileSync(3, 'utf8'));
  if (order.prelude) vm.runInThisContext(order.prelude, { filename: 'prelude.js' });
  const assert = counting(require('assert'));
  const console = countingConsole();
  for (const text of order.texts) await runTests(text, order.entry_point, assert, console);
  session.failures.length = Math.min(session.failures.length, FAILURES_MAX);
  writeSync(4, stringify({ nonce: order.nonce, ...session }) + '\n');
  exit(0);
}

// A script's top-level declarations are visible to later scripts; a module's exports are made so.
async function runProgram(source, file) {
  let script;
  try {
    script = new vm.Script(source, {
      filename: file,
      importModuleDynamically: vm.constants && vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    });
  } catch (error) {
    if (!(error instanceof SyntaxError) || !/^\s*(import|export)\b/m.test(source)) throw error;
    const asModule = file.replace(/\.js$/, '.mjs');
    writeFileSync(asModule, source);
    Object.assign(globalThis, await import(pathToFileURL(asModule)));
    return;
  }
  script.runInThisContext();
}

async function runTests(text, entryPoint, assert, console) {
  session.written += (text.match(/\bassert\b|\bthrow\b/g) || []).length;
  const names = [...text.matchAll(/^(?:async\s+)?(?:function\s*\*?\s*|(?:const|let|var)\s+)(test_\w*|check)\b/gm)].map((match) => match[1]);
  const calls = names
    .filter((name) => name !== 'check' || entryPoint)
    .map((name) => (name === 'check' ? `['check(${entryPoint})', () => check(${entryPoint})]` : `['${name}', () => ${name}()]`));
  const wrapped = `(async (require, assert, console) => {{${text}\n;return [${calls.join(', ')}];}})`;
  let tests;
  let run;
  const before = session.ran;
  const failed = session.failures.length;
  try {
    run = vm.runInThisContext(wrapped, { filename: 'tests.js' });
  } catch (error) {
    session.broken = `the tests do not parse: ${told(error)}`;
    return;
  }
  try {
    tests = await run((name) => (/^(node:)?assert(\/strict)?$/.test(name) ? assert : require(name)), assert, console);
  } catch (error) {
    session.units += 1;
    session.failures.push(told(error));
    return;
  }
  if (session.ran > before) {
    session.units += 1;
    if (session.failures.length === failed) session.passed += 1;
  }
  for (const [name, test] of tests) {
    session.units += 1;
    const failures = session.failures.length;
    try {
      await test();
    } catch (error) {
      session.failures.push(`${name}: ${told(error)}`);
    }
    if (session.failures.length === failures) session.passed += 1;
  }
}

// The functions of `assert`, each call counted.
function counting(assert) {
  const counted = (value) => (...args) => {
    session.ran += 1;
    return value(...args);
  };
  const wrapped = counted(assert);
  for (const name of Object.keys(assert)) {
    const isAssertion = typeof assert[name] === 'function' && !/^[A-Z]/.test(name) && name !== 'strict';
    wrapped[name] = isAssertion ? counted(assert[name]) : assert[name];
  }
  wrapped.strict = wrapped;
  return wrapped;
}

// `console.assert` leaves the exit status alone; here it fails the tests.
function countingConsole() {
  const wrapped = Object.create(console);
  wrapped.assert = (holds, ...message) => {
    session.ran += 1;
    if (!holds) session.failures.push(message.length ? `console.assert: ${message.map(String).join(' ')}` : 'a console.assert does not hold');
  };
  return wrapped;
}

function told(error) {
  try {
    if (error && error.code === 'ERR_ASSERTION') return String(error.message).split('\n').slice(0, 6).join(' ').trim();
    return error instanceof Error ? `${error.name}: ${error.message}` : `threw ${String(error)}`;
  } catch {
    return 'threw a value that cannot be shown';
  }
}
