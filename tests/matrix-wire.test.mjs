// Every data form of the protocols that carry texts, frames of their own and telecontrol objects, against what the peer has
// sent: binary fields and checks over TCP, JSON documents over HTTP, WebSocket and MQTT, objects and commands of IEC 104,
// codes of HJ 212. Expected values are computed from the bytes of the peer.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import mqtt from 'mqtt';
import sparkplugPayload from 'sparkplug-payload';
import { WebSocketServer } from 'ws';
import { asdu, cp56, element, Master, MONITOR, Station } from './iec104.mjs';
import { cleanup, equal, fail, freePort, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';
import { all, BYTES, current, each, EDGES, exact, get, imported, ORDERS, same, shown, swap, TYPES } from './matrix.mjs';

const dir = tempDir(), HOUR = 3600000;
let serve, api;
const device = async (channel, code, options = {}) => api.post('/devices', { code, name: code, spec: { channel, options } });
const quote = (s) => `"${String(s).replaceAll('"', '""')}"`;
const write = async (code, value) => exact(await (await api.raw('POST', `/points/${encodeURIComponent(code)}:write`, `{"value":${value},"confirm":true}`, { 'Content-Type': 'application/json' })).text());
const one = async (code) => (await current(api, [code]))[0];

test('a platform', async () => {
  serve = await startServe(join(dir, 'data'));
  api = await signIn(serve);
});

// ---- tcp_udp ----

function bitwise(bytes, width, poly, init, reflect, out) {
  let r = init;
  const top = 2 ** (width - 1), mask = 2 ** width - 1;
  for (const b of bytes)
    for (let k = 0; k < 8; k++) {
      const bit = reflect ? (b >> k) & 1 : (b >> (7 - k)) & 1;
      if (reflect) r = (r & 1) ^ bit ? (r >>> 1) ^ poly : r >>> 1;
      else r = ((r & top ? 1 : 0) ^ bit ? (r * 2) ^ poly : r * 2) & mask;
    }
  return (r ^ out) & mask;
}
const sum = (b) => b.reduce((a, x) => a + x, 0);
const CHECKS = { // bytes, function, of "123456789" by the catalogue
  sum8: [1, (b) => sum(b) & 255, 0xdd], xor8: [1, (b) => b.reduce((a, x) => a ^ x, 0), 0x31], lrc: [1, (b) => -sum(b) & 255, 0x23],
  crc8: [1, (b) => bitwise(b, 8, 0x07, 0, false, 0), 0xf4], sum16: [2, (b) => sum(b) & 0xffff, 0x01dd],
  crc16_modbus: [2, (b) => bitwise(b, 16, 0xa001, 0xffff, true, 0), 0x4b37], crc16_ccitt_false: [2, (b) => bitwise(b, 16, 0x1021, 0xffff, false, 0), 0x29b1],
  crc16_xmodem: [2, (b) => bitwise(b, 16, 0x1021, 0, false, 0), 0x31c3], crc32: [4, (b) => crc32(b), 0xcbf43926],
};

class Talker {
  sockets = new Set();
  async listen() {
    this.server = net.createServer((s) => {
      this.sockets.add(s);
      s.on('error', () => {}).on('close', () => this.sockets.delete(s));
      if (this.last) s.write(this.last);
    });
    await new Promise((r) => this.server.listen(0, '127.0.0.1', r));
    this.port = this.server.address().port;
    cleanup(() => {
      for (const s of this.sockets) s.destroy();
      this.server.close();
    });
  }
  say(bytes) {
    this.last = bytes;
    for (const s of this.sockets) s.write(bytes);
  }
}

test('tcp_udp: every check, in either order, binary and as digits: right frames are read, wrong ones never', async () => {
  const text = Buffer.from('123456789');
  for (const [name, [, fn, want]] of Object.entries(CHECKS)) equal(fn(text), want, `${name} by the catalogue`);
  const kinds = Object.entries(CHECKS).flatMap(([name, [width]]) => (width === 1 ? ['BE'] : ['BE', 'LE']).flatMap((order) => [false, true].map((hex) => ({ name, width, order, hex, code: `CK.${name}.${order}${hex ? '.hex' : ''}` }))));
  const frame = (k, value, spoil = 0) => {
    const body = Buffer.from([0xa5, 0, 0, 0x31, 0x32]);
    body.writeUInt16BE(value, 1);
    const check = Buffer.alloc(4);
    check.writeUInt32BE(CHECKS[k.name][1](body) >>> 0);
    const bytes = Buffer.from(check.subarray(4 - k.width));
    if (k.order === 'LE') bytes.reverse();
    bytes[0] ^= spoil;
    return Buffer.concat([body, k.hex ? Buffer.from(bytes.toString('hex').toUpperCase()) : bytes]);
  };
  const rows = [];
  await each(kinds, async (k) => {
    k.peer = new Talker();
    await k.peer.listen();
    await api.post('/channels', { code: k.code, name: k.code, spec: { driver: 'tcp_udp', options: { host: '127.0.0.1', port: k.peer.port, framing: 'fixed', fixed_length: frame(k, 0).length, start_bytes: 'hex:A5', checksum: k.name, checksum_order: k.order, checksum_hex: k.hex } } });
    await device(k.code, k.code);
    rows.push(`${k.code},x,${k.code},1:uint16,auto,1s`);
  });
  await imported(api, 'code,name,device,address,type,period', rows);
  await until(() => kinds.every((k) => k.peer.sockets.size === 1), 'all connections');
  for (const value of [0x1234, 0xfedc]) {
    for (const k of kinds) k.peer.say(frame(k, value));
    await all(api, kinds, () => value, 'right frames');
    for (const k of kinds) k.peer.say(frame(k, value ^ 0xffff, 1));
  }
  for (const k of kinds) k.peer.say(frame(k, 7));
  await all(api, kinds, () => 7, 'the next right ones');
  await until(async () => (await api.get('/channels:status')).items.filter((c) => c.code.startsWith('CK.')).every((c) => c.errors >= 2), 'the wrong ones are counted');
  for (const k of kinds) equal((await api.get(`/history/recorded?points=${k.code}&from=*-1h`)).series[0].v.filter((v) => v !== null && ![0x1234, 0xfedc, 7].includes(v)), [], k.code);
});

test('tcp_udp: numbers of every type and order, odd widths, bits, BCD, digits as text', async () => {
  const peer = new Talker();
  await peer.listen();
  const combos = TYPES.filter((t) => !/^u?int8$/.test(t)).flatMap((type) => ORDERS.map((order) => ({ type, order })));
  let at = 0;
  const points = combos.map((c) => {
    const p = { ...c, at, code: `TU.${c.type}.${c.order}`, address: `${at}:${c.type}:${c.order}` };
    at += BYTES[c.type];
    return p;
  });
  const extra = at; // five bytes of BCD, 24 bits, 48 bits, text
  const more = (m) => {
    const big = (from, n) => Number(BigInt(`0x${m.subarray(from, from + n).toString('hex')}`));
    const bits = big(extra + 5, 3);
    return [
      ['bcd5', `${extra}+5:bcd`, Number(m.subarray(extra, extra + 5).toString('hex'))], ['u24', `${extra + 5}+3:uint`, bits], ['i24', `${extra + 5}+3:int`, bits >= 0x800000 ? bits - 0x1000000 : bits],
      ['u48', `${extra + 8}+6:uint`, big(extra + 8, 6)], ['num', `${extra + 14}+8:number`, Number(m.subarray(extra + 14, extra + 22).toString())], ['hex', `${extra + 22}+4:hex`, parseInt(m.subarray(extra + 22, extra + 26).toString(), 16)],
      ['last', '-1:uint8', m.at(-1)], ['i8', '-1:int8', m.readInt8(m.length - 1)],
      ...[0, 3, 7].map((b) => [`bit${b}`, `${extra + 5}.${b}`, (m[extra + 5] >> b) & 1]), ['nibble', `${extra + 6}.0-3`, m[extra + 6] & 15], ['high', `${extra + 6}.4-7`, m[extra + 6] >> 4],
    ];
  };
  const memory = (round) => Buffer.concat([...points.map((p, i) => swap(EDGES[p.type][(round + i) % EDGES[p.type].length], p.order)), Buffer.from(['1234567890', '0000000009', '9999999999'][round % 3], 'hex'), Buffer.from(['ff8001', '7fffff', '000102'][round % 3] + '0102030405ff', 'hex'), Buffer.from([' -12.5e1', '00000042', '+3.14159'][round % 3] + ['BEEF', '0a0b', '7FFF'][round % 3]), Buffer.from([[0x80], [0x7f], [0]][round % 3])]);
  await api.post('/channels', { code: 'TU', name: 'TU', spec: { driver: 'tcp_udp', options: { host: '127.0.0.1', port: peer.port, framing: 'fixed', fixed_length: memory(0).length } } });
  await device('TU', 'TU');
  const extras = more(memory(0)).map(([code, address]) => ({ code: `TU.${code}`, address }));
  await imported(api, 'code,name,device,address,type,period', [...points, ...extras].map((p) => `${p.code},x,TU,${quote(p.address)},auto,1s`));
  await until(() => peer.sockets.size === 1, 'the connection');
  for (let round = 0; round < 10; round++) {
    const m = memory(round), want = new Map(more(m).map(([code, , v]) => [`TU.${code}`, v]));
    peer.say(m);
    await all(api, [...points, ...extras], (p) => (p.type ? shown(p.type, swap(m.subarray(p.at, p.at + BYTES[p.type]), p.order)) : want.get(p.code)), `round ${round}`, { zero: true });
  }
});

// ---- documents ----

const doc = { // path, how it stands in the document, what it says
  zero: ['0', 0], neg: ['-7', -7], real: ['1.5e3', 1500], small: ['1E-7', 1e-7], tiny: ['5e-324', 5e-324], max: ['1.7976931348623157e308', 1.7976931348623157e308], third: ['0.1', 0.1],
  big: ['9007199254740993', '9007199254740993'], low: ['-9223372036854775808', '-9223372036854775808'], high: ['9223372036854775807', '9223372036854775807'], above: ['18446744073709551615', 18446744073709551615], huge: ['123456789012345678901234567890', 1.2345678901234568e29],
  text: ['"42.5"', 42.5], exp: ['"-1e3"', -1000], blank: ['" 17 "', 17], yes: ['true', 1], no: ['false', 0],
};
const nested = [ // address in JSONPath, expected from the parsed document
  ['$.a.b[2].c', (d) => d.a.b[2].c], ["$['温度']", (d) => d['温度']], ["$['a b']['c.d']", (d) => d['a b']['c.d']], ['$.a.b[-1].c', (d) => d.a.b.at(-1).c], ["$.tags[?@.name=='流量'].v", (d) => d.tags.find((t) => t.name === '流量').v], ['$.deep.e.f.g.h.i.j', (d) => d.deep.e.f.g.h.i.j],
];
const document = (bump) => `{${Object.entries(doc).map(([k, [text]]) => `"${k}":${text}`).join(',')},"a":{"b":[1,2,{"c":${3 + bump}},{"c":${4 + bump}}]},"温度":${21.5 + bump},"a b":{"c.d":${5 + bump}},"tags":[{"name":"压力","v":1},{"name":"流量","v":${6 + bump}}],"deep":{"e":{"f":{"g":{"h":{"i":{"j":${7 + bump}}}}}}},"s":"锌 \\u94dc \\ud83d\\ude00 \\"x\\"","n":null,"o":{}}`;
const docPoints = (prefix, at) => [
  ...Object.entries(doc).map(([k, [text, v]]) => ({ code: `${prefix}.${k}`, address: at(`$.${k}`), type: /^-?\d{16,19}$/.test(text) ? 'int64' : 'double', want: () => v })),
  ...nested.map(([path, fn], i) => ({ code: `${prefix}.n${i}`, address: at(path), type: 'double', want: (bump) => fn(JSON.parse(document(bump))) })),
  { code: `${prefix}.s`, address: at('$.s'), type: 'string', want: (bump) => JSON.parse(document(bump)).s },
];
const say = {};
let server, sockets, broker;

const MOSQUITTO = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto'].find(existsSync);
test('documents: numbers as they stand, beyond 2^53, as text, exponents, nested, in any script: over HTTP, WebSocket and MQTT', async () => {
  let text = document(0);
  const times = {};
  server = http.createServer((req, res) => {
    const path = decodeURIComponent(req.url.slice(1));
    res.writeHead(200, { 'Content-Type': 'application/json' });
    res.end(path === 'doc' ? text : times[path] ?? '{}');
  });
  await new Promise((r) => server.listen(0, '127.0.0.1', r));
  cleanup(() => (server.closeAllConnections(), server.close()));
  sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((r) => sockets.on('listening', r));
  cleanup(() => { for (const c of sockets.clients) c.terminate(); sockets.close(); });
  await api.post('/channels', { code: 'HT', name: 'HT', spec: { driver: 'http_client', options: { url: `http://127.0.0.1:${server.address().port}` } } });
  await device('HT', 'HT', { path: '/doc', period: '100ms' });
  await api.post('/channels', { code: 'WS', name: 'WS', spec: { driver: 'websocket', options: { url: `ws://127.0.0.1:${sockets.address().port}/` } } });
  await device('WS', 'WS');
  const sets = [docPoints('HT', (p) => p), docPoints('WS', (p) => p)];
  say.HT = (t) => (text = t);
  say.WS = (t) => { for (const c of sockets.clients) c.send(t); };
  if (MOSQUITTO) {
    const port = await freePort();
    writeFileSync(join(dir, 'mosq.conf'), `listener ${port} 127.0.0.1\nallow_anonymous true\n${process.getuid() === 0 ? 'user root\n' : ''}`);
    broker = spawn(MOSQUITTO, ['-c', join(dir, 'mosq.conf')], { stdio: 'ignore' });
    cleanup(() => broker.kill());
    const c = await until(() => mqtt.connectAsync({ host: '127.0.0.1', port, reconnectPeriod: 0 }).catch(() => null), 'the broker');
    cleanup(() => c.end(true));
    Object.assign(say, { client: c, port });
    await api.post('/channels', { code: 'MQ', name: 'MQ', spec: { driver: 'mqtt_client', options: { host: '127.0.0.1', port } } });
    await device('MQ', 'MQ');
    say.MQ = (t) => c.publish('plant/doc', t, { retain: true });
    sets.push(docPoints('MQ', (p) => `plant/doc#${p}`));
  }
  await imported(api, 'code,name,device,address,type,period', sets.flat().map((p) => `${p.code},x,${p.code.slice(0, 2)},${quote(p.address)},${p.type},100ms`));
  await until(() => sockets.clients.size === 1, 'the WebSocket');
  for (let bump = 0; bump < 3; bump++) {
    await until(async () => {
      for (const way of ['HT', 'WS', 'MQ']) say[way]?.(document(bump));
      const items = await current(api, sets.flat().map((p) => p.code));
      return sets.flat().every((p, i) => same(items[i], p.want(bump)) || (p.code.startsWith('MQ') && bump === 0 && String(items[i].v) === String(p.want(bump))));
    }, `round ${bump}`, 6000, 150).catch(async () => {
      const items = await current(api, sets.flat().map((p) => p.code));
      const wrong = sets.flat().map((p, i) => [p, items[i]]).filter(([p, i]) => !same(i, p.want(bump)));
      fail(`round ${bump}: ${wrong.map(([p, i]) => `${p.code} ${p.address} is ${i.v} (${i.q} ${i.reason}), not ${p.want(bump)}`).join('; ')}`);
    });
  }
  say.times = times;
});

test('documents: times in seconds, milliseconds, microseconds, nanoseconds, ISO with and without a zone, as text', async () => {
  const base = BigInt(Math.floor(Date.now() / 1000) - 100) * 1000000n + 123456n; // µs
  const iso = (us, zone) => new Date(Number(us / 1000n) + zone * HOUR).toISOString().slice(0, 23) + String(us % 1000n).padStart(3, '0');
  const forms = [
    ['s', String(base / 1000000n), { time_format: 's' }, 1000000n], ['sf', `${base / 1000000n}.${String(base % 1000000n).padStart(6, '0')}`, { time_format: 's' }, 1n], ['ms', String(base / 1000n), { time_format: 'ms' }, 1000n],
    ['us', String(base), { time_format: 'us' }, 1n], ['ns', `${base}789`, { time_format: 'ns' }, 1n], ['autos', String(base / 1000000n), {}, 1000000n], ['automs', String(base / 1000n), {}, 1000n], ['text', `"${base / 1000n}"`, { time_format: 'ms' }, 1000n],
    ['z', `"${iso(base, 0)}Z"`, {}, 1n], ['east', `"${iso(base, 8)}+08:00"`, { time_format: 'rfc3339' }, 1n], ['west', `"${iso(base, -5)}-05:00"`, {}, 1n], ['half', `"${iso(base, 5.5)}+05:30"`, {}, 1n],
    ['local', `"${iso(base, 8)}"`, { time_zone: 'Asia/Shanghai' }, 1n], ['pattern', `"${iso(base, 8).replace(/(\d+)-(\d+)-(\d+)T(.*)/, '$3.$2.$1 $4')}"`, { time_format: 'pattern', time_pattern: '%d.%m.%Y %H:%M:%S.%f', time_zone: '+08:00' }, 1n],
  ].map(([name, text, options, unit]) => ({ name, text, options, unit, code: `TM.${name}` }));
  for (const f of forms) say.times[`t-${f.name}`] = `{"t":${f.text},"v":1}`;
  for (const f of forms) await device('HT', `TM-${f.name}`, { path: `/t-${f.name}`, period: '100ms', time: 't', ...f.options });
  await imported(api, 'code,name,device,address,type,period', forms.map((f) => `${f.code},x,TM-${f.name},v,double,100ms`));
  await until(async () => (await current(api, forms.map((f) => f.code))).every((i) => i.q === 'good'), 'all of them', 8000).catch(async () => fail(JSON.stringify((await current(api, forms.map((f) => f.code))).filter((i) => i.q !== 'good'))));
  const items = await current(api, forms.map((f) => f.code));
  const us = (t) => BigInt(new Date(t.slice(0, 19) + 'Z').getTime()) * 1000n + BigInt((t.match(/\.(\d+)/)?.[1] ?? '0').padEnd(6, '0'));
  forms.forEach((f, i) => equal(String(us(items[i].t)), String((base / f.unit) * f.unit), `${f.name}: ${f.text} is ${items[i].t}`));
});

// ---- Sparkplug B: what the payloads of the peer say, decoded by its own codec ----

test('Sparkplug: each type at its edges, beyond 2^53, bytes, null, times, sets, historical values', async () => {
  if (!say.client) return;
  const codec = sparkplugPayload.get('spBv1.0');
  const long = (text) => ({ low: Number(BigInt.asIntN(32, BigInt(text))), high: Number(BigInt.asIntN(32, BigInt(text) >> 32n)), unsigned: !text.startsWith('-') });
  const types = {
    Int8: [-128, 127, 0], Int16: [-32768, 32767, -1], Int32: [-2147483648, 2147483647, -1], UInt8: [255, 0, 128], UInt16: [65535, 0, 32768], UInt32: [4294967295, 0, 2147483648],
    Int64: ['-9223372036854775808', '9223372036854775807', '-9007199254740993'].map(long), UInt64: ['9007199254740993', '9223372036854775807', '18446744073709551615'].map(long),
    Float: [1.401298464324817e-45, 3.4028234663852886e38, -0.5], Double: [5e-324, -1.7976931348623157e308, 0.1], Boolean: [true, false, true], String: ['铜', '', '😀 "x"'], Text: ['a', 'b\n', 'c'],
    DateTime: [0, 1668114759262, 4102444800000].map((v) => long(String(v))), UUID: ['123e4567-e89b-12d3-a456-426614174000', '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
    Bytes: [Buffer.from([0, 1, 255]), Buffer.alloc(300, 7), Buffer.from('x')],
    DataSet: [1, 2, 3].map((v) => ({ numOfColumns: 2, columns: ['el', 'pct'], types: ['String', 'Double'], rows: [['Cu', v], ['Fe', -v]] })),
  };
  let seq = 0, stamp = Date.now();
  const metrics = (round) => Object.entries(types).map(([type, values]) => ({ name: `m/${type}`, type, value: values[round], timestamp: stamp }));
  const publish = (kind, list) => say.client.publishAsync(`spBv1.0/G/${kind}/n`, Buffer.from(codec.encodePayload({ timestamp: Date.now(), seq: seq++ % 256, metrics: list })));
  // What went out, by the decoder of the peer's library.
  const expected = (list) => {
    const seen = codec.decodePayload(codec.encodePayload({ timestamp: 1, seq: 0, metrics: list })).metrics;
    return new Map(seen.map((m) => {
      const v = m.value;
      const whole = v && typeof v === 'object' && 'low' in v ? BigInt.asUintN(64, (BigInt(v.high) << 32n) | BigInt(v.low >>> 0)) : null;
      if (m.type === 'DateTime') return [m.type, new Date(Number(whole ?? v)).toISOString()];
      if (m.type === 'DataSet') return [m.type, JSON.stringify({ columns: v.columns, types: v.types, rows: v.rows })];
      if (m.type === 'Bytes') return [m.type, `blob:application/octet-stream:${v.length}`];
      if (m.type === 'Int64') return [m.type, String(whole === null ? v : BigInt.asIntN(64, whole))];
      if (m.type === 'UInt64') return [m.type, whole > 0x7fffffffffffffffn ? Number(whole) : String(whole ?? v)];
      return [m.type, typeof v === 'boolean' ? Number(v) : v];
    }));
  };
  await say.client.subscribeAsync('spBv1.0/G/NCMD/n');
  let births = 0;
  say.client.on('message', (topic) => { if (topic === 'spBv1.0/G/NCMD/n') births++; });
  const birth = async () => {
    seq = 0;
    await publish('NBIRTH', [{ name: 'bdSeq', type: 'UInt64', value: 0, timestamp: Date.now() }, { name: 'Node Control/Rebirth', type: 'Boolean', value: false, timestamp: Date.now() }, ...metrics(0)]);
  };
  await api.post('/channels', { code: 'SP', name: 'SP', spec: { driver: 'sparkplug_host', options: { host: '127.0.0.1', port: say.port, host_id: 'matrix', rebirth_interval: '200ms' } } });
  await device('SP', 'SP', { group: 'G', edge_node: 'n' });
  const text = ['String', 'Text', 'UUID', 'DateTime', 'DataSet'];
  const points = Object.keys(types).map((type) => ({ code: `SP.${type}`, type }));
  await imported(api, 'code,name,device,address,type,period', points.map((p) => `${p.code},x,SP,m/${p.type},${text.includes(p.type) ? 'string' : /^U?Int/.test(p.type) ? p.type.toLowerCase() : 'auto'},1s`));
  await until(() => births > 0, 'a rebirth to be asked for');
  await birth();
  const shownAs = (p, items, want, i) => (p.type === 'DataSet' ? JSON.stringify(JSON.parse(items[i].v ?? 'null')) === want.get(p.type) : p.type === 'DateTime' ? new Date(items[i].v).toISOString() === want.get(p.type) : p.type === 'Bytes' ? items[i].v === want.get(p.type) : same(items[i], want.get(p.type), true));
  const arrive = async (want, what) => {
    let items;
    const wrong = () => points.filter((p, i) => !(items[i].q === 'good' && shownAs(p, items, want, i)));
    await until(async () => ((items = await current(api, points.map((p) => p.code))), wrong().length === 0), what, 6000).catch(() => fail(`${what}: ${wrong().map((p) => `${p.type} is ${JSON.stringify(items[points.indexOf(p)])}, not ${want.get(p.type)}`).join('; ')}`));
  };
  await arrive(expected(metrics(0)), 'the birth');
  for (let round = 1; round < 3; round++) {
    stamp = Date.now() + round;
    await publish('NDATA', metrics(round));
    await arrive(expected(metrics(round)), `round ${round}`);
  }
  const old = stamp - HOUR;
  await publish('NDATA', [{ name: 'm/Double', type: 'Double', value: 77, timestamp: old, isHistorical: true }]);
  await until(async () => { const s = (await api.get('/history/recorded?points=SP.Double&from=*-1d&limit=100')).series[0]; return s.v.includes(77) && new Date(s.t[s.v.indexOf(77)]).getTime() === old; }, 'the historical one at its time');
  equal(Number((await one('SP.Double')).v), types.Double[2], 'what is shown is the newest');
  stamp = Date.now() + 10;
  await publish('NDATA', [{ name: 'm/Double', type: 'Double', value: null, isNull: true, timestamp: stamp }]);
  const none = await until(async () => { const i = await one('SP.Double'); return i.q !== 'good' && i; }, 'null is no value');
  equal(none.reason, 'no_data');
});

// ---- IEC 104, southbound: each type with each quality bit, times ----

const NAMES = { 1: 'M_SP', 2: 'M_SP', 30: 'M_SP', 3: 'M_DP', 4: 'M_DP', 31: 'M_DP', 5: 'M_ST', 6: 'M_ST', 32: 'M_ST', 7: 'M_BO', 8: 'M_BO', 33: 'M_BO', 9: 'M_ME_NA', 10: 'M_ME_NA', 34: 'M_ME_NA', 21: 'M_ME_NA', 11: 'M_ME_NB', 12: 'M_ME_NB', 35: 'M_ME_NB', 13: 'M_ME_NC', 14: 'M_ME_NC', 36: 'M_ME_NC', 15: 'M_IT', 16: 'M_IT', 37: 'M_IT', 17: 'M_EP_TA', 38: 'M_EP_TA', 18: 'M_EP_TB', 39: 'M_EP_TB', 19: 'M_EP_TC', 40: 'M_EP_TC', 20: 'M_PS' };
const QDS = { 0x80: ['bad', 'device_failure'], 0x40: ['uncertain', 'stale'], 0x20: ['uncertain', 'substituted'], 0x10: ['uncertain', 'last_known'], 1: ['uncertain', 'out_of_range'] };
const BCR = { 0x80: ['bad', 'device_failure'], 0x40: ['uncertain', 'manual'], 0x20: ['uncertain', 'out_of_range'] };
// kind: values (raw), what they are, whether OV stands in the same octet
const KINDS = {
  sp: [[0, 1], (o) => o.v], dp: [[1, 2], (o) => o.v - 1], st: [[-64, 63, 0], (o) => o.v, true], bo: [[0, 0xdeadbeef, 0x7fffffff], (o) => o.v, true], na: [[-32768, 32767, 0, 1], (o, t) => (NAMES[t] === 'M_ME_NB' ? o.v : o.v / 32768), true],
  nc: [[0.1, -1e30, 3.4028234663852886e38, 0], (o) => Math.fround(o.v), true], it: [[-2147483648, 2147483647, 7], (o) => o.v], nd: [[-32768, 16384], (o) => o.v / 32768], ps: [[0xa5a5, 1], (o) => o.v, true], ep: [[1, 2], (o) => o.v - 1], epp: [[0x21, 1], (o) => o.v],
};
const station = new Station();
const told = Object.keys(NAMES).map((t) => ({ type: Number(t), kind: MONITOR[t][0], ioa: 1000 + Number(t), code: `I.${t}`, address: `${NAMES[t]}:${1000 + Number(t)}` }));

test('IEC 104: every monitoring type: edge values, each quality bit, times with and without a summer bit, invalid ones', async () => {
  station.values = told.map((p) => ({ ca: 1, type: p.type, ioa: p.ioa, v: KINDS[p.kind][0][0], t: Date.now() + 8 * HOUR, ms: 1 }));
  await station.start();
  cleanup(() => station.stop());
  await api.post('/channels', { code: 'RTU', name: 'RTU', spec: { driver: 'iec104', options: { host: '127.0.0.1', port: station.port, reconnect_min: '50ms', counter_interrogation: '1h', clock_sync: '1h' } } });
  await device('RTU', 'RTU', { common_address: 1 });
  await imported(api, 'code,name,device,address,type,period', [...told, { code: 'I.IV', address: 'M_SP:1999', kind: 'sp' }].map((p) => `${p.code},x,RTU,${p.address},${p.kind === 'sp' || p.kind === 'dp' || p.kind === 'ep' ? 'bool' : p.kind === 'nc' ? 'float' : 'auto'},1s`));
  await until(async () => (await current(api, told.map((p) => p.code))).every((i) => i.q === 'good'), 'the interrogation');
  const clock = (ahead) => Math.floor(Date.now()) + ahead; // later than what came before
  let n = 0;
  for (const q of [0, 0x80, 0x40, 0x20, 0x10, 1, 0]) {
    n++;
    const sent = told.filter((p) => q === 0 || (p.kind === 'it' ? BCR[q] : p.kind !== 'nd' && (q !== 1 || KINDS[p.kind][2]))).map((p) => {
      const o = { ioa: p.ioa, v: KINDS[p.kind][0][n % KINDS[p.kind][0].length], q, ms: 1, t: clock(1000 * n) + 8 * HOUR };
      station.spontaneous(p.type, 1, o);
      return { p, o };
    });
    const wrong = (items) => sent.filter(({ p, o }, i) => {
      const [quality, reason] = q ? (p.kind === 'it' ? BCR : QDS)[q] : ['good', ''];
      const value = Number(items[i].v), want = KINDS[p.kind][1](o, p.type);
      return !(items[i].q === quality && items[i].reason === reason && value === want && (MONITOR[p.type][1] !== 7 || new Date(items[i].t).getTime() === o.t - 8 * HOUR));
    });
    let items;
    await until(async () => wrong((items = await current(api, sent.map(({ p }) => p.code)))).length === 0, `quality ${q}`, 5000).catch(() =>
      fail(`quality ${q.toString(16)}: ${wrong(items).map(({ p, o }) => `${p.code} ${JSON.stringify(o)}: ${JSON.stringify(items[sent.findIndex((x) => x.p === p)])}`).slice(0, 5).join('; ')}`));
  }
  const raw = (type, v, time) => Buffer.concat([element(type, { v, t: 0 }).subarray(0, -7), time]);
  const at = clock(60000), local = at + 8 * HOUR;
  station.spontaneous(36, 1, { ioa: 1036, raw: raw(36, 71, cp56(local + HOUR, { su: 1 })) }); // an hour more on the clock
  await until(async () => (await one('I.36')).v === 71, 'the summer bit');
  equal(new Date((await one('I.36')).t).getTime(), at);
  const before = Date.now();
  station.spontaneous(30, 1, { ioa: 1999, raw: raw(30, 1, cp56(local + 60000, { iv: 1 })) });
  await until(async () => (await one('I.IV')).q === 'good', 'a time that is invalid');
  ok(Math.abs(new Date((await one('I.IV')).t).getTime() - before) < 5000, `that of arrival: ${(await one('I.IV')).t}`);
});

test('IEC 104: every command both ways: direct, selected first, with time; the value is what the other side got', async () => {
  // our driver commands the station; expected from the bytes that came there
  const f = { C_SC: [45, 58], C_DC: [46, 59], C_RC: [47, 60], C_SE_NA: [48, 61], C_SE_NB: [49, 62], C_SE_NC: [50, 63], C_BO: [51, 64] };
  const values = { C_SC: [1, 0], C_DC: [1, 0], C_RC: [1, 0], C_SE_NA: [0.5, -1, 0.999969482421875], C_SE_NB: [-32768, 32767], C_SE_NC: [12.5, -3.4028234663852886e38], C_BO: [0, 4294967295, 0xdeadbeef] };
  const got = { C_SC: (e) => e[0] & 1, C_DC: (e) => (e[0] & 3) - 1, C_RC: (e) => (e[0] & 3) - 1, C_SE_NA: (e) => e.readInt16LE(0) / 32768, C_SE_NB: (e) => e.readInt16LE(0), C_SE_NC: (e) => e.readFloatLE(0), C_BO: (e) => e.readUInt32LE(0) };
  const rows = Object.keys(f).flatMap((name, i) => [name, name.startsWith('C_SE') ? name.replace('_N', '_T') : `${name}_TA`].map((t, k) => ({ name, timed: k === 1, code: `IC.${t}`, ioa: 5000 + 10 * i + k, address: `${t}:${5000 + 10 * i + k}` })));
  await imported(api, 'code,name,device,address,type,period,writable', rows.map((p) => `${p.code},x,RTU,${p.address},auto,1s,true`));
  await until(async () => (await api.get('/channels:status')).items.find((c) => c.code === 'RTU').points === told.length + 1 + rows.length, 'the points');
  for (const select of [false, true]) {
    await api.call('PATCH', '/devices/RTU', { spec: { options: { common_address: 1, select_before_operate: select } } });
    if (select) await until(async () => { station.commands = []; await write(rows[0].code, 1); return station.commands.length === 2; }, 'the option to be in force');
    for (const p of rows)
      for (const v of values[p.name]) {
        station.commands = [];
        const r = await write(p.code, v);
        equal(r.outcome, 'done', `${p.code} ${v} ${JSON.stringify(r)}`);
        const c = station.commands.at(-1);
        equal([c.type, c.ioa, got[p.name](c.element)], [f[p.name][p.timed ? 1 : 0], p.ioa, Math.fround(v) === v || p.name !== 'C_SE_NC' ? v : Math.fround(v)], `${p.code} ${v}`);
        equal(station.commands.length, select && p.name !== 'C_BO' ? 2 : 1, `${p.code}: ${select ? 'selected' : 'direct'}`);
      }
  }
});

// ---- HJ 212: each form of a code, both versions ----

// The platform's check runs over high bytes first (annex A): CRC-16 with its shift on the high half.
function crcHj(bytes) {
  let r = 0xffff;
  for (const b of bytes) {
    r = (r >> 8) ^ b;
    for (let k = 0; k < 8; k++) r = r & 1 ? (r >> 1) ^ 0xa001 : r >> 1;
  }
  return r.toString(16).toUpperCase().padStart(4, '0');
}
test('HJ 212: each form of a code in each command, 2017 and 2005: the value, the flag, the text that was sent', async () => {
  const port = await freePort();
  await api.post('/channels', { code: 'EP', name: 'EP', spec: { driver: 'hj212', options: { port, bind: '127.0.0.1' } } });
  let count = 0;
  const versions = [['E17', '010000A8900016F000100001', 4, 'w01018', 'a21026'], ['E05', '88888880000009', 0, '011', '02']];
  const forms = (pol, gas) => [
    [2011, [['Rtd', '45.60', pol], ['Flag', 'T', pol], ['SampleTime', '20240501120000', pol], ['EFlag', 'A01', pol], ['Rtd', '-0.5', gas], ['ZsRtd', '1.25e1', gas]]],
    [2051, [['Avg', '1.5', pol], ['Min', '0', pol], ['Max', '99999.999', pol], ['Cou', '0.000001', pol], ['Flag', 'N', pol], ['ZsAvg', '7', gas], ['ZsMin', '6', gas], ['ZsMax', '8', gas]]],
    [2061, [['Avg', '2.5', pol], ['Min', '1', pol], ['Max', '3', pol], ['Cou', '12345678.5', pol]]],
    [2031, [['Avg', '3.5', pol], ['Min', '2', pol], ['Max', '4', pol], ['Cou', '1', pol], ['Flag', 'N', pol]]],
    [2021, [['RS', '1', 'SB1']]], [2041, [['RT', '12.5', 'SB1']]],
    [3020, [['Info', '168.0', 'i13004']]],
  ];
  for (const [name, mn, version, pol, gas] of versions) {
    await device('EP', name, { mn, password: '123456' });
    const text = /^(Flag|SampleTime|EFlag|Info|SN)$/;
    const list = forms(pol, gas).flatMap(([cn, items]) => items.map(([form, value, code]) => ({ code: `${name}.${cn}.${code}.${form}`, address: `${cn}/${code}-${form}`, cn, form, raw: value, id: code, text: text.test(form) })));
    await imported(api, 'code,name,device,address,type,period', list.map((p) => `${p.code},x,${name},${p.address},auto,1s`));
    count += list.length;
    await until(async () => (await api.get('/channels:status')).items.find((c) => c.code === 'EP')?.points === count, 'the points');
    const sock = await until(() => new Promise((r) => { const s = net.connect(port, '127.0.0.1', () => r(s)).on('error', () => r(null)); }), 'the port');
    cleanup(() => sock.destroy());
    let heard = '';
    sock.on('data', (d) => (heard += d)).on('error', () => {});
    const stamp = new Date(Date.now() + 8 * HOUR).toISOString().replace(/[-:T]/g, '').slice(0, 14);
    for (const [k, [cn, items]] of forms(pol, gas).entries()) {
      const by = new Map(items.map((i) => [i[2], items.filter((x) => x[2] === i[2])]));
      const cp = `DataTime=${stamp};${cn === 3020 ? `PolId=${pol},` : ''}${[...by].map(([code, fields]) => fields.map(([form, value]) => `${code}-${form}=${value}`).join(',')).join(';')}`;
      const data = Buffer.from(`QN=${stamp}${String(100 + k)};ST=32;CN=${cn};PW=123456;MN=${mn};Flag=${version | 1};CP=&&${cp}&&`);
      sock.write(Buffer.concat([Buffer.from(`##${String(data.length).padStart(4, '0')}`), data, Buffer.from(`${crcHj(data)}\r\n`)]));
    }
    await until(() => (heard.match(/CN=9014/g) ?? []).length === forms(pol, gas).length, 'each is answered', 8000).catch(() => fail(heard.slice(0, 500)));
    // a flag that is not N makes the values of its code uncertain or bad: T is out of range
    const doubtful = (p) => p.cn === 2011 && p.id === pol && p.form === 'Rtd';
    const items = await current(api, list.map((p) => p.code));
    list.forEach((p, i) => {
      equal(p.text ? items[i].v : Number(items[i].v), p.text ? p.raw : Number(p.raw), JSON.stringify(items[i]));
      if (doubtful(p)) ok(items[i].q !== 'good' && items[i].reason === 'out_of_range', `${p.code}: ${JSON.stringify(items[i])}`);
      else if (p.cn !== 2011 || p.id !== pol) equal(items[i].q, 'good', p.code);
    });
  }
});

test('HJ 212: commands from our platform side through our instrument side into a point, and back', async () => {
  const mn = '010000A8900016F000100077', port = (await api.get('/channels/EP')).spec.options.port;
  const peer = new Talker(); // the equipment: says what it was told
  peer.listen = async function () {
    this.server = net.createServer((s) => {
      this.sockets.add(s);
      s.on('error', () => {}).on('close', () => this.sockets.delete(s)).on('data', (d) => {
        this.heard = (this.heard ?? '') + d;
        s.write('OK\r\n');
      });
    });
    await new Promise((r) => this.server.listen(0, '127.0.0.1', r));
    this.port = this.server.address().port;
    cleanup(() => { for (const s of this.sockets) s.destroy(); this.server.close(); });
  };
  await peer.listen();
  await api.post('/channels', { code: 'EQ', name: 'EQ', spec: { driver: 'tcp_udp', options: { host: '127.0.0.1', port: peer.port } } });
  await device('EQ', 'EQ');
  for (const [code, address] of [['EQ.CAL', 'number 1'], ['EQ.PAR', 'number 2']])
    await api.post('/points', { code, name: code, spec: { device: 'EQ', address, type: 'double', period: '1s', writable: true, options: { confirm: 'regex:^OK', write: `${code}=\${value}\\r\\n` } } });
  await api.post('/points', { code: 'EQ.X', name: 'x', spec: { type: 'double' } });
  await device('EP', 'E77', { mn, password: '123456' });
  await imported(api, 'code,name,device,address,type,period,writable', ['P.CAL,x,E77,cmd/3011/w01018,bool,1s,true', 'P.CLEAN,x,E77,cmd/3013/w01018,bool,1s,true', 'P.PAR,x,E77,set/w01018/i13004,double,1s,true', 'P.INT,x,E77,set/RtdInterval,auto,1s,true']);
  await api.post('/forwards', { code: 'H', name: 'H', spec: { outlet: 'hj212_sender', writes: true, options: { host: '127.0.0.1', port, mn, password: '123456', reconnect_min: '50ms', reconnect_max: '200ms' } } });
  equal((await api.csv('/forward-points:import', 'code,name,forward,point,address\nh1,x,H,EQ.X,w01018\nh2,x,H,EQ.CAL,cmd/3011/w01018\nh3,x,H,EQ.PAR,set/w01018/i13004')).failed, 0);
  await until(async () => (await api.get('/forwards:status')).items.find((i) => i.code === 'H')?.state === 'up', 'the instrument');
  await until(() => peer.sockets.size === 1, 'the equipment');
  const done = async (code, value) => {
    const r = await until(async () => { const x = await write(code, value); return x.outcome !== 'failed' && x; }, `${code} to be reached`);
    return r;
  };
  equal((await done('P.CAL', true)).outcome, 'done');
  ok(peer.heard.includes('EQ.CAL=1\r\n'), peer.heard);
  equal((await done('P.PAR', 168.25)).outcome, 'done');
  ok(peer.heard.includes('EQ.PAR=168.25\r\n'), peer.heard);
  const no = await done('P.CLEAN', true);
  equal(no.outcome, 'refused', `no point is mapped to it: ${JSON.stringify(no)}`);
  const set = await done('P.INT', 7);
  equal([set.outcome, Number(set.readback)], ['done', 7], 'a setting, read back');
});

test('the end', async () => {
  equal((await stop(serve)).code, 0, 'exit code');
});

await run();
