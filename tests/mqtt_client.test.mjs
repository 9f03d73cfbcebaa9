// MQTT as a client, against mosquitto: the driver (values out of messages, what the broker kept while we were away, its
// outage, a way that breaks again and again, commands, wrong passwords, what is no broker, TLS with certificates) and the publisher (an outage of the
// receiving broker loses nothing and keeps the order; commands from outside).
import mqtt from 'mqtt';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import net from 'node:net';
import { cleanup, equal, freePort, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';

const MOSQUITTO = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto'].find(existsSync);
const dir = tempDir(), brokers = {};
const fast = { reconnect_min: '50ms', reconnect_max: '200ms' };
let serve, api;

const listening = (port) => until(() => new Promise((r) => { const s = net.connect(port, '127.0.0.1', () => { s.destroy(); r(true); }).on('error', () => r(false)); }), `port ${port}`, 5000, 10);
// A broker that keeps its sessions over a restart.
async function broker(name, more = '') {
  const home = join(dir, name), port = brokers[name]?.port ?? (await freePort());
  mkdirSync(home, { recursive: true });
  const conf = join(home, 'conf');
  const open = more.includes('password_file') || more.includes('cafile') ? '' : 'allow_anonymous true\n';
  writeFileSync(conf, `listener ${port} 127.0.0.1\n${open}persistence true\npersistence_location ${home}/\nautosave_interval 1\nautosave_on_changes true\nmax_queued_messages 100000\nmax_inflight_messages 50\n${process.getuid() === 0 ? 'user root\n' : ''}${more}`);
  const child = spawn(MOSQUITTO, ['-c', conf], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.log = '';
  for (const s of [child.stdout, child.stderr]) s.on('data', (d) => { child.log = (child.log + d).slice(-20000); });
  child.gone = new Promise((r) => child.on('exit', r));
  brokers[name] = { child, port, more };
  await listening(port);
  return brokers[name];
}
async function halt(name, signal = 'SIGTERM') {
  brokers[name].child.kill(signal);
  await brokers[name].child.gone;
}
const restart = (name) => broker(name, brokers[name].more);
cleanup(() => Promise.all(Object.keys(brokers).map((n) => halt(n, 'SIGKILL'))));

const clients = new Set();
cleanup(() => [...clients].forEach((c) => c.end(true)));
async function client(name, options = {}) {
  const c = await mqtt.connectAsync({ host: '127.0.0.1', port: brokers[name].port, reconnectPeriod: 100, ...options });
  clients.add(c);
  c.got = [];
  c.on('message', (topic, payload, packet) => c.got.push({ topic, text: payload.toString(), retain: packet.retain }));
  c.on('error', () => {});
  return c;
}
// A way to a broker that can be cut, made slow, and comes in crumbs.
async function gate(to) {
  const g = { pairs: new Set(), cuts: 0, crumbs: 0 };
  const feed = (from, other) => from.on('data', (d) => {
    if (!g.crumbs) { if (!other.write(d)) { from.pause(); other.once('drain', () => from.resume()); } return; }
    for (let i = 0; i < d.length; i += g.crumbs) other.write(d.subarray(i, i + g.crumbs));
  });
  g.server = net.createServer((a) => {
    const b = net.connect(to, '127.0.0.1'), pair = [a, b];
    g.pairs.add(pair);
    for (const s of pair) s.setNoDelay(true).on('error', () => {}).on('close', () => { pair.forEach((x) => x.destroy()); g.pairs.delete(pair); });
    feed(a, b); feed(b, a);
  });
  g.cut = () => { g.cuts++; for (const p of g.pairs) p.forEach((s) => s.destroy()); };
  await new Promise((r) => g.server.listen(0, '127.0.0.1', r));
  g.port = g.server.address().port;
  cleanup(() => { g.cut(); g.server.close(); });
  return g;
}
const current = async (code) => (await api.get(`/current?points=${code}`)).items[0];
const recorded = async (code) => (await api.get(`/history/recorded?points=${code}&from=*-1d&to=*%2B1d&limit=100000`)).series[0];
const channel = async (code) => (await api.get('/channels:status')).items.find((i) => i.code === code);
const forward = async (code) => (await api.get('/forwards:status')).items.find((i) => i.code === code);
const options = (name, more = {}) => ({ host: '127.0.0.1', port: brokers[name].port, ...fast, ...more });
const good = (code, v) => until(async () => { const c = await current(code); return c.q === 'good' && c.v === v; }, `${code} = ${v}`);

let field;
test('the broker is found, topics are browsed, points made of them', async () => {
  await broker('in');
  serve = await startServe(join(dir, 'data'));
  api = await signIn(serve);
  field = await client('in');
  await field.publishAsync('plant/t1', '{"ts":1767225600000,"d":{"temp":21.5,"on":true},"q":192}', { qos: 1, retain: true });
  await field.publishAsync('plant/t2', '17.25', { qos: 1, retain: true });
  const spec = { driver: 'mqtt_client', options: options('in') };
  const t = await api.post('/channels:test', { spec });
  ok(t.ok && /MQTT 3\.1\.1/.test(t.detail), JSON.stringify(t));
  await api.post('/channels', { code: 'MQ', name: 'MQ', spec });
  await api.post('/devices', { code: 'D', name: 'D', spec: { channel: 'MQ', options: { time_path: '$.ts', quality_path: '$.q' } } });
  await api.post('/devices', { code: 'T', name: 'T', spec: { channel: 'MQ', options: { form: 'text', retained: 'good' } } });
  const top = await api.post('/channels:browse', { channel: 'MQ', device: 'D' });
  equal(top.items.map((i) => i.name), ['plant/t1', 'plant/t2']);
  const leaves = (await api.post('/channels:browse', { channel: 'MQ', device: 'D', node: 'plant/t1' })).items;
  equal(leaves.map((i) => [i.address, i.value]), [['plant/t1#$.ts', '1767225600000'], ['plant/t1#$.d.temp', '21.5'], ['plant/t1#$.d.on', 'true'], ['plant/t1#$.q', '192']]);
  for (const [code, device, address] of [['temp', 'D', leaves[1].address], ['on', 'D', leaves[2].address], ['t2', 'T', 'plant/t2'], ['n', 'D', 'seq/1#$.n']])
    await api.post('/points', { code, name: code, spec: { device, address, period: '1s' } });
  await good('temp', 21.5);
  await good('t2', 17.25);
  equal(Date.parse((await current('temp')).t) || (await current('temp')).t, 1767225600000);
  const read = await api.post('/channels:read', { channel: 'MQ', device: 'D', points: [{ address: 'plant/t1#$.d.temp', type: 'auto' }] });
  equal([read.items[0].value, read.items[0].quality], [21.5, 'good'], JSON.stringify(read));
});

test('wrong addresses and options are refused when they are saved', async () => {
  const refused = async (spec) => JSON.stringify(await api.call('POST', '/points', { code: 'x', name: 'x', spec: { device: 'D', ...spec } }, 400));
  ok(/must name one|须写明/.test(await refused({ address: '$.temp' })));
  ok(/several topics|多个主题/.test(await refused({ address: 'a/+#$.temp' })));
  ok(/is no topic|有效的主题/.test(await refused({ address: 'a/b+#$.temp' })));
  ok(/nothing/.test(await refused({ address: 'a#$.temp', options: { write_topic: 'c', write_template: '${nothing}' } })));
});

test('what came while we were away is all there, in order, with its times', async () => {
  const at = Date.now() - 600000;
  for (let i = 0; i < 50; i++) await field.publishAsync('seq/1', JSON.stringify({ ts: at + i, n: i }), { qos: 1 });
  await good('n', 49);
  await stop(serve, 'SIGKILL');
  await Promise.all(Array.from({ length: 950 }, (_, i) => field.publishAsync('seq/1', JSON.stringify({ ts: at + 50 + i, n: 50 + i }), { qos: 1 })));
  serve = await startServe(join(dir, 'data'));
  api.base = serve.base;
  await good('n', 999);
  const r = await recorded('n');
  equal(r.v.filter((v) => v !== null), Array.from({ length: 1000 }, (_, i) => i));
  equal(r.t.slice(0, 2), [at, at + 1]);
});

test('an outage of the broker is told and over by itself', async () => {
  await halt('in', 'SIGKILL');
  await until(async () => (await current('t2')).q === 'bad', 'the loss');
  equal((await current('t2')).reason, 'not_connected');
  ok(['down', 'connecting'].includes((await channel('MQ')).state));
  await restart('in');
  await until(async () => ['up', 'degraded'].includes((await channel('MQ')).state), 'the channel'); // degraded: times of ten minutes ago
  await until(() => field.connected, 'the other client');
  await field.publishAsync('plant/t2', '18.5', { qos: 1 });
  await good('t2', 18.5);
});

test('commands: the broker has it, the topic tells it, nobody answers', async () => {
  const pump = await client('in');
  await pump.subscribeAsync('cmd/#', { qos: 1 });
  const point = (code, o) => api.post('/points', { code, name: code, spec: { device: 'D', address: 'state/1#$.sp', writable: true, options: { write_topic: 'cmd/sp', write_template: '{"sp":${json:value}}', ...o } } });
  await point('sp', {});
  await point('sp2', { write_confirm: '700ms' });
    let w = await until(async () => { const r = await api.raw('POST', '/points/sp:write', { value: 12.5, confirm: true }); return r.status !== 503 && r.json(); }, 'the point to run');
  equal(w.outcome, 'done', JSON.stringify(w));
  await until(() => pump.got.length === 1, 'the command');
  equal([pump.got[0].topic, pump.got[0].text], ['cmd/sp', '{"sp":12.5}']);
  const silent = await api.post('/points/sp2:write', { value: 5, confirm: true }, [200, 502, 504]);
  equal(silent.outcome, 'unknown', JSON.stringify(silent));
  pump.on('message', (topic, text) => { if (topic === 'cmd/sp') pump.publish('state/1', text); });
  w = await api.post('/points/sp2:write', { value: 7, confirm: true });
  equal([w.outcome, w.readback], ['done', 7], JSON.stringify(w));
});

test('a wrong password, no broker at all, and rubbish have their reasons', async () => {
  const pw = join(dir, 'passwords');
  writeFileSync(pw, '');
  execFileSync('mosquitto_passwd', ['-b', pw, 'wang', '密码1']);
  await broker('closed', `allow_anonymous false\npassword_file ${pw}\n`);
  const tried = (o) => api.post('/channels:test', { spec: { driver: 'mqtt_client', options: o } });
  for (const version of ['3.1.1', '5.0']) {
    const no = await tried(options('closed', { version, username: 'wang', password: 'x' }));
    ok(!no.ok && /bad user name or password|not authorized|用户名或密码|未授权/.test(no.detail), JSON.stringify(no));
    const yes = await tried(options('closed', { version, username: 'wang', password: '密码1' }));
    ok(yes.ok && yes.detail.includes(version), JSON.stringify(yes));
  }
  ok(/refused|拒绝/.test((await tried({ host: '127.0.0.1', port: await freePort() })).detail));
  const http = net.createServer((s) => { s.on('error', () => {}); s.on('data', () => s.end('HTTP/1.1 400 Bad Request\r\n\r\n')); });
  await new Promise((r) => http.listen(0, '127.0.0.1', r));
  ok(/not MQTT|不是 MQTT/.test((await tried({ host: '127.0.0.1', port: http.address().port })).detail));
  http.close();
  const mute = net.createServer((s) => s.on('error', () => {}));
  await new Promise((r) => mute.listen(0, '127.0.0.1', r));
  const t = await tried({ host: '127.0.0.1', port: mute.address().port, connect_timeout: '300ms' });
  ok(!t.ok && /does not answer|timed out|没有应答|超时/.test(t.detail), JSON.stringify(t));
  mute.close();
});

test('TLS with a certificate of our own', async () => {
  const ssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  ssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '30', '-subj', '/CN=Test CA');
  for (const name of ['server', 'client']) {
    ssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    writeFileSync(join(dir, 'ext'), 'subjectAltName=IP:127.0.0.1\n');
    ssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', `${name}.pem`, '-days', '30', '-extfile', 'ext');
  }
  const text = (f) => readFileSync(join(dir, f), 'utf8');
  await broker('tls', `cafile ${dir}/ca.pem\ncertfile ${dir}/server.pem\nkeyfile ${dir}/server.key\nrequire_certificate true\nuse_identity_as_username true\n`);
  const tried = (o) => api.post('/channels:test', { spec: { driver: 'mqtt_client', options: options('tls', { tls: true, ...o }) } });
  const yes = await tried({ tls_ca: text('ca.pem'), tls_certificate: text('client.pem'), tls_key: text('client.key') });
  ok(yes.ok, JSON.stringify(yes));
  ok(!(await tried({ tls_ca: text('ca.pem') })).ok, 'no certificate of ours');
  const stranger = await tried({ tls_certificate: text('client.pem'), tls_key: text('client.key') });
  ok(!stranger.ok && /not trusted|不受信任/.test(stranger.detail), JSON.stringify(stranger));
});

test('over WebSocket', async () => {
  await broker('ws', `listener ${await freePort()} 127.0.0.1\nprotocol websockets\n`);
  const port = Number(brokers.ws.more.match(/listener (\d+)/)[1]);
  await listening(port);
  const spec = { driver: 'mqtt_client', options: { ...options('ws'), port, transport: 'websocket', path: '/mqtt' } };
  const t = await api.post('/channels:test', { spec });
  ok(t.ok, JSON.stringify(t));
  const c = await client('ws'), big = 'x'.repeat(100000);
  await c.publishAsync('ws/1', JSON.stringify({ v: 3.5, big }), { qos: 1, retain: true });
  const read = await api.post('/channels:read', { channel: spec, device: { options: {} }, points: [{ address: 'ws/1#$.v', type: 'auto' }] });
  equal(read.items[0].value, 3.5, JSON.stringify(read).slice(0, 500));
});

test('a way that breaks again and again, in crumbs: MQTT 5.0, QoS 2, nothing lost, in order', async () => {
  const way = await gate(brokers.in.port), at = Date.now() - 60000, count = 1500;
  way.crumbs = 3;
  await api.post('/channels', { code: 'MQ5', name: 'MQ5', spec: { driver: 'mqtt_client', options: { ...options('in'), port: way.port, version: '5.0', session_expiry: '1h', reconnect_min: '20ms', reconnect_max: '40ms' } } });
  await api.post('/devices', { code: 'D5', name: 'D5', spec: { channel: 'MQ5', options: { topics: 'gate/1', time_path: '$.ts', qos: 2 } } });
  await api.post('/points', { code: 'g', name: 'g', spec: { device: 'D5', address: '$.n' } });
  await until(async () => ['up', 'degraded'].includes((await channel('MQ5')).state), 'the channel');
  await field.publishAsync('gate/1', JSON.stringify({ ts: at - 1, n: -1 }), { qos: 2 });
  await good('g', -1);
  const cutter = setInterval(way.cut, 60);
  for (let i = 0; i < count; i += 50) await Promise.all(Array.from({ length: 50 }, (_, k) => field.publishAsync('gate/1', JSON.stringify({ ts: at + i + k, n: i + k }), { qos: 2 })));
  await until(() => way.cuts >= 12, 'cuts');
  clearInterval(cutter);
  await good('g', count - 1);
  const r = await recorded('g');
  const values = r.v.filter((v, i) => r.q[i] === 0); // the losses stand between
  const wrong = Array.from({ length: count + 1 }, (_, i) => i - 1).findIndex((n, i) => values[i] !== n);
  equal([wrong, values.length], [-1, count + 1], `${way.cuts} cuts, near ${values.slice(Math.max(0, wrong - 3), wrong + 3)}`);
  ok((await channel('MQ5')).reconnects >= 5, 'it was cut');
});

let far;
test('points go out to another broker; its outage loses nothing and keeps the order', async () => {
  await broker('out');
  far = await client('out', { clientId: 'far', clean: false });
  await far.subscribeAsync('out/#', { qos: 1 });
  const spec = { outlet: 'mqtt_publisher', enabled: true, filter: "code='n'", writes: true, buffer_hours: 24,
    options: options('out', { topic: 'out/${code}', deadband: undefined, status_topic: 'state/${node}', command_topic: 'set/${code}', reply_topic: 'reply/${code}' }) };
  const t = await api.post('/forwards:test', { spec });
  ok(t.ok, JSON.stringify(t));
  await api.post('/forwards', { code: 'PUB', name: 'PUB', spec });
  await until(async () => (await forward('PUB')).state === 'up', 'the publisher');
  const at = Date.now();
  const send = (from, to) => Promise.all(Array.from({ length: to - from }, (_, i) => field.publishAsync('seq/1', JSON.stringify({ ts: at + from + i, n: 10000 + from + i }), { qos: 1 })));
  await send(0, 100);
  const values = () => far.got.map((m) => ({ topic: m.topic, ...JSON.parse(m.text) })).filter((m) => m.value >= 10000); // not the loss of before
  await until(() => values().length >= 100, 'a hundred values');
  const first = values()[0];
  equal([first.topic, first.code, first.value, first.ts, first.quality], ['out/n', 'n', 10000, at, 'good']);
  await halt('out', 'SIGKILL');
  await until(async () => (await forward('PUB')).state !== 'up', 'the loss');
  await send(100, 600);
  await good('n', 10599);
  await restart('out');
  await until(() => far.connected, 'the receiver');
  await far.subscribeAsync('out/#', { qos: 1 });
  const want = Array.from({ length: 600 }, (_, i) => 10000 + i);
  const seen = () => [...new Set(values().map((m) => m.value))];
  await until(() => seen().length >= 600, 'all values', 30000);
  equal([...seen()].sort((a, b) => a - b), want);
  equal(seen().slice(0, 100), want.slice(0, 100), 'in order');
  const s = await until(async () => { const f = await forward('PUB'); return f.state === 'up' && f.buffer?.records === 0 && f; }, 'an empty buffer', 20000);
  equal([s.buffer.lost, s.buffer.refused], [0, 0], JSON.stringify(s));
});

test('the way to the receiver breaks again and again: every value arrives', async () => {
  const way = await gate(brokers.out.port), at = Date.now(), count = 1000;
  const got = [];
  far.on('message', (topic, text) => topic.startsWith('gated/') && got.push(JSON.parse(text)));
  await far.subscribeAsync('gated/#', { qos: 1 });
  await api.post('/forwards', { code: 'PUB2', name: 'PUB2', spec: { outlet: 'mqtt_publisher', enabled: true, filter: "code='n'", buffer_hours: 24, options: { ...options('out'), port: way.port, version: '5.0', topic: 'gated/${code}', qos: 2, reconnect_min: '20ms', reconnect_max: '40ms' } } });
  await until(async () => (await forward('PUB2')).state === 'up', 'the publisher');
  const cutter = setInterval(way.cut, 100);
  for (let i = 0; i < count; i += 50) await Promise.all(Array.from({ length: 50 }, (_, k) => field.publishAsync('seq/1', JSON.stringify({ ts: at + i + k, n: 20000 + i + k }), { qos: 1 })));
  await until(() => way.cuts >= 8, 'cuts');
  clearInterval(cutter);
  const want = Array.from({ length: count }, (_, i) => 20000 + i);
  await until(() => new Set(got.map((m) => m.value).filter((v) => v >= 20000)).size >= count, 'all values', 30000);
  equal([...new Set(got.map((m) => m.value).filter((v) => v >= 20000))].sort((a, b) => a - b), want, `${way.cuts} cuts`);
  equal((await forward('PUB2')).buffer.lost, 0);
});

test('birth and will; commands from outside with their outcome', async () => {
  const states = await client('out');
  await states.subscribeAsync(['state/#', 'reply/#', 'cmd/#'], { qos: 1 });
  await until(() => states.got.length, 'the state');
  equal([states.got[0].text, states.got[0].retain], ['online', true]);
  await api.call('PATCH', '/forwards/PUB', { spec: { filter: "code='n' or code='sp'" } }, 200, { 'Content-Type': 'application/merge-patch+json' });
  await api.post('/forward-points', { code: 'PUB-sp', name: 'sp', spec: { forward: 'PUB', point: 'sp', writable: true } });
  const pump = await client('in');
  await pump.subscribeAsync('cmd/sp', { qos: 1 });
  await until(async () => { await states.publishAsync('set/sp', '{"id":"a1","value":42}', { qos: 1 }); return states.got.find((m) => m.topic === 'reply/sp'); }, 'the reply', 10000, 300);
  const r = JSON.parse(states.got.find((m) => m.topic === 'reply/sp').text);
  equal([r.code, r.id, r.outcome], ['sp', 'a1', 'done'], JSON.stringify(r));
  await until(() => pump.got.find((m) => m.text === '{"sp":42}'), 'the command at the equipment');
  await api.call('PATCH', '/forwards/PUB', { spec: { enabled: false } }, 200, { 'Content-Type': 'application/merge-patch+json' });
  await until(() => states.got.find((m) => m.text === 'offline'), 'offline');
});

if (MOSQUITTO) run();
else console.log('1 passed, 0 failed (no mosquitto here)');
