// The doors of history: InfluxDB line protocol and binary batches in; Arrow, the stream of queries, Grafana and
// Prometheus out. Peers that we did not write are used where they are installed (influx, apache-arrow, ws).
import { gzipSync } from 'node:zlib';
import { execFile } from 'node:child_process';
import net from 'node:net';
import { tableFromIPC } from 'apache-arrow';
import WebSocket from 'ws';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Api, BIN, equal, near, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';

const dir = tempDir();
let serve, api, token, readToken;
const T0 = 1700000000000;

const recorded = async (code) => (await api.get(`/history/recorded?points=${encodeURIComponent(code)}&from=0&to=*%2B1d&limit=100000`)).series[0];
const write = (body, { path = '/write?precision=ms', headers = { Authorization: `Token ${token}` } } = {}) =>
  fetch(serve.base + path, { method: 'POST', headers, body });
const num = {};
async function point(code, spec = {}, org) {
  const p = await api.post('/points', { code, name: code, spec, ...(org ? { org } : {}) });
  num[code] = p.num;
  return p;
}
async function role(code, permissions) {
  await api.post('/roles', { code, name: code, spec: { permissions } });
}

test('lines: the tag point, quality, types; 204 and there', async () => {
  serve = await startServe(dir);
  api = await signIn(serve);
  await role('writer', [{ kinds: ['point', 'line_mapping'], actions: ['read', 'write'] }]);
  await role('reader', [{ kinds: ['point'], actions: ['read'] }]);
  token = (await api.post('/tokens', { name: 'w', roles: ['writer'] })).token;
  readToken = (await api.post('/tokens', { name: 'r', roles: ['reader'] })).token;
  for (const p of ['P1', 'P2', 'mill', 'mill.power', 'mill.on', 'S']) await point(p, p === 'S' ? { type: 'string' } : {});
  const res = await write([
    `# a comment`, `m,point=P1 value=12.5,quality=0 ${T0}`, `m,point=P1 value=13i,quality=64i ${T0 + 1000}`,
    `m,point=P1 value=14u,quality=2 ${T0 + 2000}`, '', `m,line=3,point=P2 value=true ${T0}`, `mill value=1,power=2.5e3,on=f ${T0}`,
    `x,point=S value="a \\"b\\" c",quality="good" ${T0}`].join('\n'));
  equal([res.status, await res.text()], [204, '']);
  const p1 = await recorded('P1');
  equal([p1.t, p1.v, p1.q], [[T0, T0 + 1000, T0 + 2000], [12.5, 13, 14], [0, 1, 2]]);
  equal((await recorded('P2')).v, [1]);
  equal([(await recorded('mill')).v, (await recorded('mill.power')).v, (await recorded('mill.on')).v], [[1], [2500], [0]]);
  equal((await recorded('S')).v, ['a "b" c']);
  equal((await api.get('/current?points=P1')).items[0].v, 14);
});

test('time: all precisions, both versions, none is now', async () => {
  const at = async (path, stamp) => {
    equal((await write(`m,point=P2 value=7 ${stamp}`, { path })).status, 204, path);
    return (await api.get('/current?points=P2')).items[0].t;
  };
  const want = (s) => new Date(s * 1000).toISOString().replace('.000', '');
  let s = 1800000000;
  for (const [path, f] of [['/write', 1e9], ['/write?precision=ns', 1e9], ['/write?precision=n', 1e9], ['/write?precision=u', 1e6],
    ['/write?db=x&precision=ms', 1e3], ['/write?precision=s', 1], ['/api/v2/write?bucket=b&org=o', 1e9], ['/api/v2/write?precision=us', 1e6],
    ['/api/v2/write?precision=s', 1]]) {
    s += 60;
    equal(await at(path, String(BigInt(s) * BigInt(f))), want(s), path);
  }
  s = 1800003600;
  equal(await at('/write?precision=m', s / 60), want(s));
  equal(await at('/write?precision=h', (s + 3600) / 3600), want(s + 3600));
  const bad = await write('m,point=P1 value=1', { path: '/write?precision=days' });
  equal([bad.status, (await bad.json()).where], [400, 'precision']);
  const before = Date.now();
  equal((await write('m,point=P1 value=99')).status, 204);
  const now = Date.parse((await api.get('/current?points=P1')).items[0].t);
  ok(now >= before - 1000 && now <= Date.now() + 1000, 'the time of arrival');
});

test('wrong lines and points are named, the good ones stored', async () => {
  const res = await write(`m,point=P1 value=1 ${T0 + 5000}\nm,point=NIX value=1 ${T0}\nno fields\nm,point=P1 value=abc\nm,point=P1 value=2 ${T0 + 6000}\nm,point=NIX value=2 ${T0}\n`
    + `m,x value=1\nm,point=P1 value=1,quality=-5 ${T0}\nm,point=P1 value=3 ${T0 + 7000}`);
  equal(res.status, 400);
  const b = await res.json();
  equal([b.stored, b.dropped, b.unknown, b.code], [3, 6, 3, 'invalid']);
  ok(b.error.startsWith('partial write: line 2: NIX: there is no point'), b.error);
  ok(b.error.endsWith('dropped=6'), b.error);
  equal(b.errors.map((e) => e.line), [2, 3, 4, 7, 8]);
  equal(b.errors[0].point, 'NIX');
  ok(b.errors[1].detail.includes('field'), b.errors[1].detail);
  ok(b.errors[2].detail.includes('number'), b.errors[2].detail);
  ok(b.errors[3].detail.includes('tag'), b.errors[3].detail);
  const p1 = await recorded('P1');
  for (const v of [5000, 6000, 7000]) ok(p1.t.includes(T0 + v), `t ${v}`);
  const zh = await (await write('m,point=NIX value=1', { headers: { Authorization: `Token ${token}`, 'Accept-Language': 'zh' } })).json();
  ok(zh.errors[0].detail.includes('没有测点'), zh.errors[0].detail);
  await point('NIX'); // it is there now
  await until(async () => (await write('m,point=NIX value=5')).status === 204, 'a new point to be known');
  await api.call('DELETE', '/points/NIX');
  await until(async () => (await write('m,point=NIX value=5')).status === 400, 'a deleted point to be unknown');
});

test('tokens: Token, Bearer, Basic, u and p; none and wrong ones; who may only read', async () => {
  const line = `m,point=P1 value=1 ${T0 + 9000}`;
  const basic = (s) => ({ Authorization: `Basic ${Buffer.from(s).toString('base64')}` });
  for (const headers of [{ Authorization: `Token ${token}` }, { Authorization: `token ${token}` }, { Authorization: `Bearer ${token}` }, basic(`anyone:${token}`), basic(`${token}:`)])
    equal((await write(line, { headers })).status, 204, JSON.stringify(headers));
  equal((await write(line, { path: `/write?precision=ms&u=x&p=${token}`, headers: {} })).status, 204);
  for (const headers of [{}, { Authorization: 'Token bn_wrong' }, { Authorization: 'Token' }, basic('a:b'), { Authorization: 'Basic !!!' }, { Authorization: `Digest ${token}` }])
    equal((await write(line, { headers })).status, 401, JSON.stringify(headers));
  equal((await write(line, { path: '/write?u=a&p=b', headers: {} })).status, 401);
  equal((await write(line, { headers: { Authorization: `Token ${readToken}` } })).status, 403);
  equal((await fetch(`${serve.base}/api/v1/points?p=${token}`)).status, 401, 'p is for the doors only');
  equal((await fetch(`${serve.base}/api/v1/points`, { headers: basic(`a:${token}`) })).status, 401);
  equal((await write(line, { headers: { Cookie: api.headers.Cookie } })).status, 403, 'a cookie alone writes nothing');
});

test('organisations: a point of another one is not written', async () => {
  await api.post('/orgs', { code: 'O1', name: 'O1', spec: { type: 'plant' } });
  await api.post('/orgs', { code: 'O2', name: 'O2', spec: { type: 'plant' } });
  await point('O1P', {}, 'O1');
  await point('O2P', {}, 'O2');
  const one = (await api.post('/tokens', { name: 'o1', roles: ['writer'], orgs: ['O1'] })).token;
  const res = await write(`m,point=O1P value=1 ${T0}\nm,point=O2P value=1 ${T0}`, { headers: { Authorization: `Token ${one}` } });
  const b = await res.json();
  equal([res.status, b.stored, b.dropped], [400, 1, 1]);
  equal([(await recorded('O1P')).v, (await recorded('O2P')).v], [[1], []]);
  const whole = await write(`m,point=P1 value=5 ${T0}`, { headers: { Authorization: `Token ${one}` } });
  equal([whole.status, (await whole.json()).code], [403, 'forbidden']);
  const rows = binary([[num.O2P, T0, 1]]);
  equal((await samples(rows, one)).status, 404);
  equal((await samples(binary([[num.O1P, T0 + 1, 2]]), one)).status, 200);
});

test('mappings: pattern, prefix, points that are made', async () => {
  await api.post('/line-mappings', { code: 'tel', name: 'tel', spec: { database: 'telegraf', pattern: '{measurement}.{tag:host}.{field}', prefix: 'IT-', create: true, area: 'LT/IT', point_spec: { unit: '%' } } });
  await until(async () => (await write(`cpu,host=srv\\ 1,x=y usage=5,name="n",up=t ${T0}`, { path: '/write?db=telegraf&precision=ms' })).status === 204, 'the mapping');
  const p = await api.get('/points/IT-cpu.srv_1.usage');
  equal([p.spec.area, p.spec.unit, p.spec.type, p.labels.line_mapping], ['LT/IT', '%', 'auto', 'tel']);
  equal([(await api.get('/points/IT-cpu.srv_1.name')).spec.type, (await api.get('/points/IT-cpu.srv_1.up')).spec.type], ['string', 'bool']);
  equal([(await recorded('IT-cpu.srv_1.usage')).v, (await recorded('IT-cpu.srv_1.name')).v], [[5], ['n']]);
  const lacks = await (await write('cpu usage=5', { path: '/write?db=telegraf' })).json();
  ok(lacks.errors[0].detail.includes('tag:host'), lacks.errors[0].detail);
  equal((await write('cpu,host=a usage=5', { path: '/write?db=other' })).status, 400, 'another database');
  equal((await write('cpu,host=a usage=5', { path: '/api/v2/write?bucket=telegraf' })).status, 204);
  // who may not make points makes none
  const many = Array.from({ length: 300 }, (_, i) => `net,host=h${i} rx=${i} ${T0}`).join('\n');
  const all = await Promise.all([1, 2, 3, 4].map(() => write(many, { path: '/write?db=telegraf&precision=ms' })));
  equal(all.map((r) => r.status), [204, 204, 204, 204]);
  equal((await api.get("/points?filter=code~'IT-net'&size=1")).total, 300);
  equal((await recorded('IT-net.h299.rx')).v, [299]);
  await api.call('PATCH', '/line-mappings/tel', { spec: { create: false } });
  await until(async () => (await write('cpu,host=new usage=5', { path: '/write?db=telegraf' })).status === 400, 'no more points');
});

test('gzip, bodies that are cut, 10 MB at once, what is no gzip', async () => {
  const lines = [];
  for (let i = 0; i < 200000; i++) lines.push(`m,point=${i % 2 ? 'P1' : 'P2'} value=${i},quality=0 ${T0 + 100000 + i}`);
  const text = lines.join('\n');
  ok(text.length > 8e6, `${text.length} bytes`);
  equal((await write(text)).status, 204);
  const r = await api.get(`/history/recorded?points=P1&from=${T0 + 100000}&to=${T0 + 300000}&limit=200000`);
  equal([r.series[0].t.length, r.series[0].v[99999]], [100000, 199999]);
  const packed = gzipSync(lines.slice(0, 1000).join('\n').replaceAll('value=', 'value=1'));
  const gz = (body) => write(body, { headers: { Authorization: `Token ${token}`, 'Content-Encoding': 'gzip' } });
  equal((await gz(packed)).status, 204);
  equal((await gz(packed.subarray(0, packed.length / 2))).status, 400);
  equal((await gz('hello')).status, 400);
  equal((await gz(gzipSync(Buffer.alloc(80 << 20, 'a')))).status, 413);
  equal((await write('x', { headers: { Authorization: `Token ${token}`, 'Content-Encoding': 'br' } })).status, 415);
  // a peer that goes away in the middle leaves nothing
  await new Promise((resolve) => {
    const s = net.connect(serve.port, '127.0.0.1', () => {
      s.write(`POST /write?precision=ms HTTP/1.1\r\nHost: x\r\nAuthorization: Token ${token}\r\nContent-Length: 1000\r\n\r\nm,point=P1 value=1 1\nm,point=P1 va`);
      s.end();
    });
    s.on('data', () => {});
    s.on('close', resolve);
    s.on('error', resolve);
  });
  equal((await recorded('P1')).t.includes(1), false);
  equal((await write('')).status, 204, 'nothing at all is no fault');
});

// ---- binary batches ----
function binary(rows, { magic = 0x31534e42, count = rows.length } = {}) {
  const b = Buffer.alloc(16 + 24 * rows.length);
  b.writeUInt32LE(magic, 0);
  b.writeUInt32LE(count, 4);
  rows.forEach(([n, ms, v, { type = 1, q = 0, flags = 0 } = {}], i) => {
    const at = 16 + 24 * i;
    b.writeBigInt64LE(BigInt(ms) * 1000n, at);
    b.writeUInt32LE(n, at + 8);
    b.writeUInt8(type, at + 12);
    b.writeUInt8(q, at + 13);
    b.writeUInt16LE(flags, at + 14);
    if (type === 1) b.writeDoubleLE(v, at + 16);
    else b.writeBigInt64LE(BigInt(v), at + 16);
  });
  return b;
}
const samples = (body, t = token) => fetch(`${serve.base}/api/v1/samples`, { method: 'POST', body, headers: { 'Content-Type': 'application/vnd.bornite.samples', Authorization: `Bearer ${t}` } });

test('binary batches: stored, and refused row by row', async () => {
  const t = T0 + 10000000;
  const res = await samples(binary([[num.P1, t, 1.5], [num.P2, t, 7, { type: 2, q: 1, flags: 5 }], [num.P1, t + 1, 1, { type: 3 }], [num.P1, t + 2, 0, { type: 0, q: 2, flags: 1 }]]));
  equal([res.status, await res.json()], [200, { stored: 4 }]);
  const p1 = (await api.get(`/history/recorded?points=P1&from=${t}&to=${t + 10}`)).series[0];
  equal([p1.v, p1.q, p1.r], [[1.5, 1, null], [0, 0, 2], [0, 0, 1]]);
  const p2 = (await api.get(`/history/recorded?points=P2&from=${t}&to=${t + 10}`)).series[0];
  equal([p2.v, p2.q, p2.r], [[7], [1], [5]]);
  const good = [num.P1, t + 5, 1];
  for (const [rows, where, status] of [
    [[good, [999999, t, 1]], 'rows[1].point', 404], [[good, [0, t, 1]], 'rows[1].point', 404], [[[num.P1, t, 1, { type: 9 }]], 'rows[0].type', 400],
    [[[num.P1, t, 1, { type: 4 }]], 'rows[0].type', 400], [[[num.P1, t, 2, { type: 3 }]], 'rows[0].type', 400], [[good, good, [num.P1, t, 1, { q: 3 }]], 'rows[2].quality', 400],
    [[[num.P1, t, 1, { flags: 99 }]], 'rows[0].flags', 400], [[[num.P1, t, 1, { flags: 0x8000 }]], 'rows[0].flags', 400], [[[num.P1, 9e15, 1]], 'rows[0].time', 400]]) {
    const r = await samples(binary(rows));
    equal([r.status, (await r.json()).where], [status, where], JSON.stringify(rows));
  }
  equal((await api.get(`/history/recorded?points=P1&from=${t + 5}&to=${t + 6}`)).series[0].t, [], 'nothing of a body that is refused');
  for (const b of [Buffer.alloc(0), Buffer.alloc(15), binary([good], { magic: 1 }), binary([good], { count: 2 }), binary([good], { count: 0 }), binary([good]).subarray(0, 39), Buffer.concat([binary([good]), Buffer.alloc(1)])])
    equal((await samples(b)).status, 400, `${b.length} bytes`);
  equal((await samples(binary([good]), readToken)).status, 403);
});

// ---- Arrow ----
const arrow = async (path, headers = { Accept: 'application/vnd.apache.arrow.stream' }) => {
  const res = await api.raw('GET', path, undefined, headers);
  if (res.status !== 200) throw new Error(`${path}: ${res.status} ${await res.text()}`);
  equal(res.headers.get('content-type'), 'application/vnd.apache.arrow.stream', path);
  return tableFromIPC(new Uint8Array(await res.arrayBuffer()));
};
const column = (t, name) => {
  const v = t.getChild(name);
  return Array.from({ length: t.numRows }, (_, i) => v.get(i));
};

test('arrow: samples as apache-arrow reads them', async () => {
  const range = `from=${T0 - 1}&to=${T0 + 20000}`;
  const json = await api.get(`/history/recorded?points=P1,S,mill&${range}`);
  const t = await arrow(`/history/recorded?points=P1,S,mill&${range}`);
  equal(t.schema.fields.map((f) => `${f.name}: ${f.type}`), ['point: Dictionary<Int32, Utf8>', 'time: Timestamp<MICROSECOND, UTC>', 'value: Float64', 'text: Utf8', 'quality: Uint8', 'reason: Uint8']);
  equal(t.schema.fields.map((f) => f.nullable), [false, false, true, true, false, false]);
  const want = json.series.flatMap((s) => s.t.map((at, i) => [s.code, at, typeof s.v[i] === 'string' ? null : s.v[i], typeof s.v[i] === 'string' ? s.v[i] : null, s.q[i], s.r[i]]));
  ok(want.length >= 7, `${want.length} rows`);
  const rows = ['point', 'time', 'value', 'text', 'quality', 'reason'].map((n) => column(t, n));
  equal(rows[0].map((_, i) => rows.map((c) => c[i])), want);
  equal((await arrow(`/history/recorded?points=P1&${range}&format=arrow`, {})).numRows, json.series[0].t.length);
});

test('arrow: many batches, nothing at all, windows and aligned', async () => {
  const many = await arrow(`/history/recorded?points=P1,P2&from=${T0 + 100000}&to=${T0 + 300000}&limit=200000`);
  equal([many.numRows, many.batches.length >= 4, many.batches.every((b) => b.numRows <= 65536)], [200000, true, true]);
  let sum = 0;
  for (const v of many.getChild('value')) sum += v;
  let want = (199999 * 200000) / 2;
  for (let i = 0; i < 1000; i++) want += Number(`1${i}`) - i; // of the gzip test
  equal(sum, want, 'every value is there');
  const none = await arrow('/history/recorded?points=P1&from=100&to=200');
  equal([none.numRows, none.schema.fields.length], [0, 6]);
  const q = `points=P1,P2&from=${T0 + 100000}&to=${T0 + 160000}&interval=10s`;
  const json = await api.get(`/history/aggregate?${q}&fn=average,maximum`);
  const agg = await arrow(`/history/aggregate?${q}&fn=average,maximum`);
  equal(agg.schema.fields.map((f) => f.name), ['time', 'P1 average', 'P1 maximum', 'P2 average', 'P2 maximum']);
  equal(column(agg, 'time'), json.series[0].t);
  for (const s of json.series) for (const fn of ['average', 'maximum']) equal(column(agg, `${s.code} ${fn}`), s.values[fn], `${s.code} ${fn}`);
  const before = await api.get(`/history/aligned?points=P1,O2P&from=${T0 - 100000}&to=${T0 + 20000}&interval=1s`);
  const al = await arrow(`/history/aligned?points=P1,O2P&from=${T0 - 100000}&to=${T0 + 20000}&interval=1s`);
  equal(al.schema.fields.map((f) => f.name), ['time', 'P1', 'O2P']);
  equal([column(al, 'time'), column(al, 'P1'), column(al, 'O2P')], [before.t, before.series[0].v, before.series[1].v]);
  ok(column(al, 'P1').includes(null) && column(al, 'O2P').every((v) => v === null), 'nulls');
  for (const path of ['plot?px=100', 'interpolated?interval=1s']) equal((await arrow(`/history/${path}&points=P1&from=${T0}&to=${T0 + 10000}`)).schema.fields.length, 6);
});

// ---- the stream of queries ----
function stream(headers = { Cookie: api.headers.Cookie, Origin: serve.base }) {
  const ws = new WebSocket(`${serve.base.replace('http', 'ws')}/api/v1/history/stream`, { headers });
  const s = { ws, got: [], closed: null };
  ws.on('message', (d) => s.got.push(JSON.parse(d)));
  ws.on('close', (code) => (s.closed = code));
  ws.on('error', () => {});
  s.open = new Promise((resolve, reject) => (ws.on('open', resolve), ws.on('error', reject)));
  s.send = (m) => ws.send(typeof m === 'string' ? m : JSON.stringify(m));
  s.of = (id) => s.got.filter((m) => m.id === id);
  s.end = (id) => until(() => s.of(id).find((m) => ['done', 'error', 'cancelled'].includes(m.op)), `the end of ${id}`);
  return s;
}

test('stream: queries one after another, rows as they are read, errors, ping', async () => {
  const s = stream();
  await s.open;
  s.send({ op: 'query', id: 1, kind: 'recorded', points: ['P1', 'S'], from: T0, to: T0 + 20000 });
  s.send({ op: 'query', id: 'two', kind: 'recorded', points: ['P1'], from: T0 + 100000, to: T0 + 300000, limit: 200000 });
  s.send({ op: 'query', id: 3, kind: 'aggregate', points: ['P1', 'P2'], from: T0 + 100000, to: T0 + 160000, interval: '10s', fn: ['average', 'count'] });
  s.send({ op: 'query', id: 4, kind: 'aligned', points: ['P1', 'P2'], from: T0 + 100000, to: T0 + 160000, interval: '1s' });
  s.send({ op: 'query', id: 5, kind: 'recorded', points: ['P1'], from: T0, to: T0 + 20000, limit: 2 });
  await s.end(5);
  const one = await api.get(`/history/recorded?points=P1,S&from=${T0}&to=${T0 + 20000}`);
  const rows = s.of(1).filter((m) => m.op === 'rows'), all = (code, k) => rows.filter((m) => m.code === code).flatMap((m) => m[k]);
  equal(['P1', 'S'].map((c) => [c, all(c, 't'), all(c, 'v'), all(c, 'q'), all(c, 'r')]), one.series.map((x) => [x.code, x.t, x.v, x.q, x.r]));
  equal(s.of(1).at(-1), { op: 'done', id: 1, samples: one.series[0].t.length + one.series[1].t.length });
  const two = s.of('two');
  equal([two.flatMap((m) => m.t ?? []).length, two.at(-1).samples, two.length > 20], [100000, 100000, true]);
  equal(two.flatMap((m) => m.v ?? []).at(-1), 199999);
  const agg = await api.get(`/history/aggregate?points=P1,P2&from=${T0 + 100000}&to=${T0 + 160000}&interval=10s&fn=average,count`);
  equal(s.of(3).filter((m) => m.op === 'rows').map((m) => [m.code, m.t, m.end, m.values]), agg.series.map((x) => [x.code, x.t, x.end, x.values]));
  equal(s.of(4).filter((m) => m.op === 'rows').map((m) => [m.code, m.t.length]), [['P1', 60], ['P2', 60]]);
  equal([s.of(5).find((m) => m.op === 'truncated')?.code, s.of(5).at(-1).samples], ['P1', 2]);
  const order = s.got.filter((m) => m.op === 'done').map((m) => m.id);
  equal(order, [1, 'two', 3, 4, 5], 'one after another');
  for (const [m, where] of [[{ op: 'query', id: 10, points: ['NOPE'] }, 'points'], [{ op: 'query', id: 10, kind: 'x', points: ['P1'] }, 'kind'],
    [{ op: 'query', id: 10, points: ['P1'], from: 'never' }, 'from'], [{ op: 'query', points: ['P1'] }, 'id'], [{ op: 'fly', id: 10 }, 'op'], ['nonsense', ''], ['[1]', '']]) {
    const n = s.got.length;
    s.send(m);
    await until(() => s.got.length > n, JSON.stringify(m));
    equal([s.got[n].op, s.got[n].where, !!s.got[n].detail], ['error', where, true], JSON.stringify(m));
  }
  s.send({ op: 'ping' });
  await until(() => s.got.at(-1).op === 'pong', 'pong');
  s.ws.close();
});

test('stream: cancel, a reader that does not read, a stream that goes away, rights', async () => {
  // ten million rows or so: far more than fits between server and reader
  await api.post('/points', { code: 'BIG', name: 'BIG' });
  const big = (await api.get('/points/BIG')).num;
  for (let k = 0; k < 5; k++) equal((await samples(binary(Array.from({ length: 200000 }, (_, i) => [big, T0 + (k * 200000 + i) * 10, i + 0.123456789])))).status, 200);
  const ask = { op: 'query', kind: 'recorded', points: ['BIG'], from: T0 - 1, to: T0 + 2e7, limit: 1000000 };
  const s = stream();
  await s.open;
  s.ws._socket.pause();
  s.send({ ...ask, id: 1 });
  s.send({ ...ask, id: 2 });
  s.send({ op: 'cancel', id: 2 });
  s.send({ op: 'cancel', id: 99 });
  const other = stream(); // is not held up by the one that does not read
  await other.open;
  other.send({ ...ask, id: 1 });
  equal((await other.end(1)).samples, 1000000);
  equal(other.of(1).flatMap((m) => m.v ?? []).length, 1000000);
  s.send({ op: 'cancel', id: 1 });
  s.ws._socket.resume();
  equal((await s.end(1)).op, 'cancelled');
  equal((await s.end(2)).op, 'cancelled');
  ok(s.of(1).length > 0 && s.of(1).flatMap((m) => m.v ?? []).length < 900000, 'less than all');
  s.send({ op: 'query', id: 3, points: ['P1'], from: T0, to: T0 + 20000 });
  equal((await s.end(3)).op, 'done', 'the stream lives on');
  for (let i = 0; i < 40; i++) s.send({ ...ask, id: 100 + i });
  await until(() => s.got.some((m) => m.op === 'error' && m.detail.includes('16')), 'too many');
  s.ws.terminate();
  const left = stream();
  await left.open;
  left.send({ ...ask, id: 1 });
  await until(() => left.got.length > 2, 'some rows');
  left.ws.terminate();
  other.ws.close();
  const mine = (await api.post('/tokens', { name: 's', roles: ['reader'] }));
  const t = stream({ Authorization: `Bearer ${mine.token}` });
  await t.open;
  t.send({ op: 'query', id: 1, points: ['P1'], from: T0, to: T0 + 20000 });
  equal((await t.end(1)).op, 'done');
  await api.call('DELETE', `/tokens/${mine.id}`);
  await until(() => t.closed === 4401, 'the stream of a token that is gone');
  const none = stream({});
  equal(await none.open.then(() => 'open', (e) => String(e)).then((x) => x.includes('401')), true);
});

// ---- Grafana ----
const grafana = async (path, body, headers = { Authorization: `Bearer ${readToken}` }) => {
  const res = await fetch(`${serve.base}/api/v1/grafana${path}`, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) });
  const text = await res.text();
  if (res.status !== 200) throw new Error(`${path} ${res.status} ${text}`);
  return JSON.parse(text);
};

test('grafana: what there is', async () => {
  const basic = { Authorization: `Basic ${Buffer.from(`grafana:${readToken}`).toString('base64')}` };
  for (const path of ['', '/']) equal((await fetch(`${serve.base}/api/v1/grafana${path}`, { headers: basic })).status, 200, `"${path}"`);
  equal((await fetch(`${serve.base}/api/v1/grafana`)).status, 401);
  ok((await grafana('/search', { target: '' })).includes('P1'), 'all');
  equal(await grafana('/search', { target: 'mill.po' }), ['mill.power']);
  const m = await grafana('/metrics', { metric: 'mill.po' }, basic);
  equal([m[0].value, m[0].payloads[0].name, m[0].payloads[0].options.some((o) => o.value === 'average')], ['mill.power', 'fn', true]);
  equal((await grafana('/variable', { payload: { target: 'mill.po' } })), [{ __text: 'mill.power', __value: 'mill.power' }]);
  equal([await grafana('/tag-keys', {}), (await grafana('/tag-values', { key: 'quality' })).map((x) => x.text)], [[{ type: 'string', text: 'quality' }], ['good', 'usable', 'all']]);
});

test('grafana: series, windows, tables, filters, faults', async () => {
  const iso = (ms) => new Date(ms).toISOString();
  const ask = (targets, more = {}) => grafana('/query', { range: { from: iso(T0), to: iso(T0 + 20000) }, intervalMs: 5000, maxDataPoints: 500, targets, ...more });
  const plot = await ask([{ target: 'P1', refId: 'A', type: 'timeserie' }, { target: 'P2', refId: 'B', hide: true }, { refId: 'C' }]);
  equal(plot.length, 1);
  equal(plot[0].target, 'P1');
  ok(plot[0].datapoints.some(([v, t]) => v === 12.5 || t === T0 + 1000), JSON.stringify(plot[0].datapoints));
  equal(plot[0].datapoints.find(([, t]) => t === T0 + 2000)[0], null, 'bad quality is a gap');
  const both = await ask([{ target: '{P1,P2}', type: 'timeserie' }, { target: '(mill|mill.on)', type: 'timeserie' }]);
  equal(both.map((s) => s.target), ['P1', 'P2', 'mill', 'mill.on']);
  const json = await api.get(`/history/aggregate?points=P1&from=${T0}&to=${T0 + 20000}&interval=5s&fn=maximum`);
  for (const target of [{ target: 'maximum(P1)' }, { target: 'P1', payload: { fn: 'maximum' } }, { target: 'P1', data: { fn: 'maximum' } }]) {
    const w = await ask([{ ...target, type: 'timeserie' }]);
    equal([w[0].target, w[0].datapoints], ['P1 maximum', json.series[0].values.maximum.map((v, i) => [v, json.series[0].t[i]])]);
  }
  const table = (await ask([{ target: 'P1,S', type: 'table' }]))[0];
  equal([table.type, table.columns.map((c) => c.text)], ['table', ['Time', 'Point', 'Value', 'Quality']]);
  const rec = await api.get(`/history/recorded?points=P1,S&from=${T0}&to=${T0 + 20000}`);
  equal(table.rows.map((r) => r.slice(0, 3)), rec.series.flatMap((s) => s.t.map((t, i) => [t, s.code, s.v[i]])));
  const good = (await ask([{ target: 'P1', type: 'table' }], { adhocFilters: [{ key: 'quality', operator: '=', value: 'good' }] }))[0];
  ok(good.rows.length && good.rows.every((r) => r[3] === 'good') && good.rows.length < table.rows.length, 'filtered');
  const wide = (await ask([{ target: 'average(P1)', type: 'table' }]))[0];
  equal(wide.columns.map((c) => c.text), ['Time', 'Point', 'average']);
  equal(await ask([]), []);
  const bad = await fetch(`${serve.base}/api/v1/grafana/query`, { method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: `Token ${readToken}` }, body: JSON.stringify({ targets: [{ target: 'NOPE' }] }) });
  equal([bad.status, (await bad.json()).where], [404, 'points']);
});

// ---- Prometheus: messages and Snappy literals made and read by these few lines ----
const varint = (n) => {
  const out = [];
  for (n = BigInt(n); n >= 128n; n >>= 7n) out.push(Number(n & 127n) | 128);
  return Buffer.from([...out, Number(n)]);
};
const pb = (field, v) => {
  if (typeof v === 'number') return Buffer.concat([varint(field << 3), varint(v)]);
  const b = Buffer.from(v);
  return Buffer.concat([varint((field << 3) | 2), varint(b.length), b]);
};
const snappyLiteral = (b) => Buffer.concat([varint(b.length), ...(b.length ? [Buffer.from([0xf4, (b.length - 1) & 255, (b.length - 1) >> 8])] : []), b]);
function unsnap(b) {
  let at = 0, n = 0, shift = 0;
  do (n += (b[at] & 127) * 2 ** shift), (shift += 7);
  while (b[at++] & 128);
  const out = Buffer.alloc(n);
  let to = 0;
  while (at < b.length) {
    const tag = b[at++];
    let len = (tag >> 2) + 1;
    if ((tag & 3) === 0) {
      if (len > 60) (len = b.readUIntLE(at, len - 60) + 1), (at += (tag >> 2) - 59);
      b.copy(out, to, at, at + len);
      at += len;
      to += len;
    } else {
      ok((tag & 3) === 2, 'copies with two bytes');
      const back = b.readUInt16LE(at);
      at += 2;
      for (let i = 0; i < len; i++, to++) out[to] = out[to - back];
    }
  }
  equal(to, n, 'length of the block');
  return out;
}
function* fields(b) {
  for (let at = 0; at < b.length; ) {
    const num = () => {
      let v = 0n, shift = 0n;
      do (v |= BigInt(b[at] & 127) << shift), (shift += 7n);
      while (b[at++] & 128);
      return v;
    };
    const key = Number(num());
    if ((key & 7) === 0) yield [key >> 3, num()];
    else if ((key & 7) === 1) yield [key >> 3, b.readDoubleLE((at += 8) - 8), b.readBigUInt64LE(at - 8)];
    else {
      const n = Number(num());
      yield [key >> 3, b.subarray(at, (at += n))];
    }
  }
}
async function remoteRead(queries, t = readToken) {
  const body = Buffer.concat(queries.map(([from, to, ...matchers]) => pb(1, Buffer.concat([pb(1, from), pb(2, to), ...matchers.map(([type, name, value]) => pb(3, Buffer.concat([pb(1, type), pb(2, name), pb(3, value)])))]))));
  const res = await fetch(`${serve.base}/api/v1/prometheus/read`, { method: 'POST', body: snappyLiteral(body),
    headers: { Authorization: `Bearer ${t}`, 'Content-Type': 'application/x-protobuf', 'Content-Encoding': 'snappy', 'X-Prometheus-Remote-Read-Version': '0.1.0' } });
  if (res.status !== 200) return { status: res.status, ...(await res.json()) };
  equal([res.headers.get('content-type'), res.headers.get('content-encoding')], ['application/x-protobuf', 'snappy']);
  return [...fields(unsnap(Buffer.from(await res.arrayBuffer())))].map(([, result]) => [...fields(result)].map(([, series]) => {
    const s = { labels: {}, t: [], v: [], stale: 0 };
    for (const [n, part] of fields(series)) {
      const f = [...fields(part)];
      if (n === 1) s.labels[f[0][1].toString()] = f[1][1].toString();
      else if (f[0][2] === 0x7ff0000000000002n) s.stale++;
      else s.v.push(f[0][1]), s.t.push(Number(f[1][1]));
    }
    return s;
  }));
}

test('prometheus: remote read by name, label and expression', async () => {
  const [one] = await remoteRead([[T0, T0 + 2000, [0, '__name__', 'P1']]]);
  equal([one.length, one[0].labels, one[0].t, one[0].v, one[0].stale], [1, { __name__: 'P1' }, [T0, T0 + 1000], [12.5, 13], 1]);
  const [it, mills, none, not] = await remoteRead([[T0, T0 + 2000, [0, 'area', 'LT/IT'], [0, 'unit', '%'], [2, '__name__', 'IT-net[.]h(1|2)[.]rx']],
    [T0, T0, [2, '__name__', 'mill.*']], [T0, T0 + 1, [0, '__name__', 'NOPE']], [T0, T0, [2, '__name__', 'mill.*'], [1, '__name__', 'mill'], [3, '__name__', '.*on']]]);
  equal(it.map((s) => [s.labels, s.v]), [[{ __name__: 'IT-net.h1.rx', area: 'LT/IT', unit: '%' }, [1]], [{ __name__: 'IT-net.h2.rx', area: 'LT/IT', unit: '%' }, [2]]]);
  equal(mills.map((s) => s.labels.__name__).sort(), ['mill', 'mill.on', 'mill.power']);
  equal([none, not.map((s) => s.labels.__name__)], [[], ['mill.power']]);
  const [big] = await remoteRead([[T0 + 100000, T0 + 299999, [0, '__name__', 'P2']]]);
  equal([big[0].t.length, big[0].t.at(-1)], [100000, T0 + 299998]);
  equal((await remoteRead([[T0, T0, [2, '__name__', '(']]])).status, 400);
  const own = (await api.post('/tokens', { name: 'ro', roles: ['reader'], orgs: ['O1'] })).token;
  equal((await remoteRead([[T0, T0 + 1, [2, '__name__', 'O.P']]], own))[0].map((s) => s.labels.__name__), ['O1P'], 'not what one may not read');
  const headers = { Authorization: `Bearer ${readToken}` };
  for (const body of [Buffer.from('nonsense'), snappyLiteral(Buffer.from('nonsense')), Buffer.alloc(0)]) {
    const res = await fetch(`${serve.base}/api/v1/prometheus/read`, { method: 'POST', body, headers });
    equal(res.status, 400, body.toString('hex'));
  }
  equal((await fetch(`${serve.base}/api/v1/prometheus/read`, { method: 'POST', body: '' })).status, 401);
});

test('ping; the influx client of Debian', async () => {
  const ping = await fetch(`${serve.base}/ping`);
  equal([ping.status, ping.headers.has('x-influxdb-version')], [204, true]);
  equal((await fetch(`${serve.base}/ping`, { method: 'HEAD' })).status, 204);
  const client = await new Promise((resolve) => execFile('influx', ['-host', '127.0.0.1', '-port', String(serve.port), '-username', 'x', '-password', token, '-precision', 'ms',
    '-database', 'db', '-execute', `INSERT m,point=P2 value=4711 ${T0 + 1}`], { timeout: 20000 }, (err, out, errout) => resolve(err?.code === 'ENOENT' ? null : { err, text: out + errout })));
  if (!client) return console.log('     (influx is not installed: not tried)');
  ok(!client.err, client.text);
  ok((await recorded('P2')).v.includes(4711), client.text);
});

// ---- the command line ----
const cli = (args, input) => new Promise((resolve) => {
  const child = execFile(BIN, ['history', ...args], { env: { ...process.env, BORNITE_URL: serve.base, BORNITE_TOKEN: token }, maxBuffer: 1 << 26, encoding: 'buffer', timeout: 60000 },
    (err, out, errout) => resolve({ code: err?.code ?? 0, out, text: out.toString(), err: errout.toString() }));
  if (input !== undefined) child.stdin.end(input);
});

test('the command line: get, write, import', async () => {
  for (const p of ['C1', 'C2']) await point(p);
  const put = await cli(['write', '-', '--precision', 'ms'], `m,point=C1 value=1 ${T0}\nm,point=C1 value="a\nb" ${T0 + 1}\n# end\n`);
  equal([put.code, put.err.includes('0 values not stored')], [0, true], put.err);
  equal((await recorded('C1')).v, [1, 'a\nb']);
  const csv = join(dir, 'in.csv');
  writeFileSync(csv, `\ufefftime,point,value,quality\r\n${new Date(T0).toISOString()},C2,5,good\r\n${T0 + 1000},C2,6.5,uncertain\r\n${T0 + 2000},NIX,1,good\r\nsoon,C2,1,good\r\n${T0 + 3000},C2,"say ""hi""",bad\r\n`);
  const rows = await cli(['write', csv]);
  equal(rows.code, 1, rows.err);
  ok(rows.err.includes("there is no point 'NIX'") && rows.err.includes('line 5') && rows.err.includes('2 values not stored'), rows.err);
  const c2 = await recorded('C2');
  equal([c2.t, c2.v, c2.q], [[T0, T0 + 1000, T0 + 3000], [5, 6.5, 'say "hi"'], [0, 1, 2]]);
  const range = ['--from', String(T0), '--to', String(T0 + 10000)];
  const got = await cli(['get', '--points', 'C1,C2', ...range]);
  equal([got.code, got.text.trim().split('\r\n').length], [0, 6], got.err + got.text);
  const arrowOut = await cli(['get', '--points', 'C2', ...range, '--format', 'arrow']);
  equal(tableFromIPC(arrowOut.out).numRows, 3);
  const agg = JSON.parse((await cli(['get', '--points', 'C2', ...range, '--fn', 'count', '--interval', '10s', '--format=json'])).text);
  equal(Object.keys(agg.series[0].values), ['count']);
  const file = join(dir, 'out.csv');
  equal((await cli(['get', '--points', 'C2', ...range, '--out', file])).code, 0);
  // what was written out goes in again, by way of a job
  const big = join(dir, 'big.csv');
  writeFileSync(big, `time,point,value\n${Array.from({ length: 5000 }, (_, i) => `${T0 + 1e6 + i},C1,${i}`).join('\n')}\n`);
  const job = await cli(['import', big]);
  equal([job.code, job.text.startsWith('done')], [0, true], job.text + job.err);
  equal((await api.get(`/history/recorded?points=C1&from=${T0 + 1e6}&to=${T0 + 2e6}`)).series[0].v.length, 5000);
  equal([(await cli(['get', ...range])).code, (await cli(['fly'])).code, (await cli(['get', '--nix', '1'])).code], [2, 2, 2]);
  const bad = await cli(['get', '--points', 'NOPE', ...range]);
  equal([bad.code, bad.err.includes('NOPE')], [1, true], bad.err);
});

test('everything is there after a restart', async () => {
  const before = (await recorded('P1')).t.length;
  await stop(serve, 'SIGKILL');
  ok(!serve.log.includes(token), 'a token in the log');
  serve = await startServe(dir);
  api = new Api(serve.base, api.headers);
  equal((await recorded('P1')).t.length, before);
});

await run();
