// What the suites of MQTT share: a server with a listener of its own port, devices with tokens, clients of mqtt.js.
import mqtt from 'mqtt';
import { Api, cleanup, fail, signIn, startServe, stop, tempDir, until } from './lib.mjs';

export class Broker {
  dir = tempDir();
  tokens = {};
  clients = new Set();

  constructor() {
    cleanup(() => [...this.clients].forEach((c) => c.end(true)));
  }
  async start(args) {
    this.serve = await startServe(this.dir, args);
    this.api = this.session ? new Api(this.serve.base, this.session) : await signIn(this.serve);
    this.session = this.api.headers;
    await this.api.call('PATCH', '/mqtt-listeners/default', { spec: { port: 0 } }, 200, { 'Content-Type': 'application/merge-patch+json' });
    this.port = await until(async () => (await this.api.get('/mqtt/status')).listeners.find((l) => l.code === 'default')?.port, 'the listener');
    this.user ??= (await this.api.post('/tokens', { name: 'mqtt', roles: ['administrator'] })).token;
  }
  stop() {
    return stop(this.serve);
  }
  async device(code, spec = {}, more = {}) {
    await this.api.post('/push-devices', { code, name: code, spec: { create: true, rate: 600000, ...spec }, ...more });
    this.tokens[code] = (await this.api.post(`/push-devices/${code}:token`)).token;
    return this.tokens[code];
  }
  patch(path, spec) {
    return this.api.call('PATCH', path, { spec }, 200, { 'Content-Type': 'application/merge-patch+json' });
  }
  // A connection without retries; fails with the server's reason.
  async connect(options = {}) {
    const c = mqtt.connect({ host: '127.0.0.1', port: this.port, protocolVersion: 5, reconnectPeriod: 0, connectTimeout: 5000, clientId: `c${Math.random()}`, ...options });
    this.clients.add(c);
    c.got = [];
    c.on('message', (topic, payload, packet) => c.got.push({ topic, text: payload.toString(), ...packet }));
    c.gone = new Promise((r) => c.on('close', r));
    c.on('error', () => {});
    await new Promise((resolve, reject) => {
      c.on('connect', (p) => { c.connack = p; resolve(); });
      c.on('error', (e) => { c.why = e; reject(e); });
      c.on('close', () => reject(c.why ?? new Error('closed')));
    });
    return c;
  }
  asDevice(code, o) {
    return this.connect({ username: this.tokens[code], ...o });
  }
  asUser(o) {
    return this.connect({ username: 'any', password: this.user, ...o });
  }
  async bye(...list) {
    for (const c of list) { c.end(true); this.clients.delete(c); }
    await Promise.all(list.map((c) => c.gone));
  }
  async refused(promise) {
    try {
      await this.bye(await promise);
    } catch (e) {
      return e.code;
    }
    fail('was let in');
  }
  async current(code) {
    return (await this.api.get(`/current?points=${encodeURIComponent(code)}`)).items[0];
  }
  async recorded(code) {
    return (await this.api.get(`/history/recorded?points=${encodeURIComponent(code)}&from=*-1d&to=*%2B1d&limit=100000`)).series[0];
  }
  latest(code) {
    return this.api.get(`/push-devices/${code}/latest`);
  }
  async recent(topic, more = '') {
    return (await this.api.get(`/mqtt/recent?topic=${encodeURIComponent(topic)}${more}`)).items;
  }
}
// The reason code of a publish, 0 when it was taken.
export const code = (promise) => promise.then((p) => p?.reasonCode ?? 0, (e) => e.code ?? -1);
