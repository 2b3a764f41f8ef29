// A WAMP peer built with Autobahn|JS, scripted by JSON lines.
//
// Commands arrive on standard input and are answered on standard output, one
// JSON object per line, as described in the README of the folder above.
// Standard error carries the log of the library.
'use strict';

const readline = require('node:readline');
const { parseArgs } = require('node:util');
const autobahn = require('autobahn');

const CUSTOM_ERROR = 'interop.error.custom';

function report(fields) {
  process.stdout.write(JSON.stringify(fields) + '\n');
}

// Autobahn|JS leaves byte strings in JSON to the application. WAMP spells them
// as a string of U+0000 and the base64 text.
function bytesToJSON(bytes) {
  return '\0' + Buffer.from(bytes).toString('base64');
}

function convert(value, leaf) {
  const changed = leaf(value);
  if (changed !== undefined) return changed;
  if (Array.isArray(value)) return value.map((v) => convert(v, leaf));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, convert(v, leaf)]));
  }
  return value;
}

// fromWire turns {"$bytes": base64} into what the serializer takes for bytes.
function fromWire(value, json) {
  return convert(value, (v) => {
    if (v === null || typeof v !== 'object' || !('$bytes' in v)) return undefined;
    const bytes = Buffer.from(v.$bytes, 'base64');
    return json ? bytesToJSON(bytes) : bytes;
  });
}

// toWire turns bytes, as the serializer delivers them, into {"$bytes": base64}.
function toWire(value, json) {
  return convert(value, (v) => {
    if (v instanceof Uint8Array) return { $bytes: Buffer.from(v).toString('base64') };
    if (json && typeof v === 'string' && v.startsWith('\0')) return { $bytes: v.slice(1) };
    return undefined;
  });
}

function sleep() {
  return new Promise((resolve) => setImmediate(resolve));
}

// behaviours returns the endpoints a procedure can be registered with.
const behaviours = (session) => ({
  echo: (args, kwargs) => new autobahn.Result(args, kwargs),
  value: (args) => args[0],
  nothing: () => null,
  add2: (args) => args[0] + args[1],
  fail: (args, kwargs) => {
    throw new autobahn.Error(CUSTOM_ERROR, args, kwargs);
  },
  crash: () => {
    throw 'crashed on purpose';
  },
  progress: async (args, kwargs, details) => {
    for (let i = 0; details.progress && i < args[0]; i++) {
      details.progress([i], { step: i });
      await sleep();
    }
    return args[0];
  },
  called: (args, kwargs, details) => details.procedure,
  whoami: () => session.id,
  hang: (args, kwargs, details) => {
    report({ event: 'invoked', procedure: details.procedure });
    return new Promise(() => {});
  },
});

class Peer {
  constructor(options) {
    this.json = options.serializer === 'json';
    this.registrations = new Map();
    this.subscriptions = new Map();
    this.calls = new Map();
    this.connection = new autobahn.Connection({
      realm: options.realm,
      transports: [transport(options)],
      max_retries: 0,
      on_user_error: () => {},
      on_internal_error: (error) => report({ event: 'failed', message: String(error.error || error) }),
    });
    this.connection.onopen = (session, details) => {
      this.session = session;
      report({ event: 'joined', session: session.id, realm: session.realm, authrole: details.authrole });
    };
    this.connection.onclose = (reason, details) => {
      if (reason === 'unreachable' || reason === 'unsupported') report({ event: 'failed', message: reason });
      if (details.reason) report({ event: 'left', reason: details.reason });
      report({ event: 'closed', clean: reason === 'closed' });
      return true;
    };
    this.connection.open();
  }

  payload(args, kwargs) {
    return { args: toWire(args || [], this.json), kwargs: toWire(kwargs || {}, this.json) };
  }

  result(value) {
    if (value instanceof autobahn.Result) return this.payload(value.args, value.kwargs);
    return this.payload(value === null || value === undefined ? [] : [value], {});
  }

  async execute(command) {
    try {
      report({ id: command.id, ok: await this[`do_${command.op}`](command) });
    } catch (e) {
      if (e instanceof autobahn.Error) {
        const canceled = command.op === 'call' && e.error === 'Cancelled';
        const uri = canceled ? 'local.canceled' : e.error;
        report({ id: command.id, error: { uri, ...this.payload(e.args, e.kwargs) } });
      } else {
        report({ id: command.id, error: { uri: 'local.error', ...this.payload([String(e)], {}) } });
      }
    }
  }

  async do_register(command) {
    const endpoint = behaviours(this.session)[command.behaviour];
    if (!endpoint) throw `unknown behaviour ${command.behaviour}`;
    const registration = await this.session.register(command.uri, endpoint, command.options);
    this.registrations.set(registration.id, registration);
    return { id: registration.id };
  }

  async do_unregister(command) {
    await this.session.unregister(this.registrations.get(command.target));
    this.registrations.delete(command.target);
    return {};
  }

  async do_subscribe(command) {
    const received = (args, kwargs, details) =>
      report({
        event: 'event',
        subscribed: command.uri,
        topic: details.topic,
        publication: details.publication,
        publisher: details.publisher,
        ...this.payload(args, kwargs),
      });
    const subscription = await this.session.subscribe(command.uri, received, command.options);
    this.subscriptions.set(subscription.id, subscription);
    return { id: subscription.id };
  }

  async do_unsubscribe(command) {
    await this.session.unsubscribe(this.subscriptions.get(command.target));
    this.subscriptions.delete(command.target);
    return {};
  }

  async do_publish(command) {
    const args = command.args && fromWire(command.args, this.json);
    const kwargs = command.kwargs && fromWire(command.kwargs, this.json);
    const publication = await this.session.publish(command.uri, args, kwargs, command.options);
    return publication ? { id: publication.id } : {};
  }

  async do_call(command) {
    const progress = [];
    const args = command.args && fromWire(command.args, this.json);
    const kwargs = command.kwargs && fromWire(command.kwargs, this.json);
    const call = this.session.call(command.uri, args, kwargs, command.options);
    this.calls.set(command.id, call);
    try {
      const result = await call.then(
        (value) => this.result(value),
        (error) => Promise.reject(error),
        (step) => progress.push(this.result(step)),
      );
      return { ...result, progress };
    } finally {
      this.calls.delete(command.id);
    }
  }

  // Without mode kill, Autobahn|JS forgets the call at once and then takes the
  // ERROR that answers it for a protocol violation.
  async do_cancel(command) {
    this.calls.get(command.target).cancel({ mode: 'kill' });
    return {};
  }

  async do_leave() {
    this.connection.close();
    return {};
  }
}

function transport(options) {
  const url = new URL(options.url);
  if (url.protocol === 'rs:') {
    if (options.serializer !== 'json') throw new Error('Autobahn|JS speaks only JSON over RawSocket');
    return { type: 'rawsocket', host: url.hostname, port: Number(url.port) };
  }
  const serializers = {
    json: autobahn.serializer.JSONSerializer,
    msgpack: autobahn.serializer.MsgpackSerializer,
    cbor: autobahn.serializer.CBORSerializer,
  };
  return { type: 'websocket', url: options.url, serializers: [new serializers[options.serializer]()] };
}

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    serializer: { type: 'string' },
    realm: { type: 'string', default: 'realm1' },
  },
});
const peer = new Peer(values);
const lines = readline.createInterface({ input: process.stdin });
lines.on('line', (line) => peer.execute(JSON.parse(line)));
lines.on('close', () => process.exit(0));
