// A client of yaml-language-server: one process for all files, and answers that are waited for.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';

const PATIENCE = 60_000;

export class Editor {
  #server;
  #connection;
  #ended;
  // What was published of each document, newest last, and who waits for it.
  #published = new Map();
  #waiting = new Map();
  #schemas = new Map();
  // What the server itself failed at.
  errors = [];

  // Starts the server that is installed below `tools`.
  static async start(tools, root) {
    const editor = new Editor();
    const require = createRequire(path.join(tools, 'package.json'));
    const rpc = require('vscode-jsonrpc/node');
    editor.#server = spawn(
      process.execPath,
      [path.join(tools, 'node_modules/yaml-language-server/bin/yaml-language-server'), '--stdio'],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    editor.#ended = new Promise((_, refuse) => {
      editor.#server.on('error', refuse);
      editor.#server.on('exit', (status) => refuse(new Error(`the language server ended with status ${status}`)));
    });
    editor.#ended.catch(() => {});
    const { stdin, stdout } = editor.#server;
    stdin.on('error', () => {});
    const connection = rpc.createMessageConnection(new rpc.StreamMessageReader(stdout), new rpc.StreamMessageWriter(stdin));
    editor.#connection = connection;
    connection.onNotification('textDocument/publishDiagnostics', (published) => editor.#receive(published));
    // The server tells its own mistakes here, such as a schema that its completion stumbles over.
    connection.onNotification('telemetry/event', ({ name, properties }) => {
      if (name.endsWith('.error')) editor.errors.push(`${name}: ${properties.error}`);
    });
    connection.onNotification(() => {});
    connection.onRequest('workspace/configuration', ({ items }) => items.map(({ section }) => (section === 'yaml' ? SETTINGS : {})));
    // Which schema a document has that does not say so itself.
    connection.onRequest('custom/schema/request', (of) => editor.#schemas.get(Array.isArray(of) ? of[0] : of) ?? []);
    connection.onRequest(() => null);
    connection.listen();
    await editor.#within('initialize', connection.sendRequest('initialize', {
      processId: process.pid,
      rootUri: root,
      capabilities: {
        textDocument: {
          publishDiagnostics: {},
          hover: { contentFormat: ['markdown'] },
          completion: { completionItem: { snippetSupport: true, documentationFormat: ['markdown'] } },
        },
        workspace: { configuration: true },
      },
    }));
    await connection.sendNotification('initialized', {});
    await connection.sendNotification('yaml/registerCustomSchemaRequest', {});
    return editor;
  }

  // Opens a document and waits until a diagnostic of it is published: from then on the server has its
  // settings, and what it publishes of other documents is final.
  async warm(uri, schema, text) {
    const deadline = Date.now() + PATIENCE;
    let published = await this.diagnose(uri, schema, text);
    while (!published.length) {
      if (Date.now() > deadline) throw new Error('the language server sees no mistake where there is one');
      published = await this.#change(uri, text);
    }
  }

  // The diagnostics of a text. What the server says when it has checked the text is waited for.
  async diagnose(uri, schema, text) {
    if (schema) this.#schemas.set(uri, schema);
    const published = this.#next(uri);
    await this.#connection.sendNotification('textDocument/didOpen', {
      textDocument: { uri, languageId: 'yaml', version: 1, text },
    });
    return this.#within(`the diagnostics of ${uri}`, published);
  }

  // The labels and texts that are offered at a place.
  async complete(uri, position) {
    const request = this.#connection.sendRequest('textDocument/completion', { textDocument: { uri }, position });
    const offered = await this.#within(`the completion of ${uri}`, request);
    return offered?.items ?? offered ?? [];
  }

  // The text that is shown over a place.
  async hover(uri, position) {
    const request = this.#connection.sendRequest('textDocument/hover', { textDocument: { uri }, position });
    const shown = await this.#within(`the hover of ${uri}`, request);
    return shown?.contents?.value ?? '';
  }

  async stop() {
    this.#server.removeAllListeners('exit');
    this.#connection.dispose();
    this.#server.kill();
  }

  async #change(uri, text) {
    const published = this.#next(uri);
    await this.#connection.sendNotification('textDocument/didChange', {
      textDocument: { uri, version: Date.now() }, contentChanges: [{ text }],
    });
    return this.#within(`the diagnostics of ${uri}`, published);
  }

  #receive({ uri, diagnostics }) {
    this.#published.set(uri, diagnostics);
    const waiting = this.#waiting.get(uri);
    this.#waiting.delete(uri);
    waiting?.(diagnostics);
  }

  #next(uri) {
    return new Promise((tell) => this.#waiting.set(uri, tell));
  }

  async #within(what, answer) {
    let timer;
    const late = new Promise((_, refuse) => {
      timer = setTimeout(() => refuse(new Error(`${what}: no answer within ${PATIENCE / 1000} s`)), PATIENCE);
    });
    try {
      return await Promise.race([answer, late, this.#ended]);
    } finally {
      clearTimeout(timer);
    }
  }
}

const SETTINGS = {
  validate: true,
  hover: true,
  completion: true,
  format: { enable: false },
  schemaStore: { enable: false },
};
