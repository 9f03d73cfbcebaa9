// HJ 212: instruments written here from the standard (own frames, own CRC) report to the platform: real-time, minute,
// hour and day data of several at once, both versions, everything that goes wrong on the way, writes and recalls, and
// kill -9 while they send: what was answered with 9014 is in history, value by value.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { BIN, equal, freePort, ok, run, signIn, startServe, startSim, stop, tempDir, test, until } from './lib.mjs';

// ---- an instrument ----
function crc(bytes) {
  let r = 0xffff;
  for (const b of bytes) {
    r = (r >> 8) ^ b;
    for (let k = 0; k < 8; k++) r = r & 1 ? (r >> 1) ^ 0xa001 : r >> 1;
  }
  return r.toString(16).toUpperCase().padStart(4, '0');
}
function frame(segment) {
  const data = Buffer.isBuffer(segment) ? segment : Buffer.from(segment, 'utf8');
  return Buffer.concat([Buffer.from(`##${String(data.length).padStart(4, '0')}`), data, Buffer.from(`${crc(data)}\r\n`)]);
}
const pad = (n, w = 2) => String(n).padStart(w, '0');
// Beijing time, as the standard means it.
function stamp(ms, millis = false) {
  const d = new Date(ms + 8 * 3600e3);
  const s = `${d.getUTCFullYear()}${pad(d.getUTCMonth() + 1)}${pad(d.getUTCDate())}${pad(d.getUTCHours())}${pad(d.getUTCMinutes())}${pad(d.getUTCSeconds())}`;
  return millis ? s + pad(d.getUTCMilliseconds(), 3) : s;
}
const second = (ms = Date.now()) => Math.floor(ms / 1000) * 1000;
let lastQn = 0;
function newQn() {
  lastQn = Math.max(lastQn + 1, Date.now());
  return stamp(lastQn, true);
}

class Instrument {
  constructor(mn, { pw = '123456', st = 32, version = 4 } = {}) {
    Object.assign(this, { mn, pw, st, version, got: [], closed: true, onRequest: null });
  }
  async connect(port) {
    this.sock = net.connect(port, '127.0.0.1');
    this.closed = false;
    this.rest = Buffer.alloc(0);
    this.sock.on('error', () => {});
    this.sock.on('close', () => { this.closed = true; });
    this.sock.on('data', (d) => this.receive(d));
    await new Promise((r, j) => { this.sock.on('connect', r); this.sock.on('error', j); });
    return this;
  }
  receive(d) {
    this.rest = Buffer.concat([this.rest, d]);
    for (;;) {
      if (this.rest.length < 6) return;
      equal(this.rest.toString('latin1', 0, 2), '##', 'the platform sends frames');
      const n = Number(this.rest.toString('latin1', 2, 6));
      if (this.rest.length < n + 12) return;
      const segment = this.rest.subarray(6, 6 + n);
      equal(this.rest.toString('latin1', 6 + n, 10 + n), crc(segment), 'CRC of the platform');
      equal(this.rest.toString('latin1', 10 + n, 12 + n), '\r\n');
      this.rest = this.rest.subarray(n + 12);
      const text = segment.toString('utf8');
      const at = text.indexOf('CP=&&');
      const m = Object.fromEntries(text.slice(0, at).split(';').filter(Boolean).map((x) => x.split('=')));
      m.CP = text.slice(at + 5, -2);
      m.text = text;
      this.got.push(m);
      if (this.onRequest && Number(m.CN) < 9000) this.onRequest(m);
    }
  }
  segment(cn, cp, { qn = newQn(), answer = true, extra = '', pw = this.pw, mn = this.mn } = {}) {
    return `QN=${qn};ST=${this.st};CN=${cn};PW=${pw};MN=${mn};Flag=${this.version | (answer ? 1 : 0) | (extra ? 2 : 0)};${extra}CP=&&${cp}&&`;
  }
  send(bytes) {
    this.sock.write(bytes);
  }
  upload(cn, cp, o = {}) {
    const qn = o.qn ?? newQn();
    this.send(frame(this.segment(cn, cp, { ...o, qn })));
    return qn;
  }
  answered(qn) {
    return this.got.find((m) => m.CN === '9014' && (m.QN === qn || m.CP.includes(qn)));
  }
  async acked(qn) {
    return until(() => this.answered(qn), `9014 for ${qn}`, 15000, 5);
  }
  answer(m, cn, cp) {
    this.send(frame(`QN=${m.QN};ST=91;CN=${cn};PW=${m.PW};MN=${m.MN};Flag=4;CP=&&${cp}&&`));
  }
  done(m) {
    this.answer(m, 9011, 'QnRtn=1');
    this.answer(m, 9012, 'ExeRtn=1');
  }
  destroy() {
    this.sock.destroy();
  }
}

// ---- the server ----
const dir = tempDir();
let serve, api, session, port;
const MN = (k) => `010000A8900016F0001${pad(k, 5)}`;
const dev = [];

const current = async (codes) => (await api.get(`/current?points=${[codes].flat().join(',')}`)).items;
const value = async (code) => (await current(code))[0];
async function recorded(code, from = '*-3d') {
  const { series } = await api.get(`/history/recorded?points=${code}&from=${encodeURIComponent(from)}&to=${encodeURIComponent('*+1d')}&limit=100000`);
  const { t, v, q } = series[0];
  return t.map((x, i) => ({ t: x, v: v[i], q: q[i] }));
}
const good = async (code, from) => (await recorded(code, from)).filter((s) => s.q === 0);
async function points(rows) {
  const csv = ['code,name,device,address,type,writable', ...rows.map((r) => [r[0], r[0], r[1], r[2], r[3] ?? 'auto', r[4] ?? 'false'].join(','))].join('\n');
  const done = await api.csv('/points:import', csv);
  equal([done.created, done.failed], [rows.length, 0], JSON.stringify(done).slice(0, 500));
}

test('a platform in three steps: a port, instruments by MN, points by code', async () => {
  serve = await startServe(dir);
  api = await signIn(serve);
  session = api.headers;
  port = await freePort();
  await api.post('/channels', { code: 'EP', name: '环保数采', spec: { driver: 'hj212', options: { port, bind: '127.0.0.1' } } });
  for (let k = 1; k <= 3; k++) {
    await api.post('/devices', { code: `S${k}`, name: `排口${k}`, spec: { channel: 'EP', options: { mn: k === 3 ? '88888880000001' : MN(k), password: '123456', timeout: '2s', retries: 1 } } });
    dev.push(new Instrument(k === 3 ? '88888880000001' : MN(k), { st: k === 2 ? 31 : 32, version: k === 3 ? 0 : 4 }));
  }
  await points([
    ['COD', 'S1', 'w01018'], ['COD.FLAG', 'S1', 'w01018-Flag'], ['NH', 'S1', '2011/w21003-Rtd'], ['COD.MIN', 'S1', '2051/w01018-Avg'],
    ['COD.HOUR', 'S1', '2061/w01018-Cou'], ['COD.DAY', 'S1', '2031/w01018-Max'], ['SB1', 'S1', '2021/SB1-RS'], ['CLK', 'S1', 'clock'],
    ['INFO', 'S1', '3020/i11001-Info', 'string'],
    ['INTERVAL', 'S1', 'set/RtdInterval', 'auto', 'true'], ['CAL', 'S1', 'cmd/3011/w01018', 'bool', 'true'], ['RECALL', 'S1', 'recall/2051', 'auto', 'true'],
    ['SO2', 'S2', 'a21026-Rtd'], ['SO2.MIN', 'S2', '2051/a21026-Avg'], ['OLD', 'S3', '2011/011-Rtd']]);
  await until(async () => { const s = (await api.get('/channels:status')).items[0]; return s.state === 'connecting' && s.points === 15; }, 'it listens, with all points');
  equal((await value('COD')).q, 'bad', 'nothing pretends');
  const wrong = await api.post('/points', { code: 'X', name: 'x', spec: { device: 'S1', address: 'w01018/x/y' } }, 400);
  ok(JSON.stringify(wrong).includes('2051/a21026-Avg'), 'a wrong address is told with examples');
});

test('real-time, minute, hour and day data of three instruments at once, each value with its time', async () => {
  await Promise.all(dev.map((d) => d.connect(port)));
  const t = second(), minute = t - 600e3, hour = t - 3600e3, day = t - 86400e3;
  const q1 = [dev[0].upload(2011, `DataTime=${stamp(t)};w01018-Rtd=63.25,w01018-Flag=N;w21003-Rtd=1.5,w21003-Flag=M`),
    dev[0].upload(2051, `DataTime=${stamp(minute)};w01018-Cou=1,w01018-Min=60,w01018-Avg=62.5,w01018-Max=65,w01018-Flag=N`),
    dev[0].upload(2061, `DataTime=${stamp(hour)};w01018-Cou=7.75,w01018-Min=60,w01018-Avg=62.5,w01018-Max=65,w01018-Flag=N`),
    dev[0].upload(2031, `DataTime=${stamp(day)};w01018-Cou=7.75,w01018-Min=60,w01018-Avg=62.5,w01018-Max=99.5,w01018-Flag=N`),
    dev[0].upload(2021, `DataTime=${stamp(t)};SB1-RS=1;SB2-RS=0`)];
  const q2 = [dev[1].upload(2011, `DataTime=${stamp(t)};a21026-Rtd=31.5,a21026-Flag=T`)];
  const q3 = [dev[2].upload(2011, `DataTime=${stamp(t)};011-Rtd=55.5,011-Flag=N`)];
  for (const q of q1) await dev[0].acked(q);
  for (const q of q2) await dev[1].acked(q);
  for (const q of q3) await dev[2].acked(q);
  const items = await current(['COD', 'NH', 'COD.MIN', 'COD.HOUR', 'COD.DAY', 'SB1', 'SO2', 'OLD', 'COD.FLAG']);
  equal(items.map((i) => i.v), [63.25, 1.5, 62.5, 7.75, 99.5, 1, 31.5, 55.5, 'N']);
  equal(items.map((i) => i.q), ['good', 'bad', 'good', 'good', 'good', 'good', 'uncertain', 'good', 'good']);
  equal(items.map((i) => Date.parse(i.t)), [t, t, minute, hour, day, t, t, t, t]);
  const st = (await api.get('/channels:status')).items[0];
  equal([st.state, st.connections], ['up', 3]);
});

test('the answer in the form of 2017, and of 2005', async () => {
  const q = dev[0].upload(2011, `DataTime=${stamp(second())};w01018-Rtd=64,w01018-Flag=N`);
  equal((await dev[0].acked(q)).text, `QN=${q};ST=91;CN=9014;PW=123456;MN=${MN(1)};Flag=4;CP=&&&&`);
  const old = dev[2].upload(2011, `DataTime=${stamp(second())};011-Rtd=56,011-Flag=N`);
  equal((await dev[2].acked(old)).text, `ST=91;CN=9014;PW=123456;MN=88888880000001;Flag=0;CP=&&QN=${old};CN=2011&&`);
  dev[2].send(frame(`ST=32;CN=2011;PW=123456;MN=88888880000001;CP=&&DataTime=${stamp(second() + 1000)};011-Rtd=57.5,011-Flag=N&&`));
  await until(async () => (await value('OLD')).v === 57.5, 'a message without QN and Flag');
});

test('wrong password, wrong CRC, unknown MN: no answer, nothing stored, all of it shown', async () => {
  const before = (await good('COD')).length;
  const pw = dev[0].upload(2011, `DataTime=${stamp(second())};w01018-Rtd=1000,w01018-Flag=N`, { pw: '000000' });
  const bad = frame(dev[0].segment(2011, `DataTime=${stamp(second())};w01018-Rtd=1001,w01018-Flag=N`));
  bad[90] ^= 1;
  dev[0].send(bad);
  dev[0].upload(2011, `DataTime=${stamp(second())};w01018-Rtd=1002`, { mn: 'FFFF00000000000000000000' });
  await until(async () => (await api.get('/channels/EP/diagnostics')).devices.find((d) => d.code === 'S1').reason?.includes('PW'), 'the reason');
  const marker = dev[0].upload(2011, `DataTime=${stamp(second() + 1000)};w01018-Rtd=65,w01018-Flag=N`);
  await dev[0].acked(marker);
  ok(!dev[0].answered(pw), 'no answer to a wrong password');
  equal(dev[0].got.filter((m) => m.MN?.startsWith('FFFF')).length, 0, 'no answer to a stranger');
  equal((await good('COD')).length, before + 1, 'nothing of it is stored');
  const d = await api.get('/channels/EP/diagnostics');
  ok(d.frames.some((f) => !f.ok && /CRC/.test(f.error?.en ?? JSON.stringify(f))), 'the wrong CRC stands among the frames');
});

test('an MN that nobody configured can be browsed, as can the codes of one that is', async () => {
  const top = await api.post('/channels:browse', { channel: 'EP', device: 'S1' });
  const stranger = top.items.find((i) => i.node === 'mn:FFFF00000000000000000000');
  ok(stranger && stranger.description.includes('127.0.0.1'), 'the stranger');
  const rt = await api.post('/channels:browse', { channel: 'EP', device: 'S1', node: '2011' });
  const cod = rt.items.find((i) => i.name === 'w01018-Rtd');
  equal([cod.address, cod.unit, cod.value], ['2011/w01018-Rtd', 'mg/L', '65']);
  ok(cod.description.includes('化学需氧量'), cod.description);
  const tried = await api.post('/channels/EP:test');
  ok(tried.ok && tried.detail.includes('3 of 3 instruments connected') && tried.detail.includes('1 unknown'), tried.detail);
});

test('bytes one by one, rubbish between, frames glued together, a length that lies', async () => {
  const t = second() + 2000, cp = (k) => `DataTime=${stamp(t + k * 1000)};w01018-Rtd=${200 + k},w01018-Flag=N`;
  const one = newQn(), two = newQn(), three = newQn(), four = newQn();
  const f = frame(dev[0].segment(2011, cp(0), { qn: one }));
  for (const b of f) {
    dev[0].sock.write(Buffer.from([b]));
    await new Promise((r) => setImmediate(r));
  }
  await dev[0].acked(one);
  dev[0].send(Buffer.concat([Buffer.from('\0\xff##garbage###'), frame(dev[0].segment(2011, cp(1), { qn: two })), Buffer.from('##9999QN=1;ST=32\r\n'),
    frame(dev[0].segment(2011, cp(2), { qn: three })), frame(dev[0].segment(2011, cp(3), { qn: four }))]));
  for (const q of [two, three, four]) await dev[0].acked(q);
  equal((await good('COD')).slice(-4).map((s) => s.v), [200, 201, 202, 203]);
});

test('a long message in packets, out of order', async () => {
  const t = second() + 10000, qn = newQn();
  const items = Array.from({ length: 80 }, (_, k) => `a${pad(k, 5)}-Rtd=${k}.5,a${pad(k, 5)}-Flag=N`);
  const all = [`DataTime=${stamp(t)}`, ...items, 'w01018-Rtd=77.75,w01018-Flag=N'];
  const parts = [all.slice(0, 30), all.slice(30, 60), all.slice(60)].map((x) => x.join(';'));
  for (const k of [2, 0, 1]) dev[0].send(frame(dev[0].segment(2011, parts[k], { qn, extra: `PNUM=3;PNO=${k + 1};` })));
  await dev[0].acked(qn);
  const v = await value('COD');
  equal([v.v, Date.parse(v.t)], [77.75, t]);
  equal(dev[0].got.filter((m) => m.QN === qn).length, 1, 'one answer');
});

test('the same message again is answered again and changes nothing', async () => {
  const t = second() + 20000, before = (await recorded('COD')).length;
  const qn = newQn(), segment = dev[0].segment(2011, `DataTime=${stamp(t)};w01018-Rtd=88.5,w01018-Flag=N`, { qn });
  for (let k = 0; k < 3; k++) dev[0].send(frame(segment));
  await until(() => dev[0].got.filter((m) => m.CN === '9014' && m.QN === qn).length === 3, 'three answers');
  const r = await recorded('COD');
  equal(r.length, before + 1);
  equal(r.at(-1).v, 88.5);
});

test('texts in UTF-8 and GBK', async () => {
  const q1 = dev[0].upload(3020, `DataTime=${stamp(second())};PolId=w01018,i11001-Info=//清洗管路,第二路;完成//`);
  await dev[0].acked(q1);
  equal((await value('INFO')).v, '清洗管路,第二路;完成');
  const qn = newQn(), head = Buffer.from(dev[0].segment(3020, 'X', { qn }).replace('X&&', `DataTime=${stamp(second() + 1000)};PolId=w01018,i11001-Info=//`));
  dev[0].send(frame(Buffer.concat([head, Buffer.from([0xc7, 0xe5, 0xcf, 0xb4]), Buffer.from('//&&')])));
  await dev[0].acked(qn);
  equal((await value('INFO')).v, '清洗');
});

test('write-back: done and read back, refused by either answer, unknown without one, failed when away', async () => {
  let interval = 30;
  const seen = [];
  dev[0].onRequest = (m) => {
    seen.push(m);
    dev[0].answer(m, 9011, 'QnRtn=1');
    if (m.CN === '1062') interval = Number(m.CP.split('=')[1]);
    if (m.CN === '1061') dev[0].send(frame(`QN=${m.QN};ST=32;CN=1061;PW=123456;MN=${m.MN};Flag=4;CP=&&RtdInterval=${interval}&&`));
    dev[0].answer(m, 9012, 'ExeRtn=1');
  };
  const w = await api.post('/points/INTERVAL:write', { value: 60, confirm: true });
  equal([w.outcome, w.readback, interval], ['done', 60, 60]);
  equal([seen[0].CN, seen[0].CP, seen[0].PW, seen[0].ST, seen[0].Flag], ['1062', 'RtdInterval=60', '123456', '32', '5']);
  dev[0].onRequest = (m) => dev[0].answer(m, 9011, 'QnRtn=2');
  const refused = await api.post('/points/CAL:write', { value: true, confirm: true });
  equal(refused.outcome, 'refused');
  ok(refused.detail.includes('QnRtn 2'), refused.detail);
  dev[0].onRequest = (m) => { dev[0].answer(m, 9011, 'QnRtn=1'); dev[0].answer(m, 9012, 'ExeRtn=5'); };
  equal((await api.post('/points/CAL:write', { value: true, confirm: true })).outcome, 'refused');
  let sent = 0;
  dev[0].onRequest = (m) => { sent += m.CN === '3011'; };
  equal((await api.post('/points/CAL:write', { value: true, confirm: true, expires_ms: 20000 })).outcome, 'unknown');
  equal(sent, 1, 'a command is sent once');
  equal((await api.post('/points/INTERVAL:write', { value: 0, confirm: true })).outcome, 'refused', 'out of range');
  dev[0].onRequest = (m) => dev[0].done(m);
});

test('lost: bad with its reason; back: the gap is asked for and filled', async () => {
  const d = dev[1], last = second() - 1800e3;
  await d.acked(d.upload(2051, `DataTime=${stamp(last)};a21026-Avg=1,a21026-Flag=N`));
  await d.acked(d.upload(2011, `DataTime=${stamp(second())};a21026-Rtd=30,a21026-Flag=N`));
  d.destroy();
  await until(async () => (await value('SO2')).q === 'bad', 'bad');
  const told = (await api.get('/channels/EP/diagnostics')).devices.find((x) => x.code === 'S2');
  ok(told.state === 'down' && told.reason.length > 0, JSON.stringify(told));
  equal((await value('COD')).q, 'good', 'its neighbour stays as it is');
  const asked = [];
  d.onRequest = (m) => {
    asked.push(m);
    d.answer(m, 9011, 'QnRtn=1');
    if (m.CN === '2051') {
      for (let k = 1; k <= 2; k++)
        d.send(frame(`QN=${m.QN};ST=31;CN=2051;PW=123456;MN=${m.MN};Flag=4;CP=&&DataTime=${stamp(last + k * 600e3)};a21026-Avg=${1 + k}.5,a21026-Flag=N&&`));
    }
    d.answer(m, 9012, 'ExeRtn=1');
  };
  await d.connect(port);
  await d.acked(d.upload(2011, `DataTime=${stamp(second() + 1000)};a21026-Rtd=31,a21026-Flag=N`));
  await until(async () => (await good('SO2.MIN')).length === 3, 'the gap is filled');
  equal((await good('SO2.MIN')).map((x) => [x.t, x.v]), [[last, 1], [last + 600e3, 2.5], [last + 1200e3, 3.5]]);
  equal(asked.find((m) => m.CN === '2051').CP.slice(0, 24), `BeginTime=${stamp(last + 600e3)}`, 'from where it was lost');
  equal((await value('SO2')).q, 'good', 'good again');
  const n = asked.length;
  dev[0].onRequest = (m) => { asked.push(m); dev[0].done(m); };
  equal((await api.post('/points/RECALL:write', { value: 24, confirm: true })).outcome, 'done');
  equal(asked.slice(n).map((m) => m.CN), ['2051'], 'asked for by hand');
  dev[2].destroy();
});

test('an instrument comes back on a new connection while the old one hangs', async () => {
  const again = new Instrument(MN(1));
  await again.connect(port);
  const q = again.upload(2011, `DataTime=${stamp(second() + 40000)};w01018-Rtd=91,w01018-Flag=N`);
  await again.acked(q);
  dev[0].destroy();
  again.onRequest = (m) => again.done(m);
  const w = await api.post('/points/CAL:write', { value: true, confirm: true });
  equal([w.outcome, w.detail], ['done', ''], 'it is reached on the new one');
  equal((await value('COD')).q, 'good');
  dev[0] = again;
});

test('200 instruments, some that read nothing, some that send nothing', async () => {
  const many = [], rows = [];
  for (let k = 100; k < 300; k++) {
    await api.post('/devices', { code: `M${k}`, name: `M${k}`, spec: { channel: 'EP', options: { mn: MN(k), recall: false } } });
    rows.push([`M${k}.COD`, `M${k}`, 'w01018']);
    many.push(new Instrument(MN(k)));
  }
  await points(rows);
  await until(async () => (await api.get('/channels:status')).items[0].points === 215, 'all points at work');
  await Promise.all(many.map((d) => d.connect(port)));
  many[0].sock.pause(); // a slow reader
  const quiet = await new Instrument(MN(999)).connect(port);
  quiet.send('##0100QN=');
  const t = second();
  const sent = many.map((d, k) => [5, 4, 3, 2, 1].map((n) => d.upload(2011, `DataTime=${stamp(t - n * 1000)};w01018-Rtd=${k + n / 10},w01018-Flag=N`)));
  for (const [k, d] of many.entries()) if (k) for (const q of sent[k]) await d.acked(q);
  for (const k of [0, 1, 99, 199]) {
    const r = await until(async () => { const x = await good(rows[k][0]); return x.length === 5 && x; }, `five of ${rows[k][0]}`);
    equal(r.map((s) => [s.t, s.v]), [5, 4, 3, 2, 1].map((n) => [t - n * 1000, k + n / 10]));
  }
  const st = (await api.get('/channels:status')).items[0];
  ok(st.connections >= 203, `connections ${st.connections}`);
  for (const d of [...many, quiet]) d.destroy();
});

test('a thousand connections that come and go, in the middle of whatever they say', async () => {
  const bits = [Buffer.from('##'), Buffer.from('##0100QN=20160801085857223;ST=32;CN=2011;'), Buffer.alloc(3000, 35), Buffer.from('\r\n\r\n##99990000'),
    frame(dev[0].segment(2011, `DataTime=${stamp(second())};a=1`, { mn: MN(7) })), frame(dev[0].segment(1013, '', { mn: MN(8) })),
    frame('CN=2011;CP=&&&&'), frame(`QN=1;ST=32;CN=9014;PW=123456;MN=${MN(1)};Flag=255;CP=&&QN=;CN=&&`),
    frame(`QN=20160801085857223;ST=32;CN=2011;PW=123456;MN=${MN(2)};Flag=7;PNUM=9999;PNO=1;CP=&&DataTime=20160801085857&&`),
    frame(`QN=20160801085857223;ST=32;CN=2011;PW=123456;MN=${MN(2)};Flag=5;CP=&&DataTime=99999999999999;a21026-Rtd=1&&`),
    frame(`QN=20160801085857223;ST=32;CN=2011;PW=123456;MN=${MN(2)};Flag=5;CP=&&,;=,;-=-;;a21026-Rtd=,a21026-Rtd=1e999,a21026-Flag=\0&&`)];
  const flap = (k) => new Promise((resolve) => {
    const s = net.connect(port, '127.0.0.1', () => {
      s.write(bits[k % bits.length], () => (k % 3 ? s.destroy() : s.end()));
    });
    s.on('error', () => {});
    s.on('close', resolve);
    s.resume();
  });
  for (let k = 0; k < 1000; k += 100) await Promise.all(Array.from({ length: 100 }, (_, i) => flap(k + i)));
  if (dev[0].closed) await dev[0].connect(port);
  const q = dev[0].upload(2011, `DataTime=${stamp(second() + 60000)};w01018-Rtd=92,w01018-Flag=N`);
  await dev[0].acked(q);
  await until(async () => (await api.get('/channels:status')).items[0].connections <= 3, 'all of them are gone');
  equal((await value('COD')).v, 92);
});

test('kill -9 while they send: everything that was answered is there, value by value', async () => {
  const codes = ['COD', 'SO2', 'OLD'], fields = ['w01018', 'a21026', '011'];
  const sent = codes.map(() => new Map()), acked = codes.map(() => new Set());
  let n = 0;
  for (let round = 0; round < 4; round++) {
    for (const d of dev) { d.destroy(); d.got = []; }
    for (const d of dev) await until(() => d.connect(port).then(() => true, () => false), 'the port');
    const t0 = second() - 3600e3 + round * 600e3;
    let going = true, kill;
    const died = new Promise((r) => { kill = r; });
    const loops = dev.map(async (d, i) => {
      const mine = new Map();
      for (let k = 0; going && k < 500; k++) {
        const t = t0 + k * 1000, v = 1000 + n++, qn = newQn();
        mine.set(qn, { t, v });
        sent[i].set(t, v);
        d.upload(2011, `DataTime=${stamp(t)};${fields[i]}-Rtd=${v},${fields[i]}-Flag=N`, { qn });
        if (k % 20 === 19) await until(() => d.closed || d.answered(qn), 'an answer or the end', 15000, 2);
        if (round * 40 + 60 === k && i === 0) kill();
      }
      return mine;
    });
    await died;
    await stop(serve, 'SIGKILL');
    going = false;
    const sets = await Promise.all(loops);
    dev.forEach((d, i) => { for (const m of d.got) if (m.CN === '9014') { const s = sets[i].get(m.QN ?? m.CP.match(/QN=(\d+)/)?.[1]) ?? sets[i].get(m.CP.match(/QN=(\d+)/)?.[1]); if (s) acked[i].add(s.t); } });
    serve = await startServe(dir);
    api.base = serve.base;
  }
  const total = acked.reduce((s, a) => s + a.size, 0);
  ok(total > 200, `answered in all: ${total}`);
  for (const [i, code] of codes.entries()) {
    const have = new Map((await good(code, '*-2h')).map((s) => [s.t, s.v]));
    const missing = [...acked[i]].filter((t) => have.get(t) !== sent[i].get(t));
    equal(missing.length, 0, `${code}: answered and not in history, of ${acked[i].size}:`);
  }
});

test('the outlets of the demo enterprise report here, with the units of the standard', async () => {
  const list = execFileSync(BIN, ['sim', '--hj212-list'], { encoding: 'utf8' }).trim().split('\n').map((l) => l.split(','));
  ok(list.length >= 8, `outlets: ${list.length}`);
  const [mn, code] = list.find((l) => l[1].includes('WW01'));
  await api.post('/devices', { code, name: code, spec: { channel: 'EP', options: { mn, password: '123456' } } });
  await points([['WW.COD', code, 'w01018'], ['WW.Q', code, 'w00000'], ['WW.CD', code, 'w20115'], ['WW.SET', code, 'set/RtdInterval', 'auto', 'true']]);
  await startSim(['--hj212', `127.0.0.1:${port}`, '--hj212-interval', '1']);
  await until(async () => (await current(['WW.COD', 'WW.Q', 'WW.CD'])).every((i) => i.q === 'good'), 'values');
  const [cod, flow, cd] = await current(['WW.COD', 'WW.Q', 'WW.CD']);
  ok(cod.v > 10 && cod.v < 100 && flow.v > 30 && flow.v < 100 && cd.v > 1 && cd.v < 20, JSON.stringify([cod, flow, cd]));
  const w = await api.post('/points/WW.SET:write', { value: 5, confirm: true });
  equal([w.outcome, w.readback], ['done', 5]);
});

test('diagnostics in words, a capture of the frames', async () => {
  await until(() => dev[1].connect(port).then(() => true, () => false), 'the port');
  await api.get('/channels/EP/diagnostics');
  await dev[1].acked(dev[1].upload(2011, `DataTime=${stamp(second())};a21026-Rtd=31.5,a21026-Flag=C`));
  const d = await until(async () => { const x = await api.get('/channels/EP/diagnostics'); return x.frames.some((f) => f.words.zh.includes('二氧化硫')) && x; }, 'frames');
  ok(d.frames.some((f) => f.words.en.includes('calibration') && f.words.zh.includes('校准')), 'flags in words');
  ok(d.frames.some((f) => f.words.en.startsWith('9014 answer to data')), 'our answer');
  await api.post('/channels/EP:capture', { seconds: 60 });
  await until(() => dev[0].connect(port).then(() => true, () => false), 'the port');
  await Promise.all(dev.slice(0, 2).map((x, k) => x.acked(x.upload(2011, `DataTime=${stamp(second())};${k ? 'a21026' : 'w01018'}-Rtd=1,w01018-Flag=N`))));
  const rec = await api.post('/channels/EP:capture', { seconds: 0 });
  const file = join(tempDir(), 'a.pcap');
  writeFileSync(file, Buffer.from(await (await api.raw('GET', '/channels/EP/capture')).arrayBuffer()));
  const out = execFileSync('tshark', ['-r', file, '-T', 'fields', '-e', 'tcp.stream', '-e', 'tcp.payload', '-e', 'tcp.analysis.flags'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const lines = out.trimEnd().split('\n').map((l) => l.split('\t'));
  ok(rec.frames >= 4 && lines.length >= rec.frames, `frames ${rec.frames}, packets ${lines.length}`);
  ok(new Set(lines.map((l) => l[0])).size === 2, 'two instruments are two streams');
  ok(lines.every((l) => !l[2]), 'TCP as it should be');
  ok(lines.some((l) => Buffer.from(l[1] ?? '', 'hex').toString().includes('CN=9014')), 'our answer in it');
  await stop(serve);
});

await run();
