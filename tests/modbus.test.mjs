// Collecting from a Modbus server that we did not write (jsmodbus): values compared one by one, write-back,
// loss and return of the device, history, and the live stream.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import WebSocket from 'ws';
import { Device, POINTS as points } from './browser/device.mjs';
import { equal, near, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';

const device = new Device();
let serve, api;

const current = async (codes) => (await api.get(`/current?points=${codes.join(',')}`)).items;

test('a device in three steps: channel, device, points', async () => {
  await device.start();
  serve = await startServe(tempDir());
  api = await signIn(serve);
  const spec = { driver: 'modbus_tcp', options: { host: '127.0.0.1', port: device.port } };
  const tried = await api.post('/channels:test', { spec });
  ok(tried.ok, `test: ${tried.detail}`);
  await api.post('/channels', { code: 'PEER', name: '第三方设备', spec });
  await api.post('/devices', { code: 'PEER-1', name: 'jsmodbus', spec: { channel: 'PEER', options: { unit: 1 } } });
  const rows = points.map(([code, address, type, order, scale]) => `${code},${code},PEER-1,${address},${type},${order},${scale},200ms,${code === 'UI.INT' || code === 'UI.F.CDAB' || code === 'UI.COIL'}`);
  const csv = ['code,name,device,address,type,byte_order,scale,period,writable', ...rows].join('\n');
  const dry = await api.csv('/points:import?dry_run=1', csv);
  equal([dry.created, dry.failed], [points.length, 0], 'dry run');
  equal((await api.get('/points')).total, 0, 'after the dry run');
  const done = await api.csv('/points:import', csv);
  equal([done.created, done.failed], [points.length, 0], 'import');
});

test('every value is what the device holds', async () => {
  await until(async () => (await current(points.map((p) => p[0]))).every((i) => i.q === 'good'), 'all good');
  const items = await current(points.map((p) => p[0]));
  for (const [i, [code, , , , , value]] of points.entries()) near(items[i].v, value, Math.abs(value) * 1e-6, code);
});

test('a change in the device arrives', async () => {
  device.put('UI.INT', 55);
  await until(async () => (await current(['UI.INT']))[0].v === 55, 'the new value');
});

test('live stream brings it', async () => {
  const { items } = await api.get('/points?size=100');
  const num = items.find((i) => i.code === 'UI.INT').num;
  const ws = new WebSocket(`${serve.base.replace('http', 'ws')}/api/v1/stream`, { headers: { Cookie: api.headers.Cookie, Origin: serve.base } });
  const seen = [];
  ws.on('message', (data, binary) => {
    if (!binary) return;
    equal(data.readUInt32LE(0), 0x31534e42, 'magic');
    for (let k = 0; k < data.readUInt32LE(4); k++) {
      const at = 16 + k * 24;
      equal(data.readUInt32LE(at + 8), num, 'point');
      const type = data.readUInt8(at + 12);
      seen.push(type === 1 ? data.readDoubleLE(at + 16) : Number(data.readBigInt64LE(at + 16)));
    }
  });
  await new Promise((r, j) => { ws.on('open', r); ws.on('error', j); });
  ws.send(JSON.stringify({ op: 'set', points: [num], interval_ms: 100 }));
  await until(() => seen.includes(55), 'the first frame');
  device.put('UI.INT', 66);
  await until(() => seen.includes(66), 'the change');
  ws.close();
});

test('write-back: confirmed, read back, audited; refused without confirm, outside the range, where not allowed', async () => {
  const r = await api.post('/points/UI.F.CDAB:write', { value: 88.5, reason: 'test', confirm: true });
  equal([r.outcome, r.readback], ['done', 88.5], 'outcome');
  equal(device.get('UI.F.CDAB'), 88.5, 'in the device');
  equal((await api.post('/points/UI.COIL:write', { value: false, confirm: true })).outcome, 'done');
  equal(device.get('UI.COIL'), 0, 'coil');
  await api.post('/points/UI.F.CDAB:write', { value: 1 }, 428);
  await api.post('/points/UI.F.ABCD:write', { value: 1, confirm: true }, 403);
  await api.call('PATCH', '/points/UI.INT', { spec: { write_lo: 0, write_hi: 100 } });
  await api.post('/points/UI.INT:write', { value: 500, confirm: true }, 400); // in force at once
  const audit = await api.get('/audit?size=50');
  ok(JSON.stringify(audit).includes('88.5'), 'the audit record holds the value');
});

test('test read without storing, and an address that is wrong is explained', async () => {
  const read = await api.post('/channels:read', { channel: 'PEER', device: 'PEER-1', points: [{ address: '400001', type: 'int16' }, { address: '300005', type: 'uint16' }] });
  equal(read.items.map((i) => [i.value, i.quality]), [[66, 'good'], [777, 'good']]);
  const bad = await api.post('/points', { code: 'X', name: 'x', spec: { device: 'PEER-1', address: '900001' } }, 400);
  equal(bad.where ?? bad.errors?.[0]?.where, 'spec.address');
});

test('the device goes and comes back by itself; nothing pretends', async () => {
  await device.stop();
  await until(async () => (await current(['UI.INT']))[0].q === 'bad', 'bad quality');
  const st = (await api.get('/channels:status')).items[0];
  ok(['down', 'connecting'].includes(st.state), `state ${st.state}`);
  ok(st.reason.length > 0, 'a reason');
  const w = await api.post('/points/UI.F.CDAB:write', { value: 1, confirm: true });
  ok(['failed', 'expired'].includes(w.outcome), `write while down: ${w.outcome}`);
  await device.start(device.port);
  await until(async () => (await current(['UI.INT']))[0].q === 'good', 'good again', 30000);
});

test('history holds what came, with the gap told', async () => {
  const { series } = await until(async () => {
    const h = await api.get('/history/recorded?points=UI.INT&from=*-10m&limit=100000');
    return h.series[0].v.includes(66) && h.series[0].q.at(-1) === 0 && h;
  }, 'the samples');
  const { t, v, q } = series[0];
  ok(t.every((x, i) => i === 0 || x > t[i - 1]), 'times ascend');
  ok(v.includes(-1234) && v.includes(55) && v.includes(66), 'all values');
  ok(q.includes(2), 'the loss stands in the history');
  const sum = await api.get('/history/summary?points=UI.INT&from=*-10m');
  equal(sum.series[0].rows[0].min, -1234);
  ok(sum.series[0].rows[0].percent_good < 100, 'not all good');
});

test('diagnostics show frames in hex and words', async () => {
  const d = await until(async () => {
    const x = await api.get('/channels/PEER/diagnostics');
    return x.frames.some((f) => f.ok) && x;
  }, 'frames');
  ok(d.requests > 10 && d.rtt_ms > 0, 'figures');
  ok(d.frames.every((f) => /^[0-9a-f]*$/.test(f.hex)) && d.frames.some((f) => f.words.zh.length > 5), 'hex and words');
  equal(d.devices.map((x) => x.code), ['PEER-1']);
});

test('a capture is what tshark reads', async () => {
  equal((await api.raw('POST', '/channels/PEER:capture', { seconds: 3601 })).status, 400, 'too long');
  const rec = await api.post('/channels/PEER:capture', { seconds: 60 });
  ok(rec.frames === 0 && rec.until, 'begun');
  await until(async () => (await api.get('/channels/PEER/diagnostics')).capture.frames > 20, 'frames in it');
  const done = await api.post('/channels/PEER:capture', { seconds: 0 });
  const res = await api.raw('GET', '/channels/PEER/capture');
  equal(res.status, 200);
  const file = join(tempDir(), 'a.pcap');
  writeFileSync(file, Buffer.from(await res.arrayBuffer()));
  const out = execFileSync('tshark', ['-r', file, '-T', 'fields', '-e', 'modbus.func_code', '-e', '_ws.expert.message'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  rmSync(file);
  const lines = out.trimEnd().split('\n');
  equal(lines.length, done.frames, 'packets');
  ok(lines.every((l) => /^\d+\t?$/.test(l)), `each is Modbus, nothing to complain of: ${lines.find((l) => !/^\d+\t?$/.test(l))}`);
  equal((await api.raw('POST', '/channels:browse', { channel: 'PEER' })).status, 501, 'Modbus cannot be browsed');
});

test('the end', async () => {
  equal((await stop(serve)).code, 0, 'exit code');
  await device.stop();
});

await run();
