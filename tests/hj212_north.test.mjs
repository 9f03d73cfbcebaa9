// HJ 212 reports to a platform that we wrote here from the standard (own frames, own CRC, own reading of CP): real-time,
// minute, hour and day data with values computed here from what was stored, flags, answers that do not come, kill -9,
// recalls, settings, both versions, nonsense; and our own platform side on the other end.
import net from 'node:net';
import { equal, freePort, near, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';

// ---- a platform ----
function crc(bytes) {
  let r = 0xffff;
  for (const b of bytes) {
    r = (r >> 8) ^ b;
    for (let k = 0; k < 8; k++) r = r & 1 ? (r >> 1) ^ 0xa001 : r >> 1;
  }
  return r.toString(16).toUpperCase().padStart(4, '0');
}
const frame = (segment) => Buffer.from(`##${String(Buffer.byteLength(segment)).padStart(4, '0')}${segment}${crc(Buffer.from(segment))}\r\n`);
const pad = (n, w = 2) => String(n).padStart(w, '0');
const ZONE = 8 * 3600e3;
function stamp(ms, millis = false) {
  const d = new Date(ms + ZONE);
  const s = `${d.getUTCFullYear()}${pad(d.getUTCMonth() + 1)}${pad(d.getUTCDate())}${pad(d.getUTCHours())}${pad(d.getUTCMinutes())}${pad(d.getUTCSeconds())}`;
  return millis ? s + pad(d.getUTCMilliseconds(), 3) : s;
}
const unstamp = (s) => Date.UTC(s.slice(0, 4), s.slice(4, 6) - 1, s.slice(6, 8), s.slice(8, 10), s.slice(10, 12), s.slice(12, 14)) - ZONE;

class Platform {
  got = [];
  answers = []; // 9011, 9012, 9013
  sockets = new Set();
  mute = false;
  accepted = 0;
  longest = 0;
  parts = new Map();
  async start(port = 0) {
    this.server = net.createServer((s) => this.accept(s));
    await new Promise((r) => this.server.listen(port, '127.0.0.1', r));
    this.port = this.server.address().port;
  }
  accept(s) {
    this.accepted++;
    this.sockets.add(s);
    this.sock = s;
    let rest = Buffer.alloc(0);
    s.on('error', () => {});
    s.on('close', () => this.sockets.delete(s));
    s.on('data', (d) => {
      rest = Buffer.concat([rest, d]);
      while (rest.length >= 6) {
        equal(rest.toString('latin1', 0, 2), '##', 'a frame begins');
        const n = Number(rest.toString('latin1', 2, 6));
        if (rest.length < n + 12) return;
        const segment = rest.subarray(6, 6 + n);
        equal(rest.toString('latin1', 6 + n, 12 + n), `${crc(segment)}\r\n`, 'CRC and end');
        this.longest = Math.max(this.longest, n);
        rest = rest.subarray(n + 12);
        this.take(segment.toString('utf8'));
      }
    });
  }
  take(text) {
    const at = text.indexOf('CP=&&');
    const m = Object.fromEntries(text.slice(0, at).split(';').filter(Boolean).map((x) => x.split('=')));
    m.cp = text.slice(at + 5, -2);
    m.at = Date.now();
    if (Number(m.CN) >= 9011) return this.answers.push(m);
    if (m.PNUM && Number(m.PNUM) > 1) {
      const list = this.parts.get(m.QN + m.CN) ?? [];
      list[m.PNO - 1] = m.cp;
      this.parts.set(m.QN + m.CN, list);
      if (list.filter((x) => x !== undefined).length < Number(m.PNUM)) return;
      m.cp = list.join(';');
    }
    m.items = m.cp.split(';').map((i) => Object.fromEntries(i.split(',').map((f) => f.split('='))));
    m.v = Object.assign({}, ...m.items);
    this.got.push(m);
    if (Number(m.Flag) & 1 && !this.mute) this.send(`QN=${m.QN};ST=91;CN=9014;PW=${m.PW};MN=${m.MN};Flag=${Number(m.Flag) & ~3};CP=&&&&`);
  }
  send(segment) {
    this.sock.write(frame(segment));
  }
  // Ask, and await 9011 and, where it was 1, 9012.
  async ask(cn, cp = '', { mn = MN, pw = '123456' } = {}) {
    const qn = stamp(Date.now() + this.answers.length, true);
    this.send(`QN=${qn};ST=32;CN=${cn};PW=${pw};MN=${mn};Flag=5;CP=&&${cp}&&`);
    const first = await until(() => this.answers.find((m) => m.QN === qn && ['9011', '9013'].includes(m.CN)), `an answer to ${cn}`);
    if (first.CN === '9013') return { notice: true };
    const rtn = Number(first.cp.match(/QnRtn=(\d+)/)[1]);
    if (rtn !== 1) return { rtn, data: [] };
    const last = await until(() => this.answers.find((m) => m.QN === qn && m.CN === '9012'), `the end of ${cn}`);
    return { rtn, exe: Number(last.cp.match(/ExeRtn=(\d+)/)[1]), data: this.got.filter((m) => m.QN === qn) };
  }
  of(cn) {
    return this.got.filter((m) => m.CN === String(cn));
  }
  async stop() {
    for (const s of this.sockets) s.destroy();
    await new Promise((r) => this.server.close(r));
  }
}

// ---- what is stored: every 30 s, in Beijing's periods ----
const MN = '010000A8900016F000169DC0';
const MIN = 60e3, HOUR = 3600e3, DAY = 24 * HOUR;
const floor = (t, period) => Math.floor((t + ZONE) / period) * period - ZONE;
const start = Date.now();
const from = floor(start, DAY) - DAY;
const cod = (t) => (Math.floor((t + ZONE) / (5 * MIN)) % 2 ? 70 : 50); // 5 minutes each
const flow = 2; // L/s
const badFrom = floor(start, HOUR) - 3 * HOUR, badTo = badFrom + 30 * MIN; // half an hour of a fault

const platform = new Platform();
const dir = tempDir();
let serve, api;
const status = async (code = 'EPB') => (await api.get('/forwards:status')).items.find((i) => i.code === code);
const options = (more = {}) => ({ host: '127.0.0.1', port: platform.port, mn: MN, password: '123456', st: 32, settle: '10ms', timeout: '300ms', retries: 1, rtd_interval: '1s', reconnect_min: '20ms', reconnect_max: '100ms', ...more });

test('points with a day of history', async () => {
  await platform.start();
  serve = await startServe(dir);
  api = await signIn(serve);
  for (const code of ['W.COD', 'W.Q', 'W.PUMP', 'W.TXT']) await api.post('/points', { code, name: code, spec: { type: code === 'W.PUMP' ? 'bool' : 'double', step: true } });
  let batch = [];
  const put = async (s) => {
    batch.push(...s);
    if (batch.length < 5000 && s.length) return;
    await api.post('/samples', { samples: batch });
    batch = [];
  };
  for (let t = from; t < start; t += 30e3) {
    const bad = t >= badFrom && t < badTo;
    await put([{ point: 'W.COD', t, v: cod(t), q: bad ? 'bad' : 'good' }, { point: 'W.Q', t, v: flow }, { point: 'W.PUMP', t, v: new Date(t + ZONE).getUTCHours() < 6 }]);
  }
  await put([]);
});

test('a forwarding: the start is told, real-time data follow', async () => {
  await api.post('/forwards', { code: 'EPB', name: '环保上报', spec: { outlet: 'hj212_sender', options: options() } });
  for (const [code, point, address] of [['e1', 'W.COD', 'w01018'], ['e2', 'W.Q', 'w00000'], ['e3', 'W.PUMP', 'SB1-RS']])
    await api.post('/forward-points', { code, name: code, spec: { forward: 'EPB', point, address } });
  await until(async () => (await status())?.state === 'up', 'up');
  await until(() => platform.of(2081).length === 1, 'the start');
  const m = await until(() => platform.of(2011).find((x) => x.v['w01018-Rtd'] && x.v['w00000-Rtd']), 'real-time data');
  equal([m.MN, m.PW, m.ST, m.Flag], [MN, '123456', '32', '5']);
  equal([m.v['w01018-Rtd'], m.v['w01018-Flag'], m.v['w00000-Rtd']], [String(cod(start - 1)), 'N', '2']);
  near(unstamp(m.v.DataTime), m.at, 2500, 'DataTime');
  await until(() => platform.of(2021).some((x) => x.v['SB1-RS'] !== undefined), 'the running state');
  const n = platform.of(2011).length;
  await api.post('/samples', { samples: [{ point: 'W.COD', t: Date.now(), v: 88.5 }] });
  await until(() => platform.of(2011).some((x) => x.v['w01018-Rtd'] === '88.5'), 'the new value');
  ok(platform.of(2011).length > n, 'again and again');
});

// ---- periods, against what is computed here ----
function expected(begin, period, cn) {
  let sum = 0, n = 0, min = Infinity, max = -Infinity;
  for (let t = begin; t < begin + period; t += 30e3) {
    const bad = t >= badFrom && t < badTo;
    if (bad) continue;
    n++;
    sum += cod(t);
    min = Math.min(min, cod(t));
    max = Math.max(max, cod(t));
  }
  return { avg: sum / n, min, max, n, cn };
}
function check(m, period) {
  const begin = unstamp(m.v.DataTime), w = expected(begin, period);
  equal(begin, floor(begin, period), 'it begins where the clock shows a whole period');
  near(Number(m.v['w01018-Avg']), w.avg, 0.7, `${m.CN} ${m.v.DataTime} Avg`);
  equal([Number(m.v['w01018-Min']), Number(m.v['w01018-Max'])], [w.min, w.max], 'Min, Max');
  equal(m.v['w00000-Avg'], '2');
  near(Number(m.v['w00000-Cou']), (flow * period) / 1e6, (flow * period) / 1e8, 'm³');
  near(Number(m.v['w01018-Cou']), (w.avg * flow * w.n * 30) / 1e6, (w.avg * flow * w.n * 30) / 5e7 + 0.001, 'kg');
}

test('the periods that ended last: minute, hour, day, running time', async () => {
  for (const [cn, period] of [[2051, 10 * MIN], [2061, HOUR], [2031, DAY]]) {
    const m = await until(() => platform.of(cn)[0], `${cn}`);
    equal(unstamp(m.v.DataTime), floor(start, period) - period, `${cn}: the last one`);
    if (cn !== 2061 || unstamp(m.v.DataTime) !== badFrom) check(m, period);
    equal(m.v['w01018-Flag'], 'N', `${cn}`);
    equal(m.items.map((i) => Object.keys(i)[0]), ['DataTime', 'w00000-Cou', 'w01018-Cou'], 'items');
  }
  const run = await until(() => platform.of(2041)[0], 'the running time');
  near(Number(run.v['SB1-RT']), 6, 0.02, 'hours');
  await until(async () => (await status()).state === 'up', 'everything acknowledged');
});

test('the platform asks for the past', async () => {
  const a = badFrom - 2 * HOUR, b = badTo + HOUR;
  const minutes = await platform.ask(2051, `BeginTime=${stamp(a)},EndTime=${stamp(b - 1000)}`);
  equal([minutes.exe, minutes.data.length], [1, (b - a) / (10 * MIN)]);
  for (const m of minutes.data) {
    const t = unstamp(m.v.DataTime), bad = t >= badFrom && t < badTo;
    equal(m.v['w01018-Flag'], bad ? 'D' : 'N', m.v.DataTime);
    if (!bad) check(m, 10 * MIN);
    else equal([m.v['w01018-Avg'], m.v['w00000-Flag']], [undefined, 'N'], 'only the flag');
  }
  const hours = await platform.ask(2061, `BeginTime=${stamp(a)},EndTime=${stamp(b)}`);
  const bad = hours.data.find((m) => unstamp(m.v.DataTime) === badFrom);
  equal(bad.v['w01018-Flag'], 'D', 'half an hour is not enough');
  for (const m of hours.data.filter((x) => x !== bad)) check(m, HOUR);
  equal(hours.data.length, 4);
  const days = await platform.ask(2031, `BeginTime=${stamp(from)},EndTime=${stamp(from + DAY)}`);
  equal(days.data.map((m) => unstamp(m.v.DataTime)), [from]);
  const rtd = await platform.ask(2011, `BeginTime=${stamp(from)},EndTime=${stamp(from + 5 * MIN)}`);
  equal([rtd.exe, rtd.data.length], [1, 301], 'one each second, as they were reported');
  for (const m of rtd.data.slice(0, 300)) equal([m.v['w01018-Rtd'], m.v['w01018-Flag']], [String(cod(from)), 'N'], m.v.DataTime);
  equal((await platform.ask(2051, `BeginTime=20010101000000,EndTime=20010101010000`)).exe, 100, 'no data');
  equal((await platform.ask(2051, `BeginTime=nonsense`)).exe, 3);
  ok(platform.longest <= 1024, `segments of at most 1024 bytes, ${platform.longest}`);
});

test('the platform asks and sets', async () => {
  const time = await platform.ask(1011);
  near(unstamp(time.data[0].v.SystemTime), Date.now(), 3000);
  equal((await platform.ask(1012, `SystemTime=${stamp(Date.now())}`)).exe, 1, 'the same time');
  equal((await platform.ask(1012, `SystemTime=${stamp(Date.now() - 60e3)}`)).exe, 2, 'another time');
  const st = await until(async () => { const s = await status(); return s.state === 'degraded' && s; }, 'told');
  ok(/60|61/.test(JSON.stringify(st.reason)), JSON.stringify(st.reason));
  await platform.ask(1012, `SystemTime=${stamp(Date.now())}`);
  equal((await platform.ask(1062, 'RtdInterval=30')).exe, 1);
  equal((await platform.ask(1061)).data[0].v.RtdInterval, '30');
  const n = platform.of(2011).length;
  equal((await platform.ask(2012)).notice, true);
  equal((await platform.ask(1062, 'RtdInterval=1')).exe, 1);
  equal((await platform.ask(1064, 'MinInterval=5')).exe, 1);
  equal((await platform.ask(1063)).data[0].v.MinInterval, '5');
  equal((await platform.ask(1064, 'MinInterval=7')).exe, 3);
  ok(platform.of(2011).length <= n + 1, 'stopped');
  const now = await platform.ask(2011);
  equal([now.exe, now.data.length], [1, 1]);
  await until(() => platform.of(2011).length >= n + 3, 'and going again');
  equal((await platform.ask(3011, 'PolId=w01018')).rtn, 2, 'no point is mapped to it');
  equal((await platform.ask(7777)).rtn, 8, 'no such command');
  equal((await platform.ask(1011, '', { pw: 'wrong' })).rtn, 3);
  equal((await platform.ask(1011, '', { mn: 'X' })).rtn, 4);
});

// Other options: the sender comes again with them; what is asked on the connection that it leaves has no answer.
async function changed(options) {
  const before = platform.accepted;
  await api.call('PATCH', '/forwards/EPB', { spec: { options } });
  await until(() => platform.accepted > before, 'the sender with its new options');
}

test('what the platform has set holds over kill -9, until a user sets it anew', async () => {
  equal((await platform.ask(1062, 'RtdInterval=2')).exe, 1);
  equal((await platform.ask(1064, 'MinInterval=10')).exe, 1);
  equal((await platform.ask(1072, 'NewPW=654321')).exe, 1);
  await stop(serve, 'SIGKILL');
  serve = await startServe(dir);
  api = await signIn(serve);
  await until(async () => (await status())?.state === 'up', 'up');
  equal((await platform.ask(1061)).rtn, 3, 'the old password');
  equal((await platform.ask(1061, '', { pw: '654321' })).data[0].v.RtdInterval, '2');
  equal((await platform.ask(1063, '', { pw: '654321' })).data[0].v.MinInterval, '10');
  await changed({ rtd_interval: '3s' });
  equal((await platform.ask(1061, '', { pw: '654321' })).data[0].v.RtdInterval, '3', 'the interval of the user');
  await changed({ rtd_interval: '1s' });
  equal((await platform.ask(1061, '', { pw: '654321' })).data[0].v.RtdInterval, '1', 'not that of the platform again');
  equal((await platform.ask(1072, 'NewPW=123456', { pw: '654321' })).exe, 1);
});

test('what is not acknowledged comes again: repeats, a restart, kill -9', async () => {
  platform.mute = true;
  platform.got = [];
  await stop(serve, 'SIGKILL');
  serve = await startServe(dir);
  api = await signIn(serve);
  const last = () => floor(Date.now(), 10 * MIN) - 10 * MIN;
  const minutes = () => platform.of(2051).filter((m) => unstamp(m.v.DataTime) >= last() - 10 * MIN);
  await until(() => minutes().length >= 2 && minutes()[0].QN === minutes()[1].QN, 'a repeat');
  await until(async () => (await status()).timeouts > 0, 'counted');
  await stop(serve, 'SIGKILL');
  platform.got = [];
  serve = await startServe(dir);
  api = await signIn(serve);
  platform.mute = false;
  for (const cn of [2051, 2061, 2031]) await until(() => platform.of(cn).length, `${cn} after the kill`);
  await until(async () => (await status()).state === 'up', 'up');
});

test('a platform that goes away and comes back', async () => {
  const { port } = platform;
  await platform.stop();
  await until(async () => (await status()).state === 'down', 'down');
  ok(JSON.stringify((await status()).reason).includes(String(port)), 'why');
  const before = platform.accepted;
  platform.got = [];
  await platform.start(port);
  await until(() => platform.of(2011).length, 'real-time data');
  ok(platform.accepted > before);
  platform.sock.write('##00nonsense\r\n##0012QN=1;CN=1011ZZZZ\r\n');
  platform.sock.write(Buffer.alloc(3000, 0x23));
  equal((await platform.ask(1061)).exe, 1, 'nonsense before it does not matter');
  const d = await until(async () => {
    const x = await api.get('/forwards/EPB/diagnostics');
    return x.frames.some((f) => f.dir === 'tx' && f.words.zh.includes('实时数据')) && x;
  }, 'frames in words');
  equal(d.peers.map((p) => p.who), [MN]);
});

test('bad values have their flag in real-time data', async () => {
  await api.post('/samples', { samples: [{ point: 'W.COD', t: Date.now() + 1000, v: 90, q: 'bad' }] });
  await until(() => platform.of(2011).at(-1)?.v['w01018-Flag'] === 'D', 'D');
  await api.post('/samples', { samples: [{ point: 'W.COD', t: Date.now() + 1100, v: 91, q: 'good' }] });
  await until(() => platform.of(2011).at(-1)?.v['w01018-Flag'] === 'N', 'N');
});

test('wrong settings are refused with the place', async () => {
  const bad = async (path, body, where) => {
    const r = await api.post(path, body, 400);
    ok(JSON.stringify(r).includes(where), JSON.stringify(r));
  };
  await bad('/forward-points', { code: 'x', name: 'x', spec: { forward: 'EPB', point: 'W.TXT', address: 'w01018-Avg' } }, 'spec.address');
  await api.post('/forward-points', { code: 'x', name: 'x', spec: { forward: 'EPB', point: 'W.TXT', address: 'w01018' } });
  await until(async () => (await api.get('/forwards/EPB/points?faults=true')).items.some((i) => i.code === 'W.TXT' && i.error), 'an address that is taken');
  await api.call('DELETE', '/forward-points/x');
  await bad('/forwards', { code: 'X', name: 'x', spec: { outlet: 'hj212_sender', options: options({ mn: undefined }) } }, 'spec.options.mn');
  await bad('/forwards', { code: 'X', name: 'x', spec: { outlet: 'hj212_sender', options: options({ rtd_interval: '10ms' }) } }, 'spec.options.rtd_interval');
  const no = await api.post('/forwards:test', { spec: { outlet: 'hj212_sender', options: options({ port: await freePort() }) } });
  ok(!no.ok && no.detail.length, JSON.stringify(no));
  const yes = await api.post('/forwards:test', { spec: { outlet: 'hj212_sender', options: options({ announce: false }) } });
  ok(yes.ok, JSON.stringify(yes));
});

test('version 2005, fifty pollutants in packets, our own platform side', async () => {
  const own = await freePort();
  const mn = '12345678901234';
  await api.post('/channels', { code: 'IN', name: '平台侧', spec: { driver: 'hj212', options: { port: own, bind: '127.0.0.1' } } });
  await api.post('/devices', { code: 'IN-1', name: '数采仪', spec: { channel: 'IN', options: { mn, password: 'pw' } } });
  await api.post('/forwards', { code: 'OLD', name: '2005', spec: { outlet: 'hj212_sender', options: options({ port: own, mn, password: 'pw', version: '2005' }) } });
  const codes = Array.from({ length: 50 }, (_, i) => `w2${pad(i + 200, 4)}`);
  const points = codes.map((c) => `P.${c},${c},double`), backs = codes.map((c) => `B.${c},${c},IN-1,2011/${c}-Rtd,double`);
  await api.csv('/points:import', ['code,name,type', ...points].join('\n'));
  await api.csv('/points:import', ['code,name,device,address,type', ...backs].join('\n'));
  await api.post('/samples', { samples: codes.map((c, i) => ({ point: `P.${c}`, t: Date.now(), v: 1000.125 + i })) });
  for (const c of codes) await api.post('/forward-points', { code: `o.${c}`, name: c, spec: { forward: 'OLD', point: `P.${c}`, address: c } });
  await until(async () => (await status('OLD')).state === 'up', 'up');
  const back = async () => (await Promise.all([0, 25].map((k) => api.get(`/current?points=${codes.slice(k, k + 25).map((c) => `B.${c}`).join(',')}`)))).flatMap((x) => x.items);
  const items = await until(async () => { const x = await back(); return x.every((i) => i.q === 'good') && x; }, 'all of them come back', 30000);
  equal(items.map((i) => i.v), codes.map((_, i) => 1000.125 + i));
});

test('the end', async () => {
  equal((await stop(serve)).code, 0, 'exit code');
  await platform.stop();
});

await run();
