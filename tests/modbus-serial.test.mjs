// Modbus on serial lines (RTU, ASCII), over UDP and as serial framings over TCP and UDP, against pymodbus: values, writes,
// two stations on a bus, noise, half frames, echo, a line that is cut, a port that is taken.
import { spawn } from 'node:child_process';
import { symlinkSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { cleanup, equal, ok, run, signIn, startServe, startSim, stop, tempDir, test, until } from './lib.mjs';

const peer = spawn('/usr/bin/python3', [new URL('./modbus-peer.py', import.meta.url).pathname], { stdio: ['pipe', 'pipe', 'ignore'] });
cleanup(() => peer.kill());
const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
const answer = async () => JSON.parse((await lines.next()).value);
const ask = async (text) => {
  peer.stdin.write(`${text}\n`);
  return answer();
};
const ports = await answer();
let serve, api;
const WAYS = {
  rtu: ['modbus_serial', () => ({ device: ports.rtu, speed: 115200 })],
  ascii: ['modbus_serial', () => ({ device: ports.ascii, speed: 115200, framing: 'ascii' })],
  tcp_rtu: ['modbus_tcp', () => ({ host: '127.0.0.1', port: ports.tcp_rtu, framing: 'rtu' })],
  tcp_ascii: ['modbus_tcp', () => ({ host: '127.0.0.1', port: ports.tcp_ascii, framing: 'ascii' })],
  udp: ['modbus_tcp', () => ({ host: '127.0.0.1', port: ports.udp, framing: 'udp' })],
  udp_rtu: ['modbus_tcp', () => ({ host: '127.0.0.1', port: ports.udp_rtu, framing: 'rtu_udp' })],
};
const names = Object.keys(WAYS);
const current = async (codes) => (await api.get(`/current?points=${codes.join(',')}`)).items;
const value = async (code) => (await current([code]))[0];
const state = async (code) => (await api.get('/channels:status')).items.find((c) => c.code === code);

test('six ways to the same registers', async () => {
  serve = await startServe(tempDir());
  api = await signIn(serve);
  const rows = ['code,name,device,address,type,period,writable'];
  for (const w of names) {
    const [driver, options] = WAYS[w];
    const spec = { driver, options: { ...options(), timeout: '300ms', reconnect_max: '1s', ...(driver === 'modbus_serial' && { probe_max: '1s' }) } };
    const tried = await api.post('/channels:test', { spec });
    ok(tried.ok, `${w}: ${tried.detail}`);
    await api.post('/channels', { code: w, name: w, spec });
    for (const unit of [1, 2]) {
      await api.post('/devices', { code: `${w}-${unit}`, name: w, spec: { channel: w, options: { unit } } });
      rows.push(`${w}.${unit}.HR,x,${w}-${unit},400006,uint16,100ms,true`, `${w}.${unit}.IR,x,${w}-${unit},300010,uint16,100ms,false`, `${w}.${unit}.DI,x,${w}-${unit},100003,bool,100ms,false`);
    }
  }
  equal((await api.csv('/points:import', rows.join('\n'))).failed, 0, 'import');
  const codes = rows.slice(1).map((r) => r.split(',')[0]);
  await until(async () => (await current(codes)).every((i) => i.q === 'good'), 'all good');
  const items = await current(codes);
  for (const [i, code] of codes.entries()) {
    const [, unit, area] = code.split('.');
    const base = 1000 * Number(unit);
    equal(Number(items[i].v), { HR: base + 5, IR: base + 509, DI: 1 }[area], code);
  }
  for (const w of names) equal((await state(w)).state, 'up', w);
});

test('a write by each way is in the device and read back', async () => {
  for (const [k, w] of names.entries()) {
    const r = await api.post(`/points/${w}.2.HR:write`, { value: 4000 + k, confirm: true });
    equal([r.outcome, r.readback], ['done', 4000 + k], w);
    equal(await ask('get 2 5'), 4000 + k, w);
  }
});

for (const line of ['rtu', 'ascii']) {
  test(`${line}: noise before every answer costs nothing but a count`, async () => {
    await ask(`cable ${line} noise`);
    await ask('set 1 5 111');
    await until(async () => (await value(`${line}.1.HR`)).v === 111, 'the value through the noise');
    ok((await state(line)).errors > 0, 'errors are counted');
    await ask(`cable ${line} ok`);
  });

  test(`${line}: half answers are told, never taken`, async () => {
    await ask(`cable ${line} half`);
    await ask('set 1 5 222');
    await until(async () => (await value(`${line}.1.HR`)).q === 'bad', 'bad');
    equal((await value(`${line}.1.HR`)).v, 111, 'the last value stays');
    await ask(`cable ${line} ok`);
    await until(async () => (await value(`${line}.1.HR`)).v === 222 && (await value(`${line}.1.HR`)).q === 'good', 'good again');
  });

  test(`${line}: an adapter that hears itself`, async () => {
    await ask(`cable ${line} echo`);
    await ask('set 1 5 333');
    await until(async () => (await value(`${line}.1.HR`)).v === 333, 'the value through the echo');
    const r = await api.post(`/points/${line}.1.HR:write`, { value: 334, confirm: true });
    equal([r.outcome, r.readback], ['done', 334]);
    await ask(`cable ${line} ok`);
    await until(async () => (await value(`${line}.1.HR`)).q === 'good', 'good without it, too');
  });
}

test('a cut line: bad with a reason, a write that was sent is unknown, and back by itself', async () => {
  await ask('cable rtu cut');
  await until(async () => (await value('rtu.1.HR')).q === 'bad' && (await value('rtu.2.HR')).q === 'bad', 'bad');
  ok(/no answer within 300 ms/.test((await state('rtu')).reason), (await state('rtu')).reason);
  equal((await value('ascii.1.HR')).q, 'good', 'the other line');
  const w = await api.post('/points/rtu.1.HR:write', { value: 1, confirm: true });
  ok(['unknown', 'failed'].includes(w.outcome), w.outcome);
  await ask('cable rtu ok');
  await until(async () => (await value('rtu.1.HR')).q === 'good' && (await value('rtu.2.HR')).q === 'good', 'good again');
});

test('a station that is not there is probed rarely', async () => {
  await api.post('/devices', { code: 'rtu-9', name: 'nobody', spec: { channel: 'rtu', options: { unit: 9, timeout: '50ms' } } });
  await api.post('/points', { code: 'rtu.9', name: 'nobody', spec: { device: 'rtu-9', address: '400001', type: 'uint16', period: '100ms' } });
  await until(async () => (await state('rtu')).state === 'degraded', 'degraded');
  ok(/station 9: no answer within 50 ms/.test((await state('rtu')).reason), 'the reason');
  const before = (await state('rtu')).timeouts;
  await ask('set 1 5 444');
  await until(async () => (await value('rtu.1.HR')).v === 444, 'the neighbour goes on');
  ok((await state('rtu')).timeouts - before < 5, 'few time-outs');
  await api.call('DELETE', '/points/rtu.9');
});

test('a broadcast sets both stations and is not claimed to be confirmed', async () => {
  await api.post('/devices', { code: 'rtu-0', name: 'all', spec: { channel: 'rtu', options: { unit: 0 } } });
  await api.post('/points', { code: 'rtu.0', name: 'all', spec: { device: 'rtu-0', address: '400050', type: 'uint16', writable: true } });
  const w = await until(() => api.post('/points/rtu.0:write', { value: 77, confirm: true }), 'the point to run');
  equal(w.outcome, 'unknown');
  equal([await ask('get 1 49'), await ask('get 2 49')], [77, 77], 'both have it');
  equal((await value('rtu.0')).q, 'bad', 'it has no value to read');
  equal((await state('rtu')).state, 'up', 'and nothing is wrong');
});

test('wrong ports tell the remedy', async () => {
  const tell = async (device) => (await api.post('/channels:test', { spec: { driver: 'modbus_serial', options: { device } } })).detail;
  ok(/in use by another program or channel/.test(JSON.stringify(await tell(ports.rtu))), 'taken');
  ok(/plug the adapter in/.test(JSON.stringify(await tell('/dev/ttyUSB77'))), 'absent');
  ok(/is no serial port/.test(JSON.stringify(await tell('/dev/null'))), 'no port');
});

test('an adapter with a name by udev goes and comes back', async () => {
  const link = `/dev/shm/bornite-adapter-${process.pid}`;
  cleanup(() => rmSync(link, { force: true }));
  const spec = (await api.get('/channels/ascii')).spec;
  await api.call('PATCH', '/channels/ascii', { spec: { options: { ...spec.options, device: link } } });
  await until(async () => (await state('ascii')).state === 'down' && /plug the adapter in/.test((await state('ascii')).reason), 'down');
  symlinkSync(ports.ascii, link);
  await until(async () => (await value('ascii.1.HR')).q === 'good', 'good');
});

test('the simulator on a pseudo terminal', async () => {
  const sim = await startSim(['--serial', 'pty']);
  const device = await until(() => sim.log.match(/Modbus RTU on ([^\s,]+)/)?.[1], 'its port');
  await api.post('/channels', { code: 'SIM', name: 'SIM', spec: { driver: 'modbus_serial', options: { device } } });
  await api.post('/devices', { code: 'SIM-1', name: 'SIM', spec: { channel: 'SIM', options: { unit: 1 } } });
  await api.post('/points', { code: 'SIM.1', name: 'x', spec: { device: 'SIM-1', address: '400001', type: 'uint16', period: '100ms' } });
  await until(async () => (await value('SIM.1')).q === 'good', 'a value');
  await api.call('DELETE', '/points/SIM.1');
  await stop(sim);
});

test('frames in words; the end', async () => {
  for (const w of ['rtu', 'ascii', 'udp']) {
    const d = await until(async () => {
      const x = await api.get(`/channels/${w}/diagnostics`);
      return x.frames.some((f) => f.ok && /function 3|功能码 3/.test(f.words.en)) && x;
    }, `${w}: frames`);
    ok(d.frames.every((f) => f.words.zh.length > 3), w);
  }
  equal((await stop(serve)).code, 0, 'exit code');
});

await run();
