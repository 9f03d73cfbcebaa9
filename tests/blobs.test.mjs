// Values that are no numbers, from outside: pictures and documents byte for byte, waveforms with figures, outline and
// spectrum of a signal that is known, the text that other answers show, kill -9 after the answer, what has expired,
// damage on the disk, and the way through a backup.
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, copyFileSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import WebSocket from 'ws';
import { Api, BIN, cleanup, equal, near, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';

const dir = tempDir(), target = tempDir();
const WAVE = 'application/vnd.bornite.waveform';
let serve, api, headers;

async function start() {
  serve = await startServe(dir);
  api = headers ? new Api(serve.base, headers) : await signIn(serve);
  headers = api.headers;
}
const send = (path, body, type) =>
  fetch(`${serve.base}/api/v1${path}`, { method: 'POST', body, headers: { ...headers, 'X-Bornite': '1', ...(type ? { 'Content-Type': type } : {}) } });
async function put(code, body, type, t) {
  const res = await send(`/points/${code}/blobs${t ? `?t=${encodeURIComponent(t)}` : ''}`, body, type);
  const text = await res.text();
  equal(res.status, 201, `put ${code}: ${text}`);
  return JSON.parse(text);
}
async function bytes(code, t, query = '') {
  const res = await fetch(`${serve.base}/api/v1/points/${code}/blobs/${encodeURIComponent(t)}${query}`, { headers });
  return { status: res.status, type: res.headers.get('content-type'), headers: res.headers, body: Buffer.from(await res.arrayBuffer()) };
}
const list = (query) => api.get(`/history/blobs?${query}`);
const hour = (h) => new Date(Date.UTC(2026, 0, 5, h)).toISOString().replace('.000', '');
// The smallest picture there is, and noise that nothing makes smaller.
const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
const noise = randomBytes(300000);
const page = Buffer.from('<script>alert(1)</script>');
const kept = []; // [code, t, bytes] of all that must be there

async function check() {
  for (const [code, t, want] of kept) {
    const got = await bytes(code, t);
    equal([got.status, got.body.equals(want)], [200, true], `${code} ${t}:`);
  }
}

test('a picture, noise and a page come back byte for byte, and none of them runs', async () => {
  await start();
  for (const code of ['CAM', 'LAB', 'VIB']) await api.post('/points', { code, spec: { unit: code === 'VIB' ? 'mm/s' : '' } });
  const a = await put('CAM', png, 'Image/PNG', hour(1));
  equal([a.point, a.t, a.type, a.size], ['CAM', hour(1), 'image/png', png.length]);
  await put('LAB', noise, 'application/octet-stream', hour(1));
  await put('LAB', page, 'text/html; charset=utf-8', hour(2));
  kept.push(['CAM', hour(1), png], ['LAB', hour(1), noise], ['LAB', hour(2), page]);
  await check();
  const picture = await bytes('CAM', Date.parse(hour(1))); // milliseconds do as well
  equal([picture.type, picture.headers.get('content-disposition')], ['image/png', 'inline; filename="CAM_2026-01-05T01_00_00Z.png"']);
  const html = await bytes('LAB', hour(2));
  ok(html.headers.get('content-disposition').startsWith('attachment; '), html.headers.get('content-disposition'));
  equal(html.headers.get('x-content-type-options'), 'nosniff');
  for (const got of [picture, html]) ok(got.headers.get('content-security-policy').includes('sandbox'));
});

test('what is wrong is refused in words', async () => {
  const refused = async (want, path, body, type) => {
    const res = await send(path, body, type);
    const text = await res.text();
    equal(res.status, want, `${path}: ${text}`);
    return JSON.parse(text);
  };
  await refused(400, '/points/CAM/blobs', '', 'image/png');
  await refused(415, '/points/CAM/blobs', 'x', 'no type');
  await refused(404, '/points/NONE/blobs', 'x', 'image/png');
  await refused(413, '/points/CAM/blobs', Buffer.alloc((16 << 20) + 1), 'image/png');
  await refused(400, '/points/CAM/blobs?t=yesterdayish', 'x', 'image/png');
  await refused(400, '/points/VIB/blobs', 'BNWF', WAVE);
  const json = (body) => refused(400, '/points/VIB/waveforms', JSON.stringify(body), 'application/json');
  equal((await json({ dt_s: 0, v: [1] })).where, 'dt_s');
  equal((await json({ dt_s: 1, v: [] })).where, 'v');
  equal((await json({ dt_s: 1, v: [1, 'x'] })).where, 'v[1]');
  equal((await json({ t: 'nonsense', dt_s: 1, v: [1] })).where, 't');
  equal((await bytes('CAM', hour(3))).status, 404);
  equal((await bytes('CAM', hour(1), '?format=json')).status, 415);
  await api.get('/history/blobs?points=CAM&page=x', 400);
  await api.post('/users', { code: 'eye', spec: { roles: ['viewer'] } });
  await api.post('/users/eye:password', { password: 'a bell in the copper smelter' });
  const eye = await signIn(serve, { login: 'eye', password: 'a bell in the copper smelter' });
  const own = headers;
  headers = eye.headers;
  equal((await bytes('CAM', hour(1))).status, 200);
  equal((await send('/points/CAM/blobs', png, 'image/png')).status, 403);
  headers = own;
});

// 12 kHz, 0.5 s: 3 mm/s at 1,031.25 Hz (a line of 4096), 0.5 at 2,500 Hz, an offset of 7.
const RATE = 12000, N = 6000;
const signal = Array.from({ length: N }, (_, i) => 7 + 3 * Math.sin((2 * Math.PI * 1031.25 * i) / RATE) + 0.5 * Math.cos((2 * Math.PI * 2500 * i) / RATE));

test('a waveform: figures, values, outline, and a spectrum with its peaks where they belong', async () => {
  const a = await api.post('/points/VIB/waveforms', { t: hour(1), dt_s: 1 / RATE, v: signal }, 201);
  equal([a.point, a.t, a.type, a.size], ['VIB', hour(1), WAVE, 40 + 4 + 8 * N]);
  const { items } = await list(`points=VIB&from=${hour(0)}&to=${hour(5)}`);
  const w = items[0].waveform;
  equal([items.length, items[0].t, items[0].gone, w.count, w.unit], [1, hour(1), false, N, 'mm/s']);
  near(w.mean, 7, 0.01, 'mean');
  near(w.rms, Math.sqrt((9 + 0.25) / 2), 0.01, 'rms');
  near(w.peak, 3.5, 0.1, 'peak');
  near(w.crest, w.peak / w.rms, 1e-9, 'crest');
  const all = JSON.parse((await bytes('VIB', hour(1), '?format=json')).body);
  equal([all.t, all.unit, all.v.length], [hour(1), 'mm/s', N]);
  ok(all.v.every((v, i) => v === signal[i]), 'every value as it was sent');
  const csv = (await bytes('VIB', hour(1), '?format=csv')).body.toString().split('\r\n');
  equal([csv[0], csv.length, Number(csv[2].split(',')[1])], ['seconds,value', N + 2, signal[1]]);
  const o = JSON.parse((await bytes('VIB', hour(1), '?px=100&from=0.1&to=0.2')).body);
  ok(o.s.length === o.v.length && o.s.length > 150 && o.s.length <= 200, `${o.s.length} values`);
  ok(o.s[0] >= 0.1 && o.s.at(-1) <= 0.2 + 1e-9 && o.s.every((s, i) => i === 0 || s > o.s[i - 1]), 'times rise inside the range');
  const inside = signal.filter((_, i) => i / RATE >= 0.1 && i / RATE <= 0.2);
  near(Math.max(...o.v), Math.max(...inside), 1e-12, 'highest');
  near(Math.min(...o.v), Math.min(...inside), 1e-12, 'lowest');
  const spectrum = await api.get(`/points/VIB/blobs/${encodeURIComponent(hour(1))}/spectrum`);
  near(spectrum.df_hz, RATE / 4096, 1e-9, 'df');
  equal([spectrum.unit, spectrum.a.length], ['mm/s', 2049]);
  const top = spectrum.a.indexOf(Math.max(...spectrum.a));
  near(top * spectrum.df_hz, 1031.25, spectrum.df_hz / 2, 'frequency');
  near(spectrum.a[top], 3, 0.01, 'amplitude');
  const second = Math.max(...spectrum.a.filter((_, i) => Math.abs(i * spectrum.df_hz - 2500) < 5));
  near(second, 0.5, 0.5 * 0.16, 'the second one, at most what the window loses between lines');
  near(spectrum.a[0], 0, 0.01, 'no mean');
});

test('a long waveform in the smallest form; the spectrum is thinned and keeps its peak; gaps stay gaps', async () => {
  const n = 100000, v = Array.from({ length: n }, (_, i) => Math.round(1000 * Math.sin((2 * Math.PI * i) / 8)) / 100);
  v[5] = null;
  const gap = await api.post('/points/VIB/waveforms', { t: hour(2), dt_s: 1e-3, unit: 'g', v }, 201);
  equal(gap.size, 40 + 1 + 8 * n, 'with a gap: doubles');
  v[5] = v[13];
  const a = await api.post('/points/VIB/waveforms', { t: Date.parse(hour(3)), dt_s: 1e-3, unit: 'g', v }, 201);
  equal([a.t, a.size], [hour(3), 40 + 1 + 2 * n], 'in hundredths: two bytes a value');
  equal(JSON.parse((await bytes('VIB', hour(2), '?format=json')).body).v[5], null);
  ok(JSON.parse((await bytes('VIB', hour(3), '?format=json')).body).v.every((x, i) => x === v[i]));
  const at = (x) => api.get(`/points/VIB/blobs/${encodeURIComponent(hour(3))}/spectrum${x}`);
  const [thin, full] = [await at(''), await at('?full=true')];
  equal(full.a.length, 32769);
  ok(thin.a.length <= 8192 && thin.a.length > 4096, `${thin.a.length} lines`);
  equal(Math.max(...thin.a), Math.max(...full.a));
  near(thin.a.indexOf(Math.max(...thin.a)) * thin.df_hz, 125, thin.df_hz, 'frequency');
});

test('lists in pages; other answers show what a value is; figures leave it out', async () => {
  const range = `from=${hour(0)}&to=${hour(5)}`;
  const seen = [];
  for (let page = ''; page !== null;) {
    const r = await list(`points=CAM,LAB,VIB&${range}&limit=2${page && `&page=${page}`}`);
    ok(r.items.length > 0 && r.items.length <= 2);
    seen.push(...r.items.map((i) => [i.code, i.t, i.type, i.size]));
    page = r.next;
  }
  equal(seen.map((s) => `${s[0]} ${s[1].slice(11, 13)}`), ['CAM 01', 'LAB 01', 'LAB 02', 'VIB 01', 'VIB 02', 'VIB 03']);
  equal(seen[2].slice(2), ['text/html', 25]);
  const r = await api.get(`/history/recorded?points=LAB&${range}`);
  equal(r.series[0].v, ['blob:application/octet-stream:300000', 'blob:text/html:25']);
  const csv = await api.get(`/history/export?points=LAB&${range}`);
  ok(csv.includes('blob:text/html:25'), csv);
  const s = (await api.get(`/history/summary?points=LAB&${range}`)).series[0].rows[0];
  equal([s.count, s.good, s.min, s.mean, s.twa], [2, 2, null, null, null]);
  const c = (await api.get('/current?points=LAB')).items[0];
  equal([c.v, c.q], ['blob:text/html:25', 'good']);
  const arrow = await fetch(`${serve.base}/api/v1/history/recorded?points=LAB&${range}&format=arrow`, { headers });
  ok(Buffer.from(await arrow.arrayBuffer()).includes('blob:text/html:25'));
});

test('the live stream and the stream of queries say the same', async () => {
  const open = (path) => new Promise((resolve, reject) => {
    const ws = new WebSocket(`${serve.base.replace('http', 'ws')}/api/v1/${path}`, { headers: { ...headers, Origin: serve.base } });
    Object.assign(ws, { texts: {}, rows: [], got: [] });
    ws.on('message', (data, binary) => {
      const m = binary ? null : JSON.parse(data);
      if (m?.op === 'strings') Object.assign(ws.texts, m.items);
      if (m?.op === 'rows') ws.rows.push(...m.v);
      for (let at = 16; binary && at + 24 <= data.length; at += 24) ws.got.push({ type: data[at + 12], id: String(data.readBigUInt64LE(at + 16)) });
    });
    ws.on('open', () => resolve(ws)).on('error', reject);
  });
  const live = await open('stream'), queries = await open('history/stream');
  const { num } = await api.get('/points/LAB');
  live.send(JSON.stringify({ op: 'set', points: [num], interval_ms: 100 }));
  const seen = await until(() => live.got[0], 'a live value');
  equal([seen.type, live.texts[seen.id]], [4, 'blob:text/html:25']);
  ok(Number.isSafeInteger(Number(seen.id)), `${seen.id} is a number that JavaScript keeps`);
  queries.send(JSON.stringify({ op: 'query', id: 1, kind: 'recorded', points: ['LAB'], from: hour(0), to: hour(5) }));
  await until(() => queries.rows.length === 2, 'rows');
  equal(queries.rows, ['blob:application/octet-stream:300000', 'blob:text/html:25']);
  live.close();
  queries.close();
});

test('kill -9 after the answer: bytes and samples are there', async () => {
  for (let i = 0; i < 5; i++) {
    const body = randomBytes(1000 * (i + 1)), t = new Date(Date.UTC(2026, 0, 5, 4, i)).toISOString().replace('.000', '');
    await put('CAM', body, 'image/jpeg', t);
    kept.push(['CAM', t, body]);
  }
  await stop(serve, 'SIGKILL');
  await start();
  await check();
  equal((await list(`points=CAM&from=${hour(0)}&to=${hour(5)}`)).items.length, 6);
  const u = await api.get('/storage');
  equal(u.engine.damaged_blocks, 0);
});

const settled = async (id) => {
  const j = await until(async () => { const x = await api.get(`/jobs/${id}`); return /^(done|failed|cancelled)$/.test(x.state) && x; }, `job ${id}`, 60000, 30);
  equal(j.state, 'done', `${j.type}: ${JSON.stringify(j.error)}`);
  return j;
};
test('through a backup: the drill passes, removed values come back with their bytes', async () => {
  await api.post('/backup-plans', { code: 'B', spec: { target: `dir:${target}`, logs: false } });
  await settled((await api.post('/backup-plans/B:run', { mode: 'full' })).job);
  const late = randomBytes(5000);
  await put('CAM', late, 'image/jpeg', hour(5));
  kept.push(['CAM', hour(5), late]);
  const inc = (await settled((await api.post('/backup-plans/B:run', { mode: 'incremental' })).job)).result;
  ok(inc.reused_bytes > noise.length, `what has not changed is not read again: ${JSON.stringify(inc)}`);
  const b = (await api.get('/backups?plan=B')).items[0];
  const drill = await settled((await api.post(`/backups/${b.id}:drill`)).job);
  equal([drill.result.ok, drill.result.points.different], [true, 0], JSON.stringify(drill.result));
  await api.post('/history:delete', { points: ['CAM', 'LAB'], from: hour(0), to: hour(6), reason: 'test' });
  equal((await bytes('CAM', hour(1))).status, 404);
  const r = await settled((await api.post(`/backups/${b.id}:restore`, { from: hour(0), to: hour(6), points: ['CAM', 'LAB'] })).job);
  equal(r.result.written, kept.length, JSON.stringify(r.result));
  await check();
  // And on another machine, without a server.
  const own = serve, other = tempDir();
  execFileSync(BIN, ['restore', '--from', `dir:${target}`, '--data', other], { stdio: 'ignore' });
  copyFileSync(join(dir, 'secret.key'), join(other, 'secret.key'));
  serve = await startServe(other);
  try {
    await check();
    const again = randomBytes(100);
    await put('CAM', again, 'image/jpeg', hour(7));
    ok((await bytes('CAM', hour(7))).body.equals(again));
  } finally {
    await stop(serve);
    serve = own;
  }
});

const blobFiles = () => readdirSync(join(dir, 'ts/blobs')).filter((f) => /^[0-9a-f]{8}$/.test(f)).map((f) => join(dir, 'ts/blobs', f));
test('a broken byte on the disk: that blob is told as damaged, the others are there', async () => {
  const code = createHash('sha256').update('marked').digest(); // incompressible, easy to find
  const body = Buffer.concat([code, randomBytes(500)]);
  await put('LAB', body, 'application/zip', hour(6));
  const path = blobFiles().find((f) => readFileSync(f).includes(code));
  const at = readFileSync(path).indexOf(code);
  const fd = openSync(path, 'r+');
  writeSync(fd, '!', at + 3);
  closeSync(fd);
  equal((await bytes('LAB', hour(6))).status, 500);
  const u = await api.get('/storage');
  equal(u.engine.damaged_blocks, 1);
  equal((await list(`points=LAB&from=${hour(6)}&to=${hour(7)}`)).items.map((i) => [i.type, i.gone]), [['application/zip', false]]); // what it is stands apart
  await check();
});

test('what has expired: 410, by age and by size; the list says so', async () => {
  const t = new Date(Date.now() - 3 * 86400e3).toISOString(), now = new Date().toISOString();
  for (const [code, spec] of [['AGE', { keep: '3650d' }], ['SIZE', { keep: '3650d' }]]) {
    await api.post('/archive-classes', { code, spec });
    await api.post('/points', { code, spec: { archive_class: code } });
  }
  // The class of a new point is known to the store a moment later: its usage tells.
  const used = async (code) => (await api.get('/storage')).classes.find((c) => c.code === code).bytes;
  for (const code of ['AGE', 'SIZE']) {
    await until(async () => { await put(code, randomBytes(900e3), 'image/png', t); return (await used(code)) > 0; }, `the class of ${code}`);
    await put(code, randomBytes(900e3), 'image/png', new Date(Date.parse(t) + 1000).toISOString());
    await put(code, randomBytes(900e3), 'image/png', now); // three days later: another file
  }
  equal([(await bytes('AGE', t)).status, (await bytes('SIZE', t)).status], [200, 200]);
  await api.call('PATCH', '/archive-classes/AGE', { spec: { keep: '1d' } });
  await api.call('PATCH', '/archive-classes/SIZE', { spec: { max_mb: 2 } });
  await until(async () => (await bytes('AGE', t)).status === 410 && (await bytes('SIZE', t)).status === 410, 'the expiry', 90000, 250);
  equal([(await bytes('AGE', now)).status, (await bytes('SIZE', now)).status], [200, 200]);
  const { items } = await list(`points=SIZE&from=${encodeURIComponent(new Date(Date.now() - 4 * 86400e3).toISOString())}`);
  equal(items.map((i) => [i.gone, i.type]), [[true, null], [true, null], [false, 'image/png']]);
  const r = await api.get('/history/recorded?points=SIZE&from=*-4d');
  equal(r.series[0].v, ['blob:gone', 'blob:gone', 'blob:image/png:900000']);
  await check();
});

cleanup(() => stop(serve));
await run();
