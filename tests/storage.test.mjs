// Housekeeping of history from outside: what filters would save and what they do save, what uses the disk, previews,
// scrubbing, and bulk import of tables: CSV in several forms and encodings, Parquet that DuckDB wrote, files that are
// broken, an import that is killed.
import { closeSync, openSync, readFileSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Device } from './browser/device.mjs';
import { Api, equal, near, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';

const dir = tempDir(), warm = tempDir();
const golden = (name) => readFileSync(new URL(`../src/proto/golden/${name}`, import.meta.url));
let serve, api, session;

async function start() {
  serve = await startServe(dir, ['--warm', warm]);
  if (session) api = new Api(serve.base, session);
  else api = await signIn(serve);
  session = api.headers;
}
const point = (code, spec = {}) => api.post('/points', { code, name: code, spec });
const recorded = async (code, from = '2000-01-01T00:00:00Z', to = '*%2B1d') =>
  (await api.get(`/history/recorded?points=${encodeURIComponent(code)}&from=${from}&to=${to}&limit=1000000`)).series[0];
async function upload(name, body) {
  const res = await fetch(`${serve.base}/api/v1/uploads?name=${encodeURIComponent(name)}`, {
    method: 'POST', body, headers: { ...api.headers, 'X-Bornite': '1', 'Content-Type': 'application/octet-stream' } });
  const text = await res.text();
  ok(res.status === 200 || res.status === 201, `upload: ${res.status} ${text}`);
  return JSON.parse(text).id;
}
const ended = (id, ms = 120000) => until(async () => {
  const j = await api.get(`/jobs/${id}`);
  return ['done', 'failed', 'cancelled'].includes(j.state) && j;
}, `job ${id}`, ms);
async function job(type, params, want = 'done') {
  const j = await ended((await api.call('POST', '/jobs', { type, params }, 201)).id);
  equal(j.state, want, `${type}: ${JSON.stringify(j.error)}`);
  return j;
}
async function importing(name, body, params = {}, want = 'done') {
  const j = await job('history.import', { upload: await upload(name, body), ...params }, want);
  return want === 'done' ? j.result : j.error;
}

const T0 = Date.UTC(2026, 0, 1);
test('the advisor tells what filters would have saved on stored samples', async () => {
  await start();
  for (const [code, spec] of [['A.RAMP', { lo: 0, hi: 200 }], ['A.NOISE', {}], ['A.STATE', { step: true }], ['A.TEXT', { type: 'string' }]]) await point(code, spec);
  const samples = [];
  let random = 1;
  for (let i = 0; i < 2000; i++) {
    random = (random * 48271) % 2147483647;
    const t = T0 + i * 1000;
    samples.push({ point: 'A.RAMP', t, v: i < 1000 ? i / 10 : (2000 - i) / 10 }, { point: 'A.NOISE', t, v: 50 + random / 2147483647 });
    samples.push({ point: 'A.STATE', t, v: Math.floor(i / 100) });
    if (i < 3) samples.push({ point: 'A.TEXT', t, v: 'x' });
  }
  await api.post('/samples', { samples });
  const range = { from: new Date(T0).toISOString(), to: new Date(T0 + 2e6).toISOString() };
  const { items } = await api.post('/history:advise', { points: ['A.RAMP', 'A.NOISE', 'A.STATE', 'A.TEXT'], ...range });
  const [ramp, noise, state, text] = items;
  equal([ramp.samples, ramp.truncated, noise.samples, text.samples], [2000, false, 2000, 3]);
  near(ramp.span, 100, 1e-9);
  near(noise.noise, 0.3, 0.05, 'uniform noise of width 1');
  ok(ramp.suggested.saved_percent > 99 && ramp.suggested.bound <= 1, JSON.stringify(ramp.suggested));
  ok(noise.results.every((r) => r.max_error <= r.bound * (1 + 1e-9) + 1e-12), 'errors are within the bounds');
  ok(noise.results.some((r) => r.saved_percent > 80) && noise.results.some((r) => r.saved_percent === 0), 'from mild to strong');
  ok(state.results.every((r) => r.door === 0), 'a step point has deadbands only');
  equal(state.results[0].kept, 20);
  equal([text.span, text.suggested === null || text.suggested.max_error === null], [null, true]);
  const mine = await api.post('/history:advise', { points: ['A.RAMP'], ...range, settings: [{ door: 0.5, door_max: '1d' }, { deadband: 5, max_interval: '1h' }] });
  equal(mine.items[0].results.map((r) => r.kept), [3, mine.items[0].results[1].kept]);
  ok(mine.items[0].results[1].max_error <= 10.0001, 'two deadbands');
  const bad = async (body, where) => equal((await api.post('/history:advise', body, 400)).where, where);
  await bad({ points: [] }, 'points');
  await bad({ points: ['A.RAMP'], from: '*', to: '*-1h' }, 'to');
  await bad({ points: ['A.RAMP'], settings: [{ door: -1 }] }, 'settings.0.door');
  await api.post('/history:advise', { points: ['NOT.THERE'] }, 404);
});

test('a swinging door keeps samples out of history, not out of the current value', async () => {
  const device = new Device();
  await device.start();
  await api.post('/channels', { code: 'CH', name: 'CH', spec: { driver: 'modbus_tcp', options: { host: '127.0.0.1', port: device.port } } });
  await api.post('/devices', { code: 'DV', name: 'DV', spec: { channel: 'CH', options: { unit: 1 } } });
  const spec = { device: 'DV', address: '400001', type: 'int16', period: '100ms', door: 1000, door_max: '1h' };
  await api.call('POST', '/points', { code: 'D.DOOR', name: 'D', spec });
  await api.call('POST', '/points', { code: 'D.ALL', name: 'D', spec: { ...spec, door: null } });
  await until(async () => (await recorded('D.ALL')).v.length > 12, 'a dozen polls');
  const before = await recorded('D.DOOR');
  ok(before.v.length >= 1 && before.v.length <= 2, `stored ${before.v.length}`);
  ok((await api.get('/storage')).path.door > 5, 'they are counted');
  const now = (await api.get('/current?points=D.DOOR')).items[0];
  ok(Date.parse(now.t) - before.t[0] > 500 || now.t > before.t[0], 'the current value is newer');
  await api.call('PATCH', '/points/D.DOOR', { spec: { door: null } }); // off: lets go of the one held back, then stores all
  const after = await until(async () => { const r = await recorded('D.DOOR'); return r.v.length > before.v.length + 4 && r; }, 'the filter is off');
  const all = await recorded('D.ALL');
  ok(after.t[1] - after.t[0] > 800, `a gap between ${after.t[0]} and ${after.t[1]}, where the door was open`);
  ok(all.t.length > after.t.length, 'the other one has all');
  await api.call('DELETE', '/points/D.DOOR');
  await api.call('DELETE', '/points/D.ALL');
  await api.call('PATCH', '/channels/CH', { spec: { enabled: false } });
  await device.stop?.();
});

test('long CSV: times, quality, unknown points, and what is wrong with each bad row', async () => {
  await point('I.A');
  await point('I.ON', { type: 'bool' });
  await point('I.S', { type: 'string' });
  const csv = [
    'time,point,value,quality',
    '2026-02-01 00:00:00,I.A,1.5,good',
    '2026-02-01T00:00:01Z,I.A,2.5,',
    '2026-02-01 00:00:02,I.A,3.5,bad',
    '2026-02-01 00:00:03,I.A,-1e3,64',
    'no time,I.A,4,good',
    '2026-02-01 00:00:04,I.A,high,good',
    '2026-02-01 00:00:05,I.A,,',
    '2026-02-01 00:00:06,I.A,"7,5",192',
    '2026-02-01 00:00:07,I.ON,on,',
    '2026-02-01 00:00:08,I.S,"a ""quoted"" text, 铜锍",good',
    '2026-02-01 00:00:09,NO.SUCH,1,good',
    '2026-02-01 00:00:10,I.A,8,strange',
    '2026-02-01 00:00:11,I.A,9 "stray,good',
    '2026-02-01 00:00:12,I.A,10,good',
  ].join('\r\n');
  const tried = await importing('t.csv', csv, { dry_run: true });
  equal([tried.samples, tried.dry_run, (await recorded('I.A')).v.length], [8, true, 0]);
  const r = await importing('t.csv', csv);
  equal([r.rows, r.samples, r.bad, r.empty, r.unknown, r.created], [14, 8, 4, 1, 1, 0]);
  equal(r.bad_rows.map((b) => b.line), [6, 7, 13, 14]);
  ok(r.bad_rows[0].reason.includes("'no time'") && r.bad_rows[0].reason_zh.includes('不是有效的时间'), JSON.stringify(r.bad_rows[0]));
  ok(r.bad_rows[1].reason.includes("'high'"), r.bad_rows[1].reason);
  equal(r.unknown_points, ['NO.SUCH']);
  equal([r.from, r.to], ['2026-02-01T00:00:00Z', '2026-02-01T00:00:12Z']);
  const a = await recorded('I.A');
  equal(a.v, [1.5, 2.5, 3.5, -1000, 7.5, 10]);
  equal(a.q, [0, 0, 2, 1, 0, 0]);
  equal(a.t[1] - a.t[0], 1000);
  equal((await recorded('I.S')).v, ['a "quoted" text, 铜锍']);
  equal((await importing('t.csv', csv)).samples, 8);
  equal((await recorded('I.A')).v.length, 6, 'twice is once');
  const made = await importing('t.csv', csv, { unknown: 'create' });
  equal([made.created, made.unknown], [1, 0]);
  equal((await recorded('NO.SUCH')).v, [1]);
});

test('wide CSV in GB18030 with a zone, a pattern and columns by name', async () => {
  await point('W.T');
  await point('W.P');
  const gb = Buffer.concat([Buffer.from([0xca, 0xb1, 0xbc, 0xe4]), Buffer.from(';'), Buffer.from([0xce, 0xc2, 0xb6, 0xc8]), Buffer.from(';W.P;note\n'),
    Buffer.from('01.03.2026 08:00;25,5;1.25;x\n01.03.2026 08:01;26;;y\n')]); // 时间;温度;W.P;note
  const r = await importing('w.csv', gb, { mapping: { columns: { 温度: 'W.T', 'W.P': 'W.P' } }, time_format: '%d.%m.%Y %H:%M', time_zone: 'Asia/Shanghai' });
  equal([r.rows, r.samples, r.bad, r.empty], [2, 3, 0, 1]);
  const t = await recorded('W.T');
  equal([t.v, t.t[0]], [[25.5, 26], Date.UTC(2026, 2, 1, 0, 0)]);
  equal((await recorded('W.P')).v, [1.25]);
  const u16 = Buffer.from('\ufefftime\tW.P\n1772326920000\t2.25\n', 'utf16le');
  equal((await importing('u.txt', u16)).samples, 1);
  equal((await recorded('W.P')).v, [1.25, 2.25]);
  equal((await importing('n.csv', '1772326980,3.25\n', { header: false, mapping: { time: 0, columns: { 1: 'W.P' } }, time_format: 's' })).samples, 1);
  equal((await recorded('W.P')).v, [1.25, 2.25, 3.25]);
});

test('Parquet that DuckDB wrote: long and wide, every codec', async () => {
  const r = await importing('long.parquet', golden('duckdb_long.parquet'), { unknown: 'create', time_zone: '+08:00' });
  equal([r.rows, r.samples, r.bad, r.empty, r.created], [300, 300, 0, 0, 3]);
  const p0 = await recorded('PQ.0'), p2 = await recorded('PQ.2');
  equal([p0.t[0], p0.v[1], p0.t.length], [Date.UTC(2026, 0, 2, 0, 0, 0), 0.75, 100]);
  equal(p0.q.filter((q) => q === 2).length, 10);
  equal(p2.v.filter((v) => v === null).length, 2, 'a bad sample without a value');
  for (const codec of ['plain', 'snappy', 'gzip', 'zstd', 'v2']) {
    const rows = codec === 'v2' ? 2500 : 200;
    const columns = { d: `PD.${codec}`, n: `PN.${codec}`, s: `PS.${codec}`, b: `PB.${codec}` };
    await point(columns.s, { type: 'string' });
    const w = await importing('wide.parquet', golden(`duckdb_${codec}.parquet`), { format: 'parquet', mapping: { time: 'tz', columns }, unknown: 'create' });
    equal([w.rows, w.bad, w.created], [rows, 0, 3], codec);
    const d = await recorded(columns.d), n = await recorded(columns.n), s = await recorded(columns.s), b = await recorded(columns.b);
    equal([d.v.length, n.v.length, s.v.length], [rows, Math.floor((rows * 2) / 3), rows * 0.8], codec);
    ok(d.v.every((v, i) => v === i / 8), codec);
    near(d.t[1], Date.UTC(2026, 0, 2, 3, 4, 6) + 678.901, 0.001);
    equal([s.v[0], b.v.slice(0, 3)], ['text 1', [1, 0, 1]], codec);
  }
});

test('who may: advice for readers, imports for writers, each for his own points', async () => {
  const { id: org } = await api.post('/orgs', { code: 'ORG-A', name: 'A', spec: { type: 'plant' } });
  await api.post('/roles', { code: 'reads', name: 'r', spec: { permissions: [{ kinds: ['point'], actions: ['read'] }] } });
  await api.post('/roles', { code: 'writes', name: 'w', spec: { permissions: [{ kinds: ['point', 'job'], actions: ['read', 'write'] }] } });
  await api.post('/points', { code: 'O.IN', name: 'O', org: 'ORG-A' });
  await api.post('/orgs', { code: 'ORG-B', name: 'B', spec: { type: 'plant' } });
  await api.post('/points', { code: 'O.OUT', name: 'O', org: 'ORG-B' });
  const as = async (role, orgs) => new Api(serve.base, { Authorization: `Bearer ${(await api.post('/tokens', { name: role, roles: [role], ...(orgs ? { orgs } : {}) })).token}` });
  const reader = await as('reads'), writer = await as('writes', ['ORG-A']);
  equal((await reader.post('/history:advise', { points: ['O.IN'] })).items[0].samples, 0);
  await writer.post('/history:advise', { points: ['O.OUT'] }, 404);
  await reader.call('GET', '/storage/usage', undefined, 403);
  const csv = 'time,point,value\n2026-04-01,O.IN,1\n2026-04-01,O.OUT,2\n';
  const send = async (who) => (await (await fetch(`${serve.base}/api/v1/uploads?name=o.csv`, { method: 'POST', body: csv, headers: { ...who.headers, 'X-Bornite': '1' } })).json()).id;
  await reader.call('POST', '/jobs', { type: 'history.import', params: { upload: await send(api) } }, [403, 404]);
  const started = await writer.call('POST', '/jobs', { type: 'history.import', org, params: { upload: await send(writer) } }, 201);
  const j = await ended(started.id);
  equal([j.state, j.result?.samples, j.result?.unknown_points], ['done', 1, ['O.OUT']], JSON.stringify(j.error));
  equal([(await recorded('O.IN')).v, (await recorded('O.OUT')).v], [[1], []]);
});

test('files that are none are refused by what is wrong with them', async () => {
  const whole = golden('duckdb_snappy.parquet'), broken = Buffer.from(whole);
  broken.fill(0x5a, 200, 900);
  const fault = async (name, body, params, part) => {
    const e = await importing(name, body, params, 'failed');
    ok(e.detail.includes(part), `${name}: ${JSON.stringify(e)}`);
  };
  const map = { mapping: { time: 'tz', columns: { i32: 'PD.plain' } } };
  await fault('cut.parquet', whole.subarray(0, whole.length / 2), { format: 'parquet' }, 'no Parquet file');
  await fault('broken.parquet', broken, map, 'damaged in column');
  await fault('no-time.csv', 'a,b\n1,2\n', {}, 'which column is the time');
  await fault('column.csv', 'time,b\n1,2\n', { mapping: { time: 'when' } }, "no column 'when'");
  await fault('empty.csv', '\n', {}, 'no rows');
  await fault('form.csv', 'time,b\n1,2\n', { time_format: 'weeks' }, 'no form of a time');
  await fault('zone.csv', 'time,b\n1,2\n', { time_zone: 'Moon/Base' }, 'Moon/Base');
  const gone = await job('history.import', { upload: 'nothing' }, 'failed');
  equal(gone.error.code, 'not_found');
});

test('an import that is killed goes on and all is there once', async () => {
  await point('BIG.0');
  await point('BIG.1');
  const rows = ['time,point,value'];
  for (let i = 0; i < 200000; i++) rows.push(`${1700000000000 + i * 500},BIG.${i % 2},${i % 977}.5`);
  const id = (await api.call('POST', '/jobs', { type: 'history.import', params: { upload: await upload('big.csv', rows.join('\n')) } }, 201)).id;
  await until(async () => { const p = (await api.get(`/jobs/${id}`)).progress; return p.done > p.total / 2; }, 'half of it', 60000, 20);
  await stop(serve, 'SIGKILL');
  await start();
  const j = await ended(id);
  equal([j.state, j.result.rows, j.result.bad], ['done', 200000, 0]);
  const s = await api.get('/history/summary?points=BIG.0,BIG.1&from=2023-11-14T00:00:00Z&to=2023-11-20T00:00:00Z');
  equal(s.series.map((p) => p.rows[0].count), [100000, 100000]);
});

test('what uses the disk: by point, class and place', async () => {
  await api.post('/backup-plans', { code: 'SEAL', spec: { target: `dir:${tempDir()}`, keep_full: 1, logs: false } });
  const { job: sealing } = await api.post('/backup-plans/SEAL:run', { mode: 'full' }, [200, 201, 202]); // a backup begins by sealing what is in memory
  equal((await ended(sealing)).state, 'done');
  const all = await until(async () => {
    const u = await api.get('/storage/usage?by=point&size=1000&refresh=1');
    return u.total > 10 && !u.refreshing && u;
  }, 'the picture');
  ok(all.items.every((i, k) => k === 0 || all.items[k - 1].bytes >= i.bytes), 'most bytes first');
  const big = all.items.find((i) => i.key === 'BIG.0');
  ok(big && big.samples <= 100000 && big.samples > 0 && big.place === 'hot', JSON.stringify(big));
  near(big.bytes_per_sample, big.bytes / big.samples, 1e-9);
  const found = await api.get('/storage/usage?by=point&q=big.&sort=number&size=1&page=2');
  equal([found.total, found.items.map((i) => i.key)], [2, ['BIG.1']]);
  const classes = await api.get('/storage/usage?by=class'), places = await api.get('/storage/usage?by=place&sort=number');
  const sum = (l) => l.items.reduce((n, i) => n + i.bytes, 0);
  equal(places.items.map((i) => i.key), ['hot', 'warm', 'cold']);
  equal([sum(classes), sum(places)], [sum(all), sum(all)]);
  const live = (await api.get('/storage')).places;
  equal(live.map((p) => [p.name, p.at, p.state]), [['hot', dir, 'ok'], ['warm', warm, 'ok'], ['cold', null, 'none']]);
  ok(live[0].files > 0 && live[0].bytes >= sum(all) && live[0].samples > 0 && live[0].total > live[0].free, JSON.stringify(live[0]));
  equal([live[1].files, live[1].bytes, live[1].traffic, live[0].why], [0, 0, null, null]);
  rmSync(join(warm, 'LOCK')); // as if another, empty disk were mounted there
  const away = await until(async () => (await api.get('/storage')).places.find((p) => p.state === 'away'), 'the warm place to be told away', 30000, 500);
  ok(away.name === 'warm' && away.why.includes(warm) && away.why_zh.includes(warm), JSON.stringify(away));
  await api.call('GET', '/storage/usage?by=colour', undefined, 400);
  await api.call('GET', '/storage/usage?sort=beauty', undefined, 400);
  const advised = await api.post('/history:advise', { points: ['BIG.0'], from: '2023-11-14T00:00:00Z', to: '2023-11-20T00:00:00Z' });
  near(advised.items[0].bytes_per_sample, big.bytes_per_sample, 0.5, 'the advisor knows the bytes');
});

test('growth, previews, damage and a scrub', async () => {
  const g = await until(async () => { const x = await api.get('/storage/growth'); return x.items.length && x; }, 'the first day');
  equal([g.items.length, g.per_day_bytes, g.full_at], [1, null, null]);
  ok(g.disk_free > 0 && /^\d{4}-\d\d-\d\d$/.test(g.items[0].day), JSON.stringify(g));
  const { items } = await api.get('/archive-classes?size=10');
  const code = items[0].code;
  await api.call('PATCH', '/points/BIG.0', { spec: { archive_class: code } });
  const none = await api.post('/archive-classes:preview', { code, spec: { keep: '36500d' } });
  equal([none.delete.samples, none.delete.before, none.move.warm], [0, null, 0]);
  await api.post('/archive-classes:preview', { spec: { keep: '1d' } });
  equal((await api.post('/archive-classes:preview', { code, spec: { keep: 'soon' } }, 400)).where, 'spec.keep');
  await api.post('/archive-classes:preview', { code: 'none', spec: {} }, 404);
  equal((await api.get('/storage/damage')).items, []);
  const j = await job('history.scrub', { mb_per_s: 1000 });
  equal([j.result.ok, j.result.damaged], [true, 0]);
  ok(j.result.blocks > 0 && j.result.bytes > 0, JSON.stringify(j.result));
  ok((await api.get('/schedules?size=100')).items.some((s) => s.spec.job_type === 'history.scrub'), 'a schedule of its own');
});

test('a broken place is found, listed, and told', async () => {
  await stop(serve);
  const segments = readdirSync(join(dir, 'ts')).filter((f) => f.startsWith('seg-')).map((f) => join(dir, 'ts', f));
  const file = segments.sort((a, b) => statSync(b).size - statSync(a).size)[0];
  const fd = openSync(file, 'r+');
  const size = statSync(file).size;
  writeSync(fd, Buffer.alloc(64, 0xa5), 0, 64, Math.floor(size / 3));
  closeSync(fd);
  await start();
  const j = await job('history.scrub', {});
  const { items } = await api.get('/storage/damage');
  /* what reads the file first finds it: the scrub, or work in the background, which mends at once */
  ok(!j.result.ok || items.length > 0, JSON.stringify(j.result));
  ok(items.length > 0 && items.every((i) => i.file && i.bytes > 0 && i.found_at), JSON.stringify(items));
  const told = await until(async () => (await api.get('/notices')).items.find((n) => n.topic === 'storage.damage'), 'the notice');
  equal([told.severity, told.link], ['critical', '/storage']);
  await stop(serve);
  await start();
  await api.get('/storage/usage?refresh=1');
  equal((await api.get('/notices')).items.filter((n) => n.topic === 'storage.damage').length, 1, 'told once');
});

run();
