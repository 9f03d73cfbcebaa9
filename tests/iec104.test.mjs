// IEC 60870-5-104 against stations that we wrote a second time, in JavaScript from the standard's tables (iec104.mjs):
// every type compared with what the station holds, commands, time, browsing, TLS, hostile stations, flaps; captures
// of both directions read by tshark; and the stations of `bornite sim` asked by a controlling station of JavaScript.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cp56, Master, Station } from './iec104.mjs';
import { equal, freePort, near, ok, run, signIn, sleep, startServe, startSim, stop, tempDir, test, until } from './lib.mjs';
import { tshark, writePcap } from './pcap.mjs';

const HOUR = 3600000;
const station = new Station();
let serve, api;

// code, address, type, what the station holds, what we are to show, writable
const at = Date.now() + 8 * HOUR; // the station's local clock, UTC+8
const objects = [
  ['T.SP', 'M_SP:1', '', { type: 1, ioa: 1, v: 1 }, true],
  ['T.SP24', 'M_SP:2', '', { type: 2, ioa: 2, v: 1, t: at }, true],
  ['T.DP', 'M_DP:3', '', { type: 3, ioa: 3, v: 2 }, true],
  ['T.DP24', 'M_DP:4', 'uint8', { type: 4, ioa: 4, v: 1, t: at }, 1],
  ['T.ST', 'M_ST:5', '', { type: 5, ioa: 5, v: -64 }, -64],
  ['T.ST24', 'M_ST:6', '', { type: 6, ioa: 6, v: 63, t: at }, 63],
  ['T.BO', 'M_BO:7', '', { type: 7, ioa: 7, v: 0xdeadbeef }, 0xdeadbeef],
  ['T.BO24', 'M_BO:8', '', { type: 8, ioa: 8, v: 1, t: at }, 1],
  ['T.NA', 'M_ME_NA:16385', '', { type: 9, ioa: 16385, v: -32768 }, -1],
  ['T.NA24', 'M_ME_NA:16386', '', { type: 10, ioa: 16386, v: 8192, t: at }, 0.25],
  ['T.NB', 'M_ME_NB:16387', '', { type: 11, ioa: 16387, v: -12345 }, -12345],
  ['T.NB24', 'M_ME_NB:16388', '', { type: 12, ioa: 16388, v: 32767, t: at }, 32767],
  ['T.NC', 'M_ME_NC:16389', '', { type: 13, ioa: 16389, v: 1234.5 }, 1234.5],
  ['T.NC24', '16390', '', { type: 14, ioa: 16390, v: -0.001, t: at }, -0.001],
  ['T.IT', 'ym0', '', { type: 15, ioa: 25601, v: -2147483648, seq: 31 }, -2147483648],
  ['T.IT24', 'M_IT:25602', '', { type: 16, ioa: 25602, v: 2147483647, t: at }, 2147483647],
  ['T.EP', 'M_EP_TA:17', '', { type: 17, ioa: 17, v: 2, ms: 500, t: at }, true],
  ['T.EPB', 'M_EP_TB:18', '', { type: 18, ioa: 18, v: 0x21, ms: 5, t: at }, 0x21],
  ['T.EPC', 'M_EP_TC:19', '', { type: 19, ioa: 19, v: 0x0f, ms: 5, t: at }, 0x0f],
  ['T.PS', 'M_PS:20', '', { type: 20, ioa: 20, v: 0xa5a5, changes: 1 }, 0xa5a5],
  ['T.ND', 'M_ME_NA:16391', '', { type: 21, ioa: 16391, v: 16384 }, 0.5],
  ['T.SP56', 'M_SP:30', '', { type: 30, ioa: 30, v: 0, t: at }, false],
  ['T.DP56', 'M_DP:31', '', { type: 31, ioa: 31, v: 1, t: at }, false],
  ['T.ST56', 'M_ST:32', '', { type: 32, ioa: 32, v: 7, t: at }, 7],
  ['T.BO56', 'M_BO:33', '', { type: 33, ioa: 33, v: 0x7fffffff, t: at }, 0x7fffffff],
  ['T.NA56', 'M_ME_NA:34', 'int16', { type: 34, ioa: 34, v: -5, t: at }, -5],
  ['T.NB56', 'M_ME_NB:35', '', { type: 35, ioa: 35, v: 99, t: at }, 99],
  ['T.NC56', 'M_ME_NC:36', '', { type: 36, ioa: 36, v: 49.9758, t: at }, 49.9758],
  ['T.IT56', 'M_IT:37', '', { type: 37, ioa: 37, v: 1000, t: at }, 1000],
  ['T.EP56', 'M_EP_TA:38', '', { type: 38, ioa: 38, v: 1, ms: 1, t: at }, false],
  ['T.EPB56', 'M_EP_TB:39', '', { type: 39, ioa: 39, v: 1, t: at }, 1],
  ['T.EPC56', 'M_EP_TC:40', '', { type: 40, ioa: 40, v: 8, t: at }, 8],
  ['T.CA2', '2!M_ME_NC:16385', '', { ca: 2, type: 13, ioa: 16385, v: 77.25 }, 77.25],
];
const commands = [
  ['C.SC', 'C_SC:24577', ''],
  ['C.DC', 'C_DC_TA:24578', ''],
  ['C.SE', 'C_SE_NC:25089', ''],
  ['C.SB', 'C_SE_NB:25090', ''],
];
const current = async (codes) => (await api.get(`/current?points=${codes.join(',')}`)).items;
const one = async (code) => (await current([code]))[0];

test('a station in three steps: channel, device, points', async () => {
  station.values = objects.map(([, , , o]) => ({ ca: 1, ...o }));
  await station.start();
  serve = await startServe(tempDir());
  api = await signIn(serve);
  const spec = { driver: 'iec104', options: { host: '127.0.0.1', port: station.port, counter_interrogation: '1h', clock_sync: '1h', originator: 5, reconnect_min: '50ms', reconnect_max: '200ms' } };
  const tried = await api.post('/channels:test', { spec });
  ok(tried.ok && tried.detail.includes('STARTDT'), `test: ${JSON.stringify(tried)}`);
  await api.post('/channels', { code: 'RTU', name: '变电站', spec });
  await api.post('/devices', { code: 'RTU-1', name: '被控站', spec: { channel: 'RTU', options: { common_address: 1 } } });
  const rows = [...objects.map(([code, address, type]) => `${code},${code},RTU-1,${address},${type},1s,false`), ...commands.map(([code, address, type]) => `${code},${code},RTU-1,${address},${type},1s,true`)];
  const done = await api.csv('/points:import', ['code,name,device,address,type,period,writable', ...rows].join('\n'));
  equal([done.created, done.failed], [objects.length + commands.length, 0], `import ${JSON.stringify(done).slice(0, 400)}`);
});

test('every value of every type is what the station holds', async () => {
  await until(async () => (await current(objects.map((o) => o[0]))).every((i) => i.q === 'good'), 'all good');
  const items = await current(objects.map((o) => o[0]));
  for (const [i, [code, , , , want]] of objects.entries()) {
    if (typeof want === 'boolean') equal(!!items[i].v, want, code);
    else near(items[i].v, want, Math.abs(want) * 1e-6, code);
  }
  ok(station.asked.every((a) => a.oa === 5), 'the originator address');
  equal([...new Set(station.asked.filter((a) => a.type === 100).map((a) => a.ca))].sort(), [1, 2], 'both common addresses are interrogated');
  const clock = station.clock, now = new Date(Date.now() + 8 * HOUR);
  equal([clock[4] & 31, clock[5], clock[6], clock[3]], [now.getUTCDate(), now.getUTCMonth() + 1, now.getUTCFullYear() % 100, now.getUTCHours()], 'clock synchronization in the zone of the station');
});

test('a spontaneous value arrives with the time of the station', async () => {
  const t = Math.floor(Date.now()) + 200; // ahead of what the interrogation brought
  station.spontaneous(36, 1, { ioa: 16389, v: 55.5, t: t + 8 * HOUR });
  await until(async () => (await one('T.NC')).v === 55.5, 'the value');
  const h = await until(async () => {
    const { series } = await api.get('/history/recorded?points=T.NC&from=*-10m&limit=1000');
    return series[0].v.includes(55.5) && series[0];
  }, 'it in the history');
  const got = h.t[h.v.indexOf(55.5)];
  equal(new Date(got).getTime(), t, 'its time');
});

test('quality is told: invalid, not topical, substituted, blocked, overflow, between', async () => {
  const cases = [[0x80, 'bad'], [0x40, 'uncertain'], [0x20, 'uncertain'], [0x10, 'uncertain'], [0, 'good']];
  for (const [q, want] of cases) {
    station.spontaneous(1, 1, { ioa: 1, v: 1, q });
    await until(async () => (await one('T.SP')).q === want, `${q} -> ${want}`);
  }
  station.spontaneous(13, 1, { ioa: 16390, v: 3, q: 1 });
  await until(async () => (await one('T.NC24')).q === 'uncertain', 'overflow');
  station.spontaneous(3, 1, { ioa: 3, v: 3 });
  await until(async () => (await one('T.DP')).q === 'bad', 'faulty');
  station.spontaneous(3, 1, { ioa: 3, v: 0 });
  await until(async () => (await one('T.DP')).q === 'uncertain', 'between');
  station.spontaneous(3, 1, { ioa: 3, v: 2 });
  await until(async () => (await one('T.DP')).q === 'good', 'on');
});

const write = (code, value) => api.post(`/points/${code}:write`, { value, confirm: true, reason: 'test' });

test('commands: direct, with time, refused, selected first', async () => {
  station.commands = [];
  equal((await write('C.SC', true)).outcome, 'done');
  equal([station.commands[0].type, station.commands[0].ioa, station.commands[0].element[0]], [45, 24577, 1]);
  equal((await write('C.DC', false)).outcome, 'done');
  const dc = station.commands[1];
  equal([dc.type, dc.element[0], dc.element.length], [59, 1, 8]);
  near(Date.UTC(2000 + dc.element[7], dc.element[6] - 1, dc.element[5] & 31, dc.element[4] & 31, dc.element[3] & 63, 0, dc.element.readUInt16LE(1)) - 8 * HOUR, Date.now(), 5000, 'its time');
  equal((await write('C.SE', 12.5)).outcome, 'done');
  equal(station.commands[2].element.readFloatLE(0), 12.5);
  equal((await write('C.SB', -7)).outcome, 'done');
  equal(station.commands[3].element.readInt16LE(0), -7);
  equal((await one('C.SE')).v, 12.5, 'what was commanded is shown');
  station.answer = () => ({ negative: true });
  equal((await write('C.SC', false)).outcome, 'refused');
  station.answer = () => ({ cause: 47 });
  equal((await write('C.SC', false)).outcome, 'refused');
  station.answer = () => ({ negative: false });
  await api.call('PATCH', '/devices/RTU-1', { spec: { options: { common_address: 1, select_before_operate: true } } });
  station.commands = [];
  equal((await until(async () => (station.commands = []) && (await write('C.SC', true)) && station.commands.length === 2 && { outcome: 'done' }, 'the option to be in force')).outcome, 'done');
  equal(station.commands.map((c) => c.element[0]), [0x81, 0x01], 'select, execute');
});

test('a test read, and browsing what the station has', async () => {
  const read = await api.post('/channels:read', { channel: 'RTU', device: 'RTU-1', points: [{ address: 'M_ME_NB:16387', type: 'int16' }, { address: '4711', type: 'double' }] });
  equal([read.items[0].value, read.items[0].raw], [-12345, 'c7cf00']);
  ok(read.items[1].quality === 'bad', 'there is no 4711');
  const b = await api.post('/channels:browse', { channel: 'RTU', device: 'RTU-1', size: 20 });
  equal(b.items.length, 20);
  ok(b.next && b.items.some((i) => i.address === 'M_BO:7' && i.value.includes('deadbeef')), JSON.stringify(b.items.slice(0, 9)));
  const rest = await api.post('/channels:browse', { channel: 'RTU', device: 'RTU-1', size: 200, cursor: b.next });
  equal(b.items.length + rest.items.length, objects.length - 1, 'all of this common address');
});

test('what went over the wire is right by tshark, both ways', async () => {
  const file = join(tempDir(), 'a.pcap');
  const all = station.frames.filter((f) => f.link >= 0);
  writePcap(file, all, 2404);
  const packets = tshark(file, ['iec60870_104.type', 'iec60870_asdu.typeid', 'iec60870_asdu.causetx', 'iec60870_asdu.ioa', '_ws.expert.message', '_ws.malformed'], { filter: 'iec60870_104' });
  const apdus = packets.reduce((n, p) => n + p['iec60870_104.type'].length, 0);
  equal(apdus, all.length, 'all frames');
  for (const p of packets) equal(p['_ws.malformed'], [], 'malformed');
  const types = new Set(packets.flatMap((p) => p['iec60870_asdu.typeid']).map(Number));
  for (const t of [45, 49, 50, 59, 100, 101, 102, 103]) ok(types.has(t), `type ${t}`);
  const rec = await api.post('/channels/RTU:capture', { seconds: 60 });
  ok(rec.until, 'our own capture');
  station.spontaneous(36, 1, { ioa: 16389, v: 56.5, t: Date.now() + 8 * HOUR });
  await until(async () => (await api.get('/channels/RTU/diagnostics')).capture.frames > 0, 'a frame in it');
  await api.post('/channels/RTU:capture', { seconds: 0 });
  writeFileSync(file, Buffer.from(await (await api.raw('GET', '/channels/RTU/capture')).arrayBuffer()));
  const own = tshark(file, ['iec60870_asdu.typeid', 'iec60870_asdu.float', '_ws.malformed'], { filter: 'iec60870_asdu' });
  ok(own.some((p) => p['iec60870_asdu.typeid'].includes('36') && Number(p['iec60870_asdu.float'][0]) === 56.5), JSON.stringify(own));
});

test('more than k are never in flight when the station acknowledges nothing', async () => {
  const before = station.accepted, asked = station.asked.length;
  await api.call('PATCH', '/channels/RTU', { spec: { driver: 'iec104', options: { host: '127.0.0.1', port: station.port, k: 2, reconnect_min: '50ms', reconnect_max: '200ms' } } });
  const isNew = () => station.accepted > before && station.links.size === 1 && station.asked.slice(asked).filter((a) => a.type === 100).length === 2;
  await until(() => isNew() && [...station.links][0].queue.length === 0, 'the new connection and its interrogations');
  await until(async () => (await api.get('/channels:status')).items[0].state === 'up', 'up');
  for (const link of station.links) link.ackToPeer = false, (link.maxInFlight = 0);
  station.answer = () => null; // and confirms nothing
  const tries = [];
  for (const code of ['C.SC', 'C.DC', 'C.SE', 'C.SB']) tries.push(write(code, 1).catch(() => {}));
  await until(() => [...station.links].some((l) => l.maxInFlight === 2), 'two commands on their way');
  await sleep(300);
  equal([...station.links].map((l) => l.maxInFlight), [2], 'in flight');
  station.drop(); // in the middle of commands
  const outcomes = (await Promise.all(tries)).map((r) => r?.outcome);
  ok(outcomes.every((o) => o === undefined || ['unknown', 'failed', 'expired', 'refused'].includes(o)), JSON.stringify(outcomes));
  station.answer = () => ({ negative: false });
  await until(async () => (await one('T.NC')).q === 'good', 'it comes back');
});

test('a flood of 40,000 values without a pause, over the wrap of the numbers: all arrive, memory does not grow', async () => {
  const rss = () => Number(readFileSync(`/proc/${serve.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]);
  const before = rss(), [link] = station.links;
  link.k = 32767; // no waiting for acknowledgements
  for (let i = 1; i <= 40000; i++) link.send(Buffer.from([13, 1, 3, 0, 1, 0, 0x05, 0x40, 0, ...new Uint8Array(new Float32Array([i]).buffer), 0]));
  await until(async () => (await one('T.NC')).v === 40000, 'the last one');
  ok((await api.get('/channels:status')).items[0].state === 'up', 'the connection stands');
  ok(rss() - before < 100000, `grew by ${rss() - before} KiB`);
  link.k = 12;
});

const hostile = [
  ['rubbish', (s) => s.on('data', () => s.write('HTTP/1.1 400 Bad Request\r\n\r\n')), '0x68'],
  ['a length of 3', (s) => s.on('data', () => s.write(Buffer.from([0x68, 3, 1, 0, 0]))), 'length'],
  ['a length of 255', (s) => s.on('data', () => s.write(Buffer.alloc(300, 0xff).fill(0x68, 0, 1))), 'length'],
  ['an ASDU that is cut', (s) => s.on('data', () => s.write(Buffer.from([0x68, 4, 0x0b, 0, 0, 0, 0x68, 7, 0, 0, 0, 0, 13, 1, 3]))), ''],
  ['a number that is skipped', (s) => s.on('data', () => s.write(Buffer.from([0x68, 4, 0x0b, 0, 0, 0, 0x68, 14, 8, 0, 0, 0, 1, 1, 3, 0, 1, 0, 1, 0, 0, 1]))), 'number 4'],
  ['acknowledging what was not sent', (s) => s.on('data', () => s.write(Buffer.from([0x68, 4, 0x0b, 0, 0, 0, 0x68, 4, 1, 0, 0xf0, 0x0f]))), 'acknowledges'],
  ['half a frame and the end', (s) => s.on('data', () => s.end(Buffer.from([0x68, 4, 0x0b]))), 'closed'],
  ['the end at once', (s) => s.end(), 'closed'],
];

test('hostile stations are told apart, and none is pestered', async () => {
  for (const [name, act, words] of hostile) {
    station.behave = (s) => {
      s.on('error', () => {});
      act(s);
      return true;
    };
    station.accepted = 0;
    station.drop();
    const st = await until(async () => {
      const x = (await api.get('/channels:status')).items[0];
      return station.accepted >= 2 && (words === '' || x.reason.includes(words)) && x;
    }, `${name}: reason with '${words}'`);
    ok(st.state !== 'up' || words === '', `${name}: ${st.state}`);
  }
  station.behave = null;
  for (const s of station.sockets) s.destroy();
  await until(async () => (await one('T.NC')).q === 'good', 'good again', 30000);
});

test('1,000 flaps: one connection at a time, as often as the back-off says, each point told once', async () => {
  await api.call('PATCH', '/channels/RTU', { spec: { driver: 'iec104', options: { host: '127.0.0.1', port: station.port, reconnect_min: '10ms', reconnect_max: '10ms', time_zone: '+08:00' } } });
  await until(async () => (await one('T.NC')).q === 'good', 'the new options');
  const t0 = Date.now();
  let open = 0, most = 0, count = 0;
  station.behave = (s) => {
    most = Math.max(most, ++open);
    count++;
    s.on('error', () => {});
    s.on('close', () => open--);
    s.on('data', () => s.destroy());
    return true;
  };
  station.drop();
  await until(() => count >= 1000, '1,000 connections', 90000);
  const ms = Date.now() - t0;
  equal(most, 1, 'at a time');
  ok(ms > 1000 * 7, `1,000 in ${ms} ms: the wait is 10 ms less a quarter`);
  const { series } = await api.get('/history/recorded?points=T.ST&from=*-2m&limit=1000');
  ok(series[0].q.filter((q) => q === 2).length <= 4, `told bad ${series[0].q.filter((q) => q === 2).length} times`);
  station.behave = null;
  await until(async () => (await one('T.NC')).q === 'good', 'good again', 30000);
});

test('TLS: the certificate is verified, ours is shown, what is wrong is told', async () => {
  const dir = tempDir(), ssl = (...a) => execFileSync('openssl', a, { cwd: dir, stdio: 'ignore' });
  const make = (name, subject, ...more) => ssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-keyout', `${name}.key`, '-out', `${name}.pem`, '-subj', subject, ...more);
  make('station', '/CN=rtu', '-addext', 'subjectAltName=IP:127.0.0.1');
  make('other', '/CN=other', '-addext', 'subjectAltName=DNS:other');
  make('ours', '/CN=bornite');
  const pem = (f) => readFileSync(join(dir, f), 'utf8');
  const secure = new Station({ secure: { key: pem('station.key'), cert: pem('station.pem'), ca: pem('ours.pem'), requestCert: true, rejectUnauthorized: true } });
  secure.values = [{ ca: 1, type: 13, ioa: 16385, v: 5 }];
  await secure.start();
  const options = { host: '127.0.0.1', port: secure.port, tls: true, tls_ca: pem('station.pem'), tls_certificate: pem('ours.pem'), tls_key: pem('ours.key'), t0: '5s' };
  const tryIt = (change) => api.post('/channels:test', { spec: { driver: 'iec104', options: { ...options, ...change } } });
  const good = await tryIt({});
  ok(good.ok && good.detail.includes('TLS'), JSON.stringify(good));
  const wrongCa = await tryIt({ tls_ca: pem('other.pem') });
  ok(!wrongCa.ok && wrongCa.detail.includes('not trusted'), JSON.stringify(wrongCa));
  const wrongName = await tryIt({ tls_name: 'rtu.example' });
  ok(!wrongName.ok && /not trusted/.test(wrongName.detail), JSON.stringify(wrongName));
  ok((await tryIt({ tls_ca: pem('other.pem'), tls_verify: false })).ok, 'not verified');
  const noCert = await tryIt({ tls_certificate: undefined, tls_key: undefined });
  ok(!noCert.ok, 'the station wants our certificate');
  const plain = await tryIt({ tls: false });
  ok(!plain.ok, 'plain at a TLS port');
  await api.post('/channels', { code: 'SEC', name: 'TLS', spec: { driver: 'iec104', options } });
  await api.post('/devices', { code: 'SEC-1', name: 'TLS', spec: { channel: 'SEC', options: {} } });
  await api.post('/points', { code: 'SEC.V', name: 'v', spec: { device: 'SEC-1', address: 'yc0' } });
  await until(async () => (await one('SEC.V')).v === 5, 'a value over TLS');
  const all = (await api.get('/channels/SEC')).spec.options;
  ok(!JSON.stringify(all).includes('PRIVATE KEY'), 'the key is not given out');
  await secure.stop();
});

test('the stations of the simulator, asked by a controlling station of JavaScript', async () => {
  const port = await freePort();
  const sim = await startSim(['--iec104-port', String(port)]);
  const m = new Master();
  await until(() => m.connect(port).then(() => true), 'a connection');
  await until(() => m.started, 'STARTDT con');
  for (const ca of [1, 2, 3]) m.ask(100, ca, 0, [20]);
  await until(() => m.got.filter((a) => a.type === 100 && a.cause === 10).length === 3, 'three interrogations');
  const told = m.got.filter((a) => a.cause === 20).reduce((n, a) => n + a.n, 0);
  ok(told > 150, `${told} values`);
  m.ask(101, 1, 0, [5]);
  await until(() => m.got.some((a) => a.type === 101 && a.cause === 10), 'the counters');
  m.ask(46, 1, 24577, [0x81]); // select, execute: open the first breaker
  await until(() => m.got.some((a) => a.type === 46 && a.cause === 7 && a.element[0] === 0x81), 'selected');
  m.ask(46, 1, 24577, [0x01]);
  await until(() => m.got.some((a) => a.type === 46 && a.cause === 10), 'terminated');
  await until(() => m.got.some((a) => a.type === 31 && a.cause === 3 && a.bytes[6] === 1 && (a.bytes[9] & 3) === 1), 'the breaker tells that it is open');
  m.ask(45, 1, 24577, [1]);
  await until(() => m.got.some((a) => a.type === 45 && a.cause === 44 && a.negative), 'not as a single command');
  m.ask(100, 9, 0, [20]);
  await until(() => m.got.some((a) => a.type === 100 && a.cause === 46), 'an unknown common address');
  m.ask(103, 1, 0, cp56(Date.now()));
  await until(() => m.got.some((a) => a.type === 103 && a.cause === 7), 'the clock');
  const file = join(tempDir(), 'sim.pcap');
  writePcap(file, m.frames, 2404);
  const packets = tshark(file, ['iec60870_104.type', '_ws.malformed'], { filter: 'iec60870_104' });
  equal(packets.reduce((n, p) => n + p['iec60870_104.type'].length, 0), m.frames.length, 'frames by tshark');
  ok(packets.every((p) => p['_ws.malformed'].length === 0), 'none malformed');
  m.close();
  equal((await stop(sim)).code, 0);
});

test('the end', async () => {
  equal((await stop(serve)).code, 0, 'exit code');
  await station.stop();
});

await run();
