// The doors of history: InfluxDB line protocol and binary batches in; Arrow, the stream of queries, Grafana and
// Prometheus out. Peers that we did not write are used where they are installed (influx, apache-arrow, ws).
import { gzipSync } from 'node:zlib';
import { execFile } from 'node:child_process';
import net from 'node:net';
import { Api, equal, near, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';

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

test('everything is there after a restart', async () => {
  const before = (await recorded('P1')).t.length;
  await stop(serve, 'SIGKILL');
  serve.expected = true;
  serve = await startServe(dir);
  api = new Api(serve.base, api.headers);
  equal((await recorded('P1')).t.length, before);
});

await run();
