// Queries of history on a real server: every route by GET and by POST, calendar windows, expressions, long answers,
// removal; wrong input with the parameter that it names.
import { execFile } from 'node:child_process';
import { Api, BIN, equal, near, ok, run, signIn, startServe, stop, tempDir, test } from './lib.mjs';

const dir = tempDir();
let serve, api;
const T0 = Date.UTC(2026, 0, 5, 0, 0, 0); // a Monday
const HOUR = 3600e3;
const iso = (ms) => new Date(ms).toISOString();
const q = (params) => Object.entries(params).map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join('&');
const history = (kind, params, want) => api.get(`/history/${kind}?${q(params)}`, want);
const both = async (kind, params) => {
  const a = await history(kind, params);
  equal(await api.post(`/history/${kind}`, params), a, `${kind} by POST`);
  return a;
};

test('points and samples', async () => {
  serve = await startServe(dir);
  api = await signIn(serve);
  for (const [code, spec] of [['RAMP', { unit: 'kPa' }], ['HOLD', { step: true }], ['LONG', {}], ['ODD', {}], ['TEXT', { type: 'string' }]])
    await api.post('/points', { code, name: code, spec });
  const samples = [];
  for (let i = 0; i <= 60; i++) samples.push({ point: 'RAMP', t: T0 + i * 60e3, v: i }); // 0..60 in an hour
  for (const [min, v] of [[0, 0], [20, 1], [50, 0]]) samples.push({ point: 'HOLD', t: T0 + min * 60e3, v });
  samples.push({ point: 'HOLD', t: T0 + HOUR, v: 0 });
  [[0, 10, 'good'], [10, 99, 'bad'], [20, 30, 'uncertain'], [30, 40, 'good'], [60, 40, 'good']].forEach(([min, v, quality]) =>
    samples.push({ point: 'ODD', t: T0 + min * 60e3, v, q: quality }));
  samples.push({ point: 'TEXT', t: T0, v: 'run, "fast"' });
  for (let i = 0; i < 96; i++) samples.push({ point: 'LONG', t: T0 + i * HOUR, v: i });
  equal((await api.post('/samples', { samples })).stored, samples.length);
  const many = [];
  for (let i = 0; i < 40000; i++) many.push({ point: 'LONG', t: T0 + 200 * HOUR + i * 1000, v: i / 4 });
  for (let i = 0; i < many.length; i += 20000) await api.post('/samples', { samples: many.slice(i, i + 20000) });
});

test('recorded', async () => {
  const range = { points: 'RAMP', from: iso(T0), to: iso(T0 + 5 * 60e3) };
  const a = await both('recorded', range);
  equal([a.from, a.to], [iso(T0).replace('.000', ''), iso(T0 + 5 * 60e3).replace('.000', '')]);
  const s = a.series[0];
  equal([s.code, s.unit, s.step, s.truncated], ['RAMP', 'kPa', false, false]);
  equal(s.v, [0, 1, 2, 3, 4]);
  equal(s.t, [0, 1, 2, 3, 4].map((i) => T0 + i * 60e3));
  equal([s.q, s.r], [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]);
  equal((await history('recorded', { ...range, limit: 2 })).series[0].truncated, true);
  equal((await history('recorded', { ...range, where: '>=3' })).series[0].v, [3, 4]);
  equal((await history('recorded', { ...range, where: '1..2' })).series[0].v, [1, 2]);
  const half = { points: 'RAMP', from: iso(T0 + 30e3), to: iso(T0 + 90e3) };
  equal((await history('recorded', { ...half, boundary: 'outside' })).series[0].v, [0, 1, 2]);
  equal((await history('recorded', { ...half, boundary: 'interpolated' })).series[0].v, [0.5, 1, 1.5]);
  const odd = { points: 'ODD', from: T0, to: T0 + 2 * HOUR };
  equal((await history('recorded', odd)).series[0].q, [0, 2, 1, 0, 0]);
  equal((await history('recorded', { ...odd, quality: 'usable' })).series[0].v, [10, 30, 40, 40]);
  equal((await history('recorded', { ...odd, quality: 'good' })).series[0].v, [10, 40, 40]);
  equal((await history('recorded', { ...odd, filter_quality: 'good' })).series[0].v, [10, 40, 40]);
  equal((await history('recorded', { points: 'TEXT', from: T0, to: T0 + 1 })).series[0].v, ['run, "fast"']);
});

test('interpolated', async () => {
  const a = await both('interpolated', { points: 'RAMP,HOLD', from: T0, to: T0 + HOUR, interval: '10m' });
  equal(a.series[0].v, [0, 10, 20, 30, 40, 50]);
  equal(a.series[1].v, [0, 0, 1, 1, 1, 0]);
  const t = await both('interpolated', { points: 'RAMP', times: `${T0 + 90e3},${T0 + 30e3}` });
  equal(t.series[0].v, [0.5, 1.5]);
  equal((await history('interpolated', { points: 'RAMP', from: T0 - HOUR, to: T0, interval: '30m' })).series[0].v, [null, null]);
  equal((await history('interpolated', { points: 'RAMP', from: T0, to: T0 + HOUR })).series[0].t.length, 100);
});

test('plot and summary', async () => {
  const p = await both('plot', { points: 'LONG', from: T0 + 200 * HOUR, to: T0 + 212 * HOUR, px: 50 });
  ok(p.series[0].t.length > 50 && p.series[0].t.length <= 5 * 50 + 1, `${p.series[0].t.length}`);
  const s = await both('summary', { points: 'RAMP', from: T0, to: T0 + HOUR, interval: '30m' });
  equal(s.series[0].rows.map((r) => [r.count, r.min, r.max, r.mean, r.twa, r.first, r.last]), [[30, 0, 29, 14.5, 15, 0, 29], [30, 30, 59, 44.5, 45, 30, 59]]);
  equal(s.series[0].rows[0].percent_good, 100);
});

test('summary of many points, and of all together', async () => {
  const range = { from: iso(T0), to: iso(T0 + HOUR) };
  const o = await both('summary', { ...range, filter: "code='RAMP' or code='HOLD' or code='ODD'", overall: true });
  equal(Object.keys(o), ['from', 'to', 'points', 'overall']);
  equal(o.points, 3);
  const each = (await history('summary', { ...range, points: 'RAMP,HOLD,ODD' })).series.map((s) => s.rows[0]);
  const total = (key) => each.reduce((sum, r) => sum + r[key], 0);
  const a = o.overall;
  equal([a.count, a.good], [total('count'), total('good')]);
  equal([a.min, a.min_point, a.min_t], [0, 'RAMP', iso(T0).replace('.000', '')]); // HOLD has 0 there, too, and a higher number
  equal([a.max, a.max_point, a.max_t], [59, 'RAMP', iso(T0 + 59 * 60e3).replace('.000', '')]);
  near(a.mean, (59 * 30 + 1 + 80) / 66, 1e-12); // plain over the usable samples: ODD has 10, 30, 40
  near(a.integral, total('integral'), 1e-6);
  near(a.twa, total('integral') / (3600 + 3600 + 3000), 1e-9); // ODD is bad for ten minutes
  near(a.percent_good, (100 * (3600 + 3600 + 2400)) / 10800, 1e-9);
  equal((await both('summary', { ...range, points: 'RAMP,HOLD,ODD', overall: true })).overall, a);
  const rows = (await both('summary', { ...range, filter: "code='ODD' or code='RAMP'" })).series;
  equal(rows.map((s) => [s.code, s.unit, s.step, s.rows.length]), [['RAMP', 'kPa', false, 1], ['ODD', '', false, 1]]);
  equal(rows[0].rows[0], each[0]);
  const none = await history('summary', { ...range, filter: "code='NIX'", overall: true });
  equal([none.points, none.overall.count, none.overall.min, none.overall.max_point, none.overall.mean], [0, 0, null, null, null]);
  equal((await history('summary', { ...range, filter: "code='NIX'" })).series, []);
  equal((await history('summary', { ...range, filter: 'nix = 3' }, 400)).where?.startsWith('filter') ?? true, true);
  equal((await history('summary', { ...range, filter: "code='RAMP'", points: 'RAMP' }, 400)).where, 'filter');
  equal((await history('summary', { ...range, filter: "code='RAMP'", interval: '10m' }, 400)).where, 'interval');
  equal((await history('summary', { ...range, overall: true }, 400)).where, 'points');
});

test('only what one may read is in a summary of many', async () => {
  for (const [org, code] of [['SUMA', 'SUM1'], ['SUMB', 'SUM2']]) {
    await api.post('/orgs', { code: org, name: org, spec: { type: 'plant' } });
    await api.post('/points', { code, name: code, org, spec: {} });
    await api.post('/samples', { samples: [{ point: code, t: T0 + 1000, v: 7 }] });
  }
  const ask = { from: T0, to: T0 + HOUR, filter: "code~'SUM'", overall: true };
  const all = await history('summary', ask);
  equal([all.points, all.overall.count], [2, 2]);
  const { token } = await api.post('/tokens', { name: 'sum', roles: ['viewer'], orgs: ['SUMB'] });
  const res = await fetch(`${serve.base}/api/v1/history/summary?${q(ask)}`, { headers: { Authorization: `Bearer ${token}` } });
  const part = await res.json();
  equal([part.points, part.overall.count, part.overall.min_point], [1, 1, 'SUM2']);
});

test('a summary of many points by the command line', async () => {
  const { token } = await api.post('/tokens', { name: 'cli', roles: ['viewer'] });
  const out = await new Promise((resolve, reject) => execFile(BIN, ['history', 'summary', '--filter', "code='RAMP' or code='HOLD'", '--overall', '--from', iso(T0), '--to', iso(T0 + HOUR)],
    { env: { ...process.env, BORNITE_URL: serve.base, BORNITE_TOKEN: token } }, (e, stdout, stderr) => (e ? reject(new Error(stderr)) : resolve(stdout))));
  const a = JSON.parse(out);
  equal([a.points, a.overall.count, a.overall.max], [2, 63, 59]);
});

test('aggregates', async () => {
  const a = (await both('aggregate', { points: 'RAMP,HOLD', from: T0, to: T0 + HOUR, interval: '30m', fn: 'average,time_average2,maximum_actual_time,count,p90' })).series;
  equal(a[0].t, [T0, T0 + HOUR / 2]);
  equal(a[0].end, [T0 + HOUR / 2, T0 + HOUR]);
  equal(a[0].values, { average: [14.5, 44.5], time_average2: [15, 45], maximum_actual_time: [29, 59], count: [30, 30], p90: [26.1, 56.1] });
  equal(a[0].status.time_average2, ['Good, Calculated', 'Good, Calculated']);
  equal(a[0].times, { maximum_actual_time: [T0 + 29 * 60e3, T0 + 59 * 60e3] });
  near(a[1].values.time_average2[0], 1 / 3, 1e-12);
  const hold = (await history('aggregate', { points: 'HOLD', from: T0, to: T0 + HOUR, fn: 'duration_in_state_non_zero,number_of_transitions' })).series[0];
  equal([hold.values.duration_in_state_non_zero, hold.values.number_of_transitions], [[30 * 60e3], [3]]);
  const total = (await history('aggregate', { points: 'RAMP', from: T0, to: T0 + HOUR, fn: 'total', per: 'h' })).series[0];
  near(total.values.total[0], 30, 1e-9);
  const odd = (p) => history('aggregate', { points: 'ODD', from: T0, to: T0 + HOUR, fn: 'count,time_average2', ...p });
  equal((await odd({})).series[0].status, { count: ['UncertainDataSubNormal, Calculated'], time_average2: ['UncertainDataSubNormal, Calculated'] });
  equal((await odd({ percent_good: 40 })).series[0].status.count, ['Good, Calculated']);
  equal((await odd({ percent_bad: 30, percent_good: 70 })).series[0].values.count, [null]);
  near((await odd({ treat_uncertain_as_bad: false })).series[0].values.time_average2[0], (100 + 350 + 1200) / 50, 1e-9);
  const f = await api.get('/history/functions');
  ok(f.items.length >= 40 && f.items.every((i) => i.name && i.title.en && i.title.zh && i.help.zh));
  equal(f.items.find((i) => i.name === 'time_average2').part13, 'TimeAverage2');
});

test('windows by the calendar', async () => {
  const starts = async (p) => (await history('aggregate', { points: 'LONG', from: iso(T0), to: iso(T0 + 96 * HOUR), fn: 'count', ...p })).series[0];
  const day = await starts({ calendar: 'day', tz: 'Asia/Shanghai' }); // midnight there is 16:00 UTC
  equal(day.t, [0, 16, 40, 64, 88].map((h) => T0 + h * HOUR));
  equal(day.values.count, [16, 24, 24, 24, 8]);
  equal((await starts({ calendar: 'shift', shift_start: '08:00', shift_hours: 12, tz: '+08:00' })).values.count.slice(0, 3), [12, 12, 12]);
  const berlin = (await history('aggregate', { points: 'LONG', from: '2026-03-27T23:00:00Z', to: '2026-03-30T22:00:00Z', fn: 'count', calendar: 'day', tz: 'Europe/Berlin' })).series[0];
  equal(berlin.t.map((t, i) => (berlin.end[i] - t) / HOUR), [24, 23, 24]);
  const month = (await history('summary', { points: 'LONG', from: '2026-01-01', to: '2026-03-01', calendar: 'month', tz: 'UTC' })).series[0].rows;
  equal(month.map((r) => r.to), ['2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z']);
  const today = await history('recorded', { points: 'LONG', from: 't', to: 't+1h', tz: 'Asia/Shanghai' });
  equal(new Date(today.from).getUTCHours(), 16);
  await api.call('PUT', '/history-settings/default', { code: 'default', name: 'History', spec: { time_zone: '+05:30' } });
  equal((await history('recorded', { points: 'LONG', from: 't', to: 't+1h' })).from.slice(11), '18:30:00Z');
});

test('aligned and calc', async () => {
  const a = await both('aligned', { points: 'RAMP,HOLD', from: T0, to: T0 + HOUR, interval: '15m' });
  equal(a.t, [0, 15, 30, 45].map((m) => T0 + m * 60e3));
  equal(a.series.map((s) => s.v), [[0, 15, 30, 45], [0, 0, 1, 1]]);
  equal((await history('aligned', { points: 'RAMP', from: T0 + 30e3, to: T0 + 150e3, interval: '1m', fn: 'last' })).series[0].v, [0, 1]);
  equal((await history('aligned', { points: 'RAMP', from: T0, to: T0 + HOUR, interval: '30m', fn: 'maximum' })).series[0].v, [29, 59]);
  const c = await both('calc', { expr: "if('HOLD' > 0, 'RAMP' * 2, -1)", from: T0, to: T0 + HOUR, interval: '15m' });
  equal([c.v, c.q, c.points], [[-1, -1, 60, 90], [0, 0, 0, 0], ['HOLD', 'RAMP']]);
  equal((await history('calc', { expr: "'RAMP' / ('RAMP' - 15)", from: T0, to: T0 + HOUR, interval: '15m' })).v, [0, null, 2, 1.5]);
  equal((await history('calc', { expr: "'RAMP' + 1", fn: 'average', from: T0, to: T0 + HOUR, interval: '30m' })).v, [15.5, 45.5]);
});

test('long answers come in pieces and whole', async () => {
  const range = { points: 'LONG', from: T0 + 200 * HOUR, to: T0 + 212 * HOUR };
  const r = await history('recorded', { ...range, limit: 100000 });
  equal(r.series[0].v.length, 40000);
  equal(r.series[0].v[39999], 9999.75);
  const csv = await api.get(`/history/export?${q({ ...range, mode: 'recorded' })}`);
  equal(csv.trim().split('\r\n').length, 40001);
  ok(csv.includes('2026-01-13T08:00:01Z,LONG,0.25,good,'), csv.slice(0, 200));
  const agg = await api.get(`/history/export?${q({ ...range, mode: 'aggregate', fn: 'count', interval: '1h' })}`);
  ok(/^.?time,end,point,count,count_status\r\n2026-01-13T08:00:00Z,2026-01-13T09:00:00Z,LONG,3600,"Good, Calculated"/.test(agg), agg.slice(0, 200));
  const plain = await api.get(`/history/recorded?${q({ ...range, format: 'csv', limit: 3 })}`);
  equal(plain.trim().split('\r\n').length, 4);
  // a client that leaves ends its query: the server goes on
  const abort = new AbortController();
  const res = await fetch(`${serve.base}/api/v1/history/export?${q({ ...range, mode: 'interpolated', interval: '10ms' })}`, { headers: api.headers, signal: abort.signal });
  await res.body.getReader().read();
  abort.abort();
  equal((await history('recorded', { points: 'RAMP', from: T0, to: T0 + 60e3 })).series[0].v, [0]);
});

test('wrong input names its parameter', async () => {
  const many = Array.from({ length: 1001 }, (_, i) => `P${i}`);
  const bad = [
    ['recorded', {}, 400, 'points'], ['recorded', { points: 'RAMP,NONE' }, 404, 'points'], ['recorded', { points: many.slice(0, 65).join() }, 429, 'points'],
    ['recorded', { points: 'RAMP', from: 'soon' }, 400, 'from'], ['recorded', { points: 'RAMP', to: '2026-13-01' }, 400, 'to'],
    ['recorded', { points: 'RAMP', from: '*', to: '*-1h' }, 400, 'to'], ['recorded', { points: 'RAMP', limit: 0 }, 400, 'limit'],
    ['recorded', { points: 'RAMP', boundary: 'far' }, 400, 'boundary'], ['recorded', { points: 'RAMP', quality: 'fair' }, 400, 'quality'],
    ['recorded', { points: 'RAMP', where: 'big' }, 400, 'where'], ['recorded', { points: 'RAMP', tz: 'Mars/Phobos' }, 400, 'tz'],
    ['recorded', { points: 'RAMP', format: 'xml' }, 400, 'format'], ['interpolated', { points: 'RAMP', interval: '0s' }, 400, 'interval'],
    ['interpolated', { points: 'RAMP', times: 'never' }, 400, 'times'], ['interpolated', { points: 'RAMP', from: '*-1d', interval: '10ms' }, 413, 'interval'],
    ['plot', { points: 'RAMP', px: 20000 }, 400, 'px'], ['summary', { points: 'RAMP', from: '*-10d', interval: '1s' }, 413, 'interval'],
    ['summary', { points: 'RAMP', calendar: 'moon' }, 400, 'calendar'], ['aggregate', { points: 'RAMP', fn: 'avg' }, 400, 'fn'],
    ['aggregate', { points: 'RAMP', calendar: 'day', interval: '1h' }, 400, 'calendar'], ['aggregate', { points: 'RAMP', calendar: 'shift', shift_hours: 5 }, 400, 'shift_hours'],
    ['aggregate', { points: 'RAMP', calendar: 'shift', shift_start: 'dawn' }, 400, 'shift_start'], ['aggregate', { points: 'RAMP', percent_good: 200 }, 400, 'percent_good'],
    ['aggregate', { points: 'RAMP', stepped: 'x' }, 400, 'stepped'], ['aggregate', { points: 'RAMP', per: 'x' }, 400, 'per'],
    ['aligned', { points: 'RAMP', fn: 'a,b' }, 400, 'fn'], ['calc', { expr: '' }, 400, 'expr'], ['calc', { expr: '1 +' }, 400, 'expr'],
    ['calc', { expr: "'NONE'" }, 404, 'expr'], ['calc', { expr: "'RAMP'", fn: 'average,count' }, 400, 'fn'], ['export', { points: 'RAMP', mode: 'x' }, 400, 'mode'],
    ['export', { points: 'RAMP', mode: 'interpolated' }, 400, 'interval']];
  for (const [kind, params, status, where] of bad) {
    for (const method of ['GET', 'POST']) {
      if (method === 'POST' && status === 429) continue;
      const e = method === 'GET' ? await history(kind, params, status) : await api.post(`/history/${kind}`, params, status);
      equal(e.where, where, `${method} ${kind} ${JSON.stringify(params)}:`);
      const zh = await api.call('GET', `/history/${kind}?${q(params)}`, undefined, status, { 'Accept-Language': 'zh-CN' });
      ok(/[一-鿿]/.test(zh.detail), zh.detail);
    }
  }
  equal((await api.post('/history/recorded', { points: many }, 429)).where, 'points');
  equal((await api.post('/history/recorded', { points: many.slice(0, 65) }, 404)).where, 'points');
  const calc = await history('calc', { expr: "'RAMP' + )" }, 400);
  ok(calc.detail.includes('position 10'), calc.detail);
});

test('removal needs permission and a reason, and is audited', async () => {
  const body = { points: ['RAMP'], from: iso(T0 + 10 * 60e3), to: iso(T0 + 20 * 60e3), reason: 'calibration of the transmitter' };
  equal((await api.post('/history:delete', { ...body, reason: '' }, 400)).where, 'reason');
  equal((await api.post('/history:delete', { ...body, to: undefined }, 400)).where, 'to');
  await api.post('/roles', { code: 'reader', name: 'reader', spec: { permissions: [{ kinds: ['point'], actions: ['read'] }] } });
  const { token } = await api.post('/tokens', { name: 't', roles: ['reader'] });
  const reader = new Api(serve.base, { Authorization: `Bearer ${token}` });
  await reader.post('/history:delete', body, 403);
  equal((await reader.get(`/history/recorded?${q({ points: 'RAMP', from: T0, to: T0 + HOUR })}`)).series[0].v.length, 60);
  const res = await api.raw('POST', '/history:delete', body);
  if (res.status === 501) return console.log('     the store cannot remove samples yet');
  equal([res.status, await res.json()], [200, { points: 1, removed: 10 }]);
  equal((await history('recorded', { points: 'RAMP', from: T0, to: T0 + HOUR })).series[0].v.length, 50);
  const audit = await api.get('/audit?q=calibration');
  ok(audit.items.some((i) => JSON.stringify(i).includes('"samples":10') || JSON.stringify(i).includes('\\"samples\\":10')), JSON.stringify(audit.items[0]));
  equal((await api.post('/samples', { samples: [{ point: 'RAMP', t: T0 + 15 * 60e3, v: 7 }] })).stored, 1); // a later write stays
  equal((await history('recorded', { points: 'RAMP', from: T0 + 12 * 60e3, to: T0 + 18 * 60e3 })).series[0].v, [7]);
});

test('the end', async () => {
  await stop(serve);
});

run();
