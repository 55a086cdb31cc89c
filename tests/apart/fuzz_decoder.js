// Feeds the judge's decoder of messages with what a hostile program might send: `node fuzz_decoder.js
// [rounds] [seed]`. Every message must either be refused as a violation or make values of the judge's
// own; nothing else may be thrown, and the builtins stay as they were.
'use strict';

const assert = require('assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { types } = require('util');

const rounds = Number(process.argv[2] || 20000);
let state = Number(process.argv[3] || 1) >>> 0;

// The judge finds the running of tests beside itself.
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'fuzz-'));
const root = path.resolve(__dirname, '../..');
fs.copyFileSync(path.join(root, 'src/evaluator/apart/javascript/judge.js'), path.join(directory, 'judge.js'));
fs.copyFileSync(path.join(root, 'rules/languages/javascript.beside.js'), path.join(directory, 'rewardspec_tests.js'));
const { Reader, Violation, checkShape, talk } = require(path.join(directory, 'judge.js'));
fs.rmSync(directory, { recursive: true });

function random(below) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

const pick = (...choices) => choices[random(choices.length)];
const some = (make, most) => Array.from({ length: random(most + 1) }, make);
const text = () => pick('', 'a', '__proto__', 'constructor', 'then', 'toString', 'length', 'stack', '0', '4294967295', '\ud800', 'AAAA', 'AAAAAAAAAAA=', 'x'.repeat(300));
const id = () => pick(0, 1, 2, 3, 7, -1, 0.5, 2 ** 53, '1', null);
const key = () => pick(text(), text(), ['s', 'well', 'toPrimitive'], ['s', 'for', 'k'], ['s', 'own', random(4), 'own'], 5);
const kind = () => pick('u', 'n', 'i', 's', '&', 'h', 'lent', 'builtin', 'promise', '-', 'array', 'map', '__proto__', 'hasOwnProperty', '', 'j', 'p');

function value(level = 0) {
  const simple = [null, true, false, 0, -1, 1.5, 1e308, text(), ['u'], ['n', pick('NaN', '-0', 'Infinity', '1', 'x')], ['i', pick('1', '-20', '00', '1e3', '9'.repeat(40))],
    ['s', pick('well', 'for', 'own', 'lent', 'x'), pick('iterator', 'x', 1, id()), pick(null, 'd')].slice(0, pick(3, 4)), ['&', pick('p', 'p', 'p', 'j', 'x'), pick(random(6), id())],
    ['h', pick(random(4), id()), pick(true, false, 1), pick(true, false), text()], ['lent', id()], ['builtin', pick('Map', 'Function', 'eval', '__proto__', 'Object')], ['promise', id()]];
  if (level > 3 || random(4)) return pick(...simple);
  return [kind(), ...some(() => value(level + 1), 4)];
}

function body() {
  const level = pick(0, 0, 0, 1, 2, 3, 4, '0');
  const entries = () => some(() => [key(), value()], 3).flat().slice(random(20) ? 0 : 1);
  return pick(
    ['array', level, some(() => pick(value(), ['-']), 5), entries()],
    ['object', level, pick(true, false, 0), entries()],
    ['map', some(() => [value(), value()], 3).flat()],
    ['set', some(value, 3)],
    ['date', pick(0, null, 1e300, -5.5, 'x')],
    ['regexp', pick('a', '(', '[', 'x*'), pick('', 'g', 'zz'), pick(0, -1, 'x')],
    ['error', pick('Error', 'TypeError', 'AggregateError', 'Object', '__proto__'), pick(null, value()), pick(null, text(), 1), some(() => [key(), value(), pick(true, false)], 2).flat()],
    ['bytes', pick('Buffer', 'Uint8Array', 'Float64Array', 'ArrayBuffer', 'BigInt64Array', 'DataView'), pick('', 'AAAA', 'AAAAAAAAAAA=', '!!', 'A', '====')],
    ['instance', level, entries()],
    value(),
  );
}

function mutated(message) {
  const words = JSON.stringify(message);
  if (random(3)) return words;
  const at = random(words.length);
  return pick(words.slice(0, at), words.slice(0, at) + pick('[', ']', ',', '"', '{', '0', '\\') + words.slice(at), words.slice(0, at) + words.slice(at + 1 + random(5)));
}

// What a test would look at; a stand-in is equal to nothing.
function checkValue(made, seen = new Set()) {
  assert.notStrictEqual(made, 'what is expected');
  if (made === null || typeof made !== 'object' || types.isProxy(made) || seen.has(made)) return;
  seen.add(made);
  const prototype = Object.getPrototypeOf(made);
  assert.ok(prototype === null || types.isProxy(prototype) || prototype.constructor === globalThis[prototype.constructor.name], 'of the judge\'s own types');
  for (const name of Reflect.ownKeys(made)) {
    const property = Object.getOwnPropertyDescriptor(made, name);
    assert.ok('value' in property, 'nothing is computed');
    checkValue(property.value, seen);
  }
  if (types.isMap(made)) for (const [name, item] of made) [name, item].forEach((part) => checkValue(part, seen));
  if (types.isSet(made)) for (const item of made) checkValue(item, seen);
}

const watched = [Object, Array, Map, Set, Error, Function, Promise, RegExp, Date, String, Number, Symbol].flatMap((type) => [type, type.prototype]);
const snapshot = () => watched.map((object) => Reflect.ownKeys(object).map((name) => [name, Object.getOwnPropertyDescriptor(object, name)]));
const before = snapshot();
// Nobody answers here: a stand-in that asks is refused.
talk.ended = 'a test of the decoder';
talk.end = () => {};
process.on('unhandledRejection', () => {});

let read = 0;
let refused = 0;
for (let round = 0; round < rounds; round += 1) {
  const message = [value(), some(() => [pick('p', 'p', 'p', 'p', 'j', 'x'), pick(random(6), random(6), random(1e6), id()), body()].slice(0, random(30) ? 3 : 2), 4)];
  const words = mutated(message);
  try {
    checkShape(Buffer.from(words));
    let parsed;
    try {
      parsed = JSON.parse(words);
    } catch {
      throw new Violation('no JSON');
    }
    if (!Array.isArray(parsed)) throw new Violation('no list');
    checkValue(new Reader(parsed[1]).value(parsed[0]));
    read += 1;
  } catch (error) {
    if (!(error instanceof Violation)) {
      console.error(`round ${round}: ${error.stack}\n${words.slice(0, 2000)}`);
      process.exit(1);
    }
    refused += 1;
  }
}
assert.deepStrictEqual(snapshot(), before, 'the builtins are as they were');
assert.ok(read > rounds / 50 && refused > rounds / 50, 'both happen');
console.log(`${rounds} messages: ${read} read, ${refused} refused`);
