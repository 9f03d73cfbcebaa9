// The IEC 60870-5-104 station that other control centres connect to, asked by controlling stations that we wrote a second
// time in JavaScript from the standard's tables (iec104.mjs): a jsmodbus device is collected and told again. Values,
// events with their time, outages, kill -9, commands under the control rules, TLS; tshark judges both captures. In the
// end our own driver is the controlling station: what goes out comes back the same.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Device, POINTS } from './browser/device.mjs';
import { cp56, Master, U } from './iec104.mjs';
import { equal, freePort, near, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';
import { tshark, writePcap } from './pcap.mjs';

const HOUR = 3600000, ZONE = 8 * HOUR;
const device = new Device();
const dir = tempDir();
let serve, api, port, m;

const current = async (code) => (await api.get(`/current?points=${code}`)).items[0];
const status = async (code = 'DISPATCH') => (await api.get('/forwards:status')).items.find((i) => i.code === code);
const dial = async (options) => {
  const x = new Master();
  await x.connect(port, { ack: 50, ...options });
  return x;
};
const seen = (x, ioa, cause = 3) => x.objects(cause).filter((o) => o.ioa === ioa);

const COIL = 1, ABCD = 16385, CDAB = 16386, INT = 16387;

test('a device is collected, a station offers its points', async () => {
  await device.start();
  serve = await startServe(dir);
  api = await signIn(serve);
  port = await freePort();
  await api.post('/channels', { code: 'PEER', name: '设备', spec: { driver: 'modbus_tcp', options: { host: '127.0.0.1', port: device.port } } });
  await api.post('/devices', { code: 'D', name: '设备', spec: { channel: 'PEER', options: { unit: 1 } } });
  const rows = ['UI.F.ABCD', 'UI.F.CDAB', 'UI.INT', 'UI.COIL'].map((code) => {
    const [, address, type, order, scale] = POINTS.find((p) => p[0] === code);
    return `${code},${code},D,${address},${type},${order},${scale},100ms,${code !== 'UI.F.ABCD'}`;
  });
  await api.csv('/points:import', ['code,name,device,address,type,byte_order,scale,period,writable', ...rows].join('\n'));
  await until(async () => (await current('UI.INT')).q === 'good', 'the device');
  const row = (await api.get('/outlets')).items.find((o) => o.name === 'iec104_server');
  ok(row.server && row.buffered && row.can_assign && row.addresses, 'it is listed');
  const spec = { outlet: 'iec104_server', filter: "code~'UI.'", writes: true, gather: '50ms', options: { bind: '127.0.0.1', port, max_connections: 3 } };
  await api.post('/forwards', { code: 'DISPATCH', name: '调度转发', spec });
  const st = await until(async () => { const s = await status(); return s?.points === 4 && s; }, 'the station');
  equal(st.state, 'connecting', 'nobody has come yet');
  equal((await api.get('/forwards/DISPATCH/points')).items.map((i) => [i.code, i.address]), [
    ['UI.COIL', 'M_SP:1/C_SC:24577'], ['UI.F.ABCD', 'M_ME_NC:16385'], ['UI.F.CDAB', 'M_ME_NC:16386/C_SE_NC:25089'], ['UI.INT', 'M_ME_NC:16387/C_SE_NC:25090']]);
});

test('STARTDT, end of initialization, general interrogation', async () => {
  m = await dial();
  await until(() => m.started, 'STARTDT con');
  await until(() => m.got.some((a) => a.type === 70 && a.cause === 4), 'M_EI');
  m.ask(100, 1, 0, [20]);
  await until(() => m.got.some((a) => a.type === 100 && a.cause === 10), 'the end of the interrogation');
  const told = m.objects(20);
  equal(told.map((o) => [o.type, o.ioa, o.q]), [[1, COIL, 0], [13, ABCD, 0], [13, CDAB, 0], [13, INT, 0]]);
  equal(told.map((o) => o.v), [1, 12.625, -7.5, -1234]);
  await until(async () => (await status()).state === 'up', 'up');
  m.ask(100, 1, 0, [25]); // a group that nothing is in
  await until(() => m.got.filter((a) => a.type === 100 && a.cause === 10).length === 2, 'its end');
  equal(m.objects(25), []);
  m.ask(102, 1, ABCD, [], 5);
  await until(() => m.objects(5).some((o) => o.ioa === ABCD && o.v === 12.625), 'read');
  m.ask(102, 1, 999, [], 5);
  await until(() => m.got.some((a) => a.type === 102 && a.cause === 47 && a.negative), 'no such object');
  m.ask(100, 7, 0, [20]);
  await until(() => m.got.some((a) => a.type === 100 && a.cause === 46), 'no such common address');
});

test('a change is told with its time', async () => {
  const before = Date.now();
  device.put('UI.INT', 321);
  const o = await until(() => seen(m, INT).find((x) => x.v === 321), 'the event');
  equal([o.type, o.q, o.su], [36, 0, 0]);
  near(o.t - ZONE, before + 100, 1500, 'its time');
  device.put('UI.COIL', 0);
  await until(() => seen(m, COIL).some((x) => x.type === 30 && x.v === 0), 'a state');
});

test('quality is told', async () => {
  await device.stop();
  await until(() => seen(m, INT).some((x) => (x.q & 0xc0) === 0xc0), 'invalid and not topical');
  await device.start(device.port);
  await until(() => seen(m, INT).at(-1)?.q === 0, 'good again', 30000);
});

test('nothing is lost while nobody is connected', async () => {
  m.close();
  await until(async () => (await status()).connections === 0, 'nobody');
  const values = Array.from({ length: 15 }, (_, i) => 1000 + ((i * 37) % 101));
  for (const v of values) {
    device.put('UI.INT', v);
    await until(async () => (await current('UI.INT')).v === v, `${v}`, 5000, 20);
  }
  await until(async () => (await status()).buffer.records > 0, 'kept on disk');
  m = await dial();
  await until(() => values.every((v) => seen(m, INT).some((o) => o.v === v)), 'all of them');
  await until(async () => (await status()).buffer.records === 0, 'acknowledged');
  const { series } = await until(async () => {
    const h = await api.get('/history/recorded?points=UI.INT&from=*-5m&limit=1000');
    return values.filter((v) => h.series[0].v.includes(v)).length >= 12 && h; // the last ones may wait for their filter
  }, 'them in the history');
  for (const v of values.filter((x) => series[0].v.includes(x)))
    equal(seen(m, INT).find((o) => o.v === v).t - ZONE, new Date(series[0].t[series[0].v.indexOf(v)]).getTime(), `time of ${v}`);
});

test('what is not acknowledged comes again; also after kill -9', async () => {
  m.link.ackToPeer = false;
  device.put('UI.INT', 2001);
  await until(() => seen(m, INT).some((o) => o.v === 2001), 'the event');
  ok((await status()).buffer.records > 0, 'still kept');
  m.close();
  m = await dial();
  await until(() => seen(m, INT).some((o) => o.v === 2001), 'again');
  await until(async () => (await status()).buffer.records === 0, 'acknowledged');
  m.close();
  for (const v of [2002, 2003]) {
    device.put('UI.INT', v);
    await until(async () => (await current('UI.INT')).v === v, `${v}`);
  }
  await until(async () => (await status()).buffer.records > 0, 'kept on disk');
  await stop(serve, 'SIGKILL');
  serve = await startServe(dir);
  api = await signIn(serve);
  await until(() => dial().then((x) => (m = x)), 'a connection');
  await until(() => [2002, 2003].every((v) => seen(m, INT).some((o) => o.v === v)), 'what came before the kill', 30000);
});

test('STOPDT and STARTDT', async () => {
  m.link.u(U.stopAct);
  await until(() => m.stopped, 'STOPDT con');
  await until(async () => (await status()).state === 'connecting', 'no data transfer');
  device.put('UI.INT', 3001);
  await until(async () => (await status()).buffer.records > 0, 'kept');
  ok(!seen(m, INT).some((o) => o.v === 3001), 'nothing is sent');
  m.started = false;
  m.link.u(U.startAct);
  await until(() => seen(m, INT).some((o) => o.v === 3001), 'told then');
  m.link.u(U.testAct);
  m.ask(104, 1, 0, [0xaa, 0x55]);
  await until(() => m.got.some((a) => a.type === 104 && a.cause === 7 && !a.negative), 'test command');
});

const answer = async (x, type, cause) => until(() => x.got.find((a) => a.type === type && a.cause === cause), `type ${type} cause ${cause}`);
const f32 = (v, qos = 0) => {
  const b = Buffer.alloc(5);
  b.writeFloatLE(v);
  b[4] = qos;
  return b;
};

test('commands by outcome, under the control rules', async () => {
  m.got = [];
  m.ask(45, 1, 24577, [1]);
  await answer(m, 45, 10);
  equal(device.get('UI.COIL'), 1);
  m.got = [];
  m.ask(50, 1, 25090, f32(55, 0x80)); // select
  equal((await answer(m, 50, 7)).negative, 0);
  ok(device.get('UI.INT') !== 55, 'only selected');
  m.ask(50, 1, 25090, f32(55));
  await answer(m, 50, 10);
  equal(device.get('UI.INT'), 55);
  await api.call('PATCH', '/points/UI.INT', { spec: { write_lo: 0, write_hi: 100 } });
  m.got = [];
  m.ask(50, 1, 25090, f32(101));
  equal((await answer(m, 50, 7)).negative, 1, 'beyond the range');
  m.got = [];
  m.ask(50, 1, 25099, f32(1));
  equal((await answer(m, 50, 47)).negative, 1, 'no such command');
  m.got = [];
  m.ask(45, 1, 25090, [1]);
  equal((await answer(m, 45, 44)).negative, 1, 'of another type');
  await device.stop();
  m.got = [];
  m.ask(45, 1, 24577, [0]);
  equal((await until(() => m.got.find((a) => a.type === 45 && a.cause === 7), 'an answer', 30000)).negative, 1, 'the device is away');
  await device.start(device.port);
  await until(async () => (await current('UI.COIL')).q === 'good', 'good again', 30000);
  equal(device.get('UI.COIL'), 1, 'nothing of it arrived');
  const audit = JSON.stringify(await api.get('/audit?size=50'));
  ok(audit.includes('forward:DISPATCH') && audit.includes('127.0.0.1'), 'who wrote it stands in the record');
  await api.call('PATCH', '/forwards/DISPATCH', { spec: { writes: false } });
  await until(async () => (await api.get('/forwards/DISPATCH/points')).items.every((i) => !i.writable), 'writing off');
  const x = await until(() => dial(), 'a connection');
  await until(() => x.started, 'STARTDT con');
  x.ask(45, 1, 24577, [0]);
  equal((await answer(x, 45, 47)).negative, 1, 'without writing there are no commands');
  equal(device.get('UI.COIL'), 1);
  x.close();
  await api.call('PATCH', '/forwards/DISPATCH', { spec: { writes: true } });
});

test('clocks are compared, ours is not set', async () => {
  if (m.closed) m = await until(() => dial(), 'a connection');
  await until(() => m.started, 'STARTDT con');
  m.got = [];
  m.ask(103, 1, 0, cp56(Date.now() + ZONE + 60000));
  equal((await answer(m, 103, 7)).negative, 0);
  const st = await until(async () => { const s = await status(); return s.state === 'degraded' && s; }, 'told');
  ok(JSON.stringify(st.reason).includes('60.0 s ahead') || JSON.stringify(st.reason).includes('60.0 秒'), JSON.stringify(st.reason));
  m.got = [];
  m.ask(103, 1, 0, cp56(Date.now() + ZONE));
  await answer(m, 103, 7);
  await until(async () => (await status()).state === 'up', 'right again');
});

test('several controlling stations, each is told; one too many is refused', async () => {
  const two = await dial(), three = await dial();
  await until(() => two.started && three.started, 'both');
  device.put('UI.INT', 44);
  for (const x of [m, two, three]) await until(() => seen(x, INT).some((o) => o.v === 44), 'the event');
  const d = await api.get('/forwards/DISPATCH/diagnostics');
  equal(d.peers.length, 3);
  const four = await dial().catch(() => null);
  if (four) await until(() => four.closed, 'closed');
  two.close();
  three.close();
  await until(async () => (await status()).connections === 1, 'one is left');
});

test('a mapping: type, scale, double point, a counter, a group', async () => {
  await api.post('/forward-points', { code: 'm1', name: 'm1', spec: { forward: 'DISPATCH', point: 'UI.INT', address: '2!M_ME_NB:100', scale: 10, options: { group: 3 } } });
  await api.post('/forward-points', { code: 'm2', name: 'm2', spec: { forward: 'DISPATCH', point: 'UI.COIL', address: '2!M_DP:7/C_DC:70' } });
  await api.post('/forward-points', { code: 'm3', name: 'm3', spec: { forward: 'DISPATCH', point: 'UI.F.ABCD', address: 'ym0' } });
  const x = await until(async () => {
    const y = await dial();
    await until(() => y.started, 'STARTDT con');
    y.ask(100, 2, 0, [23]);
    if (await until(() => y.got.some((a) => a.type === 100 && [10, 46].includes(a.cause)), 'an answer') && y.objects(23).length) return y;
    y.close();
    return false;
  }, 'the mapping');
  equal(x.objects(23).map((o) => [o.type, o.ca, o.ioa, o.v]), [[11, 2, 100, 440]]);
  x.ask(46, 2, 70, [1]);
  await answer(x, 46, 10);
  equal(device.get('UI.COIL'), 0);
  x.ask(101, 1, 0, [5]);
  await answer(x, 101, 10);
  equal(x.objects(37).map((o) => [o.type, o.ioa, o.v]), [[15, 25601, 12]]);
  x.close();
  for (const code of ['m1', 'm2', 'm3']) await api.call('DELETE', `/forward-points/${code}`);
  await until(async () => {
    const y = await dial();
    await until(() => y.started, 'STARTDT con');
    y.ask(100, 1, 0, [20]);
    await until(() => y.got.some((a) => a.type === 100 && a.cause === 10), 'an interrogation');
    y.close();
    return y.objects(20).some((o) => o.ioa === COIL && o.type === 1) && y.objects(20).length === 4;
  }, 'the addresses of before');
  const bad = await api.post('/forward-points', { code: 'm9', name: 'm9', spec: { forward: 'DISPATCH', point: 'UI.INT', address: 'M_SP:1/C_SE_NC:2' } }, 400);
  ok(JSON.stringify(bad).includes('spec.address') && JSON.stringify(bad).includes('go together'), JSON.stringify(bad));
});

test('both captures are read by tshark', async () => {
  if (m.closed) m = await until(() => dial(), 'a connection');
  await api.post('/forwards/DISPATCH:capture', { seconds: 30 });
  const x = await dial();
  await until(() => x.started, 'STARTDT con');
  x.ask(100, 1, 0, [20]);
  await until(() => x.got.some((a) => a.type === 100 && a.cause === 10), 'an interrogation');
  x.ask(45, 1, 24577, [1]);
  await answer(x, 45, 10);
  await until(() => seen(x, COIL).length, 'the event of it');
  const ours = join(dir, 'ours.pcap'), theirs = join(dir, 'theirs.pcap');
  writeFileSync(ours, Buffer.from(await (await api.raw('GET', '/forwards/DISPATCH/capture')).arrayBuffer()));
  writePcap(theirs, x.frames, 2404);
  for (const file of [ours, theirs]) {
    const packets = tshark(file, ['iec60870_104.type', 'iec60870_asdu.typeid', '_ws.malformed'], { filter: 'iec60870_104' });
    ok(packets.every((p) => p['_ws.malformed'].length === 0), `${file}: none malformed`);
    const types = new Set(packets.flatMap((p) => p['iec60870_asdu.typeid']));
    for (const t of ['1', '13', '30', '45', '70', '100']) ok(types.has(t), `${file}: type ${t} of ${[...types]}`);
  }
  equal(tshark(theirs, ['iec60870_104.type'], { filter: 'iec60870_104' }).reduce((n, p) => n + p['iec60870_104.type'].length, 0), x.frames.length, 'frames by tshark');
  x.close();
  const d = await api.get('/forwards/DISPATCH/diagnostics');
  ok(d.frames.some((f) => f.dir === 'tx' && f.words.zh.length), 'words');
});

test('nonsense harms nobody', async () => {
  const junk = [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.from([0x68, 255, 0, 0]), Buffer.from([0x68, 14, 0, 0, 0, 0, 100, 1, 6, 0, 1, 0, 0, 0, 0, 20])];
  await Promise.all(Array.from({ length: 40 }, async (_, i) => {
    const x = await dial({ start: false }).catch(() => null);
    if (!x) return;
    if (!x.closed) x.socket.write(junk[i % 3]);
    await until(() => x.closed, 'closed', 20000);
  }));
  m.got = [];
  m.ask(102, 1, ABCD, [], 5);
  await until(() => m.objects(5).length === 1, 'the others go on');
  await until(async () => (await status()).connections === 1, 'all gone');
});

test('our own driver is the controlling station: what goes out comes back', async () => {
  m.close();
  await api.post('/channels', { code: 'LOOP', name: '回环', spec: { driver: 'iec104', options: { host: '127.0.0.1', port, reconnect_min: '50ms', reconnect_max: '200ms' } } });
  await api.post('/devices', { code: 'L', name: '回环', spec: { channel: 'LOOP', options: { common_address: 1 } } });
  await api.post('/points', { code: 'BACK.INT', name: 'i', spec: { device: 'L', address: 'M_ME_NC:16387', options: { command: 'C_SE_NC:25090' }, writable: true } });
  await api.post('/points', { code: 'BACK.COIL', name: 'c', spec: { device: 'L', address: 'yx0', options: { command: 'yk0', select: 'select' }, writable: true } });
  const same = async () => {
    const [a, b] = [await current('UI.INT'), await current('BACK.INT')];
    return b?.q === 'good' && a.v === b.v;
  };
  await until(same, 'the value');
  equal((await api.post('/points/BACK.INT:write', { value: 66, confirm: true, reason: 'test' })).outcome, 'done');
  equal(device.get('UI.INT'), 66);
  const on = !(await current('UI.COIL')).v;
  equal((await api.post('/points/BACK.COIL:write', { value: on, confirm: true, reason: 'test' })).outcome, 'done');
  equal(!!device.get('UI.COIL'), on);
  equal((await api.post('/points/BACK.INT:write', { value: 1e6, confirm: true, reason: 'test' })).outcome, 'refused', 'beyond the range of the first');
  await until(same, 'the new value');
  await device.stop();
  await until(async () => (await current('BACK.INT')).q === 'bad', 'bad comes back bad');
  await device.start(device.port);
  await until(same, 'good again', 30000);
  await api.call('PATCH', '/channels/LOOP', { spec: { enabled: false } });
});

test('a redundancy group: one of its connections has the data; switch-over loses and doubles nothing', async () => {
  m = await dial();
  await until(() => m.started, 'STARTDT con');
  await api.call('PATCH', '/forwards/DISPATCH', { spec: { options: { redundancy: '*' } } });
  const again = async (options) => until(() => dial(options).catch(() => null), 'a connection');
  await until(() => m.closed, 'it listens anew');
  const a = await again(), b = await dial({ start: false });
  await until(() => a.started, 'the first');
  device.put('UI.INT', 501);
  await until(() => seen(a, INT).some((o) => o.v === 501), 'at the first');
  b.link.u(U.startAct);
  await until(() => b.started, 'the second takes over');
  for (let v = 502; v < 512; v++) {
    device.put('UI.INT', v);
    await until(() => seen(b, INT).some((o) => o.v === v), `${v} at the second`);
  }
  ok(!seen(a, INT).some((o) => o.v > 501), 'not at the first');
  b.close(); // changes while nobody has started
  await until(async () => (await status()).subscriptions === 0, 'nobody');
  device.put('UI.INT', 600);
  await until(async () => (await current('UI.INT')).v === 600 && (await status()).buffer.records > 0, 'kept');
  a.link.u(U.startAct);
  await until(() => seen(a, INT).some((o) => o.v === 600), 'the first goes on');
  const all = [...seen(a, INT), ...seen(b, INT)].filter((o) => o.v > 501).map((o) => `${o.t} ${o.v}`);
  equal(new Set(all).size, all.length, 'nothing twice');
  const r = await api.post('/forwards', { code: 'X', name: 'x', spec: { outlet: 'iec104_server', options: { redundancy: 'A 10.0.0.7' } } }, 400);
  equal(r.where ?? r.errors?.[0]?.where, 'spec.options.redundancy');
  await api.call('PATCH', '/forwards/DISPATCH', { spec: { options: { redundancy: '' } } });
  await until(() => a.closed, 'it listens anew');
  m = await again();
  await until(() => m.started, 'STARTDT con');
});

test('TLS: our certificate, theirs required', async () => {
  const ssl = (...a) => execFileSync('openssl', a, { cwd: dir, stdio: 'ignore' });
  const make = (name, subject, ...more) => ssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-keyout', `${name}.key`, '-out', `${name}.pem`, '-subj', subject, ...more);
  make('ours', '/CN=station', '-addext', 'subjectAltName=IP:127.0.0.1');
  make('centre', '/CN=dispatch centre');
  make('stranger', '/CN=stranger');
  const pem = (f) => readFileSync(join(dir, f), 'utf8');
  const wrong = await api.post('/forwards:test', { spec: { outlet: 'iec104_server', options: { bind: '127.0.0.1', port: 0, tls: true, tls_certificate: 'rubbish', tls_key: 'rubbish' } } }, 400);
  ok(wrong.where === 'spec.options.tls_certificate' && wrong.detail.includes('PEM'), JSON.stringify(wrong));
  await api.call('PATCH', '/forwards/DISPATCH', { spec: { options: { bind: '127.0.0.1', port, max_connections: 3, tls: true, tls_certificate: pem('ours.pem'), tls_key: pem('ours.key'), tls_ca: pem('centre.pem') } } });
  const secure = (name) => ({ ca: pem('ours.pem'), ...(name ? { cert: pem(`${name}.pem`), key: pem(`${name}.key`) } : {}) });
  const x = await until(() => dial({ secure: secure('centre') }), 'a connection over TLS');
  await until(() => x.started, 'STARTDT con');
  x.ask(100, 1, 0, [20]);
  await until(() => x.got.some((a) => a.type === 100 && a.cause === 10), 'an interrogation');
  equal((await api.get('/forwards/DISPATCH/diagnostics')).peers.map((p) => p.who), ['dispatch centre']);
  for (const name of ['stranger', null]) {
    const y = await dial({ secure: secure(name) }).catch(() => null);
    if (y) await until(() => y.closed, 'refused');
  }
  const plain = await dial().catch(() => null);
  if (plain) await until(() => plain.closed, 'plain is refused', 20000);
  equal(x.closed, undefined, 'the one with the right one stays');
  ok(!JSON.stringify(await api.get('/forwards/DISPATCH')).includes('PRIVATE KEY'), 'the key is not given out');
  x.close();
});

test('the end', async () => {
  equal((await stop(serve)).code, 0, 'exit code');
  await device.stop();
});

await run();
