// Runs tests against a program that lives in another process, and reports on descriptor 4.
//
// The judge reads what the program sends from descriptor 0 and writes to descriptor 1; its order waits
// on descriptor 3. The program is hostile: it may answer anything. A verdict is safe because everything
// a test compares is either a value that was made here, by the judge's own intrinsics, out of tags that
// this file decodes; or a stand-in for an object of the program, which is equal to itself alone and to
// no value. Nothing the program sends is run, and nothing the tests expect is sent.
//
// What breaks the rules of the channel ends the talk for good: every later call throws, and no unit
// that was under way or comes later passes, whatever its tests catch.
'use strict';

const fs = require('fs');
const Module = require('module');
const path = require('path');
const vm = require('vm');
const nodeAssert = require('assert');
const { Console } = require('console');
const { types, inspect } = require('util');
const { FAILURES_MAX, awaited, bounded, counting, countingConsole, makeCall, runTests, session, tagged, told } = require('./rewardspec_tests.js');

const ANSWERS = 0;
const REQUESTS = 1;
const ORDER = 3;
const REPORT = 4;
const BYTES_MAX = 8 << 20;
const ALL_BYTES_MAX = 256 << 20;
const MESSAGES_MAX = 200000;
const ITEMS_MAX = 200000;
const OBJECTS_MAX = 500000;
const HANDLES_MAX = 200000;
const LEVELS_MAX = 100;
const PULLS_MAX = 100000;
const CALLS_DEEP_MAX = 100;
const DIGITS_MAX = 100000;
const NAME_MAX = 100;
// Objects outside of a call whose changes are looked for all the same, and how long their contents may be.
const RECENT_MAX = 16;
const RECENT_TEXT_MAX = 2048;
const NOTES_MAX = 5;
const NOTE_SHOWN_MAX = 200;
const FAILURE_SHOWN_MAX = 2000;
// How long the program goes on by itself while the tests wait, in milliseconds.
const PUMP_WAIT = 2;
// Turns of waiting in which neither side has anything to do.
const IDLE_MAX = 5;
// How long a program may go on after the tests because of a function that they lent it, in milliseconds.
const AFTERWARDS_MAX = 1000;
// What a process holds without waiting for it.
const QUIET = new Set(['Immediate', 'PipeWrap', 'TTYWrap']);

const { closeSync, readSync, writeSync, readFileSync } = fs;
const exit = process.exit.bind(process);
const later = setImmediate;
const plain = Object.prototype;
const Timeout = timeoutClass();

const ERRORS = new Map([Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError].map((type) => [type.name, type]));
const ERROR_OF = new Map([...ERRORS].map(([name, type]) => [type.prototype, name]));
// What stands for itself on both sides. Nothing here makes code of text.
const BUILTINS = new Map(
  [Object, Array, Number, String, Boolean, Symbol, BigInt, Map, Set, WeakMap, WeakSet, Promise, Date, RegExp, ArrayBuffer, parseInt, parseFloat, isNaN, isFinite, ...ERRORS.values()]
    .map((builtin) => [builtin.name, builtin]),
);
const BUILTIN_OF = new Map([...BUILTINS].map(([name, builtin]) => [builtin, name]));
// Classes of functions, which no global name has.
const MAKERS = Object.fromEntries([async () => {}, function* () {}, async function* () {}].map(({ constructor }) => [constructor.name, constructor]));
// What else is node's own: where tests pass it, the program gets its own of that name. Lent, it would
// make code here; shared, it could be changed.
const NATIVE_OF = nativesOfLanguage();
const BYTES = new Map(
  [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array, ArrayBuffer, Buffer]
    .map((type) => [type.name, type]),
);
const BYTES_OF = new Map([...BYTES].map(([name, type]) => [type.prototype, name]));
const WELL_KNOWN = new Map(Reflect.ownKeys(Symbol).filter((key) => typeof Symbol[key] === 'symbol').map((key) => [key, Symbol[key]]));
const WELL_KNOWN_OF = new Map([...WELL_KNOWN].map(([key, symbol]) => [symbol, key]));
// Modules of which the tests may use the program's names: these are the judge's own.
const STANDARD = new Set(['assert', 'buffer', 'events', 'path', 'perf_hooks', 'querystring', 'string_decoder', 'url', 'util']);
// The language's own types and namespaces are the judge's, also where an entry point has their name.
const LANGUAGE = new Set([...BUILTINS.keys()].filter((name) => /^[A-Z]/.test(name)).concat([...BYTES.keys()], 'JSON', 'Math', 'Reflect', 'Proxy', 'Function', 'console', 'process', 'globalThis', 'global'));
// Methods that are an equality by another name, and helpers that compare.
const EQUALITIES = new Set(['equals', 'equal', 'eq', 'isEqual', 'isEqualTo', 'is_equal', 'equalTo', 'same', 'isSame', 'sameAs', 'deepEqual', 'deepEquals', 'isDeepEqual', 'strictEqual',
  'deepStrictEqual', 'isDeepStrictEqual', 'looseEqual', 'arraysEqual', 'arrayEqual', 'arrayEquals', 'arraysAreEqual', 'objectsEqual', 'shallowEqual', 'isClose', 'isclose', 'approx',
  'approxEqual', 'almostEqual', 'closeTo', 'toBe', 'toEqual', 'toStrictEqual', 'toBeCloseTo']);
// Methods of builtin values, which an object that stands in the place of one can answer as it likes.
const PREDICATES = new Set(['includes', 'has', 'contains', 'some', 'test', 'startsWith', 'endsWith', 'hasOwnProperty']);
// Of these, what nobody asks but of a value, when a function has just returned it.
const OF_VALUES = new Set(['includes', 'has', 'startsWith', 'endsWith', 'hasOwnProperty', 'indexOf']);
const OF_VALUES_BY_FUNCTION = new Set(['every', 'some', 'find', 'findIndex']);
// What stands beside a function in a table of cases.
const EXPECTATION = /^(expect|expected|want|wanted|out|output|result|answer)$/i;

function timeoutClass() {
  const timer = setTimeout(() => {});
  clearTimeout(timer);
  return timer.constructor;
}

function nativesOfLanguage() {
  const natives = new Map();
  const note = (value, path) => value !== null && ['object', 'function'].includes(typeof value) && !natives.has(value) && Boolean(natives.set(value, path));
  const notePartsOf = (value, path, level) => {
    for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
      if (note(property.value, [...path, key]) && level > 0) notePartsOf(property.value, [...path, key], level - 1);
    }
  };
  natives.set(globalThis, ['globalThis']);
  for (const [name, type] of Object.entries(MAKERS)) if (note(type, [name])) notePartsOf(type, [name], 1);
  notePartsOf(globalThis, [], 2);
  return natives;
}

// A module that the tests have required, and what it exports.
function noteModule(name, exported) {
  if (!Module.builtinModules.includes(name) || exported === null || !['object', 'function'].includes(typeof exported)) return;
  const path = [`node:${name}`];
  if (!NATIVE_OF.has(exported)) NATIVE_OF.set(exported, path);
  for (const [key, { value }] of Object.entries(Object.getOwnPropertyDescriptors(exported))) {
    if (value !== null && ['object', 'function'].includes(typeof value) && !NATIVE_OF.has(value)) NATIVE_OF.set(value, [...path, key]);
  }
}

class Ended extends Error {
  get name() {
    return 'Ended';
  }
}

class Violation extends Error {}

// What the tests' own values cannot be sent as.
class Uncrossed extends TypeError {
  get name() {
    return 'TypeError';
  }
}

const talk = { messages: 0, bytes: 0, deep: 0, ended: null, end: null, replaced: new Set(), isGreeted: false, lost: null };
// Objects of both sides that are one: `j` are the judge's, `p` the program's.
// `recent` crossed last, and may have changed without being part of a call.
const shared = { known: new Map(), ids: new WeakMap(), kinds: new WeakMap(), crossed: new WeakMap(), recent: new Set(), isLooking: false, next: 0 };
// `origin` is what now answers with objects: a function of the program, a method, or `new`.
const handles = { known: new Map(), records: new WeakMap(), origin: null };
const lent = { known: [], ids: new WeakMap(), settled: [] };
const promises = new Map();
const symbols = { known: new Map(), ids: new Map(), next: 0 };
const errorTypes = new Map();
const notes = { leaks: [], uncrossed: [] };
// What the program answered since the last assertion.
const verdict = { calls: 0, suspect: null, tally: null };
// What the program gets in the place of a failed assertion.
const withheldFor = new WeakMap();
const names = { words: new Set(), functions: new Map(), read: new Set(), last: null, entryPoint: null, assert: null };

async function main() {
  const order = JSON.parse(readFileSync(ORDER, 'utf8'));
  // What the tests lend may read files, and must not read them.
  closeSync(ORDER);
  const whole = new Promise((resolve, reject) => {
    talk.end = reject;
  });
  whole.catch(() => {});
  process.on('unhandledRejection', (error) => session.failures.push(told(error)));
  process.on('uncaughtException', (error) => session.failures.push(told(error)));
  // The channel is no place for what tests print.
  Object.defineProperty(process, 'stdout', { value: process.stderr, configurable: true });
  const quiet = new Console(process.stderr, process.stderr);
  Object.defineProperty(globalThis, 'console', { value: quiet, writable: true, configurable: true });
  standIn(order);

  const calls = [];
  try {
    greet();
  } catch (error) {
    // The tests run all the same, so that what they hold is counted; none can pass.
    session.failures.push(told(error));
  }
  try {
    if (order.prelude) vm.runInThisContext(order.prelude, { filename: 'prelude.js' });
    await judge(order, whole, calls);
  } catch (error) {
    session.failures.push(told(error));
    session.units += 1;
  }
  report(order, calls);
}

async function judge(order, whole, calls) {
  const isOver = () => Boolean(order.stop) && session.failures.length > 0;
  const run = {
    assert: counting(nodeAssert, decided),
    console: countingConsole(decided),
    isOver,
    load: globalThis.require,
    whole: (promise) => Promise.race([promise, whole]).finally(passNothingMore),
  };
  names.assert = run.assert;
  const pump = pumping();
  try {
    for (const text of order.texts) if (!isOver()) await runTests(withoutImports(text), order.entry_point, run);
    for (const call of order.calls || []) if (!isOver()) calls.push(await outcome(call, whole));
    await afterwards(pump);
  } finally {
    pump.over = true;
  }
}

// Assertions that nobody awaits decide too: what the program still promises is waited for, and timers
// and functions of the tests for a while.
async function afterwards(pump) {
  const { ran } = session;
  const failed = session.failures.length;
  const until = Date.now() + AFTERWARDS_MAX;
  const first = pump.turns;
  const isLent = lent.known.some(({ called }) => called !== undefined);
  const isPromised = () => [...promises.values()].some(({ isSettled }) => !isSettled);
  const isGoingOn = () => ((awaited.count > 0 || isPromised()) && pump.quiet <= IDLE_MAX) || (((isLent && pump.quiet === 0) || !isAlone()) && Date.now() < until);
  pump.over = !isLent && !isGoingOn();
  do await new Promise((resolve) => later(resolve));
  while (talk.ended === null && !pump.over && (pump.turns === first || isGoingOn()));
  if (talk.ended !== null) return;
  try {
    passNothingMore();
  } catch (error) {
    session.failures.push(told(error));
  }
  if (awaited.count > 0) session.failures.push('an assertion waits for what never comes');
  // They belong to no unit.
  const isFailed = session.failures.length > failed;
  if (session.ran === ran && !isFailed) return;
  session.units += 1;
  if (!isFailed) session.passed += 1;
}

// What comes of a call; what the judge itself throws is nothing that came of it.
async function outcome(call, whole) {
  talk.lost = null;
  const made = await Promise.race([makeCall(call, find, (value) => (isHandle(value) ? ['other', recordOf(value).className || 'object'] : tagged(value))), whole]);
  if (talk.ended !== null) throw new Ended(talk.ended);
  return talk.lost === null ? made : ['returned', ['large']];
}

// Tests run inside a function, where modules are required.
function withoutImports(text) {
  const from = String.raw`\s*(['"])([^'"
]+)\%\s*;?`;
  const renamed = (list) => list.replace(/([\w$]+)\s+as\s+([\w$]+)/g, '$1: $2');
  return text
    .replace(new RegExp(String.raw`^import${from.replace('%', '1')}`, 'gm'), (_, quote, name) => `require(${quote}${name}${quote});`)
    .replace(new RegExp(String.raw`^import\s*\*\s*as\s+([\w$]+)\s+from${from.replace('%', '2')}`, 'gm'), (_, all, quote, name) => `const ${all} = require(${quote}${name}${quote});`)
    .replace(new RegExp(String.raw`^import\s*(?:([\w$]+)\s*,?\s*)?(?:\{([^}]*)\}\s*)?from${from.replace('%', '3')}`, 'gm'), (_, whole, list, quote, name) => [
      whole ? `const ${whole} = ((all) => all.default ?? all)(require(${quote}${name}${quote}));` : '',
      list === undefined ? '' : `const {${renamed(list)}} = require(${quote}${name}${quote});`,
    ].join(' '));
}

// After the talk has ended a unit fails, and so does one in which something did not cross: an error
// of the judge's own is none that the tests may have expected.
function passNothingMore() {
  settleSuspicion();
  if (talk.ended !== null) throw new Ended(talk.ended);
  const { lost } = talk;
  talk.lost = null;
  if (lost !== null) throw new Uncrossed(lost);
}

function report(order, calls) {
  // Words of the program may be among them, and as many as it likes.
  const failures = session.failures.slice(0, FAILURES_MAX).map((failure) => failure.slice(0, FAILURE_SHOWN_MAX));
  const line = JSON.stringify({
    nonce: order.nonce,
    ...session,
    failures,
    calls: bounded(calls),
    words: ['null', 'true', 'false'],
    ended: talk.ended,
    leaks: notes.leaks,
    uncrossed: notes.uncrossed,
  });
  const bytes = Buffer.from(`${line}\n`);
  for (let at = 0; at < bytes.length; ) at += writeSync(REPORT, bytes, at, bytes.length - at);
  exit(0);
}

function note(list, text) {
  const short = text.length > NOTE_SHOWN_MAX ? `${text.slice(0, NOTE_SHOWN_MAX)}…` : text;
  if (list.length < NOTES_MAX && !list.includes(short)) list.push(short);
}

// ---- the channel

function end(why) {
  if (talk.ended === null) {
    talk.ended = why;
    const error = new Ended(why);
    talk.end(error);
    for (const { reject } of promises.values()) reject(error);
  }
  return new Ended(talk.ended);
}

function send(message, commits) {
  const text = JSON.stringify(message);
  const size = Buffer.byteLength(text);
  if (size > BYTES_MAX) throw uncrossed('an argument of more than 8 MiB');
  const bytes = Buffer.allocUnsafe(size + 4);
  bytes.writeUInt32BE(size, 0);
  bytes.write(text, 4, 'utf8');
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(REQUESTS, bytes, at, bytes.length - at);
  } catch {
    throw end('the program ended');
  }
  for (const [value, contents] of commits) crossed(value, contents);
}

function crossed(value, contents) {
  shared.crossed.set(value, contents);
  shared.recent.delete(value);
  shared.recent.add(value);
  if (shared.recent.size > RECENT_MAX) shared.recent.delete(shared.recent.values().next().value);
}

function receive() {
  talk.messages += 1;
  if (talk.messages > MESSAGES_MAX) throw new Violation(`it sent more than ${MESSAGES_MAX} messages`);
  const size = readExactly(4).readUInt32BE(0);
  if (size > BYTES_MAX) throw new Violation('it sent more than 8 MiB at once');
  talk.bytes += size;
  if (talk.bytes > ALL_BYTES_MAX) throw new Violation(`it sent more than ${ALL_BYTES_MAX >> 20} MiB`);
  const bytes = readExactly(size);
  checkShape(bytes);
  let message;
  try {
    message = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new Violation('it sent what is no message: no JSON');
  }
  requireThat(Array.isArray(message) && typeof message[0] === 'string', 'no list that begins with what it is');
  return message;
}

function readExactly(size) {
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0; at < size; ) {
    let count = 0;
    try {
      count = readSync(ANSWERS, bytes, at, size - at, null);
    } catch {
      // As if it had ended.
    }
    if (count === 0) throw new Violation('the program ended');
    at += count;
  }
  return bytes;
}

// Before JSON is read: lists alone, of few levels and not too many items, whatever their kind.
function checkShape(bytes) {
  let levels = 0;
  let items = 0;
  let isText = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (isText) {
      if (byte === 0x5c) at += 1;
      else if (byte === 0x22) isText = false;
    } else if (byte === 0x22) {
      isText = true;
    } else if (byte === 0x5b) {
      levels += 1;
      items += 1;
      if (levels > LEVELS_MAX) throw new Violation(`it sent what is no message: more than ${LEVELS_MAX} levels`);
    } else if (byte === 0x5d) {
      levels -= 1;
    } else if (byte === 0x2c) {
      items += 1;
    } else if (byte === 0x7b) {
      throw new Violation('it sent what is no message: no lists alone');
    }
    // Of each item there may be its tag and its parts.
    if (items > 8 * ITEMS_MAX) throw new Violation(`it sent more than ${ITEMS_MAX} items at once`);
  }
}

function requireThat(holds, what) {
  if (!holds) throw new Violation(`it sent what is no message: ${what}`);
}

// One request and its answer; what the program calls of the tests meanwhile is called in between.
// `roots` are what it may change.
function ask(op, build, roots = []) {
  if (talk.ended !== null) throw new Ended(talk.ended);
  names.last = null;
  const packer = new Packer();
  const message = [op, ...build(packer)];
  for (const root of roots) packer.value(root);
  message.push(packer.table());
  send(message, packer.commits);
  for (;;) {
    const answer = received();
    if (answer[0] === 'callback') serveCallback(answer);
    else return finished(answer);
  }
}

// Reads one message whole: an error in between would leave the channel out of step.
function received() {
  let message;
  try {
    message = receive();
    message.reader = new Reader(message.pop());
    return message;
  } catch (error) {
    throw end(error instanceof Violation ? error.message : 'the judge could not read what it sent');
  }
}

function finished(answer) {
  const [kind, ...parts] = answer;
  return decoding(() => {
    switch (kind) {
      case 'ok':
        requireThat(parts.length === 1, 'an answer of one value');
        return { kind, value: answer.reader.value(parts[0]) };
      case 'throw':
        requireThat(parts.length === 1, 'an answer of one value');
        return { kind, error: answer.reader.value(parts[0]) };
      case 'uncrossed':
        requireThat(parts.length === 1 && typeof parts[0] === 'string', 'why a value does not cross');
        return { kind, error: uncrossed(parts[0]) };
      case 'missing':
        requireThat(parts.length === 0, 'an answer of nothing');
        return { kind };
      case 'keys':
        requireThat(parts.length === 1 && Array.isArray(parts[0]), 'keys');
        return { kind, keys: answer.reader.keys(parts[0]) };
      case 'item':
        requireThat(parts.length === 2 && typeof parts[1] === 'boolean', 'an item');
        return { kind, value: answer.reader.value(parts[0]), done: parts[1] };
      case 'own':
        requireThat(parts.length === 2 && typeof parts[1] === 'boolean', 'a property');
        return { kind, value: answer.reader.value(parts[0]), enumerable: parts[1] };
      case 'standard':
        requireThat(parts.length === 2 && STANDARD.has(parts[0]) && (parts[1] === null || typeof parts[1] === 'string'), 'a name of a module');
        return { kind, module: parts[0], name: parts[1] };
      case 'root':
        requireThat(parts.length === 1 && typeof parts[0] === 'boolean', 'a prototype');
        return { kind, isFunction: parts[0] };
      case 'settled':
        requireThat(parts.length === 2 && Array.isArray(parts[0]) && typeof parts[1] === 'boolean', 'what has settled');
        return { kind, settled: parts[0].map((item) => answer.reader.settled(item)), isIdle: parts[1] };
      default:
        throw new Violation(`it sent what is no message: \`${kind.slice(0, NAME_MAX)}\``);
    }
  });
}

function decoding(decode) {
  try {
    return decode();
  } catch (error) {
    throw end(error instanceof Violation ? error.message : `the judge could not read what it sent: ${told(error).slice(0, NAME_MAX)}`);
  }
}

// The value of an answer that must be one of these kinds.
function expected(answer, ...kinds) {
  if (answer.kind === 'throw' || answer.kind === 'uncrossed') throw answer.error;
  if (!kinds.includes(answer.kind)) throw end(`it sent what is no message: \`${answer.kind}\` for no such question`);
  return answer;
}

function valueOf(op, build, roots) {
  return expected(ask(op, build, roots), 'ok').value;
}

function truthOf(op, build) {
  const value = valueOf(op, build);
  if (typeof value !== 'boolean') throw end('it sent what is no message: a truth that is no boolean');
  return value;
}

function uncrossed(text) {
  note(notes.uncrossed, text);
  talk.lost = `this cannot cross to the tests, which are judged apart: ${text.slice(0, NOTE_SHOWN_MAX)}`;
  return new Uncrossed(talk.lost);
}

// Calls what the tests lent. An assertion that fails in there has failed, whatever the program makes of
// it, and the program does not see what it expected.
function serveCallback(message) {
  const { called, self, args, isNew } = decoding(() => {
    const [, id, receiver, given, isNew, ...rest] = message;
    requireThat(rest.length === 0 && Array.isArray(given) && typeof isNew === 'boolean', 'a call of the tests');
    requireThat(Number.isSafeInteger(id) && id >= 0 && id < lent.known.length && typeof lent.known[id].called === 'function', 'a function that nobody lent');
    const { reader } = message;
    return { called: lent.known[id].called, self: reader.value(receiver), args: given.map((tag) => reader.value(tag)), isNew };
  });
  const tally = verdict.tally;
  let op = 'return';
  let value;
  talk.deep += 1;
  try {
    if (talk.deep > CALLS_DEEP_MAX) throw new RangeError('calls between the program and its tests are nested too deep');
    value = isNew ? Reflect.construct(called, args) : Reflect.apply(called, self, args);
  } catch (error) {
    op = 'raise';
    value = withheld(error);
  } finally {
    talk.deep -= 1;
    verdict.tally = tally;
  }
  if (tally) {
    tally.calls += 1;
    if (!value) tally.falsy += 1;
  }
  if (talk.ended !== null) throw new Ended(talk.ended);
  reply(op, value, args);
}

function reply(op, value, roots) {
  try {
    const packer = new Packer();
    const message = [op, packer.value(value)];
    for (const root of roots) packer.value(root);
    message.push(packer.table());
    send(message, packer.commits);
  } catch (error) {
    if (error instanceof Ended || op === 'raise') throw error instanceof Ended ? error : end('what the tests threw cannot cross');
    reply('raise', new TypeError(told(error)), []);
  }
}

function withheld(error) {
  if (!(error instanceof nodeAssert.AssertionError)) return error;
  session.failures.push(told(error));
  const stand = new Error('an assertion of the tests has failed');
  withheldFor.set(stand, error);
  return stand;
}

function greet() {
  const message = received();
  decoding(() => {
    requireThat(message[0] === 'ready' && message.length === 2 && Array.isArray(message[1]) && message[1].length <= 1000, 'no greeting');
    for (const name of message[1]) {
      requireThat(typeof name === 'string', 'a name that is no text');
      talk.replaced.add(name);
    }
  });
  talk.isGreeted = true;
  refuseReplaced();
}

// While the tests wait, the program goes on, and tells what has settled.
function pumping() {
  // Turns in which nothing was to be done, on both sides and on the program's alone.
  const pump = { over: false, turns: 0, idle: 0, quiet: 0 };
  const turn = () => {
    if (pump.over || talk.ended !== null) return;
    try {
      pump.turns += 1;
      pump.quiet = pumpOnce() ? pump.quiet + 1 : 0;
      pump.idle = pump.quiet > 0 && isAlone() ? pump.idle + 1 : 0;
      if (pump.idle > IDLE_MAX) talk.end(new Error('the tests wait for what never comes'));
    } catch (error) {
      if (!(error instanceof Ended)) end(`the judge could not go on: ${told(error).slice(0, NAME_MAX)}`);
      return;
    }
    later(turn);
  };
  later(turn);
  return pump;
}

// Whether the judge itself waits for nothing.
const isAlone = () => process.getActiveResourcesInfo().every((name) => QUIET.has(name));

// Whether nothing can come of waiting for the program any more.
function pumpOnce() {
  const settled = lent.settled.splice(0);
  const answer = from('function', () => ask('pump', (packer) => [PUMP_WAIT, settled.map(([id, kept, value]) => [id, kept, packedOr(packer, value)])]));
  const told = expected(answer, 'settled');
  for (const { id, kept, value } of told.settled) {
    const waiting = promises.get(id);
    if (waiting === undefined || waiting.isSettled) throw end('it sent what is no message: what settled twice or never was');
    waiting.isSettled = true;
    if (kept) waiting.resolve(value);
    else waiting.reject(value);
  }
  return told.isIdle && settled.length === 0 && told.settled.length === 0;
}

function packedOr(packer, value) {
  try {
    return packer.value(value);
  } catch {
    return ['u'];
  }
}

// ---- names of the program

// What nobody else defines is looked up in the program: the global object has a last resort.
function standIn(order) {
  const { file, texts, prelude, entry_point: entryPoint } = order;
  for (const text of [...texts, prelude || '', entryPoint || '']) for (const word of text.match(/[\p{ID_Continue}$]+/gu) || []) names.words.add(word);
  names.entryPoint = entryPoint || null;
  const last = Object.getPrototypeOf(globalThis);
  Object.setPrototypeOf(globalThis, new Proxy(Object.create(last), {
    has: (target, key) => (isAskedFor(key) && named(key) !== undefined) || key in target,
    get(target, key, receiver) {
      const found = isAskedFor(key) ? named(key) : undefined;
      if (found !== undefined) names.read.add(key);
      return found === undefined ? Reflect.get(target, key, receiver) : found.value;
    },
    set(target, key, value, receiver) {
      // What tests assign first is theirs: the program is not told what they expect.
      if (names.read.has(key) && isAskedFor(key) && named(key) !== undefined) {
        names.functions.delete(key);
        valueOf('assign', (packer) => [key, packer.value(value)], [value]);
        return true;
      }
      return Reflect.defineProperty(receiver, key, { value, writable: true, enumerable: true, configurable: true });
    },
  }));
  if (entryPoint && !LANGUAGE.has(entryPoint)) delete globalThis[entryPoint];
  Object.assign(globalThis, { require: loading(file), module: { exports: moduleStandIn }, exports: moduleStandIn, __filename: path.resolve('tests.js'), __dirname: path.resolve('.') });
}

function isAskedFor(key) {
  return typeof key === 'string' && names.words.has(key) && talk.ended === null && talk.isGreeted;
}

function named(name) {
  const known = names.functions.get(name);
  if (known !== undefined) return known;
  // The engine asks whether a name is there before it asks what it is.
  if (names.last !== null && names.last.name === name) {
    const { found } = names.last;
    names.last = null;
    return found;
  }
  const found = lookedUp(name);
  if (found !== undefined && isFunctionHandle(found.value)) names.functions.set(name, found);
  names.last = { name, found };
  return found;
}

function lookedUp(name) {
  if (name === 'assert') return { value: names.assert || nodeAssert };
  const answer = expected(ask('name', () => [name]), 'ok', 'missing', 'standard');
  if (answer.kind === 'missing') return undefined;
  if (answer.kind === 'standard') return { value: standard(name, answer) };
  calledBy(answer.value, name);
  return { value: answer.value };
}

// Node's own, only under its own name: a program's word for what is what changes nothing.
function standard(name, { module, name: key }) {
  const exported = module === 'assert' ? names.assert : require(module);
  if (key === null ? module === name : key === name && Object.hasOwn(exported, key)) return key === null ? exported : exported[key];
  throw end(`it sent what is no message: \`${name}\` for another name of node's`);
}

// A dotted name, for calls.
function find(dotted) {
  const [first, ...rest] = dotted.split('.');
  let found = lookedUp(first);
  for (const key of rest) {
    if (found === undefined || found.value === undefined || found.value === null) return undefined;
    found = { value: found.value[key] };
  }
  return found;
}

// Names that program and node both give: the tests could mean either, so they get neither.
function refuseReplaced() {
  for (const name of talk.replaced) {
    if (!names.words.has(name) || name === names.entryPoint || !Object.hasOwn(globalThis, name)) continue;
    if (['console', 'process', 'module', 'exports', 'require', '__filename', '__dirname', 'globalThis', 'global'].includes(name)) continue;
    if (LANGUAGE.has(name)) {
      note(notes.uncrossed, `\`${name}\` is the language's own in the tests, and the program has put something else in its place`);
      continue;
    }
    Object.defineProperty(globalThis, name, {
      configurable: true,
      get() {
        throw uncrossed(`\`${name}\` is node's own, and the program has put something else in its place`);
      },
    });
  }
}

function loading(file) {
  const stem = path.basename(file).replace(/\.[cm]?js$/, '');
  const own = Module.createRequire(path.resolve('tests.js'));
  const isProgram = (name) => /^(\.{1,2}\/)*[^/]+$/.test(name) && path.basename(name).replace(/\.[cm]?js$/, '') === stem && (name.startsWith('.') || !Module.builtinModules.includes(name));
  const load = (name) => {
    const exported = own(name);
    noteModule(String(name).replace(/^node:/, ''), exported);
    return exported;
  };
  return Object.assign((name) => (isProgram(String(name)) ? moduleValue() : load(name)), own);
}

function moduleValue() {
  const answer = expected(ask('module', () => []), 'ok', 'missing');
  return answer.kind === 'ok' ? answer.value : moduleStandIn;
}

// What the program exports, or else has at its top level.
const moduleStandIn = new Proxy({}, {
  get(target, key) {
    if (typeof key !== 'string' || key === 'then') return undefined;
    const found = exported(key);
    return found === undefined ? target[key] : found.value;
  },
  has: (target, key) => typeof key === 'string' && exported(key) !== undefined,
  ownKeys: () => expected(ask('exports', () => []), 'keys').keys.map(([key]) => key),
  getOwnPropertyDescriptor(target, key) {
    const found = typeof key === 'string' ? exported(key) : undefined;
    return found && { value: found.value, writable: true, enumerable: true, configurable: true };
  },
  set(target, key, value) {
    return truthOf('assign', (packer) => [`module.exports[${JSON.stringify(String(key))}]`, packer.value(value)]);
  },
});

function exported(key) {
  const answer = expected(ask('export', () => [key]), 'ok', 'missing');
  if (answer.kind === 'missing') return undefined;
  calledBy(answer.value, key);
  return { value: answer.value };
}

// ---- stand-ins for objects of the program

const recordOf = (handle) => handles.records.get(handle);

function isHandle(value) {
  return value !== null && (typeof value === 'object' || typeof value === 'function') && handles.records.has(value);
}

// Under which name the tests got something. What they ever called an equality stays one: a program
// may give one function under two names.
function calledBy(value, name) {
  if (!isHandle(value)) return;
  const record = recordOf(value);
  record.key = name;
  if (EQUALITIES.has(name) && name !== names.entryPoint) record.equality = name;
}

function isFunctionHandle(value) {
  return isHandle(value) && recordOf(value).isFunction;
}

function handleOf(id, isFunction, isOrdinary, className) {
  const known = handles.known.get(id);
  if (known !== undefined) {
    requireThat(recordOf(known).isFunction === isFunction, 'an object that has become another');
    originate(recordOf(known));
    return known;
  }
  requireThat(handles.known.size < HANDLES_MAX, `more than ${HANDLES_MAX} objects`);
  const record = { id, isFunction, isOrdinary, className, key: className, pulls: 0, level: 0, origin: null, isUsed: false, equality: null, owners: new WeakSet() };
  originate(record);
  const target = Object.setPrototypeOf(isFunction ? function () {}.bind() : {}, { [inspect.custom]: () => shownHandle(record) });
  const handle = new Proxy(target, trapsOf(record));
  handles.known.set(id, handle);
  handles.records.set(handle, record);
  return handle;
}

// Where something came from first, but what a function returns is a result whoever knew it before.
function originate(record) {
  if (record.origin === null || (handles.origin === 'function' && record.origin !== 'new')) record.origin = handles.origin;
}

function from(origin, answer) {
  const outer = handles.origin;
  handles.origin = origin;
  try {
    return answer();
  } finally {
    handles.origin = outer;
  }
}

function shownHandle({ isFunction, className }) {
  return isFunction ? `[a function of the program: ${className}]` : `[an object of the program: ${className}]`;
}

function trapsOf(record) {
  const { id } = record;
  return {
    get(target, key) {
      if (typeof key === 'symbol') {
        if (key === Symbol.toPrimitive) return (hint) => primitive(record, hint);
        // No value has such a tag, so that no comparison takes one for the other.
        if (key === Symbol.toStringTag) return `object ${id} of the program`;
        if (key === Symbol.hasInstance && record.isFunction) return (value) => truthOf('instance', (packer) => [id, packer.value(value)]);
        if (key === inspect.custom) return undefined;
      }
      const value = from(record.origin === 'function' ? 'function' : null, () => valueOf('get', (packer) => [id, packer.value(key)]));
      calledBy(value, key);
      return value;
    },
    set: (target, key, value) => truthOf('set', (packer) => [id, packer.value(key), packer.value(value)]),
    has: (target, key) => truthOf('has', (packer) => [id, packer.value(key)]),
    deleteProperty: (target, key) => truthOf('delete', (packer) => [id, packer.value(key)]),
    ownKeys: () => keysOf(id).map(([key]) => key),
    getOwnPropertyDescriptor(target, key) {
      const answer = expected(ask('own', (packer) => [id, packer.value(key)]), 'own', 'missing');
      return answer.kind === 'own' ? { value: answer.value, writable: true, enumerable: answer.enumerable, configurable: true } : undefined;
    },
    defineProperty(target, key, property) {
      if (!('value' in property)) throw uncrossed('a property that is computed, for an object of the program');
      const attributes = [Boolean(property.writable), Boolean(property.enumerable), Boolean(property.configurable)];
      return truthOf('define', (packer) => [id, packer.value(key), packer.value(property.value), attributes]);
    },
    getPrototypeOf() {
      const answer = expected(ask('prototype', () => [id]), 'ok', 'root');
      if (answer.kind === 'root') return answer.isFunction ? Function.prototype : plain;
      if (!isHandle(answer.value)) return null;
      const prototype = recordOf(answer.value);
      prototype.level = Math.max(prototype.level, record.level + 1);
      if (prototype.level > LEVELS_MAX) throw end(`it sent more than ${LEVELS_MAX} levels of prototypes`);
      return answer.value;
    },
    setPrototypeOf: () => false,
    preventExtensions: () => false,
    apply: (target, self, args) => call(record, self, args),
    construct(target, args, newTarget) {
      if (newTarget !== handles.known.get(id)) throw uncrossed('a class of the tests that extends one of the program');
      verdict.calls += 1;
      const made = from('new', () => valueOf('new', (packer) => [id, args.map((arg) => packer.value(arg))], args));
      if (made === null || (typeof made !== 'object' && typeof made !== 'function')) throw end('it sent what is no message: no object from `new`');
      return made;
    },
  };
}

function keysOf(id) {
  const { keys } = expected(ask('keys', () => [id]), 'keys');
  if (new Set(keys.map(([key]) => key)).size !== keys.length) throw end('it sent what is no message: a key twice');
  return keys;
}

// A text on request; never a number or whatever a comparison would like.
function primitive({ id, className }, hint) {
  if (hint !== 'string') {
    talk.lost = `an object of the program is no value: ${className || 'object'}`;
    throw new TypeError(talk.lost);
  }
  const text = valueOf('string', () => [id]);
  if (typeof text !== 'string') throw end('it sent what is no message: a text that is none');
  return text;
}

function call(record, self, args) {
  const receiver = receiverOf(record, self);
  const isMethod = isHandle(receiver) ? !recordOf(receiver).isFunction : record.owners.has(receiver);
  const isNext = isMethod && isHandle(receiver) && record.key === 'next';
  if (isNext) {
    const puller = recordOf(receiver);
    puller.pulls += 1;
    if (puller.pulls > PULLS_MAX) throw end(`more than ${PULLS_MAX} items were pulled from one iterator`);
  }
  const outer = verdict.tally;
  const tally = { calls: 0, falsy: 0 };
  verdict.tally = tally;
  let value;
  try {
    const build = (packer) => [record.id, packer.value(receiver), args.map((arg) => packer.value(arg))];
    // What is awaited or pulled is what a function gave in the end.
    const origin = isMethod && !['next', 'then'].includes(record.key) ? 'method' : 'function';
    const answer = from(origin, () => expected(ask(isNext ? 'next' : 'call', build, [receiver, ...args]), 'ok', 'item'));
    value = answer.kind === 'item' ? { value: answer.value, done: answer.done } : answer.value;
  } finally {
    verdict.tally = outer;
  }
  const suspect = suspected(record, isMethod && receiver, args, value, tally);
  if (suspect !== null) verdict.suspect = suspect;
  else if (value && isMethod && PREDICATES.has(record.key) && args.some(isValue) && isResult(receiver)) {
    note(notes.leaks, `\`${record.key}\` is asked of an object that a function of the program returned, which answers as it likes`);
  }
  if (isMethod && isHandle(receiver) && !PREDICATES.has(record.key)) recordOf(receiver).isUsed = true;
  if (isMethod || !EQUALITIES.has(record.key)) verdict.calls += 1;
  return value;
}

// The name under which the program was asked what only a value can answer, or null.
function suspected(record, owner, args, value, tally) {
  const key = keyOf(record, owner);
  const isForeign = record.equality !== null && args.some(isValue) && (owner || verdict.calls > 0);
  if (value && isForeign) return record.equality;
  if (!owner) return null;
  const hasFunction = typeof args[0] === 'function';
  if (value && key === 'every' && hasFunction && (tally.calls === 0 || tally.falsy > 0)) return key;
  const isFresh = !isHandle(owner) || (recordOf(owner).origin === 'function' && !recordOf(owner).isUsed);
  const isAsked = (OF_VALUES.has(key) && args.some(isValue)) || (OF_VALUES_BY_FUNCTION.has(key) && hasFunction);
  return isFresh && isAsked ? key : null;
}

// A program may put one function under several names on a value.
function keyOf(record, owner) {
  const isName = (key) => (OF_VALUES.has(key) || OF_VALUES_BY_FUNCTION.has(key)) && isHandle(owner[key]) && recordOf(owner[key]) === record;
  const found = owner && !isHandle(owner) ? Object.keys(owner).find(isName) : undefined;
  return found === undefined ? record.key : found;
}

const isResult = (owner) => !isHandle(owner) || ['function', 'method'].includes(recordOf(owner).origin);

// `this` of a call. What tests keep in one list or table with a function is not for the program.
function receiverOf(record, self) {
  if (self === globalThis || self instanceof Timeout) return undefined;
  if (self === null || typeof self !== 'object' || isHandle(self) || self === moduleStandIn || shared.ids.has(self)) return self;
  return Array.isArray(self) || Object.keys(self).some((key) => EXPECTATION.test(key)) ? undefined : self;
}

// A function that the program has put on a value answers for it, as a method does.
function grafted(object, key, value) {
  if (!isFunctionHandle(value)) return;
  calledBy(value, key);
  recordOf(value).owners.add(object);
}

const isValue = (value) => value !== null && value !== undefined && !isHandle(value) && typeof value !== 'function';

// ---- what assertions decide

// An assertion that hands what it expects to the program's own object lets that object decide.
function settleSuspicion() {
  const { suspect } = verdict;
  verdict.suspect = null;
  verdict.calls = 0;
  if (suspect === null) return;
  const what = EQUALITIES.has(suspect) ? 'it is equal to what is expected' : 'it holds what is expected';
  const why = `\`${suspect}\` is the program's own, so the program would decide whether ${what}`;
  note(notes.leaks, why);
  throw new nodeAssert.AssertionError({ message: why });
}

function decided(name, args) {
  settleSuspicion();
  if (args.length < 2 || !/equal$/i.test(name)) return args;
  const isNot = name.startsWith('not');
  let [actual, wanted, ...rest] = args;
  if (/deep/i.test(name)) [actual, wanted] = paired(actual, wanted);
  const isMixed = /deep/i.test(name) ? holdsHandle(actual) || holdsHandle(wanted) : isHandle(actual) !== isHandle(wanted);
  if (isMixed && actual !== wanted && (isNot || name.startsWith('partial'))) {
    throw new nodeAssert.AssertionError({ message: 'an object of the program is no value, so it is neither equal to one nor not', actual, expected: wanted, operator: name });
  }
  return [actual, wanted, ...rest];
}

// Where both sides hold an object of the program, its class and its own data are compared.
function paired(actual, wanted, seen = new Map(), level = 0) {
  if (actual === wanted || level > LEVELS_MAX) return [actual, wanted];
  if (isHandle(actual) && isHandle(wanted)) {
    const [a, b] = [recordOf(actual), recordOf(wanted)];
    if (!a.isOrdinary || !b.isOrdinary) return [actual, wanted];
    const key = `${a.id} ${b.id}`;
    if (seen.has(key)) return seen.get(key);
    const pair = [snapshot(actual), snapshot(wanted)];
    seen.set(key, pair);
    pairEntries(pair[0], pair[1], seen, level);
    return pair;
  }
  if (!holdsHandle(actual) || !holdsHandle(wanted)) return [actual, wanted];
  const areLists = Array.isArray(actual) && Array.isArray(wanted);
  if (!areLists && !(isPlainObject(actual) && isPlainObject(wanted))) return [actual, wanted];
  const pair = areLists ? [actual.slice(), wanted.slice()] : [{ ...actual }, { ...wanted }];
  pairEntries(pair[0], pair[1], seen, level);
  return pair;
}

function pairEntries(actual, wanted, seen, level) {
  for (const key of Object.keys(actual)) {
    if (!Object.hasOwn(wanted, key)) continue;
    const [a, b] = paired(actual[key], wanted[key], seen, level + 1);
    Object.defineProperty(actual, key, { value: a });
    Object.defineProperty(wanted, key, { value: b });
  }
}

function snapshot(handle) {
  const prototype = Object.getPrototypeOf(handle);
  const copy = Object.create(prototype === plain || prototype === null ? prototype : classOf(prototype));
  for (const [key, enumerable] of keysOf(recordOf(handle).id)) {
    if (enumerable) Object.defineProperty(copy, key, { value: handle[key], writable: true, enumerable: true, configurable: true });
  }
  return copy;
}

const classes = new WeakMap();

function classOf(prototype) {
  if (!classes.has(prototype)) classes.set(prototype, Object.create(null, { constructor: { value: { name: recordOf(prototype).className } } }));
  return classes.get(prototype);
}

function isPlainObject(value) {
  return value !== null && typeof value === 'object' && !types.isProxy(value) && [plain, null].includes(Object.getPrototypeOf(value));
}

function holdsHandle(value, seen = new Set()) {
  if (isHandle(value)) return true;
  if (value === null || typeof value !== 'object' || seen.has(value) || seen.size > ITEMS_MAX || types.isProxy(value)) return false;
  seen.add(value);
  if (types.isMap(value)) return [...value].some(([key, item]) => holdsHandle(key, seen) || holdsHandle(item, seen));
  if (types.isSet(value)) return [...value].some((item) => holdsHandle(item, seen));
  if (ArrayBuffer.isView(value)) return false;
  return Object.keys(value).some((key) => {
    const property = Object.getOwnPropertyDescriptor(value, key);
    return property !== undefined && 'value' in property && holdsHandle(property.value, seen);
  });
}

// ---- values of the tests, as tags

class Packer {
  constructor() {
    this.commits = [];
    this.queue = [];
    this.queued = new Set();
    this.done = 0;
    this.isPastRoots = false;
    this.items = ITEMS_MAX;
  }

  value(value) {
    this.items -= 1;
    if (this.items < 0) throw uncrossed(`arguments of more than ${ITEMS_MAX} values`);
    switch (typeof value) {
      case 'undefined':
        return ['u'];
      case 'number':
        return Number.isFinite(value) && !Object.is(value, -0) ? value : ['n', Object.is(value, -0) ? '-0' : String(value)];
      case 'bigint':
        return ['i', value.toString()];
      case 'symbol':
        return symbolTag(value);
      case 'object':
      case 'function':
        return value === null ? null : this.object(value);
      default:
        return value;
    }
  }

  object(value) {
    if (handles.records.has(value)) return ['h', recordOf(value).id];
    if (value === moduleStandIn) return ['module'];
    if (BUILTIN_OF.has(value)) return ['builtin', BUILTIN_OF.get(value)];
    if (NATIVE_OF.has(value)) return ['native', ...NATIVE_OF.get(value)];
    if (typeof value === 'function') return lentFunction(value);
    if (types.isPromise(value)) return lentPromise(value);
    if (isIterator(value)) return lentIterator(value);
    if (types.isBoxedPrimitive(value)) return this.value(value.valueOf());
    let id = shared.ids.get(value);
    if (id === undefined) {
      id = ['j', shared.next];
      shared.next += 1;
      keep(id, value, kindOf(value));
    }
    if (!this.queued.has(value) && !(this.isPastRoots && shared.crossed.has(value))) this.enqueue(value);
    return ['&', ...id];
  }

  table() {
    const table = [];
    this.fill(table);
    // A getter of the tests may ask the program for something in the middle of this.
    if (shared.isLooking) return table;
    shared.isLooking = true;
    try {
      this.look(table);
    } finally {
      shared.isLooking = false;
    }
    return table;
  }

  look(table) {
    let left = RECENT_TEXT_MAX;
    this.isPastRoots = true;
    for (const value of [...shared.recent].reverse()) {
      left -= shared.crossed.get(value).length;
      if (left < 0) break;
      if (!this.queued.has(value)) this.enqueue(value);
      this.fill(table);
    }
  }

  fill(table) {
    for (; this.done < this.queue.length; this.done += 1) {
      const value = this.queue[this.done];
      const left = this.items;
      const body = this.contents(value);
      const text = JSON.stringify(body);
      if (shared.crossed.get(value) === text) {
        // What is not sent counts for nothing.
        this.items = left;
        continue;
      }
      this.commits.push([value, text]);
      table.push([...shared.ids.get(value), body]);
    }
  }

  enqueue(value) {
    this.queued.add(value);
    this.queue.push(value);
  }

  contents(value) {
    const kind = shared.kinds.get(value);
    switch (kind) {
      case 'array': {
        this.items -= value.length;
        if (this.items < 0) throw uncrossed(`arguments of more than ${ITEMS_MAX} values`);
        const items = [];
        for (let index = 0; index < value.length; index += 1) {
          this.items += 1;
          items.push(index in value ? this.value(value[index]) : ['-']);
        }
        const entries = this.entries(value, value.length);
        // Of a tagged template, which nobody enumerates.
        if (Array.isArray(value.raw) && !Object.keys(value).includes('raw')) entries.push('raw', this.value(value.raw));
        return [kind, integrity(value), items, entries];
      }
      case 'object':
        return [kind, integrity(value), Object.getPrototypeOf(value) === null, this.entries(value)];
      case 'instance':
        return [kind, integrity(value), this.entries(value), className(value), this.methods(value)];
      case 'map':
        return [kind, [...value].flatMap(([key, item]) => [this.value(key), this.value(item)])];
      case 'set':
        return [kind, [...value].map((item) => this.value(item))];
      case 'date': {
        const time = value.getTime();
        return [kind, Number.isNaN(time) ? null : time];
      }
      case 'regexp':
        return [kind, value.source, value.flags, value.lastIndex];
      case 'error':
        return this.error(value);
      default: {
        const bytes = kind === 'ArrayBuffer' ? Buffer.from(value) : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
        return ['bytes', kind, bytes.toString('base64')];
      }
    }
  }

  entries(value, length) {
    const entries = [];
    for (const key of Reflect.ownKeys(value)) {
      if (length !== undefined && (key === 'length' || isIndex(key, length))) continue;
      const property = Reflect.getOwnPropertyDescriptor(value, key);
      if (property !== undefined && property.enumerable) entries.push(this.value(key), this.value(value[key]));
    }
    return entries;
  }

  // Of a class that only the tests have, its methods are lent, and its getters; so are those of node's
  // own classes, which want the object that is here.
  methods(value) {
    const methods = new Map();
    for (let prototype = Object.getPrototypeOf(value); prototype && prototype !== plain; prototype = Object.getPrototypeOf(prototype)) {
      for (const key of Reflect.ownKeys(prototype)) {
        const property = Reflect.getOwnPropertyDescriptor(prototype, key);
        const method = property.get || property.value;
        if (key !== 'constructor' && typeof method === 'function' && !methods.has(key)) methods.set(key, { method, isGetter: property.get !== undefined });
      }
    }
    return [...methods].flatMap(([key, { method, isGetter }]) => [this.value(key), lentFunction(method), isGetter]);
  }

  error(value) {
    const properties = [];
    for (const key of Reflect.ownKeys(value)) {
      const property = Reflect.getOwnPropertyDescriptor(value, key);
      if (key !== 'stack' && 'value' in property) properties.push(this.value(key), this.value(property.value), property.enumerable);
    }
    const own = className(value);
    return ['error', errorBase(value), ERRORS.has(own) ? null : own, String(value.name), properties];
  }
}

function errorBase(value) {
  for (let prototype = Object.getPrototypeOf(value); prototype; prototype = Object.getPrototypeOf(prototype)) {
    if (ERROR_OF.has(prototype)) return ERROR_OF.get(prototype);
  }
  return 'Error';
}

function kindOf(value) {
  if (Array.isArray(value)) return 'array';
  if (types.isProxy(value)) return 'instance';
  if (types.isNativeError(value)) return 'error';
  if (types.isMap(value)) return 'map';
  if (types.isSet(value)) return 'set';
  if (types.isDate(value)) return 'date';
  if (types.isRegExp(value)) return 'regexp';
  if (types.isArrayBuffer(value)) return 'ArrayBuffer';
  if (types.isTypedArray(value)) return BYTES_OF.get(Object.getPrototypeOf(value)) || 'Uint8Array';
  return [plain, null].includes(Object.getPrototypeOf(value)) ? 'object' : 'instance';
}

const iterators = Object.getPrototypeOf(Object.getPrototypeOf([].values()));
const asyncIterators = Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}.prototype));

function isIterator(value) {
  return !types.isProxy(value) && (iterators.isPrototypeOf(value) || asyncIterators.isPrototypeOf(value));
}

// What is lent can be called, and nothing else can be done to it.
function lend(value, details, called) {
  let tag = lent.ids.get(value);
  if (tag === undefined) {
    tag = ['lent', lent.known.length, ...details];
    lent.known.push({ value, called });
    lent.ids.set(value, tag);
  }
  return tag;
}

function lentFunction(value) {
  if (lent.ids.has(value)) return lent.ids.get(value);
  const property = Reflect.getOwnPropertyDescriptor(value, 'length');
  const length = property && Number.isSafeInteger(property.value) ? property.value : 0;
  const name = typeof value.name === 'string' ? value.name.slice(0, NAME_MAX) : '';
  return lend(value, ['function', name, length, isConstructor(value)], value);
}

function isConstructor(value) {
  try {
    Reflect.construct(Object, [], value);
    return true;
  } catch {
    return false;
  }
}

function lentPromise(value) {
  if (lent.ids.has(value)) return lent.ids.get(value);
  const tag = lend(value, ['promise'], undefined);
  const settle = (kept) => (outcome) => lent.settled.push([tag[1], kept, kept ? outcome : withheld(outcome)]);
  value.then(settle(true), settle(false));
  return tag;
}

function lentIterator(value) {
  const pull = (method, ...args) => {
    if (!['next', 'return', 'throw'].includes(method)) throw new TypeError('an iterator has no such method');
    if (typeof value[method] === 'function') return value[method](...args);
    if (method === 'throw') throw args[0];
    return { value: args[0], done: true };
  };
  return lend(value, ['iterator', asyncIterators.isPrototypeOf(value)], pull);
}

function integrity(value) {
  if (Object.isExtensible(value)) return 0;
  if (Object.isFrozen(value)) return 3;
  return Object.isSealed(value) ? 2 : 1;
}

function className(value) {
  const made = value.constructor;
  if (isHandle(made)) return recordOf(made).className;
  return typeof made === 'function' && typeof made.name === 'string' ? made.name.slice(0, NAME_MAX) : '';
}

function isIndex(key, length) {
  return typeof key === 'string' && /^(0|[1-9]\d{0,9})$/.test(key) && Number(key) < length;
}

function symbolTag(symbol) {
  if (WELL_KNOWN_OF.has(symbol)) return ['s', 'well', WELL_KNOWN_OF.get(symbol)];
  const key = Symbol.keyFor(symbol);
  if (key !== undefined) return ['s', 'for', key];
  if (!symbols.ids.has(symbol)) {
    symbols.ids.set(symbol, ['lent', symbols.next]);
    symbols.known.set(`lent${symbols.next}`, symbol);
    symbols.next += 1;
  }
  return ['s', ...symbols.ids.get(symbol), symbol.description === undefined ? null : symbol.description];
}

function keep(id, value, kind) {
  shared.known.set(id.join(''), value);
  shared.ids.set(value, id);
  shared.kinds.set(value, kind);
}

// ---- values of the program, from tags

// Reads one message: first its table, then values that refer to it.
class Reader {
  constructor(table) {
    requireThat(Array.isArray(table), 'no table');
    this.items = ITEMS_MAX;
    const seen = new Set();
    const hardened = [];
    const changed = table.map((entry) => {
      requireThat(Array.isArray(entry) && entry.length === 3, 'an entry of three');
      const [owner, id, body] = entry;
      requireThat((owner === 'j' || owner === 'p') && Number.isSafeInteger(id) && id >= 0 && Array.isArray(body), 'an entry of an object');
      requireThat(!seen.has(owner + id), 'an object twice');
      seen.add(owner + id);
      return { value: this.object(owner, id, body), body };
    });
    for (const { value, body } of changed) this.refill(value, body, hardened);
    for (const [value, level] of hardened) harden(value, level);
    const packer = new Packer();
    packer.items = Infinity;
    for (const { value } of changed) crossed(value, JSON.stringify(packer.contents(value)));
  }

  // The judge's own object for one of the table, made where it is new.
  object(owner, id, body) {
    const kind = body[0] === 'bytes' ? body[1] : body[0];
    const known = shared.known.get(owner + id);
    if (known !== undefined) {
      requireThat(shared.kinds.get(known) === kind, 'an object that has become another');
      return known;
    }
    requireThat(owner === 'p', 'an object that the tests never had');
    requireThat(shared.known.size - shared.next < OBJECTS_MAX, `more than ${OBJECTS_MAX} objects`);
    const made = this.emptied(body);
    keep([owner, id], made, kind);
    return made;
  }

  emptied([kind, first, second, third]) {
    switch (kind) {
      case 'array':
        return [];
      case 'object':
        requireThat(typeof second === 'boolean', 'an object');
        return second ? Object.create(null) : {};
      case 'map':
        return new Map();
      case 'set':
        return new Set();
      case 'date':
        return new Date(NaN);
      case 'regexp':
        requireThat(typeof first === 'string' && typeof second === 'string', 'a regular expression');
        try {
          return new RegExp(first, second);
        } catch {
          throw new Violation('it sent what is no message: a regular expression that is none');
        }
      case 'error':
        return this.error(first, second, third);
      case 'bytes': {
        requireThat(typeof first === 'string' && BYTES.has(first), 'bytes');
        const bytes = bytesOf(second);
        if (first === 'Buffer') return Buffer.alloc(bytes.length);
        const size = BYTES.get(first).BYTES_PER_ELEMENT || 1;
        requireThat(bytes.length % size === 0, 'bytes that fill no item');
        return new (BYTES.get(first))(bytes.length / size);
      }
      default:
        throw new Violation('it sent what is no message: an object of no kind');
    }
  }

  error(base, typeTag, name) {
    requireThat(ERRORS.has(base) && (name === null || typeof name === 'string'), 'an error');
    const error = base === 'AggregateError' ? new AggregateError([]) : new (ERRORS.get(base))();
    Object.defineProperty(error, 'stack', { value: '', writable: true, configurable: true });
    if (typeTag === null) return error;
    const type = this.value(typeTag);
    requireThat(isFunctionHandle(type), 'the class of an error');
    return Object.setPrototypeOf(error, errorType(base, type, name));
  }

  value(tag) {
    this.items -= 1;
    if (this.items < 0) throw new Violation(`it sent more than ${ITEMS_MAX} items at once`);
    if (tag === null || typeof tag === 'boolean' || typeof tag === 'string') return tag;
    if (typeof tag === 'number') {
      requireThat(Number.isFinite(tag), 'a number that is none');
      return tag;
    }
    requireThat(Array.isArray(tag) && typeof tag[0] === 'string', 'a value of no kind');
    const read = READ[tag[0]];
    requireThat(Object.hasOwn(READ, tag[0]) && read.parts.includes(tag.length), 'a value of no kind');
    return read.value(...tag.slice(1));
  }

  keys(parts) {
    requireThat(parts.length % 2 === 0, 'keys');
    const keys = [];
    for (let index = 0; index < parts.length; index += 2) {
      requireThat(typeof parts[index + 1] === 'boolean', 'keys');
      keys.push([this.key(parts[index]), parts[index + 1]]);
    }
    return keys;
  }

  key(tag) {
    const key = this.value(tag);
    requireThat(typeof key === 'string' || typeof key === 'symbol', 'a key that is none');
    return key;
  }

  settled(item) {
    requireThat(Array.isArray(item) && item.length === 3 && typeof item[1] === 'boolean', 'what has settled');
    const origin = promises.has(item[0]) ? promises.get(item[0]).origin : null;
    return { id: item[0], kept: item[1], value: from(origin, () => this.value(item[2])) };
  }

  refill(value, body, hardened) {
    const arity = { array: [4], object: [4], instance: [3], map: [2], set: [2], date: [2], regexp: [4], error: [5], bytes: [3] }[body[0]];
    requireThat(arity.includes(body.length), 'an object of another size');
    switch (body[0]) {
      case 'array': {
        const [, level, items, entries] = body;
        requireThat(isLevel(level) && Array.isArray(items), 'a list');
        this.refillItems(value, items);
        this.refillEntries(value, entries, items.length);
        hardened.push([value, level]);
        return;
      }
      case 'object':
        requireThat(isLevel(body[1]), 'an object');
        this.refillEntries(value, body[3]);
        hardened.push([value, body[1]]);
        return;
      case 'instance':
        requireThat(isLevel(body[1]), 'an object');
        this.refillEntries(value, body[2]);
        hardened.push([value, body[1]]);
        return;
      case 'map': {
        requireThat(Array.isArray(body[1]) && body[1].length % 2 === 0, 'a map');
        const entries = body[1].map((tag) => this.value(tag));
        Map.prototype.clear.call(value);
        for (let index = 0; index < entries.length; index += 2) Map.prototype.set.call(value, entries[index], entries[index + 1]);
        requireThat(value.size === entries.length / 2, 'a key twice');
        return;
      }
      case 'set': {
        requireThat(Array.isArray(body[1]), 'a set');
        const items = body[1].map((tag) => this.value(tag));
        Set.prototype.clear.call(value);
        for (const item of items) Set.prototype.add.call(value, item);
        requireThat(value.size === items.length, 'an item twice');
        return;
      }
      case 'date':
        requireThat(body[1] === null || typeof body[1] === 'number', 'a date');
        Date.prototype.setTime.call(value, body[1] === null ? NaN : body[1]);
        return;
      case 'regexp':
        requireThat(typeof body[3] === 'number' && body[1] === value.source && body[2] === value.flags, 'a regular expression');
        value.lastIndex = body[3];
        return;
      case 'error':
        this.refillError(value, body);
        return;
      default: {
        const bytes = bytesOf(body[2]);
        const view = body[1] === 'ArrayBuffer' ? new Uint8Array(value) : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
        requireThat(bytes.length === view.length, 'bytes of another size');
        view.set(bytes);
      }
    }
  }

  refillItems(list, items) {
    this.items -= items.length;
    if (this.items < 0) throw new Violation(`it sent more than ${ITEMS_MAX} items at once`);
    if (Object.isFrozen(list)) return;
    requireThat(!Object.isSealed(list) || items.length === list.length, 'a sealed list of another size');
    list.length = items.length;
    items.forEach((item, index) => {
      this.items += 1;
      if (Array.isArray(item) && item.length === 1 && item[0] === '-') Reflect.deleteProperty(list, index);
      else if (Object.hasOwn(list, index)) define(list, index, this.value(item));
      else if (Object.isExtensible(list)) list[index] = this.value(item);
    });
  }

  refillEntries(object, entries, length) {
    requireThat(Array.isArray(entries) && entries.length % 2 === 0, 'an object');
    const keys = [];
    const values = [];
    for (let index = 0; index < entries.length; index += 2) {
      const key = this.key(entries[index]);
      requireThat(length === undefined || (key !== 'length' && !isIndex(key, length)), 'an index among the properties');
      keys.push(key);
      values.push(this.value(entries[index + 1]));
    }
    requireThat(new Set(keys).size === keys.length, 'a key twice');
    const old = Reflect.ownKeys(object).filter((key) => {
      const property = Reflect.getOwnPropertyDescriptor(object, key);
      return property.enumerable && 'value' in property && !(length !== undefined && isIndex(key, length));
    });
    // In the order of the program's object.
    if (old.length !== keys.length || old.some((key, index) => key !== keys[index])) for (const key of old) Reflect.deleteProperty(object, key);
    keys.forEach((key, index) => {
      if (!Object.isExtensible(object) && !Object.hasOwn(object, key)) return;
      // Methods that the tests' own objects had are the tests'.
      if (!Object.is(Reflect.getOwnPropertyDescriptor(object, key)?.value, values[index])) grafted(object, key, values[index]);
      define(object, key, values[index]);
    });
  }

  refillError(error, [, base, , name, properties]) {
    requireThat(Array.isArray(properties) && properties.length % 3 === 0 && errorBase(error) === base, 'an error');
    for (let index = 0; index < properties.length; index += 3) {
      const key = this.key(properties[index]);
      requireThat(key !== 'stack' && typeof properties[index + 2] === 'boolean', 'a property of an error');
      const value = this.value(properties[index + 1]);
      // What an error says is text: an object in its place would answer a test that looks into it.
      const isText = (key === 'message' || key === 'name') && isHandle(value);
      Object.defineProperty(error, key, { value: isText ? shownHandle(recordOf(value)) : value, writable: true, enumerable: properties[index + 2], configurable: true });
    }
    if (name !== null && ERROR_OF.has(Object.getPrototypeOf(error)) && error.name !== name) Object.defineProperty(error, 'name', { value: name, writable: true, configurable: true });
  }
}

// Each kind of value: how many parts its tag has, and what they make.
const READ = {
  u: { parts: [1], value: () => undefined },
  n: {
    parts: [2],
    value(text) {
      requireThat(['NaN', 'Infinity', '-Infinity', '-0'].includes(text), 'a number that is none');
      return Number(text);
    },
  },
  i: {
    parts: [2],
    value(digits) {
      requireThat(typeof digits === 'string' && digits.length <= DIGITS_MAX && /^-?(0|[1-9]\d*)$/.test(digits), 'a whole number that is none');
      return BigInt(digits);
    },
  },
  s: { parts: [3, 4], value: symbolOf },
  '&': {
    parts: [3],
    value(owner, id) {
      requireThat((owner === 'j' || owner === 'p') && Number.isSafeInteger(id), 'an object that nobody knows');
      const known = shared.known.get(owner + id);
      requireThat(known !== undefined, 'an object that nobody knows');
      return withheldFor.get(known) || known;
    },
  },
  h: {
    parts: [5],
    value(id, isFunction, isOrdinary, className) {
      requireThat(Number.isSafeInteger(id) && id >= 0 && typeof isFunction === 'boolean' && typeof isOrdinary === 'boolean', 'an object of the program');
      requireThat(typeof className === 'string' && className.length <= NAME_MAX, 'the name of a class');
      return handleOf(id, isFunction, isOrdinary, className);
    },
  },
  lent: {
    parts: [2],
    value(id) {
      requireThat(Number.isSafeInteger(id) && id >= 0 && id < lent.known.length, 'what nobody lent');
      return lent.known[id].value;
    },
  },
  builtin: {
    parts: [2],
    value(name) {
      requireThat(typeof name === 'string' && BUILTINS.has(name), 'a builtin that is none');
      return BUILTINS.get(name);
    },
  },
  promise: { parts: [2], value: promiseOf },
};

function symbolOf(kind, name, description) {
  if (kind === 'well') {
    requireThat(description === undefined && WELL_KNOWN.has(name), 'a symbol');
    return WELL_KNOWN.get(name);
  }
  if (kind === 'for') {
    requireThat(description === undefined && typeof name === 'string', 'a symbol');
    return Symbol.for(name);
  }
  requireThat((kind === 'own' || kind === 'lent') && Number.isSafeInteger(name) && name >= 0 && (description === null || typeof description === 'string'), 'a symbol');
  const known = symbols.known.get(kind + name);
  if (known !== undefined) return known;
  requireThat(kind === 'own' && symbols.known.size < HANDLES_MAX, 'a symbol');
  const symbol = Symbol(description === null ? undefined : description);
  symbols.known.set(kind + name, symbol);
  symbols.ids.set(symbol, [kind, name]);
  return symbol;
}

function promiseOf(id) {
  requireThat(Number.isSafeInteger(id) && id >= 0 && promises.size < HANDLES_MAX, 'a promise');
  let waiting = promises.get(id);
  if (waiting === undefined) {
    waiting = { isSettled: false, origin: handles.origin };
    waiting.promise = new Promise((resolve, reject) => {
      waiting.resolve = resolve;
      waiting.reject = reject;
    });
    lent.ids.set(waiting.promise, ['promise', id]);
    promises.set(id, waiting);
  }
  return waiting.promise;
}

// The prototype of errors of one class of the program. What its class adds is asked for.
function errorType(base, type, name) {
  const key = `${base} ${recordOf(type).id}`;
  if (!errorTypes.has(key)) {
    const prototype = Object.create(ERRORS.get(base).prototype, { constructor: { value: type, writable: true, configurable: true } });
    if (name !== null) Object.defineProperty(prototype, 'name', { value: name, writable: true, configurable: true });
    errorTypes.set(key, new Proxy(prototype, {
      get(target, property, error) {
        if (property in target || typeof property === 'symbol' || !shared.ids.has(error)) return Reflect.get(target, property, error);
        const value = valueOf('read', (packer) => [packer.value(error), property]);
        calledBy(value, property);
        return value;
      },
    }));
  }
  return errorTypes.get(key);
}

function bytesOf(text) {
  requireThat(typeof text === 'string' && text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text), 'bytes');
  return Buffer.from(text, 'base64');
}

const isLevel = (level) => [0, 1, 2, 3].includes(level);

function define(object, key, value) {
  const property = Reflect.getOwnPropertyDescriptor(object, key);
  if (property === undefined) Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  else if (property.writable && !Object.is(property.value, value)) Object.defineProperty(object, key, { value });
}

function harden(value, level) {
  if (level === 1) Object.preventExtensions(value);
  if (level === 2) Object.seal(value);
  if (level === 3) Object.freeze(value);
}

if (require.main === module) main();
else module.exports = { Reader, Violation, checkShape, talk };
