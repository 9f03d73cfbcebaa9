// Hostile peers of every protocol but OPC UA, written here byte by byte: what breaks a protocol ends that connection alone,
// silence and dribbles run into the time-outs, floods that nobody reads cost bounded memory, sequence numbers wrap, a
// thousand connections that come and go leave nothing behind, servers that lie to our clients are told by name and
// called again, captures of good traffic please tshark. After each blow a good client of every server is served.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { Device } from './browser/device.mjs';
import { asdu, Master, Station } from './iec104.mjs';
import { haveTshark } from './pcap.mjs';

// The allocator of the sanitizer keeps freed memory; little of it, so that growth can be measured.
process.env.ASAN_OPTIONS = [process.env.ASAN_OPTIONS, 'quarantine_size_mb=8'].filter(Boolean).join(':');
const { cleanup, equal, freePort, ok, run, signIn, sleep, startServe, stop, tempDir, test, until } = await import('./lib.mjs');

let serve, api, user;
const device = new Device();
const port = {}; // of our servers
const rss = () => Number(readFileSync(`/proc/${serve.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) / 1024;
const fds = () => readdirSync(`/proc/${serve.pid}/fd`).length;
const current = async (code) => (await api.get(`/current?points=${encodeURIComponent(code)}`)).items[0];
const channelOf = async (code) => (await api.get('/channels:status')).items.find((i) => i.code === code);
const forwardOf = async (code) => (await api.get('/forwards:status')).items.find((i) => i.code === code);
const cat = (...list) => Buffer.concat(list.flat(Infinity).map((x) => Buffer.from(typeof x === 'number' ? [x] : x)));
const many = (n, fn) => Buffer.concat(Array.from({ length: n }, (_, i) => fn(i)));

// ---- raw connections ----
function dial(to, bytes) {
  const s = net.connect(to, '127.0.0.1');
  s.got = Buffer.alloc(0);
  s.on('error', () => {});
  s.on('data', (d) => (s.got = Buffer.concat([s.got, d])));
  s.gone = new Promise((r) => s.on('close', r));
  s.open = new Promise((r) => s.on('connect', r));
  cleanup(() => s.destroy());
  if (bytes) s.write(cat(bytes));
  return s;
}
const within = (promise, ms) => Promise.race([promise.then(() => true), sleep(ms).then(() => false)]);

// Rows of name, bytes, whether the server is to hang up. All at once; none of them may touch another.
async function blows(to, rows, ms = 2500) {
  await Promise.all(rows.map(async ([name, bytes, closes = true]) => {
    const s = dial(to, bytes);
    equal(await within(s.gone, closes ? ms : 300), closes, name);
    s.destroy();
  }));
}
async function flap(to, n, hello) {
  let at = 0;
  const one = (k) => new Promise((resolve) => {
    const s = net.connect(to, '127.0.0.1', () => {
      s.write(hello);
      if (k % 3) s.destroy();
      else s.resetAndDestroy();
    });
    s.on('error', () => {});
    s.on('close', resolve);
  });
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (at < n) await one(at++);
  }));
}
// Sends for half a second and reads nothing.
async function flood(to, hello, bytes) {
  const s = dial(to, hello);
  await s.open;
  await sleep(100);
  s.pause();
  for (let i = 0; i < 8 && !s.destroyed; i++) {
    s.write(bytes);
    await sleep(60);
  }
  return s;
}

// ---- the words of the protocols ----
const u7 = (f) => Buffer.from([0x68, 4, f, 0, 0, 0]);
const s7 = (nr) => Buffer.from([0x68, 4, 1, 0, (nr << 1) & 255, nr >> 7]);
const i7 = (body, ns = 0) => cat([[0x68, body.length + 4, (ns << 1) & 255, ns >> 7, 0, 0], body]);
const interrogation = asdu(100, 6, 1, [{ ioa: 0, raw: Buffer.from([20]) }]);

function crc(bytes) {
  let r = 0xffff;
  for (const b of bytes) {
    r = (r >> 8) ^ b;
    for (let k = 0; k < 8; k++) r = r & 1 ? (r >> 1) ^ 0xa001 : r >> 1;
  }
  return r.toString(16).toUpperCase().padStart(4, '0');
}
const frame = (segment) => Buffer.from(`##${String(Buffer.byteLength(segment)).padStart(4, '0')}${segment}${crc(Buffer.from(segment))}\r\n`);
const stamp = (ms) => new Date(ms + 8 * 3600e3).toISOString().replace(/\D/g, '');
const MN = ['010000A8900016F000100001', '010000A8900016F000100002'];
let qn = 0;
const segment = (cp, { mn = MN[0], pw = '123456', cn = 2011, flag = 5, extra = '' } = {}) => `QN=${stamp((qn = Math.max(qn + 1, Date.now())))};ST=32;CN=${cn};PW=${pw};MN=${mn};Flag=${flag};${extra}CP=&&${cp}&&`;
const report = (v, o) => segment(`DataTime=${stamp(Date.now()).slice(0, 14)};w01018-Rtd=${v},w01018-Flag=N`, o);
const part = (pno, pnum, cp) => frame(segment(cp, { flag: 7, extra: `PNUM=${pnum};PNO=${pno};` }));

const text = (s) => cat([[s.length >> 8, s.length & 255], s]);
function packet(first, ...parts) {
  const body = cat(...parts), length = [];
  let n = body.length;
  do {
    length.push(n > 127 ? (n % 128) | 128 : n);
    n = Math.floor(n / 128);
  } while (n);
  return cat([[first, ...length], body]);
}
const hello = ({ v = 5, id = `h${Math.random()}`, props = [], ka = 0 } = {}) => packet(0x10, [text('MQTT'), [v, 0xc2, 0, ka], v === 5 ? [props.length, ...props] : [], text(id), text('any'), text(user)]);
const pub = (topic, payload, { qos = 0, id = 1, retain = 0, v = 5, props = [] } = {}) => packet(0x30 | (qos << 1) | retain, [text(topic), qos ? [id >> 8, id & 255] : [], v === 5 ? [props.length, ...props] : [], payload]);
const sub = (filters, options = 0) => packet(0x82, [0, 1, 0], filters.flatMap((f) => [text(f), [options]]));

const upgrade = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer tokentok\r\n\r\n';
function ws(first, payload, mask = true) {
  const b = Buffer.from(payload), key = [1, 2, 3, 4];
  if (mask) for (let i = 0; i < b.length; i++) b[i] ^= key[i & 3];
  const n = b.length < 126 ? [b.length] : b.length < 65536 ? [126, b.length >> 8, b.length & 255] : [127, 0, 0, 0, 0, 0, b.length >> 16, (b.length >> 8) & 255, b.length & 255];
  n[0] |= mask ? 0x80 : 0;
  return cat([[first, ...n], mask ? key : [], b]);
}

const mb = (pdu, { t = 7, unit = 1, proto = 0, length = pdu.length + 1 } = {}) => cat([[t >> 8, t & 255, proto >> 8, proto & 255, length >> 8, length & 255, unit], pdu]);

// ---- the server and a good client of each of its sides ----
const good = {};
let n = 0;
const merge = { 'Content-Type': 'application/merge-patch+json' };
async function channel(code, driver, options, devices, points) {
  await api.post('/channels', { code, name: code, spec: { driver, options } });
  for (const [i, d] of devices.entries()) await api.post('/devices', { code: `${code}.${i}`, name: code, spec: { channel: code, options: d } });
  for (const [p, address, spec] of points) await api.post('/points', { code: p, name: p, spec: { device: `${code}.0`, address, period: '100ms', ...spec } });
}
const forward = (code, outlet, options) => api.post('/forwards', { code, name: code, spec: { outlet, filter: "code~'UI.'", writes: true, gather: '50ms', options } });

async function asks(name, bytes) {
  const before = good[name].got.length;
  good[name].write(bytes);
  await until(() => good[name].got.length > before, `${name}: the good client`, 5000, 5);
}
async function wellMaster() {
  const before = good.iec.got.length;
  good.iec.ask(100, 1, 0, [20]);
  await until(() => good.iec.got.slice(before).some((a) => a.type === 100 && a.cause === 10), 'iec104: the good master', 5000, 10);
}
// Every server serves its good client.
async function well() {
  const mark = `m${n++}`;
  await Promise.all([wellMaster(), asks('modbus', mb([3, 0, 0, 0, 2])), asks('hj212', frame(report(n, { mn: MN[1] }))), asks('mqtt', pub('well', mark, { qos: 1 })), asks('ws', ws(0x89, mark)), asks('http', 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')]);
  good.tcp.write(`${n}\r\n`);
  await until(async () => (await current('T.V')).v === n, 'tcp: the good device', 5000, 10);
  for (const [name, s] of Object.entries(good)) ok(!(s.socket ?? s).destroyed, `${name} is connected`);
}
async function servers() {
  for (const name of ['iec', 'hasty', 'hj', 'modbus', 'ws', 'tcp', 'udp']) port[name] = await freePort();
  await forward('IEC', 'iec104_server', { bind: '127.0.0.1', port: port.iec, max_connections: 32 });
  await forward('HASTY', 'iec104_server', { bind: '127.0.0.1', port: port.hasty, max_connections: 32, t1: '1s', t2: '500ms', t3: '1s' });
  await forward('MS', 'modbus_server', { address: '127.0.0.1', port: port.modbus, connections: 40 });
  await forward('WS', 'websocket_server', { address: '127.0.0.1', port: port.ws, token: 'tokentok', ping: '60s', message_max: 4096 });
  await channel('HJ', 'hj212', { port: port.hj, bind: '127.0.0.1', max_connections: 40, idle_timeout: '30s' }, MN.map((mn) => ({ mn, password: '123456' })), [['H.F', 'w01018-Rtd']]);
  await channel('T', 'tcp_udp', { mode: 'tcp_server', address: '127.0.0.1', port: port.tcp, max_length: 1024 }, [{}], [['T.V', 'number 1', { type: 'double' }]]);
  await channel('U', 'tcp_udp', { mode: 'udp_server', address: '127.0.0.1', port: port.udp, max_length: 1024 }, [{}], [['U.V', 'number 1', { type: 'double' }]]);
  await api.post('/points', { code: 'H2', name: 'x', spec: { device: 'HJ.1', address: 'w01018-Rtd' } });
  await api.call('PATCH', '/mqtt-listeners/default', { spec: { port: 0 } }, 200, merge);
  port.mqtt = await until(async () => (await api.get('/mqtt/status')).listeners.find((l) => l.code === 'default')?.port, 'the listener');
  port.http = serve.port;
  await until(async () => (await forwardOf('IEC'))?.points === 4 && (await forwardOf('MS'))?.points === 4 && (await forwardOf('WS'))?.points === 4, 'the forwardings');
  await until(async () => (await channelOf('HJ'))?.points === 2 && (await channelOf('T'))?.points === 1, 'the channels');
}

test('a server of every protocol, and a good client of each', async () => {
  await device.start();
  cleanup(() => device.stop());
  serve = await startServe(tempDir(), ['--log', 'error']);
  api = await signIn(serve);
  user = (await api.post('/tokens', { name: 'mqtt', roles: ['administrator'] })).token;
  await channel('PEER', 'modbus_tcp', { host: '127.0.0.1', port: device.port }, [{ unit: 1 }], [['UI.F', '400003', { type: 'float' }], ['UI.CDAB', '400005', { type: 'float', writable: true }], ['UI.INT', '400001', { type: 'int16', writable: true }], ['UI.COIL', '000003', { type: 'bool' }]]);
  await servers();
  good.iec = new Master();
  await good.iec.connect(port.iec, { ack: 50 });
  await until(() => good.iec.started, 'STARTDT');
  Object.assign(good, { modbus: dial(port.modbus), hj212: dial(port.hj), mqtt: dial(port.mqtt, hello({ id: 'good' })), ws: dial(port.ws, upgrade), tcp: dial(port.tcp), http: dial(port.http) });
  await well();
  beSlow();
});

// Begun here, judged below: they take ten seconds.
const slow = { drips: [] };
function drip(to, first, rest) {
  const s = dial(to, first);
  slow.drips.push(setInterval(() => s.destroyed || s.write(rest), 400));
  return s;
}
function beSlow() {
  slow.at = Date.now();
  slow.rows = { 'MQTT CONNECT': drip(port.mqtt, [0x10, 0xff, 0x7f], 'x'), 'MQTT silence': dial(port.mqtt), 'WebSocket head': drip(port.ws, 'GET / HT', 'x'), 'WebSocket silence': dial(port.ws), 'HTTP head': drip(port.http, 'POST /api/v1/push HTTP/1.1\r\nX', 'y'), 'MQTT keep alive': dial(port.mqtt, hello({ ka: 1 })) };
  slow.rows['MQTT keep alive'].on('close', () => (slow.kept = Date.now() - slow.at));
}

// ---- what breaks a protocol ----
test('IEC 104: broken frames, wrong numbers, frames in the wrong state', async () => {
  const on = (...list) => cat(u7(7), ...list);
  await blows(port.hasty, [
    ['no start byte', 'hello'], ['length 3', [0x68, 3, 7, 0, 0, 0]], ['length 255', [0x68, 255, 7, 0, 0, 0]], ['half a frame, then silence: t3, t1', [0x68, 200, 0, 0]], ['silence', ''],
    ['data before STARTDT', i7(interrogation)], ['an unknown U frame', u7(0x0f)], ['a U frame with a body', [0x68, 5, 7, 0, 0, 0, 0]], ['what was never sent is acknowledged', on(s7(100))],
    ['a wrong N(S)', on(i7(interrogation, 5))], ['an ASDU without a head', on(i7([100, 1]))], ['SQ=1 with too many objects', on(i7([45, 0xff, 6, 0, 1, 0, 1, 0, 0, 1]))], ['no objects', on(i7([100, 0, 6, 0, 1, 0]))],
    ['confirmations that nobody waits for', cat(u7(0x0b), u7(0x83), u7(0x23), u7(7), u7(7)), false], ['a type that does not exist', on(i7([200, 1, 6, 0, 1, 0, 0, 0, 0])), false],
  ], 3500);
  const m = new Master();
  await m.connect(port.iec, { ack: 20 });
  await until(() => m.started, 'STARTDT');
  const answer = async (type, cause, ca, raw, want) => {
    m.ask(type, ca, 0, raw, cause);
    await until(() => m.got.some((a) => a.cause === want && a.negative), `type ${type}: ${want}`, 3000, 10);
  };
  await answer(100, 6, 9, [20], 46);
  await answer(100, 33, 1, [20], 45);
  await answer(100, 6, 1, [99], 7);
  await answer(102, 5, 1, [], 47);
  m.close();
  await well();
});

test('IEC 104: numbers wrap at 32768', async () => {
  const m = new Master();
  await m.connect(port.iec);
  await until(() => m.started, 'STARTDT');
  for (let i = 0; i < 32900; i++) m.ask(104, 1, 0, [0xaa, 0x55]);
  await until(() => m.got.length > 32900, 'all answers', 20000);
  ok(m.link.vr < 1000 && !m.closed, 'around once');
  m.close();
});

test('HJ 212: wrong CRC, wrong lengths, parts out of order and for ever, rubbish, nonsense', async () => {
  const f = report(7), whole = frame(f), spoilt = Buffer.from(whole);
  spoilt[20] ^= 1;
  const pieces = [2, 3, 1].map((i) => part(i, 3, i === 1 ? `DataTime=${stamp(Date.now()).slice(0, 14)};w01018-Rtd=11` : `x${i}-Rtd=1`));
  await blows(port.hj, [
    ['wrong CRC', spoilt, false], ['a length too long', cat('##9999', whole.subarray(6)), false], ['too short', cat('##0005', whole.subarray(6)), false], ['letters', cat('##00x5', whole.subarray(6)), false], ['none', '##00000000\r\n', false],
    ['no end', whole.subarray(0, -2), false], ['a wrong password', frame(report(1, { pw: 'no' })), false], ['a stranger', frame(report(1, { mn: 'X' })), false], ['thousands of fields', frame(segment(`${';'.repeat(4000)}${','.repeat(4000)}`)), false],
    ['parts out of order and doubled', cat(pieces, pieces), false], ['9,999 parts', many(9999, (i) => part(i + 1, 9999, 'a=1')), false], ['parts that are none', cat(part(0, 2, 'a=1'), part(3, 2, 'a=1')), false],
    ['answers to nothing', many(400, (i) => frame(segment('QnRtn=1;ExeRtn=1', { cn: 9011 + (i % 4) }))), false], ['times that are none', cat(['', 'x', '99999999999999', '20260230000000'].map((t) => frame(segment(`DataTime=${t};w01018-Rtd=3`)))), false],
    ['rubbish without end', Buffer.alloc(200000, 0x41)], ['hashes without end', Buffer.alloc(200000, 0x23)],
  ]);
  const s = dial(port.hj);
  await s.open;
  for (const b of frame(report(42))) s.write(Buffer.from([b])), await sleep(1);
  await until(() => s.got.includes('CN=9014'), 'byte by byte', 5000);
  s.destroy();
  await well();
});

test('MQTT: broken packets, properties, filters, flows', async () => {
  const h = () => hello(), prop = (...p) => cat(h(), pub('t', 'x', { props: p }));
  await blows(port.mqtt, [
    ['a length of five bytes', [0x10, 255, 255, 255, 255, 1]], ['256 MiB before CONNECT', [0x10, 255, 255, 255, 127]], ['256 MiB after', cat(h(), [0x30, 255, 255, 255, 127])], ['CONNECT twice', cat(h(), h())], ['AUTH', cat(h(), packet(0xf0, [0x18, 0]))],
    ['a subscription id from a client', prop(0x0b, 1)], ['a wildcard to answer to', prop(8, 0, 3, 97, 47, 35)], ['alias 0', prop(0x23, 0, 0)], ['alias 33', prop(0x23, 0, 33)], ['a property twice', prop(1, 0, 1, 0)], ['an unknown one', prop(0x7f, 0)],
    ['receive maximum 0', hello({ props: [0x21, 0, 0] })], ['CONNACK would be too large', hello({ props: [0x27, 0, 0, 0, 5] })], ['200,000 filters', cat(h(), packet(0x82, [0, 1, 0], Buffer.from('\0\x01#\0'.repeat(200000))))], ['no filter', cat(h(), sub([]))],
    ['no local of a shared one', cat(h(), sub(['$share/g/t'], 4))], ['NUL in a topic', cat(h(), pub('a\0b', 'x'))], ['not UTF-8', cat(h(), [0x30, 5, 0, 2, 0xc0, 0x80, 0])], ['receive maximum violated', cat(h(), many(1100, (i) => pub('q', '1', { qos: 2, id: i + 1 })))], ['after DISCONNECT', cat(h(), [0xe0, 0], pub('q', 'x'))],
    ['a thousand levels', cat(h(), pub('a/'.repeat(1000), 'x'), sub(['+/'.repeat(1000)])), false], ['acknowledgements of nothing', cat(h(), ...[0x40, 0x50, 0x62, 0x70].map((t) => packet(t, [0, 9]))), false], ['filters that are none', cat(h(), sub(['a#', '#/a', 'a/+b', '', '$share', '$share/g', '$share//x'])), false],
    ['a message of QoS 2 twice', cat(h(), pub('q', '1', { qos: 2, id: 5 }), pub('q', '2', { qos: 2, id: 5 }), packet(0x62, [0, 5]), packet(0x62, [0, 5])), false], ['20,000 of QoS 2 that are never released', cat(hello({ v: 4 }), many(20000, (i) => pub('q', '1', { qos: 2, id: i + 1, v: 4 }))), false],
  ], 6000);
  await well();
});

test('MQTT: takeover storms, floods of retained messages, subscriptions that look at all of them', async () => {
  const storm = Array.from({ length: 300 }, () => dial(port.mqtt, hello({ id: 'storm' })));
  await until(() => storm.filter((s) => !s.destroyed).length === 1, 'one is left', 8000);
  storm.forEach((s) => s.destroy());
  const s = dial(port.mqtt, hello());
  s.write(many(10000, (i) => pub(`ret/${i}`, 'x'.repeat(50), { retain: 1 })));
  await until(async () => (await api.get('/mqtt/status')).retained >= 10000, 'them', 10000);
  const greedy = dial(port.mqtt, cat(hello(), ...Array.from({ length: 30 }, () => sub(Array.from({ length: 900 }, (_, i) => `+/${i}x/#`)))));
  const at = Date.now();
  await well();
  ok(Date.now() - at < 4000, `the others waited ${Date.now() - at} ms`);
  s.destroy();
  greedy.destroy();
});

test('Modbus and WebSocket servers: broken requests and frames', async () => {
  await blows(port.modbus, [
    ['length 0', mb([], { length: 0 })], ['length 65535', mb([3, 0, 0, 0, 1], { length: 65535 })], ['another protocol', mb([3, 0, 0, 0, 1], { proto: 1 })], ['half a request', mb([3, 0, 0, 0, 1]).subarray(0, 9), false],
    ['every function', many(256, (i) => mb([i, 0, 0, 0, 1])), false], ['a count that lies', mb([16, 0, 0, 0, 10, 2, 0, 1]), false], ['the last address', mb([3, 255, 255, 0, 2]), false],
  ]);
  const s = dial(port.modbus, many(20000, (i) => mb([3, 0, 0, 0, 2], { t: i })));
  await until(() => s.got.length === 20000 * 13, 'answers to all of a pipeline', 10000);
  ok(Array.from({ length: 20000 }, (_, i) => s.got.readUInt16BE(i * 13)).every((t, i) => t === i), 'in their order');
  s.destroy();
  const on = (...list) => cat(upgrade, ...list);
  await blows(port.ws, [
    ['no token', upgrade.replace('tokentok', 'x')], ['no HTTP', 'GARBAGE\r\n\r\n'], ['a huge head', `GET / HTTP/1.1\r\nX: ${'y'.repeat(100000)}\r\n`], ['not masked', on(ws(0x81, 'hi', false))], ['a reserved bit: compressed', on(ws(0xc1, 'hi'))], ['opcode 3', on(ws(0x83, 'x'))],
    ['a long ping', on(ws(0x89, 'x'.repeat(126)))], ['a ping in pieces', on(ws(0x09, 'x'))], ['a piece of nothing', on(ws(0x80, 'x'))], ['a text in a text', on(ws(0x01, 'a'), ws(0x81, 'b'))], ['not UTF-8', on(ws(0x81, [0xff, 0xfe]))], ['close code 1005', on(ws(0x88, [3, 237]))],
    ['2^63 bytes', on([0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4])], ['too large', on(ws(0x81, 'x'.repeat(5000)))], ['pieces for ever', on(ws(0x01, 'x'), many(200, () => ws(0x00, 'y'.repeat(50))))], ['empty pieces for ever', on(ws(0x01, ''), many(3000, () => ws(0x00, '')))],
  ]);
  await well();
});

test('floods that nobody reads; packets of UDP of every size', async () => {
  const before = rss();
  const all = await Promise.all([
    flood(port.iec, u7(7), many(20000, () => u7(0x43))), flood(port.modbus, '', many(5000, (i) => mb([3, 0, 0, 0, 2], { t: i }))), flood(port.hj, '', many(300, (i) => frame(report(i)))), flood(port.mqtt, hello(), Buffer.from([0xc0, 0].concat(Array(99998).fill(0).map((_, i) => (i & 1 ? 0 : 0xc0))))),
    flood(port.ws, upgrade, many(10000, () => ws(0x89, '0123456789'))), flood(port.tcp, '', Buffer.alloc(300000, 0x41)), flood(port.mqtt, cat(hello(), sub(['flood/#'])), many(20, () => pub('flood/x', 'y'.repeat(50000)))),
  ]);
  const udp = (await import('node:dgram')).createSocket('udp4');
  for (let i = 0; i < 1500; i++) await new Promise((r) => udp.send(Buffer.alloc(i, i & 255), port.udp, '127.0.0.1', r));
  await until(async () => { // the system drops datagrams in a flood
    await new Promise((r) => udp.send('77\r\n', port.udp, '127.0.0.1', r));
    return (await current('U.V')).v === 77;
  }, 'UDP', 8000);
  udp.close();
  const during = rss();
  ok(during - before < 60, `memory: ${before.toFixed(0)} -> ${during.toFixed(0)} MB`);
  await well();
  all.forEach((s) => s.destroy());
  await well();
});

test('what comes byte by byte, or not at all, is not awaited for ever', async () => {
  for (const [name, s] of Object.entries(slow.rows)) ok(await within(s.gone, Math.max(1, 16000 - (Date.now() - slow.at))), name);
  ok(slow.kept < 8000, `the keep alive of one second acted after ${slow.kept} ms`);
  slow.drips.forEach(clearInterval);
  await well();
});

test('places that strangers hold are given to who asks', async () => {
  const strangers = ['hj', 'modbus'].flatMap((p) => Array.from({ length: 60 }, () => dial(port[p])));
  await sleep(2300);
  await well();
  const late = [[port.hj, frame(report(5))], [port.modbus, mb([3, 0, 0, 0, 2])]];
  for (const [to, bytes] of late) {
    let s;
    await until(() => {
      if (!s || s.destroyed) s = dial(to, bytes);
      return s.got.length > 0;
    }, 'an answer', 5000, 100);
    s.destroy();
  }
  strangers.forEach((s) => s.destroy());
});

test('a thousand connections that come and go, of each server', async () => {
  const hellos = { iec: u7(7), modbus: mb([3, 0, 0, 0, 1]), hj: frame(report(1)), mqtt: hello({ id: 'flap' }), ws: upgrade, tcp: '1\r\n' };
  const all = (k) => Promise.all(Object.entries(hellos).map(([p, bytes]) => flap(port[p], k, bytes)));
  await all(100);
  await well();
  const open = fds(), memory = rss();
  await all(1000);
  await well();
  await until(() => fds() <= open + 2, `descriptors: ${open}, now ${fds()}`, 8000);
  ok(rss() - memory < 40, `memory: ${memory.toFixed(0)} -> ${rss().toFixed(0)} MB`);
});

// ---- servers that lie to our clients ----
class Liar {
  sockets = new Set();
  accepted = 0;
  async start(truth) {
    this.truth = this.act = truth;
    this.server = net.createServer((s) => {
      this.accepted++;
      this.sockets.add(s);
      const act = this.act;
      s.first = true;
      s.on('error', () => {});
      s.on('close', () => this.sockets.delete(s));
      if (act.length === 1) act(s);
      else s.on('data', (d) => (act(s, d), (s.first = false)));
    });
    await new Promise((r) => this.server.listen(0, '127.0.0.1', r));
    this.port = this.server.address().port;
    cleanup(() => this.stop());
  }
  be(act) {
    this.act = act;
    for (const s of this.sockets) s.destroy();
  }
  stop() {
    this.be(() => {});
    this.server.close();
  }
}
// Each lie lasts until it was heard, then the truth must be believed again.
async function lies(name, liar, point, list) {
  await until(async () => (await current(point)).q === 'good', `${name}: the truth`, 8000);
  for (const [what, act] of Object.entries(list)) {
    const before = liar.accepted;
    liar.be(act);
    await until(() => liar.accepted > before, `${name}: called under "${what}"`, 8000, 20);
    await sleep(150);
    liar.be(liar.truth);
    await until(async () => { const c = await current(point); return c.q === 'good' && c.age_ms < 1500 && liar.sockets.size; }, `${name}: well after "${what}"`, 8000, 30);
  }
}
const quick = { reconnect_min: '20ms', reconnect_max: '40ms' };

async function lieToMaster() {
  const truth = new Station(), tell = (s, ...list) => s.on('data', (d) => d[2] === 7 && s.write(cat(u7(0x0b), ...list)));
  truth.values = [{ ca: 1, type: 13, ioa: 16385, v: 1.5 }];
  const liar = new Liar();
  await liar.start((s) => truth.accept(s));
  await channel('L104', 'iec104', { host: '127.0.0.1', port: liar.port, t0: '1s', t1: '300ms', t2: '100ms', t3: '300ms', answer_timeout: '500ms', interrogation: '1s', ...quick }, [{}], [['L.104', 'M_ME_NC:16385']]);
  await lies('iec104', liar, 'L.104', {
    'hangs up': (s) => s.destroy(), silence: (s) => s.resume(), 'no frames': (s) => s.write('HTTP/1.1 200 OK\r\n\r\n'), 'length 0': (s) => s.write(Buffer.from([0x68, 0])), 'data before STARTDT': (s) => s.write(i7(asdu(13, 3, 1, [{ ioa: 16385, v: 9 }]))), 'starts by itself': (s) => s.write(u7(7)),
    'half a frame': (s) => tell(s, [0x68, 30, 0, 0]), 'a wrong N(S)': (s) => tell(s, i7(asdu(13, 3, 1, [{ ioa: 16385, v: 9 }]), 7)), 'a wrong N(R)': (s) => tell(s, s7(999)), 'too many objects': (s) => tell(s, ...Array.from({ length: 12 }, (_, i) => i7([13, 0xff, 3, 0, 1, 0, 1, 0, 0, 1, 2, 3, 4, 0], i))),
    'every type': (s) => tell(s, ...Array.from({ length: 256 }, (_, i) => i7([i, 1, 3, 0, 1, 0, 1, 0, 0, 1, 2, 3, 4, 0], i))),
  });
}
async function lieToModbus() {
  const reply = (q, pdu, o) => mb(pdu, { t: q.readUInt16BE(0), unit: q[6], ...o }), liar = new Liar();
  const each = (fn) => (s, d) => { for (let at = 0; at + 12 <= d.length; at += 12) fn(s, d.subarray(at, at + 12)); };
  await liar.start(each((s, q) => s.write(reply(q, [3, 2 * q[11], ...Array(2 * q[11]).fill(1)]))));
  await channel('LMB', 'modbus_tcp', { host: '127.0.0.1', port: liar.port, timeout: '100ms', connect_timeout: '200ms', retries: 0, ...quick }, [{ unit: 1 }], [['L.MB', '400001', { type: 'uint16' }]]);
  await lies('modbus', liar, 'L.MB', {
    'another transaction': each((s, q) => s.write(reply(q, [3, 2, 0, 9], { t: 9999 }))), 'another unit': each((s, q) => s.write(reply(q, [3, 2, 0, 9], { unit: 77 }))), 'more than asked': each((s, q) => s.write(reply(q, [3, 200, ...Array(200).fill(1)]))), 'a count that lies': each((s, q) => s.write(reply(q, [3, 4, 0, 1]))), 'another function': each((s, q) => s.write(reply(q, [4, 2, 0, 1]))),
    exceptions: each((s, q) => s.write(reply(q, [0x83, 2]))), 'exception 255': each((s, q) => s.write(reply(q, [0x83, 255]))), 'length 65535': each((s, q) => s.write(reply(q, [3, 2, 0, 1], { length: 65535 }))), rubbish: each((s) => s.write(Buffer.alloc(1000, 0x55))), 'two thousand answers': each((s, q) => s.write(many(2000, () => reply(q, [3, 2, 0, 1])))), silence: (s) => s.resume(),
  });
}
async function lieToMqtt() {
  const ack = [0x20, 2, 0, 0], liar = new Liar(), say = (v) => packet(0x30, [text('t'), `{"v":${v}}`]);
  const broker = (s, d, answer = (id) => [0x90, 3, ...id, 1]) => {
    if (s.first) s.write(Buffer.from(ack));
    for (let at = 0; at + 1 < d.length && d[at + 1] < 128; at += 2 + d[at + 1]) if (d[at] === 0x82) s.write(cat(answer([d[at + 2], d[at + 3]]), say(1)));
    if (d[0] === 0xc0) s.write(Buffer.from([0xd0, 0]));
  };
  await liar.start((s, d) => broker(s, d));
  await channel('LMQ', 'mqtt_client', { host: '127.0.0.1', port: liar.port, connect_timeout: '300ms', answer_timeout: '300ms', packet_max: 65536, ...quick }, [{ topics: 't' }], [['L.MQ', 't#$.v']]);
  const first = (...list) => (s, d) => s.first && s.write(cat(...list));
  await lies('mqtt', liar, 'L.MQ', {
    silence: (s) => s.resume(), 'no broker': first('HTTP/1.1 400 X\r\n\r\n'), 'code 99': first([0x20, 2, 0, 99]), 'two CONNACK': first(ack, ack), 'no SUBACK': first(ack), 'SUBACK of a thousand': (s, d) => broker(s, d, (id) => packet(0x90, [id, Array(1000).fill(0)])), 'a huge packet': first(ack, [0x30, 255, 255, 255, 127]), 'CONNECT to us': first(ack, hello({ v: 4 })),
    'values before CONNACK': first(say(9)), 'QoS 3': first(ack, [0x36, 5, 0, 1, 0x74, 0, 1]), 'acknowledgements of nothing': (s, d) => { broker(s, d); if (s.first) s.write(many(500, (i) => Buffer.from([[0x40, 0x50, 0x62, 0x70][i % 4], 2, 1, i & 255]))); },
  });
}
async function lieToHttp() {
  const head = (more, code = '200 OK') => `HTTP/1.1 ${code}\r\n${more}\r\n\r\n`, say = (...list) => (s, d) => s.write(cat(...list)), bomb = gzipSync(Buffer.alloc(50 << 20)), liar = new Liar();
  const drip = (begin, more) => (s, d) => { s.write(begin); const t = setInterval(() => (s.destroyed ? clearInterval(t) : s.write(more)), 10); };
  await liar.start(say(head('Content-Length: 7'), '{"v":1}'));
  await channel('LHT', 'http_client', { url: `http://127.0.0.1:${liar.port}`, timeout: '300ms', connect_timeout: '300ms', answer_max: 65536 }, [{ path: '/', period: '100ms', etag: false }], [['L.HT', '$.v']]);
  await lies('http', liar, 'L.HT', { // each costs a back-off of a second
    'to itself': say(head('Location: /\r\nContent-Length: 0', '302 F')), 'a body without end': drip(head('Transfer-Encoding: chunked'), `400\r\n${'x'.repeat(1024)}\r\n`), 'a head without end': drip('HTTP/1.1 200 OK\r\n', `A: ${'y'.repeat(900)}\r\n`), 'a bomb': say(head(`Content-Encoding: gzip\r\nContent-Length: ${bomb.length}`), bomb),
    'a length that lies': say(head('Content-Length: 99999999999')), 'chunks that are none': say(head('Transfer-Encoding: chunked'), 'zz\r\n'),
  });
}
async function lieToWebSocket() {
  const accept = (d) => `HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${createHash('sha1').update(`${d.toString().match(/Sec-WebSocket-Key: (\S+)/i)?.[1]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')}\r\n\r\n`;
  const then = (...list) => (s, d) => s.first && s.write(cat(accept(d), ...list)), value = ws(0x81, '{"v":1}', false), liar = new Liar();
  await liar.start(then(value));
  await channel('LWS', 'websocket', { url: `ws://127.0.0.1:${liar.port}/`, connect_timeout: '300ms', message_max: 65536, ...quick }, [{}], [['L.WS', '$.v']]);
  await lies('websocket', liar, 'L.WS', {
    masked: then(ws(0x81, '{"v":2}')), 'no upgrade': (s, d) => s.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'), 'a wrong handshake': (s, d) => s.write('HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n'), silence: (s) => s.resume(), 'a huge message': then([0x81, 0x7f, 0, 0, 0, 255, 0, 0, 0, 0]), compressed: then(ws(0xc1, 'x', false)), 'empty pieces': then(ws(0x01, '', false), many(3000, () => ws(0x00, '', false))),
  });
}

test('our clients are lied to, and believe the truth again', async () => {
  const before = rss();
  await Promise.all([lieToMaster(), lieToModbus(), lieToMqtt(), lieToHttp(), lieToWebSocket()]);
  ok(rss() - before < 60, `memory: ${before.toFixed(0)} -> ${rss().toFixed(0)} MB`);
  await well();
});

// ---- captures ----
const fields = ['frame.protocols', '_ws.malformed', '_ws.expert.severity', '_ws.expert.message'];
async function judge(file) { // a row a packet
  const { stdout } = await promisify(execFile)('tshark', ['-r', file, '-T', 'fields', ...fields.flatMap((x) => ['-e', x])], { encoding: 'utf8', maxBuffer: 64 << 20 });
  return stdout.split('\n').filter(Boolean).map((l) => l.split('\t'));
}
async function capture(where, what, dir) {
  const { frames } = await api.post(`/${where}:capture`, { seconds: 0 });
  const file = join(dir, `${where.replace('/', '-')}.pcap`), res = await api.raw('GET', `/${where}/capture`);
  writeFileSync(file, Buffer.from(await res.arrayBuffer()));
  const rows = await judge(file);
  ok(frames > 1 && rows.length >= frames && rows.some((r) => r[0].includes(what)), `${where}: ${frames} frames of ${what}`);
  equal(rows.filter((r) => r[1] || r[2]?.split(',').some((x) => Number(x) >= 8388608)).slice(0, 2), [], where); // errors
}
test('captures of good traffic are what tshark reads, on both sides', async () => {
  if (!haveTshark()) return;
  const mq = { host: '127.0.0.1', port: port.mqtt, username: 'any', password: user }, dir = tempDir();
  await forward('MQ', 'mqtt_publisher', { ...mq, topic: 'o/${code}' });
  await forward('SP', 'sparkplug_edge', { ...mq, group: 'G', edge_node: 'N', layout: 'flat' });
  await channel('SPH', 'sparkplug_host', { ...mq, host_id: 'H' }, [{ group: 'G', edge_node: 'N' }], [['S.V', 'UI.INT']]);
  await until(async () => (await current('S.V')).q === 'good', 'Sparkplug', 8000);
  const all = { 'forwards/IEC': 'iec60870', 'forwards/MS': 'modbus', 'forwards/MQ': 'mqtt', 'forwards/SP': 'sparkplug', 'channels/PEER': 'modbus', 'channels/L104': 'iec60870', 'channels/SPH': 'mqtt', 'channels/LMQ': 'mqtt' };
  for (const where of Object.keys(all)) await api.post(`/${where}:capture`, { seconds: 60 });
  for (let i = 0; i < 6; i++) {
    device.put('UI.INT', 500 + i);
    await well();
    await until(async () => (await current('S.V')).v === 500 + i, 'a value', 5000, 20);
  }
  delete all['channels/LMQ']; // its broker has nothing more to say
  await Promise.all(Object.entries(all).map(([where, what]) => capture(where, what, dir)));
});

test('Sparkplug: bytes that are no payload, topics that are none, to host and edge', async () => {
  const payloads = [[], Array(500).fill(0xff), [0x12, 0xff, 0xff, 0xff, 0xff, 0x0f], [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], Array(11).fill(0x80), [0x13, 0x14], Array(40).fill([0x12, 126, 0x8a, 1])];
  const kinds = ['NBIRTH', 'NDATA', 'NDEATH', 'DBIRTH/D', 'DDATA/D', 'DDEATH/D', 'NCMD', 'DCMD/D', 'XXXX'].map((k) => k.split('/'));
  const topics = ['N', 'other'].flatMap((node) => kinds.map(([k, d]) => `spBv1.0/G/${k}/${node}${d ? `/${d}` : ''}`)).concat('spBv1.0', 'spBv1.0/', 'spBv1.0/G', 'spBv1.0//NDATA/N', 'spBv1.0/G/NDATA/N/D/X', 'spBv1.0/STATE/H', 'STATE/H');
  const s = dial(port.mqtt, cat(hello(), topics.flatMap((t) => payloads.map((p) => pub(t, p)))));
  await sleep(300);
  device.put('UI.INT', 900);
  await until(async () => { const v = await current('S.V'); return v.v === 900 && v.q === 'good'; }, 'the value comes through', 15000, 50);
  s.destroy();
  await well();
});

test('it ends clean', async () => {
  equal((await stop(serve)).code, 0, 'exit code');
});

await run();
