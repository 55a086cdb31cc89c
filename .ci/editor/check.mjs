// Holds the editor against the project: bundled files are clean, mistakes are flagged where `check`
// flags them, and completion and hover know the language.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Editor } from './client.mjs';

const FLAGGED_AT_LEAST = 185;
const PLACES_AT_LEAST = 75;

const here = import.meta.dirname;
const root = path.resolve(here, '../..');
const schemas = {
  suite: pathToFileURL(path.join(root, 'schema/suite.schema.json')).href,
  rules: pathToFileURL(path.join(root, 'schema/rules.schema.json')).href,
};
const failures = [];
const fail = (what) => failures.push(what);
const read = (file) => fs.readFileSync(file, 'utf8');

// YAML files below a directory; those of a subdirectory too.
function yaml(directory, deep) {
  const absolute = path.join(root, directory);
  if (!fs.existsSync(absolute)) return [];
  return fs.readdirSync(absolute, { recursive: deep })
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => path.join(directory, file))
    .sort();
}

const told = ({ range, message }) => `${range.start.line + 1}: ${message.replaceAll('\n', ' ')}`;

async function files(editor) {
  const all = [...yaml('suites', false), ...yaml('rules', true), ...yaml('docs/examples', true)];
  let clean = 0;
  await Promise.all(all.map(async (file) => {
    const text = read(path.join(root, file));
    const isPack = file.split(path.sep).includes('rules');
    const schema = isPack ? schemas.rules : schemas.suite;
    const named = text.match(/^# yaml-language-server: \$schema=(\S+)/m)?.[1];
    if (named && new URL(named, pathToFileURL(path.join(root, file))).href !== schema) {
      fail(`${file}: its schema is ${named}, which is not the committed one`);
    }
    const found = await editor.diagnose(pathToFileURL(path.join(root, file)).href, schema, text);
    for (const one of found) fail(`${file}:${told(one)}`);
    if (!found.length) clean += 1;
  }));
  if (!all.length) fail('no bundled file was found');
  return `files clean ${clean} of ${all.length}`;
}

async function mistakes(editor) {
  const directory = path.join(root, 'tests/golden/check');
  const names = fs.readdirSync(directory).filter((file) => file.endsWith('.yaml')).map((file) => file.slice(0, -5)).sort();
  const onlyCheck = read(path.join(here, 'only_check.txt')).split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter(Boolean);
  for (const name of onlyCheck) {
    if (!names.includes(name)) fail(`only_check.txt: there is no mistake \`${name}\``);
  }
  let flagged = 0;
  await Promise.all(names.map(async (name) => {
    const text = read(path.join(directory, `${name}.yaml`));
    const [, file, line] = read(path.join(directory, `${name}.stderr`)).match(/^ +--> (.+):(\d+):\d+$/m) ?? [];
    const isPack = text.startsWith('# rules');
    const found = await editor.diagnose(`file:///mistakes/${name}.yaml`, isPack ? schemas.rules : schemas.suite, text);
    const isOfText = file === (isPack ? 'rules/own.yaml' : 'suites/suite.yaml');
    const isFlagged = isOfText && found.some(({ range }) => range.start.line + 1 === Number(line));
    if (process.env.SHOW) console.log(`${name} (line ${line}): ${found.map(told).join(' | ')}`);
    if (onlyCheck.includes(name)) {
      if (isFlagged) fail(`${name}: stands in only_check.txt, and the editor flags it`);
    } else if (isFlagged) {
      flagged += 1;
    } else {
      fail(`${name}: \`check\` flags line ${line}, the editor ${found.map(told).join(', ') || 'nothing'}`);
    }
  }));
  if (flagged < FLAGGED_AT_LEAST) fail(`only ${flagged} mistakes are flagged, and ${FLAGGED_AT_LEAST} must be`);
  return `mistakes flagged ${flagged} of ${names.length - onlyCheck.length} structural (of ${names.length} goldens)`;
}

// Where the cursor stands in the text of a place.
const CURSOR = '▮';

async function places(editor) {
  const all = JSON.parse(read(path.join(here, 'places.json')));
  let right = 0;
  for (const [number, { what, of, text, offers = [], tells = {}, not = [], shows }] of all.entries()) {
    const written = text.join('\n');
    const before = written.slice(0, written.indexOf(CURSOR)).split('\n');
    if (written.split(CURSOR).length !== 2) throw new Error(`${what}: the cursor must stand there once`);
    const position = { line: before.length - 1, character: before.at(-1).length };
    const uri = `file:///places/${number}.yaml`;
    await editor.diagnose(uri, schemas[of], written.replace(CURSOR, ''));
    const wrong = [];
    if (shows) {
      const shown = await editor.hover(uri, position);
      if (!shown.includes(shows)) wrong.push(`the hover says ${JSON.stringify(shown)}`);
    } else {
      const offered = new Map((await editor.complete(uri, position)).map((one) => [one.label, one.documentation?.value ?? one.documentation ?? '']));
      const missing = [...offers, ...Object.keys(tells)].filter((label) => !offered.has(label));
      if (missing.length) wrong.push(`${missing.join(', ')} is not among ${[...offered.keys()].join(', ') || 'nothing'}`);
      for (const label of not.filter((label) => offered.has(label))) wrong.push(`${label} is offered`);
      for (const [label, words] of Object.entries(tells)) {
        if (offered.has(label) && !offered.get(label).includes(words)) wrong.push(`of ${label} it says ${JSON.stringify(offered.get(label))}`);
      }
    }
    if (!wrong.length) right += 1;
    for (const one of wrong) fail(`${what}: ${one}`);
  }
  if (all.length < PLACES_AT_LEAST) fail(`only ${all.length} places, and ${PLACES_AT_LEAST} must be`);
  return `places right ${right} of ${all.length}`;
}

const tools = path.resolve(process.argv[2]);
const editor = await Editor.start(tools, pathToFileURL(root).href);
try {
  await editor.warm('file:///warm/suite.yaml', schemas.suite, 'timeot: 5\ncases: [{reply: x}]\n');
  await editor.warm('file:///warm/rules.yaml', schemas.rules, 'langages: {}\n');
  const report = [await files(editor), await mistakes(editor), await places(editor)];
  console.log(report.join('\n'));
  editor.errors.forEach((error) => fail(`the language server failed: ${error}`));
} finally {
  await editor.stop();
}
for (const failure of failures) console.log(`failed: ${failure}`);
process.exit(failures.length ? 1 : 0);
