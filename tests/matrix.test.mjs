// Every address form, data type and byte order against what the peer holds: the expected value is always computed here from
// the peer's own memory (or from what the peer says that it received), never written down.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import net from 'node:net';
import jsmodbus from 'jsmodbus';
import { cleanup, equal, fail, freePort, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';
import { cp56, Master } from './iec104.mjs';
import { all, BYTES, current, each, EDGES, exact, get, imported, ORDERS, put, shown, swap, TYPES } from './matrix.mjs';

let serve, api;

// ---- the peers ----

// jsmodbus holds four areas; `big` of them.
class Held {
  areas = { 4: Buffer.alloc(8000), 3: Buffer.alloc(8000), 0: Buffer.alloc(500), 1: Buffer.alloc(500) };
  async start() {
    this.tcp = new net.Server();
    this.tcp.on('connection', (s) => s.on('error', () => {}));
    this.server = new jsmodbus.server.TCP(this.tcp, { holding: this.areas[4], input: this.areas[3], coils: this.areas[0], discrete: this.areas[1] });
    await new Promise((r) => this.tcp.listen(0, '127.0.0.1', r));
    this.port = this.tcp.address().port;
    cleanup(() => this.tcp.close());
  }
  put(area, at, bytes) {
    bytes.copy(this.areas[area], 2 * at);
  }
  get(area, at, n) {
    return Buffer.from(this.areas[area].subarray(2 * at, 2 * at + n));
  }
  bit(area, at, value) {
    const b = this.areas[area];
    if (value !== undefined) b[at >> 3] = value ? b[at >> 3] | (1 << (at & 7)) : b[at >> 3] & ~(1 << (at & 7));
    return (b[at >> 3] >> (at & 7)) & 1;
  }
}
const held = new Held();

const py = spawn('/usr/bin/python3', [new URL('./modbus-peer.py', import.meta.url).pathname], { stdio: ['pipe', 'pipe', 'ignore'] });
cleanup(() => py.kill());
const pyLines = createInterface({ input: py.stdout })[Symbol.asyncIterator]();
const pyAnswer = async () => JSON.parse((await pyLines.next()).value);
const pyAsk = async (text) => {
  py.stdin.write(`${text}\n`);
  return pyAnswer();
};

// Points laid out one after another, each with room for its type.
function lay(prefix, device, forms, start = 0) {
  let at = start;
  return forms.map(({ type, order, address, ...more }, i) => {
    const p = { code: `${prefix}.${type}.${order}.${i}`, device, type, order, at, address: address(at), ...more };
    at += BYTES[type] / 2;
    return p;
  });
}
const COLUMNS = 'code,name,device,address,type,byte_order,scale,offset,period,writable';
const row = (p) => `${p.code},x,${p.device},${p.address},${p.type},${p.option ?? ''},${p.scale ?? 1},${p.offset ?? 0},100ms,${!p.fixed}`;
const edge = (p, i, round) => EDGES[p.type][(round + i) % EDGES[p.type].length];
const long = Math.max(...TYPES.map((t) => EDGES[t].length));

const points = []; // at jsmodbus

test('a platform and two peers', async () => {
  const ports = await pyAnswer();
  await held.start();
  serve = await startServe(tempDir());
  api = await signIn(serve);
  await api.post('/channels', { code: 'JS', name: 'jsmodbus', spec: { driver: 'modbus_tcp', options: { host: '127.0.0.1', port: held.port } } });
  await api.post('/channels', { code: 'PY', name: 'pymodbus', spec: { driver: 'modbus_tcp', options: { host: '127.0.0.1', port: ports.tcp_rtu, framing: 'rtu' } } });
  for (const order of ORDERS) await api.post('/devices', { code: `JS-${order}`, name: order, spec: { channel: 'JS', options: { unit: 1, byte_order: order, mask_write: false } } });
  for (const [name, area, zero] of [['H1', 'holding', false], ['H0', 'holding', true], ['I1', 'input', false], ['C0', 'coil', true], ['D1', 'discrete', false]])
    await api.post('/devices', { code: name, name, spec: { channel: 'JS', options: { unit: 1, area, zero_based: zero, mask_write: false } } });
  await api.post('/devices', { code: 'PY-3', name: 'pymodbus', spec: { channel: 'PY', options: { unit: 3 } } });
});

// ---- Modbus, southbound ----

test('modbus: every type in every order, told by the address, by the point, by the device', async () => {
  const combos = TYPES.flatMap((type) => ORDERS.map((order) => ({ type, order })));
  const number = (at) => String(400001 + at);
  points.push(...lay('A', 'JS-ABCD', combos.map((c) => ({ ...c, address: (at) => `${number(at)}#${c.order}` }))));
  points.push(...lay('O', 'JS-ABCD', combos.map((c) => ({ ...c, address: number, option: c.order })), 200));
  points.push(...lay('D', 'JS-ABCD', combos.map((c) => ({ ...c, address: number })), 400).map((p) => ({ ...p, device: `JS-${p.order}` })));
  await imported(api, COLUMNS, points.map(row));
  for (let round = 0; round < long; round++) {
    points.forEach((p, i) => held.put(4, p.at, swap(edge(p, i, round), p.order)));
    await all(api, points, (p) => shown(p.type, swap(held.get(4, p.at, BYTES[p.type]), p.order)), `round ${round}`);
  }
});

// Written through the API; what the peer holds afterwards decides. Returns the answer.
const write = async (p, value) => {
  const res = await api.raw('POST', `/points/${encodeURIComponent(p.code)}:write`, `{"value":${value},"confirm":true}`, { 'Content-Type': 'application/json' });
  return { status: res.status, ...exact(await res.text()) };
};
const literal = (v) => (Object.is(v, -0) ? '-0.0' : String(v));

test('modbus: written values arrive, whole numbers beyond 2^53 and -0 too, and are read back', async () => {
  for (const round of [0, 1, 3]) {
    await each(points.map((p, i) => [p, edge(p, i, round)]), async ([p, abcd]) => {
      const value = get(p.type, abcd), want = shown(p.type, abcd);
      if (want === 'bad') return;
      const r = await write(p, literal(value));
      equal([r.status, r.outcome], [200, 'done'], `${p.code} ${value} ${JSON.stringify(r)}`);
      equal(swap(held.get(4, p.at, BYTES[p.type]), p.order).toString('hex'), abcd.toString('hex'), `${p.code} ${value}`);
      ok(Object.is(Number(r.readback), Number(want)) || String(r.readback) === String(want), `${p.code}: read back ${r.readback}, not ${want}`);
    });
  }
});

test('modbus: what a type cannot hold is refused with the range, and nothing is changed', async () => {
  const beyond = { int8: [-129, 128], uint8: [-1, 256], int16: [-32769, 32768], uint16: [-1, 65536], int32: [-2147483649, 2147483648], uint32: [-1, 4294967296], int64: ['9.3e18', '-9.3e18'], uint64: [-1, '1.9e19'], float: ['1e39', '-1e39'], double: ['1e400'], bcd16: [-1, 10000], bcd32: [-1, 100000000] };
  for (const p of points.slice(0, 4 * TYPES.length)) {
    const before = held.get(4, p.at, BYTES[p.type]);
    for (const v of beyond[p.type]) {
      const r = await write(p, v);
      ok(r.status === 400 || r.outcome === 'refused', `${p.code} ${v}: ${JSON.stringify(r)}`);
    }
    ok(held.get(4, p.at, BYTES[p.type]).equals(before), `${p.code} was changed`);
  }
});

test('modbus: scale and offset, both ways, every type', async () => {
  const scaled = lay('S', 'JS-ABCD', TYPES.flatMap((type) => [[0.1, 0], [-2, 5], [1, -100]].map(([scale, offset]) => ({ type, order: 'CDAB', scale, offset, address: (at) => `4:${at}#CDAB` }))), 700);
  await imported(api, COLUMNS, scaled.map(row));
  for (const round of [0, 4]) {
    scaled.forEach((p, i) => held.put(4, p.at, swap(edge(p, i, round), p.order)));
    await all(api, scaled, (p) => shown(p.type, swap(held.get(4, p.at, BYTES[p.type]), p.order), p.scale, p.offset), `scaled ${round}`);
  }
  await each(scaled, async (p) => {
    const raw = p.type.includes('64') ? 12345678n : 42, value = Number(raw) * p.scale + p.offset;
    equal((await write(p, value)).outcome, 'done', p.code);
    equal(swap(held.get(4, p.at, BYTES[p.type]), p.order).toString('hex'), put(p.type, raw).toString('hex'), `${p.code} ${value}`);
  });
});

test('modbus: every form of an address, of registers, bits and texts, in each area', async () => {
  held.put(4, 1000, Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex'));
  held.put(3, 1000, Buffer.from('1112131415161718191a1b1c1d1e1f20', 'hex'));
  for (let i = 0; i < 32; i++) held.bit(0, 1000 + i, (i * 7) % 3 === 0), held.bit(1, 1000 + i, (i * 5) % 3 === 0);
  const r16 = (area, at) => held.get(area, at, 2).readUInt16BE(0);
  const forms = [
    ['401001', 4, 1000], ['41001', 4, 1000], ['4:1000', 4, 1000], ['4:0x3E8', 4, 1000], ['4x1001', 4, 1000], ['1!401002', 4, 1001], ['1!4:0x3e9', 4, 1001],
    ['301001', 3, 1000], ['31002', 3, 1001], ['3:1002', 3, 1002], ['3:0x3EB', 3, 1003], ['3x1005', 3, 1004], ['1!301006', 3, 1005],
    ['001001', 0, 1000], ['01002', 0, 1001], ['0:1002', 0, 1002], ['0:0x3EB', 0, 1003], ['1!001005', 0, 1004],
    ['101001', 1, 1000], ['11002', 1, 1001], ['1:1002', 1, 1002], ['1:0x3EB', 1, 1003], ['1x1005', 1, 1004],
    ['1001', 4, 1000, 'H1'], ['0x3E8', 4, 1000, 'H1'], ['1001', 4, 1001, 'H0'], ['0x3EA', 4, 1002, 'H0'], ['1003', 3, 1002, 'I1'], ['1003', 0, 1003, 'C0'], ['1003', 1, 1002, 'D1'],
    ['401001', 4, 1000, 'I1'], // a number that names its area needs no hint
  ].map(([address, area, at, device], i) => ({ code: `F${i}`, address, area, at, fixed: area % 2 === 1, device: device ?? 'JS-ABCD', type: 'auto' }));
  for (let bit = 0; bit < 16; bit++) forms.push({ code: `B4.${bit}`, address: `401003.${bit}`, area: 4, at: 1002, bit, device: 'JS-ABCD', type: 'auto' }, { code: `B3.${bit}`, address: `3:1003.${bit}`, area: 3, at: 1003, bit, fixed: true, device: 'JS-ABCD', type: 'bool' }, { code: `BA.${bit}`, address: `401004.${bit}#BA`, area: 4, at: 1003, bit: bit ^ 8, device: 'JS-ABCD', type: 'bool' });
  const aliases = { LL: 'ABCD', LB: 'BADC', BL: 'CDAB', BB: 'DCBA' };
  for (const [name, order] of Object.entries(aliases)) forms.push({ code: `N32.${name}`, address: `401005#${name}`, area: 4, at: 1004, device: 'JS-ABCD', type: 'uint32', order });
  for (const [name, order] of [['AB', 'ABCD'], ['BA', 'BADC'], ['L', 'ABCD'], ['B', 'BADC']]) forms.push({ code: `N16.${name}`, address: `401007#${name}`, area: 4, at: 1006, device: 'JS-ABCD', type: 'uint16', order });
  await imported(api, COLUMNS, forms.map(row));
  const want = (p) => (p.bit !== undefined ? (r16(p.area, p.at) >> p.bit) & 1 : p.area < 2 ? held.bit(p.area, p.at) : p.order ? shown(p.type, swap(held.get(p.area, p.at, BYTES[p.type]), p.order)) : r16(p.area, p.at));
  await all(api, forms, want, 'forms');
  // Each that can be written is; the others say why not.
  const target = forms.filter((p) => p.area === 4 || p.area === 0);
  for (const p of target) {
    const value = p.bit !== undefined || p.area === 0 ? 1 - want(p) : (want(p) + 1) & 0xffff;
    equal((await write(p, value)).outcome, 'done', p.address);
    equal(want(p), value, `${p.code} ${p.address}`);
  }
  await all(api, forms, want, 'after the writes');
  for (const p of forms.filter((x) => x.fixed)) equal((await write(p, 1)).status, 403, p.address);
  const r = await api.post('/points', { code: 'NOT', name: 'x', spec: { device: 'JS-ABCD', address: '301001', writable: true } }, 400);
  equal(r.where ?? r.errors?.[0]?.where, 'spec.writable');
});

test('modbus: texts in each arrangement, from each side, in UTF-8', async () => {
  const text = '铜板 No.7', bytes = Buffer.concat([Buffer.from(text), Buffer.alloc(1)]); // 12
  const arranged = { H: (b) => b, L: (b) => swap(b, 'BADC'), D: (b) => Buffer.concat([...b].map((c) => Buffer.from([0, c]))), E: (b) => Buffer.concat([...b].map((c) => Buffer.from([c, 0]))) };
  const forms = [['401101.12H', 'H', 1100], ['401111.12L', 'L', 1110], ['401121.12D', 'D', 1120], ['401141.12E', 'E', 1140], ['401161.12', 'H', 1160]].map(([address, way, at]) => ({ code: `T.${at}`, address, way, at, device: 'JS-ABCD', type: 'string' }));
  for (const f of forms) held.put(4, f.at, arranged[f.way](bytes));
  await imported(api, COLUMNS, forms.map(row));
  await all(api, forms, () => text, 'texts');
  for (const f of forms) {
    equal((await write(f, '"锌锭-B"')).outcome, 'done', f.address);
    const padded = Buffer.concat([Buffer.from('锌锭-B'), Buffer.alloc(4)]);
    equal(held.get(4, f.at, arranged[f.way](padded).length).toString('hex'), arranged[f.way](padded).toString('hex'), f.address);
    const r = await write(f, '"thirteen long"');
    ok(r.outcome === 'refused' || r.status === 400, 'too long');
  }
});

test('modbus: RTU over TCP against pymodbus, every type in every order, both ways', async () => {
  const rtu = lay('P', 'PY-3', TYPES.flatMap((type) => ORDERS.map((order) => ({ type, order, address: (at) => `3!4:${at}#${order}` }))));
  const size = rtu.at(-1).at + BYTES[rtu.at(-1).type] / 2;
  const memory = async () => Buffer.from(await pyAsk(`dump 3 3 0 ${size}`), 'hex');
  const part = (m, p) => swap(m.subarray(2 * p.at, 2 * p.at + BYTES[p.type]), p.order);
  await imported(api, COLUMNS, rtu.map(row));
  for (const round of [0, 1, 2, 5]) {
    await pyAsk(`fill 3 3 0 ${Buffer.concat(rtu.map((p, i) => swap(edge(p, i, round), p.order))).toString('hex')}`);
    const m = await memory();
    await all(api, rtu, (p) => shown(p.type, part(m, p)), `round ${round}`);
  }
  await each(rtu.map((p, i) => [p, edge(p, i, 3)]), async ([p, abcd]) => {
    if (shown(p.type, abcd) === 'bad') return;
    equal((await write(p, literal(get(p.type, abcd)))).outcome, 'done', p.code);
  });
  const m = await memory();
  rtu.forEach((p, i) => {
    const abcd = edge(p, i, 3);
    if (shown(p.type, abcd) === 'bad') return;
    equal(part(m, p).toString('hex'), abcd.toString('hex'), p.code);
  });
});

// ---- Modbus, northbound: what the southbound peer holds, in every other type and order, asked by jsmodbus ----

const back = (order) => ORDERS[3 - ORDERS.indexOf(order)];
const MARK = { int8: '0080', uint8: '00ff', int16: '8000', uint16: 'ffff', int32: '80000000', uint32: 'ffffffff', int64: '8000000000000000', uint64: 'ffffffffffffffff', float: '7fc00000', double: '7ff8000000000000', bcd16: '9999', bcd32: '99999999' };
let north, port, master;
const connect = (to) =>
  new Promise((resolve, reject) => {
    const socket = net.connect(to, '127.0.0.1');
    const client = new jsmodbus.client.TCP(socket, 1, 5000);
    socket.on('connect', () => resolve({ socket, client }));
    socket.on('error', reject);
    cleanup(() => socket.destroy());
  });
// A function that the client does not know: the answer's PDU.
const raw = (to, pdu, unit = 1) =>
  new Promise((resolve, reject) => {
    const s = net.connect(to, '127.0.0.1', () => s.write(Buffer.concat([Buffer.from([0, 9, 0, 0, 0, pdu.length + 1, unit]), pdu])));
    let got = Buffer.alloc(0);
    s.on('data', (d) => {
      got = Buffer.concat([got, d]);
      if (got.length < 6 || got.length < 6 + got.readUInt16BE(4)) return;
      s.destroy();
      resolve(got.subarray(7));
    });
    s.on('error', reject);
    s.on('close', () => reject(new Error('closed')));
  });
const word = (...list) => Buffer.concat(list.map((v) => Buffer.from([(v >> 8) & 255, v & 255])));
const registers = async (at, n) => Buffer.from((await master.client.readHoldingRegisters(at, n)).response.body.valuesAsBuffer);
const code = (p) => p.then(() => 0, (e) => e.response?.body?.code ?? String(e.err ?? e));

test('modbus server: each type in each order shows what the device holds; none of it is marked', async () => {
  port = await freePort();
  await api.post('/forwards', { code: 'N', name: 'north', spec: { outlet: 'modbus_server', writes: true, options: { address: '127.0.0.1', port } } });
  north = points.slice(0, 4 * TYPES.length);
  const rows = north.map((p, i) => `n${i},x,N,${p.code},4:${p.at}#${back(p.order)},${p.type}`);
  const done = await api.csv('/forward-points:import', ['code,name,forward,point,address,type', ...rows].join('\n'));
  equal(done.failed, 0, JSON.stringify(done).slice(0, 300));
  await until(async () => (await api.get('/forwards:status')).items.find((i) => i.code === 'N')?.points === north.length, 'the server');
  master = await connect(port);
  const size = north.at(-1).at + BYTES[north.at(-1).type] / 2;
  for (let round = 0; round < long; round++) {
    north.forEach((p, i) => held.put(4, p.at, swap(edge(p, i, round), p.order)));
    let wrong;
    await until(async () => {
      const parts = [];
      for (let at = 0; at < size; at += 100) parts.push(await registers(at, Math.min(100, size - at)));
      const m = Buffer.concat(parts);
      wrong = north.filter((p) => {
        const south = swap(held.get(4, p.at, BYTES[p.type]), p.order), got = swap(m.subarray(2 * p.at, 2 * p.at + BYTES[p.type]), back(p.order)).toString('hex');
        const want = shown(p.type, south) === 'bad' ? MARK[p.type] : p.type === 'int8' ? `00${south.toString('hex').slice(2)}` : south.toString('hex');
        p.note = `${p.code}: ${got}, not ${want}`;
        return got !== want;
      });
      return wrong.length === 0;
    }, `round ${round}`, 5000).catch(() => fail(`round ${round}: ${wrong.slice(0, 6).map((p) => p.note).join('; ')}`));
  }
});

test('modbus server: what jsmodbus writes is what the device holds', async () => {
  for (const round of [0, 3]) {
    for (const [i, p] of north.entries()) {
      const abcd = edge(p, i, round), wire = swap(abcd, back(p.order)), n = BYTES[p.type] / 2;
      const before = held.get(4, p.at, BYTES[p.type]);
      const ex = await code(n === 1 && round ? master.client.writeSingleRegister(p.at, wire.readUInt16BE(0)) : master.client.writeMultipleRegisters(p.at, wire));
      const bad = shown(p.type, abcd) === 'bad';
      equal(ex, bad ? 3 : 0, `${p.code} ${abcd.toString('hex')}`);
      equal(held.get(4, p.at, BYTES[p.type]).toString('hex'), (bad ? before : swap(abcd, p.order)).toString('hex'), p.code);
    }
  }
});

test('modbus server: masks, read after write, diagnostics, identification, limits', async () => {
  const p = north.find((x) => x.type === 'uint16' && x.order === 'DCBA'), at = p.at; // as it stands, in the north
  held.put(4, at, swap(word(0x1234), p.order));
  await until(async () => (await registers(at, 1)).readUInt16BE(0) === 0x1234, 'the value');
  const mask = Buffer.concat([Buffer.from([22]), word(at, 0xf0f0, 0x0a05)]);
  equal((await raw(port, mask)).toString('hex'), mask.toString('hex'), 'mask');
  equal(get('uint16', swap(held.get(4, at, 2), p.order)), (0x1234 & 0xf0f0) | (0x0a05 & ~0xf0f0), 'masked in the device');
  const rw = await raw(port, Buffer.concat([Buffer.from([23]), word(at, 1, at, 1), Buffer.from([2]), word(0xbeef)]));
  equal(rw.toString('hex'), '1702beef', 'read after write');
  equal(get('uint16', swap(held.get(4, at, 2), p.order)), 0xbeef);
  const echo = Buffer.concat([Buffer.from([8]), word(0, 0xa537)]);
  equal((await raw(port, echo)).toString('hex'), echo.toString('hex'), 'echo');
  const id = await raw(port, Buffer.from([43, 14, 1, 0]));
  ok(id.includes('Bornite') && id[6] === 3, id.toString('latin1'));
  const asks = { 1: 2001, 2: 2001, 3: 126, 4: 126 };
  for (const [fc, n] of Object.entries(asks)) for (const k of [0, n]) equal((await raw(port, Buffer.concat([Buffer.from([fc]), word(0, k)]))).toString('hex'), Buffer.from([fc | 0x80, 3]).toString('hex'), `${fc}: ${k}`);
  equal((await raw(port, Buffer.concat([Buffer.from([16]), word(0, 124), Buffer.from([248, 0])]))).toString('hex'), '9003', '124 registers');
  equal((await raw(port, Buffer.concat([Buffer.from([15]), word(0, 1969), Buffer.from([247, 0])]))).toString('hex'), '8f03', '1969 coils');
  equal((await raw(port, Buffer.concat([Buffer.from([3]), word(0, 125)]))).length, 252, '125 registers');
  equal(await code(master.client.readHoldingRegisters(5000, 1)), 2, 'nothing there');
});

// ---- IEC 104, northbound: every command, each way, into the memory of the device; every monitoring type out of it ----

const HOUR = 3600000;
test('IEC 104 station: every command direct, selected first and with time is what the device holds; every type tells it', async () => {
  const f32 = (v) => { const b = Buffer.alloc(4); b.writeFloatLE(v); return b; };
  const i16 = (v) => { const b = Buffer.alloc(2); b.writeInt16LE(v); return b; };
  // type of the value, of the command, its two type ids, type in the device, values with their elements (without qualifier), and with S/E
  const kinds = [
    ['M_SP', 'C_SC', 45, 58, 'bool', [[1, Buffer.from([1])], [0, Buffer.from([0])]], 0], ['M_DP', 'C_DC', 46, 59, 'bool', [[1, Buffer.from([2])], [0, Buffer.from([1])]], 0],
    ['M_ME_NA', 'C_SE_NA', 48, 61, 'float', [[0.5, i16(16384)], [-1, i16(-32768)]], 2], ['M_ME_NB', 'C_SE_NB', 49, 62, 'int16', [[-32768, i16(-32768)], [32767, i16(32767)]], 2],
    ['M_ME_NC', 'C_SE_NC', 50, 63, 'float', [[12.5, f32(12.5)], [Math.fround(-3.4028234663852886e38), f32(-3.4028234663852886e38)]], 4], ['M_BO', 'C_BO', 51, 64, 'uint32', [[0xdeadbeef, Buffer.from([0xef, 0xbe, 0xad, 0xde])], [0, Buffer.alloc(4)]], -1],
  ].map(([value, command, plain, timed, type, values, qualifier], i) => ({ value, command, plain, timed, type, values, qualifier, at: 1300 + 4 * i, bit: 100 + i, ioa: 300 + i, cioa: 700 + i, code: `IEC.${command}` }));
  const readDevice = (k) => (k.type === 'bool' ? held.bit(0, k.bit) : get(k.type, held.get(4, k.at, BYTES[k.type])));
  await imported(api, COLUMNS, kinds.map((k) => row({ ...k, device: 'JS-ABCD', address: k.type === 'bool' ? `0:${k.bit}` : `4:${k.at}` })));
  const to = await freePort();
  await api.post('/forwards', { code: 'S', name: 'S', spec: { outlet: 'iec104_server', writes: true, gather: '10ms', options: { bind: '127.0.0.1', port: to, announce: false } } });
  equal((await api.csv('/forward-points:import', ['code,name,forward,point,address', ...kinds.map((k, i) => `s${i},x,S,${k.code},${k.value}:${k.ioa}/${k.command}:${k.cioa}`)].join('\n'))).failed, 0);
  await until(async () => (await api.get('/forwards:status')).items.find((i) => i.code === 'S')?.points === kinds.length, 'the station');
  const m = new Master();
  await until(() => m.connect(to, { ack: 20 }).then(() => true, () => false), 'the connection');
  cleanup(() => m.close());
  await until(() => m.started, 'STARTDT');
  const ask = async (type, k, element) => {
    m.got = [];
    m.ask(type, 1, k.cioa, element);
    return until(() => m.got.find((a) => a.type === type && [7, 44, 45, 46, 47].includes(a.cause)), `${k.command} (${type})`, 5000, 5);
  };
  const now = () => cp56(Date.now() + 8 * HOUR);
  for (const k of kinds)
    for (const timed of [false, true])
      for (const select of [false, true]) {
        if (select && k.qualifier < 0) continue; // a bit string has no selection
        for (const [want, bytes] of [...k.values, ...k.values]) {
          const type = timed ? k.timed : k.plain, tail = timed ? now() : Buffer.alloc(0);
          const element = (s) => {
            const b = k.qualifier > 0 ? Buffer.concat([bytes, Buffer.from([s ? 0x80 : 0])]) : Buffer.from(bytes);
            if (k.qualifier === 0 && s) b[0] |= 0x80;
            return Buffer.concat([b, tail]);
          };
          const note = `${k.command} type ${type}${select ? ' selected' : ''} ${want}`;
          if (select) {
            const before = readDevice(k);
            equal((await ask(type, k, element(true))).negative, 0, `${note}: selection`);
            equal(readDevice(k), before, `${note}: a selection changes nothing`);
          }
          equal((await ask(type, k, element(false))).negative, 0, note);
          await until(() => m.got.some((a) => a.cause === 10), `${note}: its end`);
          equal(readDevice(k), want, `${note}: in the device`);
        }
      }
  // general interrogation: what is told is what the device holds
  await until(async () => {
    m.got = [];
    m.ask(100, 1, 0, [20]);
    await until(() => m.got.some((a) => a.type === 100 && a.cause === 10), 'the interrogation');
    const told = new Map(m.objects(20).map((o) => [o.ioa, o]));
    return kinds.every((k) => {
      const o = told.get(k.ioa), v = k.value === 'M_DP' ? o?.v - 1 : k.value === 'M_ME_NA' ? o?.v / 32768 : o?.v;
      return o?.q === 0 && v === readDevice(k);
    });
  }, 'the values of the device in an interrogation');
  const wrong = await ask(46, kinds[1], [3]); // no state at all
  equal(wrong.negative, 1, 'a double command of 3');
  equal((await ask(45, kinds[1], [1])).negative, 1, 'a command of another type');
});

test('the end', async () => {
  equal((await stop(serve)).code, 0, 'exit code');
});

await run();
