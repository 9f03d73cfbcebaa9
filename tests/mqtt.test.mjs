// MQTT: devices that publish (ThingsBoard, JetLinks, Neuron, our own form), what is acknowledged is stored, tokens and
// rights, QoS 0 to 2, retained messages, wills, shared subscriptions, takeover, sessions that survive kill -9, slow
// readers, nonsense, TLS with certificates, WebSocket, thousands of connections. Against mqtt.js and mosquitto's clients.
import mqtt from 'mqtt';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import net from 'node:net';
import { Api, cleanup, equal, fail, ok, run, signIn, sleep, startServe, stop, tempDir, test, until } from './lib.mjs';

const dir = tempDir();
let serve, api, session, port, user;
const tokens = {};

async function start(args) {
  serve = await startServe(dir, args);
  if (session) api = new Api(serve.base, session);
  else api = await signIn(serve);
  session = api.headers;
  await api.call('PATCH', '/mqtt-listeners/default', { spec: { port: 0 } }, 200, { 'Content-Type': 'application/merge-patch+json' });
  port = await until(async () => (await api.get('/mqtt/status')).listeners.find((l) => l.code === 'default')?.port, 'the listener');
}
async function device(code, spec = {}) {
  await api.post('/push-devices', { code, name: code, spec: { create: true, rate: 600000, ...spec } });
  tokens[code] = (await api.post(`/push-devices/${code}:token`)).token;
  return tokens[code];
}
const clients = new Set();
cleanup(() => [...clients].forEach((c) => c.end(true)));
// A connection without retries; fails with the server's reason.
async function connect(options = {}) {
  const c = mqtt.connect({ host: '127.0.0.1', port, protocolVersion: 4, reconnectPeriod: 0, connectTimeout: 5000, clientId: `c${Math.random()}`, ...options });
  clients.add(c);
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
const asDevice = (code, o) => connect({ username: tokens[code], ...o });
const asUser = (o) => connect({ username: 'any', password: user, ...o });
const bye = async (...list) => { for (const c of list) { c.end(true); clients.delete(c); } await Promise.all(list.map((c) => c.gone)); };
const latest = (code) => api.get(`/push-devices/${code}/latest`);
const current = async (code) => (await api.get(`/current?points=${code}`)).items[0];
const recorded = async (code) => (await api.get(`/history/recorded?points=${code}&from=*-1d&to=*%2B1d&limit=100000`)).series[0];
const status = () => api.get('/mqtt/status');
async function refused(promise) {
  try {
    await bye(await promise);
  } catch (e) {
    return e.code;
  }
  fail('was let in');
}

test('a device publishes; its points are made; what is acknowledged is stored', async () => {
  await start();
  user = (await api.post('/tokens', { name: 'mqtt', roles: ['administrator'] })).token;
  await device('D1');
  const c = await asDevice('D1');
  await c.publishAsync('v1/devices/me/telemetry', '{"temperature":42.5,"on":true}', { qos: 1 });
  equal((await current('D1.temperature')).v, 42.5);
  equal((await current('D1.on')).v, 1);
  const ts = Date.now() - 5000;
  await c.publishAsync('v1/devices/me/telemetry', JSON.stringify({ ts, values: { temperature: 43, on: false } }), { qos: 1 });
  await c.publishAsync('v1/devices/me/telemetry', JSON.stringify([{ ts: ts + 1000, values: { temperature: 44 } }]), { qos: 2 });
  await c.publishAsync('v2/t', JSON.stringify({ ts: ts + 2000, values: { temperature: 45 } }), { qos: 1 });
  await c.publishAsync('v1/devices/me/telemetry', '{"text":"hello","obj":{"a":1}}', { qos: 1 });
  const r = await recorded('D1.temperature');
  equal(r.v, [43, 44, 45, 42.5]);
  equal((await current('D1.text')).v, 'hello');
  const l = await latest('D1');
  equal([l.messages, l.samples, l.unknown], [5, 8, 0]);
  await bye(c);
});

test('forms of others: JetLinks, Neuron, our own; attributes and their request', async () => {
  const c = await asDevice('D1', { protocolVersion: 5 });
  const at = Date.now() - 1000;
  await c.publishAsync('/pump/D1/properties/report', JSON.stringify({ deviceId: 'D1', timestamp: at, properties: { flow: 7.5 } }), { qos: 1 });
  equal((await recorded('D1.flow')).t, [at]);
  await c.publishAsync('/neuron/app', JSON.stringify({ node: 'n1', group: 'g1', timestamp: at, values: { tag1: 1.5 }, errors: { tag2: 3002 } }), { qos: 1 });
  equal((await current('D1.n1.g1.tag1')).v, 1.5);
  equal((await current('D1.n1.g1.tag2')).q, 'bad');
  await c.publishAsync('bornite/D1', JSON.stringify({ t: at, values: { level: { v: 3, q: 'uncertain' }, flow: 8 } }), { qos: 1 });
  equal([(await current('D1.level')).v, (await current('D1.level')).q], [3, 'uncertain']);
  await c.publishAsync('v1/devices/me/attributes', '{"firmware":"1.2","x":5}', { qos: 1 });
  await c.subscribeAsync('v1/devices/me/attributes/response/+', { qos: 1 });
  await c.publishAsync('v1/devices/me/attributes/request/7', '{"clientKeys":"firmware"}', { qos: 1 });
  await until(() => c.got.length, 'the attributes');
  equal([c.got[0].topic, JSON.parse(c.got[0].text)], ['v1/devices/me/attributes/response/7', { client: { firmware: '1.2' } }]);
  await bye(c);
});

test('what is not understood is refused with its reason and shown', async () => {
  const c = await asDevice('D1', { protocolVersion: 5 });
  const before = (await latest('D1')).refused;
  for (const text of ['nonsense', '{"a":', '[1]', '{"ts":"x","values":{"a":1}}']) {
    const e = await c.publishAsync('v1/devices/me/telemetry', text, { qos: 1 }).then((p) => p, (x) => x);
    equal(e.code ?? e.reasonCode, 0x99, text);
  }
  const old = await asDevice('D1');
  await old.publishAsync('v1/devices/me/telemetry', 'nonsense', { qos: 1 }); // 3.1.1 has no word for it
  const l = await latest('D1');
  equal(l.refused - before, 5);
  ok(l.problem && l.refused_at, 'the reason stands on the page');
  await bye(c, old);
});

test('tokens: of devices three ways, of users; the wrong ones are slowed down; the right one never', async () => {
  await bye(await connect({ username: 'x', password: user }), await connect({ username: user }));
  await bye(await connect({ username: 'D1', password: tokens.D1 }));
  await bye(await connect({ username: '', password: tokens.D1, protocolVersion: 5 }));
  const codes = [];
  for (let i = 0; i < 6; i++) codes.push(await refused(connect({ username: 'dv_wrong', protocolVersion: 5 })));
  equal(codes.slice(0, 5), [0x86, 0x86, 0x86, 0x86, 0x86]);
  equal(codes[5], 0x9f);
  equal(await refused(connect({})), 3);
  equal(await refused(connect({ username: 'D2', password: tokens.D1, protocolVersion: 5 })), 0x9f);
  await bye(await asDevice('D1'));
  equal((await status()).login_failed, 8);
});

test('a token that is taken away ends the connection', async () => {
  await device('GONE');
  const c = await asDevice('GONE');
  await api.post('/push-devices/GONE:token');
  await c.gone;
  const t = await api.post('/tokens', { name: 'short', roles: ['viewer'] });
  const u = await connect({ username: 'x', password: t.token, protocolVersion: 5 });
  const e = await u.publishAsync('a', 'x', { qos: 1 }).catch((x) => x);
  equal(e.code, 0x87, 'a viewer does not publish');
  await api.call('DELETE', `/tokens/${t.id}`, undefined, 204);
  await u.gone;
});

test('a device has its own branches only', async () => {
  await device('D2');
  const c = await asDevice('D1', { protocolVersion: 5 });
  for (const topic of ['devices/D2/x', 'bornite/D2', '/pump/D2/properties/report', 'any', '$SYS/x', '$me/x/y'])
    equal((await c.publishAsync(topic, '{}', { qos: 1 }).catch((x) => x)).code, 0x87, topic);
  for (const filter of ['#', '+/D1/#', 'devices/#', 'devices/+/x', '/+/D2/#', '$SYS/#', '$share/g/devices/D2/#'])
    equal((await c.subscribeAsync(filter).then((g) => g[0].qos, (x) => x.code ?? 0x87)), 0x87, filter);
  equal((await c.subscribeAsync('devices/D1/#', { qos: 2 }))[0].qos, 2);
  equal((await c.subscribeAsync('/+/D1/#'))[0].qos, 0);
  const u = await asUser();
  await u.publishAsync('devices/D1/command', 'go', { qos: 2 });
  await until(() => c.got.length, 'the command');
  equal([c.got[0].text, c.got[0].qos], ['go', 2]);
  ok((await status()).denied >= 10, 'they are counted');
  await bye(c, u);
});

test('QoS 0 to 2 between all versions, retained, properties', async () => {
  const a = await asUser({ protocolVersion: 5 }), b = await asUser(), old = await asUser({ protocolVersion: 3, protocolId: 'MQIsdp' });
  for (const c of [b, old]) await c.subscribeAsync('q/#', { qos: 2 });
  for (const qos of [0, 1, 2]) await a.publishAsync(`q/${qos}`, `m${qos}`, { qos });
  for (const c of [b, old]) {
    await until(() => c.got.length === 3, 'three messages');
    equal(c.got.map((m) => [m.topic, m.text, m.qos]), [['q/0', 'm0', 0], ['q/1', 'm1', 1], ['q/2', 'm2', 2]]);
  }
  await a.publishAsync('keep/1', 'one', { qos: 1, retain: true, properties: { contentType: 'text/plain', responseTopic: 'r', correlationData: Buffer.from('c'), userProperties: { k: ['v', 'w'] }, messageExpiryInterval: 100 } });
  const late = await asUser({ protocolVersion: 5 });
  await late.subscribeAsync('keep/+', { qos: 1, properties: { subscriptionIdentifier: 5 } });
  await until(() => late.got.length, 'the retained one');
  const m = late.got[0];
  equal([m.text, m.retain, m.properties.contentType, m.properties.responseTopic, m.properties.correlationData.toString(), m.properties.userProperties.k, m.properties.subscriptionIdentifier],
    ['one', true, 'text/plain', 'r', 'c', ['v', 'w'], 5]);
  ok(m.properties.messageExpiryInterval <= 100 && m.properties.messageExpiryInterval > 90, 'what is left of its time');
  await a.publishAsync('keep/1', '', { retain: true });
  await until(async () => (await status()).retained === 0, 'nothing is retained');
  await bye(a, b, old, late);
});

test('wills, takeover, shared subscriptions', async () => {
  const w = await asUser();
  await w.subscribeAsync('will/#', { qos: 1 });
  const c = await asUser({ clientId: 'dying', will: { topic: 'will/dying', payload: 'gone', qos: 1 } });
  c.stream.destroy();
  await until(() => w.got.length, 'the will');
  equal(w.got[0].text, 'gone');
  const quiet = await asUser({ clientId: 'quiet', will: { topic: 'will/quiet', payload: 'no' } });
  await quiet.endAsync();
  const first = await asUser({ clientId: 'same', protocolVersion: 5 });
  let reason;
  first.on('disconnect', (p) => { reason = p.reasonCode; });
  const second = await asUser({ clientId: 'same', protocolVersion: 5 });
  await first.gone;
  equal(reason, 0x8e);
  equal(w.got.length, 1, 'who says goodbye leaves no will');
  const workers = await Promise.all([1, 2, 3].map(() => asUser()));
  for (const x of workers) await x.subscribeAsync('$share/crew/tasks/#', { qos: 1 });
  for (let i = 0; i < 30; i++) await second.publishAsync(`tasks/${i}`, 'x', { qos: 1 });
  await until(() => workers.reduce((n, x) => n + x.got.length, 0) === 30, 'all the work');
  for (const x of workers) equal(x.got.length, 10);
  await bye(w, second, ...workers);
});

test('sessions that persist: over a disconnect, and over kill -9; retained messages too', async () => {
  const options = { clientId: 'lasting', clean: false, protocolVersion: 5, properties: { sessionExpiryInterval: 3600 } };
  let s = await asUser(options);
  equal(s.connack.sessionPresent, false);
  await s.subscribeAsync('last/#', { qos: 2 });
  await s.endAsync();
  clients.delete(s);
  const p = await asUser();
  await p.publishAsync('last/1', 'one', { qos: 1 });
  await p.publishAsync('last/2', 'two', { qos: 2 });
  await p.publishAsync('last/0', 'zero', { qos: 0 });
  await p.publishAsync('hold/1', 'held', { qos: 1, retain: true });
  await bye(p);
  await stop(serve, 'SIGKILL');
  await start();
  s = await asUser(options);
  equal(s.connack.sessionPresent, true);
  await until(() => s.got.length >= 2, 'what came meanwhile');
  equal(s.got.map((m) => [m.text, m.qos]), [['one', 1], ['two', 2]]);
  const again = await asUser();
  await again.subscribeAsync('hold/#');
  await until(() => again.got.length, 'the retained message');
  equal(again.got[0].text, 'held');
  const list = await api.get('/mqtt/clients?q=lasting');
  equal([list.total, list.items[0].connected, list.items[0].protocol, list.items[0].subscriptions], [1, true, '5.0', [{ filter: 'last/#', qos: 2 }]]);
  await api.call('POST', `/mqtt/clients/${list.items[0].id}:disconnect`, {}, 204);
  await s.gone;
  await api.call('POST', '/mqtt/clients/99999999:disconnect', {}, 404);
  await bye(again);
  const clean = await asUser({ ...options, clean: true, properties: {} });
  equal(clean.connack.sessionPresent, false);
  await bye(clean);
});

test('kill -9 under load: every acknowledged value is in history', async () => {
  const acked = [], devices = 10;
  for (let i = 0; i < devices; i++) if (!tokens[`K${i}`]) await device(`K${i}`);
  const list = await Promise.all([...Array(devices).keys()].map((i) => asDevice(`K${i}`, { clientId: `k${i}` })));
  let on = true;
  const base = Date.now() - 60000;
  const loops = list.map(async (c, i) => {
    for (let n = 0; on && n < 50000; n++) {
      const burst = [0, 1, 2, 3, 4].map((k) => n * 5 + k);
      await Promise.all(burst.map((v) => c.publishAsync('v1/devices/me/telemetry', `{"ts":${base + v},"values":{"v":${v}}}`, { qos: 1 }).then(() => acked.push([i, v]), () => {})));
    }
  });
  await until(() => acked.length > 3000, 'three thousand acknowledgements', 60000);
  await stop(serve, 'SIGKILL');
  on = false;
  list.forEach((c) => c.end(true));
  await Promise.race([Promise.all(loops), sleep(3000)]);
  const sure = acked.slice();
  await start();
  for (let i = 0; i < devices; i++) {
    const there = new Set((await recorded(`K${i}.v`)).v);
    for (const [d, v] of sure) if (d === i && !there.has(v)) fail(`value ${v} of K${i} was acknowledged and is not there`);
  }
});

test('nonsense and floods: closed, counted, and nobody else is touched', async () => {
  const c = await asDevice('D1');
  const raw = (bytes) => new Promise((resolve) => {
    const s = net.connect(port, '127.0.0.1', () => s.write(bytes));
    let got = Buffer.alloc(0);
    s.on('data', (d) => { got = Buffer.concat([got, d]); });
    s.on('close', () => resolve(got));
    s.on('error', () => resolve(got));
    s.on('end', () => s.end());
  });
  const hello = Buffer.from([0x10, 0x0d, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 10, 0, 1, 0x78]);
  for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(64), Buffer.from([0xc0, 0]), Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]), Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 1]), hello]) await raw(bytes);
  equal((await raw(hello)).toString('hex').slice(0, 8), '20020004', 'no token: the words of 3.1.1');
  for (let i = 0; i < 200; i++) {
    const bytes = Buffer.from([...Array(1 + Math.floor(Math.random() * 60)).keys()].map(() => Math.floor(Math.random() * 256)));
    await Promise.race([raw(Buffer.concat([i % 2 ? hello : Buffer.alloc(0), bytes])), sleep(30)]);
  }
  await c.publishAsync('v1/devices/me/telemetry', '{"temperature":1}', { qos: 1 });
  equal((await current('D1.temperature')).v, 1);
  await bye(c);
});

test('a slow reader holds up nobody and is bounded', async () => {
  const slow = await asUser({ clientId: 'slow' });
  await slow.subscribeAsync('flood', { qos: 0 });
  slow.stream.pause();
  slow.stream.removeAllListeners('data');
  const p = await asUser();
  const text = 'x'.repeat(60000);
  for (let i = 0; i < 400; i++) await p.publishAsync('flood', text, { qos: 1 });
  const item = (await api.get('/mqtt/clients?q=slow')).items[0];
  ok(item && item.dropped > 50, `dropped ${item?.dropped}`);
  await bye(slow, p);
});

test('WebSocket', async () => {
  const c = await new Promise((resolve, reject) => {
    const x = mqtt.connect(`ws://127.0.0.1:${serve.port}/mqtt`, { username: tokens.D1, protocolVersion: 5, reconnectPeriod: 0 });
    x.on('connect', () => resolve(x));
    x.on('error', reject);
  });
  c.gone = new Promise((r) => c.on('close', r));
  await c.publishAsync('v1/devices/me/telemetry', '{"temperature":77}', { qos: 1 });
  equal((await current('D1.temperature')).v, 77);
  await c.subscribeAsync('devices/D1/#', { qos: 1 });
  let got = 0;
  c.on('message', () => got++);
  const u = await asUser();
  for (let i = 0; i < 50; i++) await u.publishAsync('devices/D1/x', 'y'.repeat(1000), { qos: 1 });
  await until(() => got === 50, 'all messages');
  await bye(c, u);
  await until(async () => (await status()).connections === 0, 'no connection is left');
});

test('TLS, certificates of devices', async () => {
  const d = tempDir(), ssl = (...args) => execFileSync('openssl', args, { cwd: d, stdio: ['ignore', 'pipe', 'ignore'] });
  const make = (name, subject, ca) => {
    ssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${subject}`);
    if (ca) ssl('x509', '-req', '-in', `${name}.csr`, '-CA', `${ca}.crt`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', '2', '-out', `${name}.crt`);
    else ssl('req', '-x509', '-key', `${name}.key`, '-subj', `/CN=${subject}`, '-days', '2', '-out', `${name}.crt`);
  };
  const file = (f) => readFileSync(join(d, f), 'utf8');
  make('ca', 'test authority');
  make('server', '127.0.0.1', 'ca');
  make('d1', 'D1', 'ca');
  make('other', 'Unknown', 'ca');
  const bad = await api.raw('POST', '/mqtt-listeners', { code: 'bad', name: 'bad', spec: { tls: true, certificate: 'x', key: 'y', port: 0 } });
  equal(bad.status, 400);
  await api.post('/mqtt-listeners', { code: 'tls', name: 'TLS', spec: { port: 0, tls: true, certificate: file('server.crt'), key: file('server.key'), client_certificate: 'optional', client_ca: file('ca.crt') } });
  const tls = await until(async () => (await status()).listeners.find((l) => l.code === 'tls' && l.port)?.port, 'the TLS listener');
  const secure = { port: tls, protocol: 'mqtts', ca: file('ca.crt'), rejectUnauthorized: true, checkServerIdentity: () => undefined };
  const c = await connect({ ...secure, username: tokens.D1 });
  await c.publishAsync('v1/devices/me/telemetry', '{"temperature":81}', { qos: 1 });
  const byCertificate = await connect({ ...secure, cert: file('d1.crt'), key: file('d1.key') });
  await byCertificate.publishAsync('v1/devices/me/telemetry', '{"temperature":82}', { qos: 1 });
  equal((await current('D1.temperature')).v, 82);
  ok([0x86, 0x9f, 3, 4, 5].includes(await refused(connect({ ...secure, cert: file('other.crt'), key: file('other.key') }))), 'an unknown name');
  const u = await connect({ ...secure, username: 'x', password: user });
  await u.subscribeAsync('big', { qos: 1 });
  await u.publishAsync('big', 'z'.repeat(500000), { qos: 1 });
  await until(() => u.got.length, 'a large one');
  equal(u.got[0].text.length, 500000);
  await bye(c, byCertificate, u);
});

test("mosquitto's clients", async () => {
  if (!existsSync('/usr/bin/mosquitto_pub')) return;
  const common = ['-h', '127.0.0.1', '-p', String(port)];
  for (const v of ['mqttv31', 'mqttv311', 'mqttv5']) {
    const sub = spawn('mosquitto_sub', [...common, '-u', 'x', '-P', user, '-V', v, '-t', 'mos/#', '-q', '2', '-C', '3', '-v'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    sub.stdout.on('data', (x) => { out += x; });
    await until(async () => (await status()).subscriptions >= 1, 'the subscription');
    for (const q of ['0', '1', '2']) execFileSync('mosquitto_pub', [...common, '-u', 'x', '-P', user, '-V', v, '-t', `mos/${q}`, '-m', `hi ${q}`, '-q', q]);
    await new Promise((r) => sub.on('exit', r));
    equal(out, 'mos/0 hi 0\nmos/1 hi 1\nmos/2 hi 2\n');
    await until(async () => (await status()).subscriptions === 0, 'the end of the subscription');
  }
  execFileSync('mosquitto_pub', [...common, '-u', tokens.D1, '-t', 'v1/devices/me/telemetry', '-m', '{"temperature":91}', '-q', '1']);
  equal((await current('D1.temperature')).v, 91);
});

test('two thousand connections', async () => {
  const token = tokens.D2, n = 2000, socks = [];
  const packet = (id) => {
    const body = Buffer.concat([Buffer.from([0, 4]), Buffer.from('MQTT'), Buffer.from([4, 0x82, 0, 0]), Buffer.from([0, id.length]), Buffer.from(id), Buffer.from([0, token.length]), Buffer.from(token)]);
    return Buffer.concat([Buffer.from([0x10, body.length]), body]);
  };
  const one = (i) => new Promise((resolve, reject) => {
    const s = net.connect(port, '127.0.0.1', () => s.write(packet(`many${i}`)));
    socks.push(s);
    s.once('data', (d) => (d[3] === 0 ? resolve(s) : reject(new Error(d.toString('hex')))));
    s.on('error', reject);
  });
  for (let i = 0; i < n; i += 100) await Promise.all([...Array(100).keys()].map((k) => one(i + k)));
  equal((await status()).connections, n);
  const list = await api.get('/mqtt/clients?size=10&page=3&state=connected');
  equal([list.total, list.items.length], [n, 10]);
  await Promise.all(socks.map((s) => new Promise((r) => { s.write(Buffer.from([0xc0, 0])); s.once('data', r); })));
  socks.forEach((s) => s.destroy());
  await until(async () => (await status()).connections === 0, 'all are gone');
  equal((await status()).sessions, 0);
});

test('a polite stop, and all are back soon', async () => {
  const c = await asDevice('D1', { protocolVersion: 5 });
  const ws = mqtt.connect(`ws://127.0.0.1:${serve.port}/mqtt`, { username: tokens.D1, reconnectPeriod: 0 });
  await new Promise((r) => ws.on('connect', r));
  let reason;
  c.on('disconnect', (p) => { reason = p.reasonCode; });
  const { code } = await stop(serve);
  await c.gone;
  equal([code, reason], [0, 0x8b]);
  await start();
  const begin = Date.now();
  const all = await Promise.all([...Array(1000).keys()].map((i) => asDevice('D2', { clientId: `back${i}` })));
  await Promise.all(all.map((x, i) => x.publishAsync('v1/devices/me/telemetry', `{"n":${i}}`, { qos: 1 })));
  const took = Date.now() - begin;
  ok(took < 20000, `1,000 devices were back after ${took} ms`);
  console.log(`     1,000 devices connected and acknowledged in ${took} ms`);
  await bye(...all);
});

await run();
