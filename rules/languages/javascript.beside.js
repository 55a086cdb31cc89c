// Runs a program as a script, then tests that see its top-level names, and reports on
// descriptor 4.
//
// Calls are made here and judged elsewhere: each is reported with the value it returned, read by
// its exact type, so that nothing an object says of itself counts, and what it must return is not
// known here.
//
// The tests and the nonce wait on descriptor 3 and are read only after the program's top level
// has run, so a program that ends early, with whatever exit status, cannot have reported. What a
// program does to its own interpreter while the tests run is out of reach here: the report says
// where the tests were judged.
//
// Where tests are judged apart, the judge takes the running of tests from this file and runs none of
// its `main`.
'use strict';

const fs = require('fs');
const Module = require('module');
const path = require('path');
const vm = require('vm');
const { pathToFileURL } = require('url');
const { types } = require('util');

const FAILURES_MAX = 5;
const TEXT_SHOWN_MAX = 200;
// Ends tests of which one has failed.
const OVER = new Error('the first failure is the last');
// Of finding where statements end.
const TRIES_MAX = 5000;
// Of the value of a call.
const DEPTH_MAX = 100;
const ITEMS_MAX = 100000;
const BYTES_MAX = 1 << 20;
const BITS_MAX = 1n << 262144n;
// Of the values of all calls.
const ALL_BYTES_MAX = 6 << 20;
const { stringify, parse } = JSON;
const { readFileSync, writeSync, writeFileSync } = fs;
const exit = process.exit.bind(process);
const { tagged, named } = readerOfValues();
const session = { written: 0, ran: 0, units: 0, passed: 0, failures: [] };
// Assertions that have not decided yet.
const awaited = { count: 0 };

if (require.main === module) main();
else module.exports = { FAILURES_MAX, awaited, bounded, counting, countingConsole, makeCall, runTests, session, tagged, told };

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
  const replaced = watched();
  await runProgram(source, file);

  const order = parse(readFileSync(3, 'utf8'));
  if (order.prelude) vm.runInThisContext(order.prelude, { filename: 'prelude.js' });
  const assert = counting(require('assert'));
  const console = countingConsole();
  const isOver = () => Boolean(order.stop) && session.failures.length > 0;
  const run = { assert, console, isOver, load: require, whole: (promise) => promise };
  for (const text of order.texts) if (!isOver()) await runTests(text, order.entry_point, run);
  if (order.texts.length > 0) failIfReplaced(replaced());
  const calls = [];
  for (const call of order.calls || []) if (!isOver()) calls.push(await makeCall(call, lookUp));
  session.failures.length = Math.min(session.failures.length, FAILURES_MAX);
  writeSync(4, stringify({ nonce: order.nonce, ...session, calls: bounded(calls), words: ['null', 'true', 'false'] }) + '\n');
  exit(0);
}

// What tests decide by. A program that puts its own in its place decides instead of them.
function watched() {
  const assert = require('assert');
  const owners = {
    assert,
    'assert.strict': assert.strict,
    util: require('util'),
    console,
    Object,
    JSON,
    Array,
    Number,
    Reflect,
    'Array.prototype': Array.prototype,
    'String.prototype': String.prototype,
    'Object.prototype': Object.prototype,
    'Number.prototype': Number.prototype,
    'Map.prototype': Map.prototype,
    'Set.prototype': Set.prototype,
  };
  const names = {
    util: ['isDeepStrictEqual'],
    console: ['assert'],
    Object: ['is', 'keys', 'values', 'entries'],
    JSON: ['stringify', 'parse'],
    Array: ['isArray', 'from'],
    Number: ['isNaN', 'isInteger'],
    Reflect: ['apply'],
    'Array.prototype': ['every', 'some', 'includes', 'map', 'join', 'indexOf'],
    'String.prototype': ['includes', 'trim'],
    'Object.prototype': ['toString', 'hasOwnProperty'],
    'Number.prototype': ['valueOf', 'toString', 'toFixed'],
    'Map.prototype': ['get', 'has'],
    'Set.prototype': ['has'],
  };
  const { is, keys } = Object;
  const saved = [];
  for (const owner of keys(owners)) {
    for (const name of names[owner] || keys(owners[owner])) {
      if (typeof owners[owner][name] === 'function') saved.push({ owner: owners[owner], name, label: `${owner}.${name}`, value: owners[owner][name] });
    }
  }
  const load = Module.prototype.require;
  return () => {
    if (!is(Module.prototype.require, load)) return 'require';
    for (let index = 0; index < saved.length; index += 1) {
      const { owner, name, label, value } = saved[index];
      if (!is(owner[name], value)) return label;
    }
    return undefined;
  };
}

function failIfReplaced(label) {
  if (label === undefined) return;
  session.units += 1;
  session.failures.unshift(`the program puts its own in the place of \`${label}\`, which tests decide by`);
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

// `whole` ends what is awaited when nothing can come of it any more; `load` is `require`.
async function runTests(text, entryPoint, { assert, console, isOver, load, whole }) {
  session.written += (text.match(/\bassert\b|\bthrow\b/g) || []).length;
  const names = [...text.matchAll(/^(?:async\s+)?(?:function\s*\*?\s*|(?:const|let|var)\s+)(test_\w*|check)\b/gm)]
    .map((match) => match[1])
    .filter((name) => name !== 'check' || entryPoint);
  const calls = names
    .map((name) => (name === 'check' ? `['check(${entryPoint})', () => check(${entryPoint})]` : `['${name}', () => ${name}()]`));
  const compiled = (body) => vm.runInThisContext(`(async (require, assert, console, _rewardspec_unit) => {{${body}\n;return [${calls.join(', ')}];}})`, { filename: 'tests.js' });
  let tests;
  let run;
  let { body, count } = withUnits(text);
  let ranInUnits = 0;
  const before = session.ran;
  const failed = session.failures.length;
  const counted = async (test, label) => {
    session.units += 1;
    const ran = session.ran;
    const failures = session.failures.length;
    try {
      await whole(test());
    } catch (error) {
      session.failures.push(label + told(error));
    }
    if (session.failures.length === failures) session.passed += 1;
    ranInUnits += session.ran - ran;
  };
  const unit = async (assertion) => {
    if (isOver()) throw OVER;
    count -= 1;
    await counted(assertion, '');
  };
  try {
    try {
      run = compiled(body);
    } catch {
      count = 0;
      run = compiled(text);
    }
  } catch (error) {
    session.broken = `the tests do not parse: ${told(error)}`;
    return;
  }
  const runner = runnerOfTests(async (name, test) => {
    if (isOver()) throw OVER;
    await counted(test, `${name}: `);
  });
  const own = (name) => {
    if (/^(node:)?assert(\/strict)?$/.test(name)) return assert;
    return name === 'node:test' ? Object.assign(runner.test, { mock: load(name).mock }) : load(name);
  };
  try {
    tests = await whole(run(own, assert, console, unit));
    await runner.ended();
  } catch (error) {
    if (error === OVER) return;
    // What a failure kept from running has not passed.
    session.units += 1 + count + names.length;
    session.failures.push(told(error));
    return;
  }
  if (session.ran - ranInUnits > before) {
    session.units += 1;
    if (session.failures.length === failed) session.passed += 1;
  }
  for (const [name, test] of tests) {
    if (isOver()) return;
    await counted(test, `${name}: `);
  }
}

// Stands for `node:test`, which keeps to itself what fails. `one` runs a test and counts it.
function runnerOfTests(one) {
  let last = Promise.resolve();
  let running = 0;
  let suite = { outer: null, beforeEach: [], afterEach: [], after: [] };
  const top = suite;
  const queue = (work) => {
    // What a running test waits for cannot wait for it.
    if (running > 0) return work();
    last = last.then(work);
    return last;
  };
  const parts = (given) => [given.find((part) => typeof part === 'string') || 'a test', given.find((part) => part !== null && typeof part === 'object') || {}, given.find((part) => typeof part === 'function')];
  const called = (body, context) => (body.length < 2 ? body(context) : new Promise((resolve, reject) => {
    body(context, (error) => (error ? reject(error) : resolve()));
  }));
  const hooks = (of, kind) => (of === null ? [] : kind === 'beforeEach' ? [...hooks(of.outer, kind), ...of[kind]] : [...of[kind], ...hooks(of.outer, kind)]);
  const test = (...given) => {
    const [name, options, body] = parts(given);
    if (options.skip || options.todo || body === undefined) return Promise.resolve();
    const of = suite;
    return queue(() => one(name, async () => {
      const context = { name, test, diagnostic() {}, skip() {}, todo() {}, plan() {}, before: (hook) => hook(), after: (hook) => own.push(hook), beforeEach: hook('beforeEach'), afterEach: hook('afterEach') };
      const own = [];
      running += 1;
      try {
        for (const before of hooks(of, 'beforeEach')) await called(before, context);
        await called(body, context);
      } finally {
        try {
          for (const after of [...own, ...hooks(of, 'afterEach')]) await called(after, context);
        } finally {
          running -= 1;
        }
      }
    }));
  };
  const hook = (kind) => (body) => {
    suite[kind].push(body);
  };
  const ending = (of) => queue(async () => {
    for (const after of of.after) await called(after, {});
  });
  const describe = (...given) => {
    const [, options, body] = parts(given);
    if (options.skip || options.todo || body === undefined) return Promise.resolve();
    suite = { outer: suite, beforeEach: [], afterEach: [], after: [] };
    try {
      body({});
      return ending(suite);
    } finally {
      suite = suite.outer;
    }
  };
  for (const one of [test, describe]) Object.assign(one, { skip: () => Promise.resolve(), todo: () => Promise.resolve(), only: one });
  Object.assign(test, { test, it: test, describe, suite: describe, before: (body) => queue(() => called(body, {})), after: hook('after'), beforeEach: hook('beforeEach'), afterEach: hook('afterEach'), default: test });
  return { test, ended: () => ending(top) };
}

// Wraps the assertions that stand at top level, so that each has its own result, and counts them. They
// begin their line, and what stands before them is whole.
function withUnits(text) {
  const parses = (part) => {
    try {
      return Boolean(new vm.Script(`(async () => {${part}\n})`));
    } catch {
      return false;
    }
  };
  const lines = text.split('\n');
  const body = [];
  let count = 0;
  let tries = TRIES_MAX;
  let open = [];
  for (let index = 0; index < lines.length; index += 1) {
    let end = index;
    if (/^(?:await\s+)?(?:console\.)?assert\b/.test(lines[index]) && tries > 0 && parses(open.join('\n'))) {
      do {
        end += 1;
        tries -= 1;
      } while (tries > 0 && end < lines.length && !parses(lines.slice(index, end).join('\n')));
    }
    const statement = lines.slice(index, end).join('\n');
    if (end === index || !parses(statement)) {
      open.push(lines[index]);
      continue;
    }
    body.push(...open, `await _rewardspec_unit(async () => {${statement}\n});`);
    open = [];
    count += 1;
    index = end - 1;
  }
  return { body: [...body, ...open].join('\n'), count };
}

// The functions of `assert`, each call counted, with what `given` makes of its arguments.
function counting(assert, given = (name, args) => args) {
  const counted = (value, called) => (...args) => {
    session.ran += 1;
    const decided = value(...given(called, args));
    if (!types.isPromise(decided)) return decided;
    awaited.count += 1;
    return decided.finally(() => {
      awaited.count -= 1;
    });
  };
  const wrapped = counted(assert, 'ok');
  for (const name of Object.keys(assert)) {
    const isAssertion = typeof assert[name] === 'function' && !/^[A-Z]/.test(name) && name !== 'strict';
    wrapped[name] = isAssertion ? counted(assert[name], name) : assert[name];
  }
  wrapped.strict = wrapped;
  return wrapped;
}

// `console.assert` leaves the exit status alone; here it fails the tests.
function countingConsole(given = (name, args) => args) {
  const wrapped = Object.create(console);
  const assert = (...args) => {
    session.ran += 1;
    const [holds, ...message] = given('ok', args);
    if (!holds) session.failures.push(message.length ? `console.assert: ${message.map(String).join(' ')}` : 'a console.assert does not hold');
  };
  // Whoever is given this console cannot put something in its place.
  return Object.defineProperty(wrapped, 'assert', { value: assert, enumerable: true });
}

function told(error) {
  try {
    if (error && error.code === 'ERR_ASSERTION') return String(error.message).split('\n').slice(0, 6).join(' ').trim();
    return error instanceof Error ? `${error.name}: ${error.message}` : `threw ${String(error)}`;
  } catch {
    return 'threw a value that cannot be shown';
  }
}

class Exit extends Error {
  get name() {
    return 'Exit';
  }
}

// `find` gives what a name stands for in the program, `tag` makes the result tagged JSON.
async function makeCall({ name, args, kwargs }, find, tag = tagged) {
  if (kwargs.length) session.broken = `JavaScript has no arguments by name, and a call of \`${name}\` has some: write them under \`args\``;
  const at = name.lastIndexOf('.');
  const owner = at < 0 ? undefined : find(name.slice(0, at));
  const found = find(name);
  if (!found || found.value === undefined) return ['missing'];
  // Made anew for each call, so that what one changes no other sees.
  const given = args.map(untagged);
  process.exit = (code) => {
    throw new Exit(`the call ends the process with ${code ?? process.exitCode ?? 0}`);
  };
  try {
    return ['returned', tag(await Reflect.apply(found.value, owner && owner.value, given))];
  } catch (error) {
    return named(error);
  } finally {
    process.exit = exit;
  }
}

// A name of the program: of its top level, or of what it exports.
function lookUp(name) {
  for (const dotted of [name, `module.exports.${name}`]) {
    try {
      const value = vm.runInThisContext(dotted);
      if (value !== undefined) return { value };
    } catch {
      continue;
    }
  }
  return undefined;
}

function untagged([kind, ...rest]) {
  if (kind === 'none') return null;
  if (kind === 'list') return rest.map(untagged);
  if (kind === 'int') return Number(rest[0]);
  if (kind === 'float') return Number(rest[0].replace('inf', 'Infinity'));
  if (kind !== 'dict') return rest[0];
  const map = {};
  for (let index = 0; index < rest.length; index += 2) {
    Object.defineProperty(map, rest[index][1], { value: untagged(rest[index + 1]), writable: true, enumerable: true, configurable: true });
  }
  return map;
}

// Values that are too large together are left out, the last ones first.
function bounded(calls) {
  let left = ALL_BYTES_MAX;
  return calls.map((outcome) => {
    const size = stringify(outcome).length;
    if (size > left) return ['returned', ['large']];
    left -= size;
    return outcome;
  });
}

// What makes values and exceptions tagged JSON. It is made before the program runs and holds
// everything it needs, so that what a program puts in the place of a builtin is not asked.
function readerOfValues() {
  const { getPrototypeOf, getOwnPropertyDescriptor, keys: keysOf, is, prototype: plain } = Object;
  const { isArray } = Array;
  const { isProxy, isMap, isSet, isUint8Array, isArgumentsObject } = types;
  const list = Array.prototype;
  const map = Map.prototype;
  const set = Set.prototype;
  const { apply } = Reflect;
  const { forEach: forEachEntry } = map;
  const { forEach: forEachItem } = set;
  const { from } = Buffer;
  const toText = String;
  const encodable = encodeURIComponent;
  const size = Buffer.byteLength;

  class TooLarge extends Error {}

  function spend(left, bytes) {
    left.items -= 1;
    left.bytes -= bytes;
    if (left.items < 0 || left.bytes < 0) throw new TooLarge();
  }

  function tag(value, depth, left) {
    if (depth > DEPTH_MAX) throw new TooLarge();
    spend(left, 0);
    switch (typeof value) {
      case 'undefined':
        return ['undefined'];
      case 'boolean':
        return ['bool', value];
      case 'number':
        return ['float', is(value, -0) ? '-0' : toText(value)];
      case 'bigint': {
        if (value >= BITS_MAX || -value >= BITS_MAX) throw new TooLarge();
        const digits = toText(value);
        spend(left, digits.length);
        return ['int', digits];
      }
      case 'string':
        spend(left, size(value));
        return isWellFormed(value) ? ['str', value] : ['other', 'string with lone surrogates'];
      case 'object':
        return value === null ? ['none'] : tagObject(value, depth + 1, left);
      default:
        return ['other', typeof value];
    }
  }

  function tagObject(value, depth, left) {
    if (isProxy(value)) return ['other', 'Proxy'];
    const prototype = getPrototypeOf(value);
    if (isArray(value) && prototype === list) {
      const items = ['list'];
      spend(left, value.length);
      for (let index = 0; index < value.length; index += 1) items[index + 1] = tag(own(value, index), depth, left);
      return items;
    }
    if (isMap(value) && prototype === map) {
      const entries = ['dict'];
      apply(forEachEntry, value, [(item, key) => {
        entries[entries.length] = tag(key, depth, left);
        entries[entries.length] = tag(item, depth, left);
      }]);
      return entries;
    }
    if (isSet(value) && prototype === set) {
      const items = ['set'];
      apply(forEachItem, value, [(item) => {
        items[items.length] = tag(item, depth, left);
      }]);
      return items;
    }
    if (isUint8Array(value)) {
      spend(left, 2 * value.byteLength);
      return ['bytes', from(value).toString('hex')];
    }
    if ((prototype !== plain && prototype !== null) || isArgumentsObject(value)) return ['other', className(prototype)];
    const entries = ['dict'];
    for (const key of keysOf(value)) {
      entries[entries.length] = tag(key, depth, left);
      entries[entries.length] = tag(own(value, key), depth, left);
    }
    return entries;
  }

  // What is computed when it is read is no value.
  function own(value, key) {
    const property = getOwnPropertyDescriptor(value, key);
    if (property === undefined) return undefined;
    return 'value' in property ? property.value : () => {};
  }

  function isWellFormed(text) {
    try {
      encodable(text);
      return true;
    } catch {
      return false;
    }
  }

  function className(prototype) {
    const made = prototype && own(prototype, 'constructor');
    const name = typeof made === 'function' ? own(made, 'name') : undefined;
    return typeof name === 'string' && isWellFormed(name) && name ? name.slice(0, 100) : 'object';
  }

  function shown(value) {
    let text;
    try {
      text = toText(value).slice(0, TEXT_SHOWN_MAX);
    } catch {
      return '';
    }
    return isWellFormed(text) ? text : '';
  }

  return {
    tagged(value) {
      try {
        return tag(value, 0, { items: ITEMS_MAX, bytes: BYTES_MAX });
      } catch {
        return ['large'];
      }
    },
    // By the names of its classes, from its own to that of all errors, and the name it gives itself.
    named(error) {
      if (error === null || (typeof error !== 'object' && typeof error !== 'function')) return ['raised', [typeof error], shown(error)];
      const names = [];
      let message = '';
      try {
        for (let prototype = getPrototypeOf(error); prototype && prototype !== plain; prototype = getPrototypeOf(prototype)) {
          names[names.length] = className(prototype);
        }
        const given = shown(error.name);
        if (given && !names.includes(given)) names[names[0] === 'Error' ? 'unshift' : 'push'](given);
        message = shown(error.message);
      } catch {
        return ['raised', names.length ? names : ['object'], ''];
      }
      return ['raised', names.length ? names : ['object'], message];
    },
  };
}
