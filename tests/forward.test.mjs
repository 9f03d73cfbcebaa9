// Forwarding: points of one protocol offered by another. A jsmodbus device is collected and offered again by our Modbus
// server, whose registers jsmodbus reads: values, writes under the control rules, mappings, faults, diagnostics, capture.
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import jsmodbus from 'jsmodbus';
import { Device, POINTS } from './browser/device.mjs';
import { equal, freePort, near, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';
import { tshark } from './pcap.mjs';

const device = new Device();
const dir = tempDir();
let serve, api, port, peer;

const current = async (code) => (await api.get(`/current?points=${code}`)).items[0];
const status = async (code) => (await api.get('/forwards:status')).items.find((i) => i.code === code);

function connect(to) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(to, '127.0.0.1');
    const client = new jsmodbus.client.TCP(socket, 1, 3000);
    socket.on('connect', () => resolve({ socket, client }));
    socket.on('error', reject);
  });
}
const registers = async (at, n) => (await peer.client.readHoldingRegisters(at, n)).response.body.valuesAsBuffer;
const refused = async (p) => {
  try {
    await p;
  } catch (e) {
    return e.response?.body?.code ?? e.err ?? String(e);
  }
  return 'accepted';
};

test('a device is collected, a Modbus server offers its points', async () => {
  await device.start();
  serve = await startServe(dir);
  api = await signIn(serve);
  port = await freePort();
  await api.post('/channels', { code: 'PEER', name: '设备', spec: { driver: 'modbus_tcp', options: { host: '127.0.0.1', port: device.port } } });
  await api.post('/devices', { code: 'D', name: '设备', spec: { channel: 'PEER', options: { unit: 1 } } });
  const rows = ['UI.F.ABCD', 'UI.F.CDAB', 'UI.INT', 'UI.COIL'].map((code) => {
    const [, address, type, order, scale] = POINTS.find((p) => p[0] === code);
    return `${code},${code},D,${address},${type},${order},${scale},200ms,${code !== 'UI.F.ABCD'}`;
  });
  await api.csv('/points:import', ['code,name,device,address,type,byte_order,scale,period,writable', ...rows].join('\n'));
  await until(async () => (await current('UI.INT')).q === 'good', 'the device');
  const outlets = (await api.get('/outlets')).items;
  ok(outlets.some((o) => o.name === 'modbus_server' && o.server && o.can_assign), 'it is listed');
  await api.post('/forwards', { code: 'MB', name: 'Modbus 转发', spec: { outlet: 'modbus_server', filter: "code~'UI.'", writes: true, options: { address: '127.0.0.1', port } } });
  const st = await until(async () => { const s = await status('MB'); return s?.state === 'up' && s.points === 4 && s; }, 'the server');
  equal([st.faults, st.buffer], [0, null]);
});

test('registers hold what the device holds', async () => {
  peer = await connect(port);
  const { items } = await api.get('/forwards/MB/points');
  equal(items.map((i) => [i.code, i.address]), [['UI.COIL', '000001'], ['UI.F.ABCD', '400001'], ['UI.F.CDAB', '400003'], ['UI.INT', '400005']]);
  const b = await registers(0, 6);
  for (const [i, code] of ['UI.F.ABCD', 'UI.F.CDAB', 'UI.INT'].entries()) near(b.readFloatBE(4 * i), (await current(code)).v, 1e-3, code);
  equal((await peer.client.readCoils(0, 1)).response.body.valuesAsArray[0], (await current('UI.COIL')).v ? 1 : 0);
  equal((await peer.client.readInputRegisters(0, 6)).response.body.valuesAsBuffer.equals(b), true, 'input registers show the same');
  device.put('UI.INT', 321);
  await until(async () => (await registers(4, 2)).readFloatBE(0) === 321, 'a change');
});

test('a mapping: address, type, byte order, scale; one left out', async () => {
  await api.post('/forward-points', { code: 'm1', name: 'm1', spec: { forward: 'MB', point: 'UI.INT', address: '400101', type: 'int16', scale: 10, offset: 5 } });
  await api.post('/forward-points', { code: 'm2', name: 'm2', spec: { forward: 'MB', point: 'UI.F.ABCD', address: '400111#CDAB' } });
  await api.post('/forward-points', { code: 'm3', name: 'm3', spec: { forward: 'MB', point: 'UI.COIL', enabled: false } });
  await until(async () => (await status('MB')).points === 3, 'the mapping');
  equal((await registers(100, 1)).readInt16BE(0), 3215);
  const w = await registers(110, 2);
  near(Buffer.concat([w.subarray(2), w.subarray(0, 2)]).readFloatBE(0), (await current('UI.F.ABCD')).v, 1e-3);
  equal(await refused(peer.client.readCoils(0, 1)), 2, 'left out');
});

test('writes go to the equipment, by the rules', async () => {
  await peer.client.writeMultipleRegisters(100, [1005]); // (1005 - 5) / 10
  equal(device.get('UI.INT'), 100);
  await api.call('PATCH', '/points/UI.INT', { spec: { write_lo: 0, write_hi: 120 } });
  await until(async () => (await current('UI.INT')).v === 100, 'read back');
  equal(await refused(peer.client.writeSingleRegister(100, 5005)), 3, 'beyond the range');
  equal(await refused(peer.client.writeMultipleRegisters(110, [1, 2])), 2, 'a point that is not writable');
  equal(await refused(peer.client.writeSingleRegister(2, 1)), 2, 'half a value');
  equal(device.get('UI.INT'), 100, 'nothing of it arrived');
  const audit = JSON.stringify(await api.get('/audit?size=50'));
  ok(audit.includes('forward:MB') && audit.includes('127.0.0.1'), 'who wrote it stands in the record');
  await api.call('PATCH', '/forwards/MB', { spec: { writes: false } });
  await until(async () => (await api.get('/forwards/MB/points')).items.every((i) => !i.writable), 'writing off');
  equal(await refused(peer.client.writeSingleRegister(100, 1005)), 2);
});

test('bad values are marked; nothing pretends', async () => {
  await device.stop();
  await until(async () => (await current('UI.INT')).q === 'bad', 'bad quality');
  equal((await registers(100, 1)).readInt16BE(0), -32768);
  const w = await registers(110, 2);
  ok(Number.isNaN(Buffer.concat([w.subarray(2), w.subarray(0, 2)]).readFloatBE(0)), 'NaN');
  await api.call('PATCH', '/forwards/MB', { spec: { options: { on_bad: 'exception' } } });
  await until(async () => { peer.socket.destroy(); peer = await connect(port); return (await refused(registers(100, 1))) === 4; }, 'an exception');
  await device.start(device.port);
  await until(async () => (await current('UI.INT')).q === 'good', 'good again', 30000);
  equal((await registers(100, 1)).readInt16BE(0), 1005);
});

test('wrong settings are refused with the place and a right example', async () => {
  const bad = async (path, body, where) => {
    const r = await api.post(path, body, 400);
    ok((r.where ?? r.errors?.[0]?.where).includes(where), JSON.stringify(r));
  };
  await bad('/forwards', { code: 'X', name: 'x', spec: { outlet: 'no_such' } }, 'spec.outlet');
  await bad('/forwards', { code: 'X', name: 'x', spec: { outlet: 'modbus_server', options: { port: 70000 } } }, 'spec.options.port');
  await bad('/forwards', { code: 'X', name: 'x', spec: { outlet: 'modbus_server', filter: 'nonsense ~~' } }, 'spec.filter');
  await bad('/forward-points', { code: 'm9', name: 'm9', spec: { forward: 'MB', point: 'UI.INT', address: '900001' } }, 'spec.address');
  await bad('/forward-points', { code: 'm9', name: 'm9', spec: { forward: 'MB', point: 'UI.INT', address: '400001', scale: 0 } }, 'spec.scale');
  const taken = await api.post('/forwards:test', { spec: { outlet: 'modbus_server', options: { address: '127.0.0.1', port } } });
  equal(taken.ok, false, 'the port is taken');
  ok(taken.detail.includes(String(port)), taken.detail);
});

test('diagnostics tell peers and frames; the capture is read by tshark', async () => {
  await api.post('/forwards/MB:capture', { seconds: 30 });
  await registers(100, 1);
  const d = await until(async () => { const x = await api.get('/forwards/MB/diagnostics'); return x.frames.length >= 2 && x; }, 'frames');
  ok(d.peers.length === 1 && d.peers[0].address.startsWith('127.0.0.1:'), 'the peer');
  ok(d.frames.some((f) => f.words.zh.length && f.dir === 'rx'), 'words');
  await registers(100, 1);
  const file = join(dir, 'north.pcap');
  writeFileSync(file, Buffer.from(await (await api.raw('GET', '/forwards/MB/capture')).arrayBuffer()));
  ok(tshark(file, ['modbus.func_code']).some((r) => r['modbus.func_code'].includes('3')), 'Modbus in the capture');
});

test('addresses are assigned where none are', async () => {
  await api.post('/forwards', { code: 'EMPTY', name: '空', spec: { outlet: 'modbus_server', options: { address: '127.0.0.1', port: 0 } } });
  await until(async () => (await status('EMPTY'))?.state === 'up', 'it runs');
  const dry = await api.post('/forwards/EMPTY:assign', { filter: "code~'UI.'", dry_run: true });
  equal([dry.added, dry.items.length], [4, 4]);
  equal((await status('EMPTY')).points, 0);
  equal((await api.post('/forwards/EMPTY:assign', { filter: "code~'UI.'" })).added, 4);
  await until(async () => (await status('EMPTY')).points === 4, 'points');
  equal((await api.post('/forwards/EMPTY:assign', {})).added, 0, 'once is enough');
});

test('a hundred connections come and go, junk is dropped, the limit holds', async () => {
  const flap = () => new Promise((r) => { const s = net.connect(port, '127.0.0.1', () => { s.write(Buffer.from('garbage that is no Modbus')); }); s.on('close', r); s.on('error', r); setTimeout(() => s.destroy(), 300); });
  await Promise.all(Array.from({ length: 100 }, flap));
  equal((await registers(100, 1)).readInt16BE(0), 1005, 'the others go on');
  await until(async () => (await status('MB')).connections <= 1, 'all gone');
});

test('it comes back after a start, and goes when it is disabled', async () => {
  peer.socket.destroy();
  await stop(serve);
  serve = await startServe(dir);
  api = await signIn(serve);
  await until(async () => (await status('MB'))?.state === 'up', 'up again');
  peer = await connect(port);
  await until(async () => (await registers(100, 1)).readInt16BE(0) === 1005, 'values');
  await api.call('PATCH', '/forwards/MB', { spec: { enabled: false } });
  await until(async () => (await status('MB')).state === 'off', 'off');
  peer.socket.destroy();
  ok(await connect(port).then(() => false, () => true), 'nobody listens');
});

await run();
