// Runs a program as a script and serves the judge of its tests, which is another process: looks its
// names up, calls its functions and answers with values by tags.
//
// The judge writes to descriptor 3 and reads from descriptor 4. Nothing here is trusted: a program can
// do as it likes with its own process, and may answer anything. What is taken hold of before it runs
// only keeps programs that change a builtin for their own ends from hurting themselves.
//
// A message is JSON after its length in four bytes. What has an identity crosses as a reference, its
// contents stand in the table at the end of a message, and only when they changed since they last
// crossed. So both sides keep one object for one object of the other.
'use strict';

const fs = require('fs');
const Module = require('module');
const path = require('path');
const vm = require('vm');
const { pathToFileURL } = require('url');
const { types } = require('util');

const REQUESTS = 3;
const ANSWERS = 4;
const BYTES_MAX = 8 << 20;
const ITEMS_MAX = 200000;
const DIGITS_MAX = 100000;
const NAME_MAX = 100;
const LEVELS_MAX = 100;
// Objects outside of a call whose changes are looked for all the same, and how long their contents may be.
const RECENT_MAX = 16;
const RECENT_TEXT_MAX = 2048;

const { stringify, parse } = JSON;
const { readSync, writeSync, readFileSync, writeFileSync } = fs;
const exit = process.exit.bind(process);
const later = setImmediate;
const after = setTimeout;
const forget = clearTimeout;
const { getPrototypeOf, setPrototypeOf, getOwnPropertyDescriptor, defineProperty, is } = Object;
const { apply, construct, ownKeys } = Reflect;
const plain = Object.prototype;
const list = Array.prototype;
const bytesOf = Buffer.from;
const ANY_BYTES = bytesPrototypes();
const ERRORS = new Map(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError].map((type) => [type.prototype, type.name]),
);
// What stands for itself on both sides.
const BUILTINS = new Map(
  [Object, Array, Number, String, Boolean, Symbol, BigInt, Map, Set, WeakMap, WeakSet, Promise, Date, RegExp, ArrayBuffer, parseInt, parseFloat, isNaN, isFinite]
    .concat([Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError])
    .map((builtin) => [builtin, builtin.name]),
);
const BUILTIN_OF = new Map([...BUILTINS].map(([builtin, name]) => [name, builtin]));
// What else the judge may name of node's.
const NATIVES = new Map(ownKeys(globalThis).map((name) => [name, getOwnPropertyDescriptor(globalThis, name).value]));
for (const { constructor } of [async () => {}, function* () {}, async function* () {}]) NATIVES.set(constructor.name, constructor);
const WELL_KNOWN = new Map(
  ownKeys(Symbol).filter((key) => typeof Symbol[key] === 'symbol').map((key) => [Symbol[key], key]),
);
// Modules of which the tests may use the program's names: the judge takes its own.
const STANDARD = ['assert', 'buffer', 'events', 'path', 'perf_hooks', 'querystring', 'string_decoder', 'url', 'util'];
// Classes whose instances are nothing without what node keeps in them.
const NODES_OWN = new Set(ownKeys(globalThis));

class TooLarge extends Error {}

// Objects of both sides that are one: `j` are the judge's, `p` the program's.
// `recent` crossed last, and may have changed without being part of a call.
const shared = { known: new Map(), ids: new WeakMap(), kinds: new WeakMap(), crossed: new WeakMap(), recent: new Set(), next: 0 };
const handles = { known: new Map(), ids: new WeakMap(), next: 0 };
// Functions, promises and iterators of the judge.
const lent = { known: new Map(), ids: new WeakMap() };
const promises = { ids: new WeakMap(), known: new Map(), next: 0, settled: [], wake: null, awaited: new Map() };
const symbols = { ids: new Map(), known: new Map(), next: 0 };

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
  const replaced = watchGlobals(source);
  await runProgram(source, file);
  send(['ready', replaced(), []], []);
  for (;;) {
    const request = receive();
    if (request[0] === 'pump') await pump(request);
    else serve(request);
  }
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

// Which of node's own names a program gives to something else.
function watchGlobals(source) {
  const words = new Set(source.match(/[\w$]+/g));
  const before = new Map();
  for (const name of ownKeys(globalThis)) if (words.has(name)) before.set(name, globalThis[name]);
  return () => [...before].filter(([name, value]) => {
    const found = lookUp(name);
    return !found || !is(found.value, value);
  }).map(([name]) => name);
}

function receive() {
  const head = readExactly(4);
  return parse(readExactly(head.readUInt32BE(0)).toString('utf8'));
}

function readExactly(size) {
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0; at < size; ) {
    const count = readSync(REQUESTS, bytes, at, size - at, null);
    // The judge is done.
    if (count === 0) exit(0);
    at += count;
  }
  return bytes;
}

// `commits` are the contents that the other side knows once the message is away.
function send(message, commits) {
  const text = stringify(message);
  const size = Buffer.byteLength(text);
  if (size > BYTES_MAX) throw new TooLarge(`a value of ${size} bytes, and 8 MiB cross at once`);
  const bytes = Buffer.allocUnsafe(size + 4);
  bytes.writeUInt32BE(size, 0);
  bytes.write(text, 4, 'utf8');
  for (let at = 0; at < bytes.length; ) at += writeSync(ANSWERS, bytes, at, bytes.length - at);
  for (const [value, contents] of commits) crossed(value, contents);
}

function crossed(value, contents) {
  shared.crossed.set(value, contents);
  shared.recent.delete(value);
  shared.recent.add(value);
  if (shared.recent.size > RECENT_MAX) shared.recent.delete(shared.recent.values().next().value);
}

// Lets the program's own timers and promises go on, until one that the judge awaits has settled.
async function pump([, wait, settled, table]) {
  unpackTable(table);
  for (const [id, kept, tag] of settled) {
    const { resolve, reject } = promises.awaited.get(id);
    (kept ? resolve : reject)(unpack(tag));
  }
  await new Promise((resolve) => later(resolve));
  if (promises.settled.length === 0 && wait > 0) {
    await new Promise((resolve) => {
      const timer = after(resolve, wait);
      promises.wake = () => {
        forget(timer);
        resolve();
      };
    });
    promises.wake = null;
  }
  const isIdle = process.getActiveResourcesInfo().every((name) => name === 'PipeWrap' || name === 'TTYWrap');
  answer((packer) => ['settled', promises.settled.splice(0).map(([id, kept, value]) => [id, kept, packer.value(value)]), isIdle], []);
}

// Serves one request; the objects it brought cross back as it leaves them.
function serve([op, ...rest]) {
  unpackTable(rest.pop());
  let roots = [];
  let result;
  try {
    const given = rest.map((part) => part);
    result = SERVED[op](given, (values) => {
      roots = values;
    });
  } catch (error) {
    result = (packer) => ['throw', packer.value(error)];
  }
  answer(result, roots);
}

function answer(told, roots) {
  try {
    const packer = new Packer();
    const message = told(packer);
    for (const root of roots) packer.value(root);
    message.push(packer.table());
    send(message, packer.commits);
  } catch (error) {
    const text = error instanceof TooLarge ? error.message : `a value that cannot be read: ${shown(error)}`;
    send(['uncrossed', text, []], []);
  }
}

const ok = (value) => (packer) => ['ok', packer.value(value)];

const SERVED = {
  name([name]) {
    const found = lookUp(name);
    if (!found) return () => ['missing'];
    const standard = standardName(name, found.value);
    return standard ? () => ['standard', ...standard] : ok(found.value);
  },
  assign([name, tag]) {
    globalThis.rewardspec_assigned = unpack(tag);
    try {
      vm.runInThisContext(`${name} = rewardspec_assigned`);
    } finally {
      delete globalThis.rewardspec_assigned;
    }
    return ok(true);
  },
  // What `require` of the program gives: one function, or what it exports, or all its names.
  module() {
    const { exports } = globalThis.module;
    const isWhole = typeof exports === 'function' || (exports !== null && typeof exports === 'object' && getPrototypeOf(exports) !== plain);
    return isWhole ? ok(exports) : () => ['missing'];
  },
  export([name]) {
    const { exports } = globalThis.module;
    if (exports !== null && exports !== undefined && exports[name] !== undefined) return ok(exports[name]);
    const found = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u.test(name) || name === 'default' ? lookUp(name) : undefined;
    return found ? ok(found.value) : () => ['missing'];
  },
  exports() {
    return (packer) => ['keys', Object.keys(globalThis.module.exports).flatMap((key) => [packer.value(key), true])];
  },
  call([id, receiver, args], changes, told = ok) {
    const self = unpack(receiver);
    const given = args.map(unpack);
    changes([self, ...given]);
    return told(apply(handles.known.get(id), self, given));
  },
  // An item of an iterator crosses without what it is wrapped in.
  next(request, changes) {
    const result = SERVED.call(request, changes, (value) => value);
    if (result === null || typeof result !== 'object' || types.isProxy(result) || getPrototypeOf(result) !== plain) return ok(result);
    const [value, done] = ['value', 'done'].map((key) => getOwnPropertyDescriptor(result, key));
    const isItem = ownKeys(result).length === 2 && value && done && 'value' in value && typeof done.value === 'boolean';
    return isItem ? (packer) => ['item', packer.value(value.value), done.value] : ok(result);
  },
  new([id, args], changes) {
    const given = args.map(unpack);
    changes(given);
    return ok(construct(handles.known.get(id), given));
  },
  get([id, key]) {
    return ok(handles.known.get(id)[unpack(key)]);
  },
  // A property of an error, which is no handle.
  read([tag, key]) {
    return ok(unpack(tag)[unpack(key)]);
  },
  set([id, key, tag]) {
    return ok(Reflect.set(handles.known.get(id), unpack(key), unpack(tag)));
  },
  define([id, key, tag, attributes]) {
    const [writable, enumerable, configurable] = attributes;
    return ok(Reflect.defineProperty(handles.known.get(id), unpack(key), { value: unpack(tag), writable, enumerable, configurable }));
  },
  has([id, key]) {
    return ok(unpack(key) in handles.known.get(id));
  },
  own([id, key]) {
    const property = getOwnPropertyDescriptor(handles.known.get(id), unpack(key));
    if (property === undefined) return () => ['missing'];
    const value = 'value' in property ? property.value : handles.known.get(id)[unpack(key)];
    return (packer) => ['own', packer.value(value), property.enumerable];
  },
  delete([id, key]) {
    return ok(Reflect.deleteProperty(handles.known.get(id), unpack(key)));
  },
  keys([id]) {
    const object = handles.known.get(id);
    return (packer) => ['keys', ownKeys(object).flatMap((key) => {
      const property = getOwnPropertyDescriptor(object, key);
      return [packer.value(key), Boolean(property && property.enumerable)];
    })];
  },
  prototype([id]) {
    const prototype = getPrototypeOf(handles.known.get(id));
    if (prototype === plain || prototype === Function.prototype) return () => ['root', prototype !== plain];
    return ok(prototype);
  },
  instance([id, tag]) {
    return ok(unpack(tag) instanceof handles.known.get(id));
  },
  string([id]) {
    return ok(`${handles.known.get(id)}`);
  },
};

// A name of the program: of its top level, or of what it exports.
function lookUp(name) {
  try {
    const value = vm.runInThisContext(name === 'default' ? 'globalThis.default' : name);
    if (value !== undefined) return { value };
  } catch {
    // It may be an export.
  }
  try {
    const value = globalThis.module.exports[name];
    if (value !== undefined) return { value };
  } catch {
    return undefined;
  }
  try {
    vm.runInThisContext(name);
    return { value: undefined };
  } catch {
    return undefined;
  }
}

// A module of node under its own name, or something of one.
function standardName(name, value) {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return undefined;
  for (const module of STANDARD) {
    const exported = require(module);
    if (module === name && exported === value) return [module, null];
    if (Object.hasOwn(exported, name) && exported[name] === value) return [module, name];
  }
  return undefined;
}

// Asks the judge to call what it lent, in the middle of its own request.
function callBack(id, receiver, args, isNew) {
  const packer = new Packer();
  const message = ['callback', id, packer.value(receiver), args.map((arg) => packer.value(arg)), isNew];
  message.push(packer.table());
  send(message, packer.commits);
  for (;;) {
    const [op, ...rest] = receive();
    if (op === 'return' || op === 'raise') {
      unpackTable(rest[1]);
      const value = unpack(rest[0]);
      if (op === 'raise') throw value;
      return value;
    }
    serve([op, ...rest]);
  }
}

// Makes values tags, and keeps what they hold for the table.
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
    if (this.items < 0) throw new TooLarge(`more than ${ITEMS_MAX} values at once`);
    switch (typeof value) {
      case 'undefined':
        return ['u'];
      case 'number':
        return Number.isFinite(value) && !is(value, -0) ? value : ['n', is(value, -0) ? '-0' : String(value)];
      case 'bigint': {
        const digits = value.toString();
        if (digits.length > DIGITS_MAX) throw new TooLarge(`a whole number of more than ${DIGITS_MAX} digits`);
        return ['i', digits];
      }
      case 'symbol':
        return symbolTag(value);
      case 'object':
        return value === null ? null : this.object(value);
      case 'function':
        return this.object(value);
      default:
        return value;
    }
  }

  object(value) {
    if (lent.ids.has(value)) return ['lent', lent.ids.get(value)];
    let id = shared.ids.get(value);
    if (id === undefined && !handles.ids.has(value)) {
      const kind = containerKind(value);
      if (kind !== undefined) {
        id = ['p', shared.next];
        shared.next += 1;
        keep(id, value, kind);
      }
    }
    if (id !== undefined) {
      if (!this.queued.has(value) && !(this.isPastRoots && shared.crossed.has(value))) this.enqueue(value);
      return ['&', ...id];
    }
    if (typeof value === 'function' && BUILTINS.has(value)) return ['builtin', BUILTINS.get(value)];
    if (types.isPromise(value) && !types.isProxy(value) && getPrototypeOf(value) === Promise.prototype) return ['promise', promiseId(value)];
    return this.handle(value);
  }

  handle(value) {
    let id = handles.ids.get(value);
    if (id === undefined) {
      id = handles.next;
      handles.next += 1;
      handles.ids.set(value, id);
      handles.known.set(id, value);
    }
    return ['h', id, typeof value === 'function', isOrdinary(value), className(value)];
  }

  table() {
    const table = [];
    this.fill(table);
    let left = RECENT_TEXT_MAX;
    this.isPastRoots = true;
    for (const value of [...shared.recent].reverse()) {
      left -= shared.crossed.get(value).length;
      if (left < 0) break;
      if (!this.queued.has(value)) this.enqueue(value);
      this.fill(table);
    }
    return table;
  }

  fill(table) {
    for (; this.done < this.queue.length; this.done += 1) {
      const value = this.queue[this.done];
      const left = this.items;
      const body = this.contents(value);
      const text = stringify(body);
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
        if (this.items < 0) throw new TooLarge(`an array of ${value.length} items`);
        const items = [];
        for (let index = 0; index < value.length; index += 1) {
          this.items += 1;
          items.push(index in value ? this.value(value[index]) : ['-']);
        }
        return [kind, integrity(value), items, this.entries(value, value.length)];
      }
      case 'object':
        return [kind, integrity(value), getPrototypeOf(value) === null, this.entries(value)];
      case 'instance':
        return [kind, integrity(value), this.entries(value)];
      case 'map': {
        const entries = [];
        Map.prototype.forEach.call(value, (item, key) => entries.push(this.value(key), this.value(item)));
        return [kind, entries];
      }
      case 'set': {
        const items = [];
        Set.prototype.forEach.call(value, (item) => items.push(this.value(item)));
        return [kind, items];
      }
      case 'date': {
        const time = Date.prototype.getTime.call(value);
        return [kind, Number.isNaN(time) ? null : time];
      }
      case 'regexp':
        return [kind, value.source, value.flags, value.lastIndex];
      case 'error':
        return this.error(value);
      default: {
        const bytes = kind === 'ArrayBuffer' ? bytesOf(value) : bytesOf(value.buffer, value.byteOffset, value.byteLength);
        return ['bytes', kind, bytes.toString('base64')];
      }
    }
  }

  // The own data of an object, from where its indices end.
  entries(value, length) {
    const entries = [];
    for (const key of ownKeys(value)) {
      if (length !== undefined && (key === 'length' || isIndex(key, length))) continue;
      const property = getOwnPropertyDescriptor(value, key);
      if (property.enumerable && 'value' in property) entries.push(this.value(key), this.value(property.value));
    }
    return entries;
  }

  error(value) {
    let base = getPrototypeOf(value);
    const isOwn = !ERRORS.has(base);
    const made = isOwn && getOwnPropertyDescriptor(base, 'constructor');
    let name;
    while (base && !ERRORS.has(base)) {
      const given = getOwnPropertyDescriptor(base, 'name');
      if (name === undefined && given) name = typeof given.value === 'string' ? given.value : value.name;
      base = getPrototypeOf(base);
    }
    const properties = [];
    for (const key of ownKeys(value)) {
      const property = getOwnPropertyDescriptor(value, key);
      if (key !== 'stack' && 'value' in property) properties.push(this.value(key), this.value(property.value), property.enumerable);
    }
    const type = made && typeof made.value === 'function' ? this.value(made.value) : null;
    return ['error', ERRORS.get(base), type, typeof name === 'string' ? name : null, properties];
  }
}

// What crosses with its contents; everything else is a handle.
function containerKind(value) {
  if (types.isProxy(value) || typeof value === 'function') return undefined;
  const prototype = getPrototypeOf(value);
  if (Array.isArray(value)) return prototype === list && value.length <= ITEMS_MAX ? 'array' : undefined;
  if (types.isNativeError(value)) {
    for (let base = prototype; base; base = getPrototypeOf(base)) {
      if (types.isProxy(base)) return undefined;
      if (ERRORS.has(base)) return 'error';
    }
    return undefined;
  }
  if (prototype === plain || prototype === null) return isPlain(value) ? 'object' : undefined;
  if (ANY_BYTES.has(prototype)) return isBytes(value) && ownKeys(value).every((key) => isIndex(key, value.length)) ? ANY_BYTES.get(prototype) : undefined;
  if (prototype === Map.prototype && types.isMap(value)) return hasNoMore(value) ? 'map' : undefined;
  if (prototype === Set.prototype && types.isSet(value)) return hasNoMore(value) ? 'set' : undefined;
  if (prototype === Date.prototype && types.isDate(value)) return hasNoMore(value) ? 'date' : undefined;
  if (prototype === RegExp.prototype && types.isRegExp(value)) return ownKeys(value).length === 1 ? 'regexp' : undefined;
  return undefined;
}

const hasNoMore = (value) => ownKeys(value).length === 0;

const isBytes = (value) => types.isTypedArray(value) || types.isArrayBuffer(value);

// All its own properties are data that anyone sees, and no methods, which would want it as `this`.
function isPlain(value) {
  if (!isOrdinary(value) || types.isModuleNamespaceObject(value)) return false;
  return ownKeys(value).every((key) => {
    const property = getOwnPropertyDescriptor(value, key);
    return property !== undefined && property.enumerable && 'value' in property && typeof property.value !== 'function';
  });
}

// An object whose properties are all there is of it.
function isOrdinary(value) {
  return typeof value === 'object' && !Array.isArray(value) && !types.isProxy(value) && !types.isArgumentsObject(value) && !types.isMap(value) && !types.isSet(value)
    && !types.isDate(value) && !types.isRegExp(value) && !types.isNativeError(value) && !types.isBoxedPrimitive(value) && !types.isPromise(value)
    && !types.isWeakMap(value) && !types.isWeakSet(value) && !types.isAnyArrayBuffer(value) && !ArrayBuffer.isView(value) && !types.isGeneratorObject(value)
    && !types.isMapIterator(value) && !types.isSetIterator(value) && !types.isExternal(value);
}

function isIndex(key, length) {
  return typeof key === 'string' && /^(0|[1-9]\d{0,9})$/.test(key) && Number(key) < length;
}

function integrity(value) {
  if (Object.isExtensible(value)) return 0;
  if (Object.isFrozen(value)) return 3;
  return Object.isSealed(value) ? 2 : 1;
}

function bytesPrototypes() {
  const types = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array];
  return new Map([...types, ArrayBuffer, Buffer].map((type) => [type.prototype, type.name]));
}

function className(value) {
  try {
    if (typeof value === 'function') return nameOf(value);
    let prototype = getPrototypeOf(value);
    // A proxy can have one for ever.
    for (let level = 0; prototype && level < LEVELS_MAX; level += 1, prototype = getPrototypeOf(prototype)) {
      const made = getOwnPropertyDescriptor(prototype, 'constructor');
      if (made && typeof made.value === 'function') return nameOf(made.value);
    }
  } catch {
    // A proxy may refuse.
  }
  return '';
}

function nameOf(type) {
  const name = getOwnPropertyDescriptor(type, 'name');
  return name && typeof name.value === 'string' ? name.value.slice(0, NAME_MAX) : '';
}

function symbolTag(symbol) {
  if (WELL_KNOWN.has(symbol)) return ['s', 'well', WELL_KNOWN.get(symbol)];
  const key = Symbol.keyFor(symbol);
  if (key !== undefined) return ['s', 'for', key];
  if (!symbols.ids.has(symbol)) {
    symbols.ids.set(symbol, ['own', symbols.next]);
    symbols.known.set(`own${symbols.next}`, symbol);
    symbols.next += 1;
  }
  return ['s', ...symbols.ids.get(symbol), symbol.description === undefined ? null : symbol.description];
}

function symbolOf([, kind, name, description]) {
  if (kind === 'well') return Symbol[name];
  if (kind === 'for') return Symbol.for(name);
  if (!symbols.known.has(kind + name)) {
    const symbol = Symbol(description === null ? undefined : description);
    symbols.known.set(kind + name, symbol);
    symbols.ids.set(symbol, [kind, name]);
  }
  return symbols.known.get(kind + name);
}

function promiseId(promise) {
  let id = promises.ids.get(promise);
  if (id === undefined) {
    id = promises.next;
    promises.next += 1;
    promises.ids.set(promise, id);
    promises.known.set(id, promise);
    const settle = (kept) => (value) => {
      promises.settled.push([id, kept, value]);
      if (promises.wake) promises.wake();
    };
    Promise.prototype.then.call(promise, settle(true), settle(false));
  }
  return id;
}

function shown(error) {
  try {
    return String(error).slice(0, 200);
  } catch {
    return 'something thrown';
  }
}

function keep(id, value, kind) {
  shared.known.set(id.join(''), value);
  shared.ids.set(value, id);
  shared.kinds.set(value, kind);
}

function unpack(tag) {
  if (tag === null || typeof tag !== 'object') return tag;
  switch (tag[0]) {
    case 'u':
      return undefined;
    case 'n':
      return Number(tag[1]);
    case 'i':
      return BigInt(tag[1]);
    case 's':
      return symbolOf(tag);
    case '&':
      return shared.known.get(tag[1] + tag[2]);
    case 'h':
      return handles.known.get(tag[1]);
    case 'builtin':
      return BUILTIN_OF.get(tag[1]);
    case 'native':
      return nativeOf(tag);
    case 'promise':
      return promises.known.get(tag[1]);
    case 'module':
      return globalThis.module.exports;
    case 'lent':
      return borrowed(tag);
    default:
      throw new Error(`the judge sent an unknown tag: ${stringify(tag).slice(0, 100)}`);
  }
}

function nativeOf([, root, ...keys]) {
  let found = root.startsWith('node:') ? require(root) : NATIVES.get(root);
  for (const key of keys) found = getOwnPropertyDescriptor(found, key).value;
  return found;
}

function borrowed([, id, kind, ...details]) {
  if (lent.known.has(id)) return lent.known.get(id);
  const made = BORROWED[kind](id, details);
  lent.known.set(id, made);
  lent.ids.set(made, id);
  return made;
}

// What the judge lends can be called, awaited or pulled from, and nothing else of it is here.
const BORROWED = {
  function(id, [name, length, isConstructor]) {
    const called = isConstructor ? function () {} : { method() {} }.method;
    defineProperty(called, 'name', { value: name, configurable: true });
    defineProperty(called, 'length', { value: length, configurable: true });
    return new Proxy(called, {
      apply: (_, self, args) => callBack(id, self === globalThis ? undefined : self, args, false),
      ...(isConstructor && { construct: (_, args) => callBack(id, undefined, args, true) }),
    });
  },
  promise(id) {
    return new Promise((resolve, reject) => {
      promises.awaited.set(id, { resolve, reject });
    });
  },
  iterator(id, [isAsync]) {
    const pull = (method) => (...args) => callBack(id, undefined, [method, ...args], false);
    const iterator = { next: pull('next'), return: pull('return'), throw: pull('throw') };
    iterator[isAsync ? Symbol.asyncIterator : Symbol.iterator] = () => iterator;
    return iterator;
  },
};

function unpackTable(table) {
  for (const [owner, id, body] of table) if (!shared.known.has(owner + id)) keep([owner, id], emptied(body), body[0] === 'bytes' ? body[1] : body[0]);
  const changed = table.map(([owner, id, body]) => {
    const value = shared.known.get(owner + id);
    refill(value, body);
    return value;
  });
  const packer = new Packer();
  packer.items = Infinity;
  for (const value of changed) crossed(value, stringify(packer.contents(value)));
}

function emptied([kind, first, second, third]) {
  switch (kind) {
    case 'array':
      return [];
    case 'object':
      return second ? Object.create(null) : {};
    case 'map':
      return new Map();
    case 'set':
      return new Set();
    case 'date':
      return new Date(NaN);
    case 'regexp':
      return new RegExp(first, second);
    case 'error': {
      const error = new (BUILTIN_OF.get(first))();
      const type = second !== null ? lookUp(second) : undefined;
      if (type && typeof type.value === 'function' && type.value.prototype instanceof Error) setPrototypeOf(error, type.value.prototype);
      return error;
    }
    case 'instance': {
      const type = third && !NODES_OWN.has(third) ? lookUp(third) : undefined;
      return Object.create(type && typeof type.value === 'function' && type.value.prototype ? type.value.prototype : plain);
    }
    default: {
      const bytes = bytesOf(second, 'base64');
      return emptyBytes(first, bytes.length);
    }
  }
}

function emptyBytes(kind, size) {
  if (kind === 'Buffer') return Buffer.alloc(size);
  for (const [prototype, name] of ANY_BYTES) {
    if (name === kind) return new prototype.constructor(size / (prototype.BYTES_PER_ELEMENT || 1));
  }
  throw new Error(`the judge sent unknown bytes: ${kind}`);
}

function refill(value, body) {
  switch (body[0]) {
    case 'array': {
      const [, level, items, entries] = body;
      if (Object.isFrozen(value)) return;
      value.length = items.length;
      items.forEach((item, index) => {
        if (Array.isArray(item) && item[0] === '-') delete value[index];
        else if (Object.hasOwn(value, index)) define(value, index, unpack(item));
        else value[index] = unpack(item);
      });
      refillEntries(value, entries, items.length);
      harden(value, level);
      return;
    }
    case 'object':
      refillEntries(value, body[3]);
      harden(value, body[1]);
      return;
    case 'instance': {
      const [, level, entries, , methods] = body;
      refillEntries(value, entries);
      if (getPrototypeOf(value) === plain && methods) {
        for (let index = 0; index < methods.length; index += 3) {
          const method = unpack(methods[index + 1]);
          defineProperty(value, unpack(methods[index]), methods[index + 2] ? { get: method, configurable: true } : { value: method, writable: true, configurable: true });
        }
      }
      harden(value, level);
      return;
    }
    case 'map':
      value.clear();
      for (let index = 0; index < body[1].length; index += 2) value.set(unpack(body[1][index]), unpack(body[1][index + 1]));
      return;
    case 'set':
      value.clear();
      for (const item of body[1]) value.add(unpack(item));
      return;
    case 'date':
      value.setTime(body[1] === null ? NaN : body[1]);
      return;
    case 'regexp':
      value.lastIndex = body[3];
      return;
    case 'error': {
      const [, , , name, properties] = body;
      if (name !== null && value.name !== name) defineProperty(value, 'name', { value: name, writable: true, configurable: true });
      for (let index = 0; index < properties.length; index += 3) {
        defineProperty(value, unpack(properties[index]), { value: unpack(properties[index + 1]), writable: true, enumerable: properties[index + 2], configurable: true });
      }
      return;
    }
    default: {
      const bytes = bytesOf(body[2], 'base64');
      const view = body[1] === 'ArrayBuffer' ? new Uint8Array(value) : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      view.set(bytes);
    }
  }
}

function define(object, key, value) {
  const property = getOwnPropertyDescriptor(object, key);
  if (property === undefined) defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  else if (property.writable && !is(property.value, value)) defineProperty(object, key, { value });
}

function refillEntries(object, entries, length) {
  const keys = [];
  for (let index = 0; index < entries.length; index += 2) keys.push(unpack(entries[index]));
  const old = ownKeys(object).filter((key) => {
    const property = getOwnPropertyDescriptor(object, key);
    return property.enumerable && 'value' in property && !(length !== undefined && isIndex(key, length));
  });
  // In the order of the judge's object.
  if (old.length !== keys.length || old.some((key, index) => key !== keys[index])) for (const key of old) Reflect.deleteProperty(object, key);
  keys.forEach((key, index) => {
    const property = getOwnPropertyDescriptor(object, key);
    if (property !== undefined || Object.isExtensible(object)) define(object, key, unpack(entries[2 * index + 1]));
  });
}

function harden(value, level) {
  if (level === 1) Object.preventExtensions(value);
  if (level === 2) Object.seal(value);
  if (level === 3) Object.freeze(value);
}

main();
