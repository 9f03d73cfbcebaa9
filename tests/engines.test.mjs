// Other time-series engines behind archive classes: those that Debian packages run here (InfluxDB 1.x, VictoriaMetrics,
// ClickHouse; a missing one is skipped and said), TDengine and Apache IoTDB are played by servers that take exactly the
// documented requests. The same samples go to a point of each engine and to its twin in the embedded one and are read back
// equal; a gate between plays the faults: away, 500, slow, half answers, a wrong password; then classes are moved.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { dirname, join } from 'node:path';
import { Api, BIN, cleanup, equal, freePort, ok, run, signIn, sleep, startServe, stop, tempDir, test, until } from './lib.mjs';

const dir = tempDir();
let serve, api, session;
const USER = 'plant', PASSWORD = 'gold&copper=99%';
const basic = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`;

// ---- servers that run ----
const which = (name) => {
  for (const d of (process.env.PATH ?? '').split(':').concat('/usr/sbin', '/usr/bin')) if (d && existsSync(join(d, name))) return join(d, name);
  return null;
};
function daemon(cmd, args, name) {
  const child = spawn(cmd, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  child.log = '';
  for (const s of [child.stdout, child.stderr]) s.on('data', (d) => (child.log = (child.log + d).slice(-4000)));
  cleanup(() => new Promise((r) => { child.on('exit', r); if (child.exitCode !== null || !child.kill('SIGKILL')) r(); }));
  child.name = name;
  return child;
}
const answers = (url) => until(async () => (await fetch(url)).status < 500, `${url} to answer`, 30000);
async function influxd() {
  const bin = which('influxd'), d = tempDir(), port = await freePort(), rpc = await freePort();
  if (!bin) return null;
  writeFileSync(join(d, 'conf'), `reporting-disabled = true\nbind-address = "127.0.0.1:${rpc}"\n[meta]\ndir = "${d}/meta"\n[data]\ndir = "${d}/data"\nwal-dir = "${d}/wal"\n[http]\nbind-address = "127.0.0.1:${port}"\nlog-enabled = false\nauth-enabled = true\n`);
  daemon(bin, ['-config', join(d, 'conf')], 'influxd');
  const url = `http://127.0.0.1:${port}`;
  await answers(`${url}/ping`);
  const q = await fetch(`${url}/query`, { method: 'POST', body: new URLSearchParams({ q: `create user ${USER} with password '${PASSWORD}' with all privileges` }) });
  equal(q.status, 200, await q.text());
  return { url, user: USER };
}
async function victoria() {
  const bin = which('victoria-metrics'), d = tempDir(), port = await freePort();
  if (!bin) return null;
  daemon(bin, [`-storageDataPath=${d}/vm`, `-httpListenAddr=127.0.0.1:${port}`, '-retentionPeriod=100y', `-httpAuth.username=${USER}`, `-httpAuth.password=${PASSWORD}`], 'victoria-metrics');
  const url = `http://127.0.0.1:${port}`;
  await answers(`${url}/health`);
  return { url, user: USER };
}
async function clickhouse() {
  const own = which('clickhouse-server'), one = which('clickhouse'), d = tempDir(), port = await freePort(), tcp = await freePort();
  if (!own && !one) return null;
  writeFileSync(join(d, 'config.xml'), `<yandex><logger><level>warning</level><console>1</console></logger><listen_host>127.0.0.1</listen_host><http_port>${port}</http_port><tcp_port>${tcp}</tcp_port><path>${d}/data/</path><tmp_path>${d}/tmp/</tmp_path><users_config>${d}/users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database><mark_cache_size>67108864</mark_cache_size></yandex>`);
  const user = (n, p) => `<${n}><password>${p}</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></${n}>`;
  writeFileSync(join(d, 'users.xml'), `<yandex><profiles><default><max_memory_usage>1000000000</max_memory_usage></default></profiles><users>${user('default', '')}${user(USER, PASSWORD.replace('&', '&amp;'))}</users><quotas><default></default></quotas></yandex>`);
  daemon(own ?? one, [...(own ? [] : ['server']), `--config-file=${d}/config.xml`], 'clickhouse');
  const url = `http://127.0.0.1:${port}`;
  await answers(`${url}/ping`);
  return { url, user: USER };
}

// ---- servers that are played ----
// int64 in JSON: read as text, written as digits.
const exact = (text) => JSON.parse(text.replace(/(?<=[[,:])-?\d{16,}(?=[,\]}])/g, '"#$&"'), (k, v) => (typeof v === 'string' && /^#-?\d+$/.test(v) ? BigInt(v.slice(1)) : v));
const digits = (v) => (typeof v === 'bigint' ? String(v) : typeof v === 'string' ? JSON.stringify(v) : v === null || v === undefined ? 'null' : Object.is(v, -0) ? '-0' : String(v));
const complaints = [];
function play(handle) {
  const s = http.createServer(async (req, res) => {
    const chunks = [];
    for await (const c of req) chunks.push(c);
    const reply = (status, text) => res.writeHead(status, { 'Content-Type': 'application/json' }).end(text);
    try {
      handle(req, Buffer.concat(chunks).toString(), reply);
    } catch (e) {
      complaints.push(`${req.method} ${req.url}: ${e.message}`);
      reply(400, JSON.stringify({ code: 0x2600, desc: e.message, message: e.message }));
    }
  });
  cleanup(() => new Promise((r) => { s.close(r); s.closeAllConnections(); }));
  return new Promise((r) => s.listen(0, '127.0.0.1', () => r({ url: `http://127.0.0.1:${s.address().port}`, user: USER })));
}
const must = (cond, what) => { if (!cond) throw new Error(what); };
const sorted = (table) => [...table.values()].sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0));

// TDengine 3: POST /rest/sql, {"code":0,"column_meta":[…],"data":[…],"rows":n}.
function tdengine() {
  const dbs = new Map();
  const literal = (t) => {
    if (t.s.startsWith('null', t.i)) return (t.i += 4), null;
    if (t.s[t.i] === "'") {
      let out = '';
      for (t.i++; t.s[t.i] !== "'"; t.i++) {
        must(t.i < t.s.length, 'a text without end');
        if (t.s[t.i] === '\\') t.i++;
        out += t.s[t.i];
      }
      return t.i++, out;
    }
    const m = /^-?\d+(\.\d+)?(e[+-]?\d+)?/i.exec(t.s.slice(t.i, t.i + 400));
    must(m, `no literal at ${t.s.slice(t.i, t.i + 30)}`);
    t.i += m[0].length;
    return /[.e]/i.test(m[0]) ? Number(m[0]) : BigInt(m[0]);
  };
  const tuple = (t) => {
    const out = [];
    must(t.s[t.i++] === '(', 'a row begins with (');
    do out.push(literal(t)); while (t.s[t.i++] === ',');
    must(t.s[t.i - 1] === ')', 'a row ends with )');
    return out;
  };
  const insert = (sql) => {
    const t = { s: sql, i: 'insert into'.length };
    while (t.i < sql.length) {
      const m = /^ (\w+)\.p(\d+) using (\w+)\.samples tags /.exec(sql.slice(t.i, t.i + 300));
      must(m && m[1] === m[3], `no table at ${sql.slice(t.i, t.i + 40)}`);
      const db = dbs.get(m[1]);
      if (!db?.stable) return { code: 0x0388, desc: 'Database not exist' };
      t.i += m[0].length;
      const tags = tuple(t);
      must(tags.length === 2 && String(tags[0]) === m[2], 'tags (point, code)');
      must(sql.startsWith(' values ', t.i), 'values');
      t.i += 8;
      const table = db.tables.get(m[2]) ?? db.tables.set(m[2], new Map()).get(m[2]);
      while (sql[t.i] === '(') {
        const [ts, ty, q, f, d, i, s, ...more] = tuple(t);
        must(typeof ts === 'bigint' && more.length === 0 && s !== undefined, 'seven columns');
        must(i === null || (i > -(2n ** 63n) && i < 2n ** 63n), 'bigint'); // the least is the mark of null
        must(s === null || Buffer.byteLength(s) <= 16000, 'varchar');
        table.set(ts, { ts, row: [ts, ty, q, f, d === null ? null : Number(d), i, s] });
      }
    }
    return { code: 0, rows: [] };
  };
  const one = (sql) => {
    let m;
    if ((m = /^create database if not exists (\w+) precision 'us' keep 36500$/.exec(sql))) return dbs.has(m[1]) || dbs.set(m[1], { tables: new Map() }), { rows: [] };
    if ((m = /^create stable if not exists (\w+)\.samples \(ts timestamp, t tinyint, q tinyint, f int, d double, i bigint, s varchar\(16000\)\) tags \(point int unsigned, code nchar\(160\)\)$/.exec(sql))) return (dbs.get(m[1]).stable = true), { rows: [] };
    if (sql === 'select server_version()') return { rows: [['3.3.0.0']] };
    if (sql.startsWith('insert into ')) return insert(sql);
    if ((m = /^select cast\(ts as bigint\),t,q,f,d,i,s from (\w+)\.p(\d+) where ts >= (-?\d+) and ts < (-?\d+) order by ts (asc|desc) limit (\d+)$/.exec(sql))) {
      const table = dbs.get(m[1])?.tables.get(m[2]);
      if (!table) return { code: 0x2603, desc: 'Table does not exist' };
      const rows = sorted(table).filter((r) => r.ts >= BigInt(m[3]) && r.ts < BigInt(m[4]));
      return { rows: (m[5] === 'desc' ? rows.reverse() : rows).slice(0, Number(m[6])).map((r) => r.row) };
    }
    if ((m = /^delete from (\w+)\.p(\d+) where ts >= (-?\d+) and ts < (-?\d+)$/.exec(sql))) {
      const table = dbs.get(m[1])?.tables.get(m[2]);
      if (!table) return { code: 0x2603, desc: 'Table does not exist' };
      for (const ts of [...table.keys()]) if (ts >= BigInt(m[3]) && ts < BigInt(m[4])) table.delete(ts);
      return { rows: [] };
    }
    throw new Error(`syntax: ${sql.slice(0, 200)}`);
  };
  return play((req, body, reply) => {
    if (req.headers.authorization !== basic) return reply(200, '{"code":855,"desc":"Authentication failure"}');
    must(req.method === 'POST' && req.url === '/rest/sql', 'POST /rest/sql');
    must(Buffer.byteLength(body) < 1 << 20, 'longer than maxSQLLength');
    const r = one(body);
    if (r.code) return reply(200, JSON.stringify({ code: r.code, desc: r.desc }));
    reply(200, `{"code":0,"column_meta":[],"data":[${r.rows.map((row) => `[${row.map(digits).join(',')}]`).join(',')}],"rows":${r.rows.length}}`);
  });
}

// Apache IoTDB: /rest/v2/insertTablet, insertRecords, query, nonQuery; a server with timestamp_precision=us.
function iotdb() {
  const names = ['t', 'q', 'f', 'd', 'i', 's', 'code'], types = ['INT32', 'INT32', 'INT32', 'DOUBLE', 'INT64', 'TEXT', 'TEXT'];
  const devices = new Map(), dbs = new Set();
  const fits = { INT32: (v) => Number.isInteger(v), INT64: (v) => typeof v === 'bigint' || Number.isInteger(v), DOUBLE: (v) => typeof v === 'number', TEXT: (v) => typeof v === 'string' };
  const put = (device, ts, measurements, data_types, values) => {
    must(/^root\.\w+\.p\d+$/.test(device) && dbs.has(device.split('.')[1]), `device ${device}`);
    equal(measurements, names), equal(data_types, types);
    must(values.length === 7, 'seven values');
    values.forEach((v, c) => must(v === null || fits[types[c]](v), `${names[c]} is ${v}`));
    const table = devices.get(device) ?? devices.set(device, new Map()).get(device);
    table.set(BigInt(ts), { ts: BigInt(ts), row: values });
  };
  return play((req, body, reply) => {
    if (req.headers.authorization !== basic) return reply(401, '{"code":801,"message":"WRONG_LOGIN_PASSWORD_ERROR"}');
    must(req.method === 'POST' && req.headers['content-type'] === 'application/json', 'POST of JSON');
    const b = exact(body), done = () => reply(200, '{"code":200,"message":"SUCCESS_STATUS"}');
    let m;
    if (req.url === '/rest/v2/insertTablet') {
      equal(Object.keys(b).sort(), ['data_types', 'device', 'is_aligned', 'measurements', 'timestamps', 'values']);
      must(b.is_aligned === true && b.values.every((c) => c.length === b.timestamps.length), 'columns of one length');
      b.timestamps.forEach((ts, i) => put(b.device, ts, b.measurements, b.data_types, b.values.map((c) => c[i])));
      return done();
    }
    if (req.url === '/rest/v2/insertRecords') {
      equal(Object.keys(b).sort(), ['data_types_list', 'devices', 'is_aligned', 'measurements_list', 'timestamps', 'values_list']);
      b.timestamps.forEach((ts, i) => put(b.devices[i], ts, b.measurements_list[i], b.data_types_list[i], b.values_list[i]));
      return done();
    }
    if (req.url === '/rest/v2/nonQuery') {
      if ((m = /^create database root\.(\w+)$/.exec(b.sql))) return dbs.has(m[1]) ? reply(200, '{"code":501,"message":"root has already been created as database"}') : (dbs.add(m[1]), done());
      m = /^delete from (root\.\w+\.p\d+)\.\* where time >= (-?\d+) and time <= (-?\d+)$/.exec(b.sql);
      must(m, b.sql);
      for (const ts of [...(devices.get(m[1])?.keys() ?? [])]) if (ts >= BigInt(m[2]) && ts <= BigInt(m[3])) devices.get(m[1]).delete(ts);
      return done();
    }
    must(req.url === '/rest/v2/query', req.url);
    if (b.sql === 'show variables') return reply(200, '{"expressions":null,"column_names":["Variable","Value"],"timestamps":null,"values":[["ClusterName","TimestampPrecision"],["defaultCluster","us"]]}');
    m = /^select t,q,f,d,i,s from (root\.\w+\.p\d+) where time >= (-?\d+) and time < (-?\d+) order by time (asc|desc) limit (\d+)$/.exec(b.sql);
    must(m && b.row_limit > Number(m[5]), b.sql);
    let rows = sorted(devices.get(m[1]) ?? new Map()).filter((r) => r.ts >= BigInt(m[2]) && r.ts < BigInt(m[3]));
    if (m[4] === 'desc') rows.reverse();
    rows = rows.slice(0, Number(m[5]));
    if (!devices.has(m[1])) return reply(200, '{"expressions":[],"column_names":null,"timestamps":[],"values":[]}');
    const column = (c) => `[${rows.map((r) => digits(r.row[c])).join(',')}]`;
    reply(200, `{"expressions":[${names.slice(0, 6).map((n) => `"${m[1]}.${n}"`)}],"column_names":null,"timestamps":[${rows.map((r) => r.ts).join(',')}],"values":[${[0, 1, 2, 3, 4, 5].map(column)}]}`);
  });
}

// ---- the gate: what lies between us and an engine ----
function gate(target) {
  const g = { fault: null, seen: 0, last: '' };
  const t = new URL(target.url);
  const s = http.createServer(async (req, res) => {
    const chunks = [];
    try { for await (const c of req) chunks.push(c); } catch { return; }
    g.seen++;
    g.last = `${req.method} ${req.url}`;
    const fault = g.fault?.(req);
    if (fault === 'cut') return req.socket.destroy();
    if (fault === 'hang') return;
    if (fault === 'slow') await sleep(3000);
    if (typeof fault === 'number') return res.writeHead(fault).end('the gate says no');
    const on = http.request({ host: t.hostname, port: t.port, method: req.method, path: req.url, headers: req.headers }, async (r) => {
      const out = [];
      for await (const c of r) out.push(c);
      const body = Buffer.concat(out);
      if (fault === 'half') { // the engine has done it, we do not hear it
        res.writeHead(200, { 'Content-Length': body.length + 10 });
        res.write(body.subarray(0, body.length / 2));
        return setTimeout(() => req.socket.destroy(), 10);
      }
      const { 'transfer-encoding': _, ...headers } = r.headers;
      res.writeHead(r.statusCode, r.statusCode === 204 ? headers : { ...headers, 'content-length': body.length }).end(body);
    });
    on.on('error', () => req.socket.destroy());
    on.end(Buffer.concat(chunks));
  });
  cleanup(() => new Promise((r) => { s.close(r); s.closeAllConnections(); }));
  return new Promise((r) => s.listen(0, '127.0.0.1', () => r(Object.assign(g, { url: `http://127.0.0.1:${s.address().port}`, port: s.address().port }))));
}

// ---- ours ----
async function start() {
  serve = await startServe(dir);
  if (session) api = new Api(serve.base, session);
  else api = await signIn(serve);
  session = api.headers;
}
const T0 = Date.UTC(2026, 1, 1);
const recorded = async (code, from = new Date(T0 - 86400e3).toISOString(), to = '*%2B1d') => {
  const { t, v, q, r } = (await api.get(`/history/recorded?points=${encodeURIComponent(code)}&from=${from}&to=${to}&limit=1000000`)).series[0];
  return { t, v, q, r };
};
const point = (code, spec = {}) => api.post('/points', { code, name: code, spec });
const status = async (code) => (await api.get('/ts-engines:status')).items.find((i) => i.code === code);
const drained = (code) => until(async () => { const s = await status(code); return s && s.pending === 0 && s.state === 'up' && s; }, `the queue of ${code}`, 60000);
const ended = (id, ms = 120000) => until(async () => { const j = await api.get(`/jobs/${id}`); return ['done', 'failed', 'cancelled'].includes(j.state) && j; }, `job ${id}`, ms);
async function migrate(params, want = 'done') {
  const j = await ended((await api.call('POST', '/jobs', { type: 'history.migrate', params }, 201)).id);
  equal(j.state, want, JSON.stringify(j.error));
  return j;
}
const engine = (code, e, spec = {}) => api.post('/ts-engines', { code, name: code, spec: { engine: e.sort, url: e.url, database: 'plant', ...(e.user ? { user: e.user, password: PASSWORD } : {}), timeout: '2s', ...spec } });

const engines = {};
const starters = { influxdb: influxd, victoriametrics: victoria, clickhouse, tdengine, iotdb };
let main; // the engine that faults are played with
test('the engines start', async () => {
  await start();
  for (const [sort, fn] of Object.entries(starters)) {
    const e = await fn();
    if (!e) { console.log(`skip ${sort}: its server is not installed (./dev deps)`); continue; }
    engines[sort] = { sort, direct: e.url, user: e.user, gate: await gate(e) };
    engines[sort].url = engines[sort].gate.url;
  }
  main = engines.influxdb ?? engines.tdengine;
});

test('every type of value, rewrites, pages and removal, as the store sees them', async () => {
  const live = join(dirname(BIN), 'src', 'store_ts_live_test');
  if (!existsSync(live)) return console.log('skip: store_ts_live_test is not built');
  await Promise.all(Object.values(engines).map(async (e) => {
    const url = e.direct.replace('http://', `http://${USER}:${PASSWORD}@`);
    const child = spawn(live, { env: { ...process.env, BORNITE_TEST_ENGINES: `${e.sort}=${url}` }, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    for (const o of [child.stdout, child.stderr]) o.on('data', (d) => (out += d));
    await new Promise((r) => child.on('exit', r));
    ok(/1 passed, 0 failed/.test(out) && out.startsWith(e.sort), out);
    console.log(`     ${out.split('\n')[0]}`);
  }));
  equal(complaints, []);
});

test('settings are tried, and what is wrong is said', async () => {
  for (const e of Object.values(engines)) {
    const spec = { engine: e.sort, url: e.url, database: 'plant', user: USER, password: PASSWORD };
    const good = await api.post('/ts-engines:test', { spec });
    ok(good.ok, JSON.stringify(good));
    const bad = await api.post('/ts-engines:test', { spec: { ...spec, password: 'not-it-77' } });
    equal([bad.ok, bad.code], [false, 'unauthenticated'], JSON.stringify(bad));
    ok(!JSON.stringify(bad).includes('not-it-77') && /password/.test(bad.detail), bad.detail);
  }
  const spec = { engine: main.sort, url: 'http://127.0.0.1:9', database: 'plant' };
  for (const [change, where, word] of [
    [{}, 'engine', 'cannot be reached'], [{ url: 'ftp://x' }, 'url', 'http://host:port'], [{ url: 'http://u:p@h:1' }, 'url', 'their fields'],
    [{ database: 'a-b; drop' }, 'database', 'letters'], [{ engine: 'oracle' }, 'engine', 'known are'],
  ]) {
    const r = await api.post('/ts-engines:test', { spec: { ...spec, ...change } });
    ok(!r.ok && r.where === where && r.detail.includes(word), JSON.stringify(r));
  }
});

test('over TLS the certificate counts', async () => {
  const d = tempDir();
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=engine', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', join(d, 'key'), '-out', join(d, 'cert')], { stdio: 'ignore' });
  const t = new URL(main.direct);
  const s = https.createServer({ key: readFileSync(join(d, 'key')), cert: readFileSync(join(d, 'cert')) }, (req, res) => {
    req.pipe(http.request({ host: t.hostname, port: t.port, method: req.method, path: req.url, headers: req.headers }, (r) => { res.writeHead(r.statusCode, r.headers); r.pipe(res); }));
  });
  cleanup(() => new Promise((r) => { s.close(r); s.closeAllConnections(); }));
  await new Promise((r) => s.listen(0, '127.0.0.1', r));
  const spec = { engine: main.sort, url: `https://127.0.0.1:${s.address().port}`, database: 'plant', user: USER, password: PASSWORD };
  const without = await api.post('/ts-engines:test', { spec });
  ok(!without.ok && /certificate|SSL/i.test(without.detail), JSON.stringify(without));
  const trusted = await api.post('/ts-engines:test', { spec: { ...spec, ca: join(d, 'cert') } });
  ok(trusted.ok, JSON.stringify(trusted));
});

const FAR = { influxdb: 1, clickhouse: 1, tdengine: 1, iotdb: 1 };
const random = (seed) => () => (seed = (seed * 48271) % 2147483647) / 2147483647;
function workload(code, sort, n) {
  const r = random(code.length * 7919 + 17), out = [];
  for (let i = 0; i < n; i++) {
    const t = T0 + (FAR[sort] ? Math.floor(r() * n * 4) * 250 : i * 1000);
    const v = i % 3 ? Math.round(r() * 1e6) / 1000 : Math.round(r() * 1000);
    out.push({ point: code, t, v, q: ['good', 'uncertain', 'bad'][Math.floor(r() * 3)] });
  }
  return out;
}
const both = (s, to) => s.concat(s.map((x) => ({ ...x, point: to })));

test('the same samples are read back from every engine', async () => {
  for (const e of Object.values(engines)) {
    await engine(e.sort, e);
    await api.post('/archive-classes', { code: `c-${e.sort}`, name: e.sort, spec: { engine: e.sort } });
    await point(`${e.sort}.A`, { archive_class: `c-${e.sort}` });
    await point(`${e.sort}.T`, { archive_class: `c-${e.sort}`, type: 'string' });
    await point(`twin.${e.sort}.A`);
    await point(`twin.${e.sort}.T`, { type: 'string' });
  }
  for (const e of Object.values(engines)) {
    await until(async () => (await status(e.sort))?.engine === e.sort, `${e.sort} to be known`);
    for (let k = 0; k < 3; k++) await api.post('/samples', { samples: both(workload(`${e.sort}.A`, e.sort, 500), `twin.${e.sort}.A`) });
    const texts = ['运行', 'stop', '', 'a"b\\c', "it's", 'line\nnext', 'x,y z=1'].map((v, i) => ({ point: `${e.sort}.T`, t: T0 + i * 1000, v }));
    await api.post('/samples', { samples: both(texts, `twin.${e.sort}.T`) });
    const want = await recorded(`twin.${e.sort}.A`);
    equal(await recorded(`${e.sort}.A`), want, `${e.sort}, partly still in the queue:`);
    const s = await drained(e.sort);
    ok(s.sent >= want.t.length && s.failed === 0, JSON.stringify(s));
    await until(async () => JSON.stringify(await recorded(`${e.sort}.A`)) === JSON.stringify(want), `${e.sort} to show all`);
    const twin = await recorded(`twin.${e.sort}.T`), got = await recorded(`${e.sort}.T`);
    if (e.sort !== 'victoriametrics') equal(got, twin, e.sort);
    else equal([got.t, got.q], [twin.t, twin.q]); // no texts there, once they have left the memory
    const [a, b] = (await api.get(`/history/summary?points=${e.sort}.A,twin.${e.sort}.A&from=${T0}&to=${T0 + 2e6}&interval=5m`)).series;
    equal(a.rows.map((x) => [x.count, x.min, x.max, x.first, x.last]), b.rows.map((x) => [x.count, x.min, x.max, x.first, x.last]), e.sort);
    if (e.sort === 'influxdb') { // people find the point by its code
      const r = await fetch(`${e.direct}/query?db=plant`, { method: 'POST', headers: { Authorization: basic }, body: new URLSearchParams({ q: 'show tag values from samples with key = code' }) });
      ok(JSON.stringify(await r.json()).includes('"influxdb.A"'), 'the code as a tag');
    }
    const [p] = (await api.get(`/history/plot?points=${e.sort}.A&from=${T0}&to=${T0 + 2e6}&px=100`)).series;
    ok(p.t.length > 50 && p.t.length <= 502, `${e.sort} plot: ${p.t.length}`);
  }
  equal(complaints, []);
});

test('an engine that fails in every way costs no sample', async () => {
  const code = `${main.sort}.A`, twin = `twin.${main.sort}.A`, g = main.gate;
  let i = 0;
  const more = async (n) => {
    const s = [];
    for (let k = 0; k < n; k++) s.push({ point: code, t: T0 + 4e6 + i++ * 500, v: i });
    await api.post('/samples', { samples: both(s, twin) });
  };
  for (const [name, fault] of [['away', 'cut'], ['500', 500], ['503', 503], ['half', 'half'], ['slow', 'slow']]) {
    g.fault = (req) => (/write|sql|insert|query=insert/i.test(req.url) ? fault : null);
    for (let k = 0; k < 5; k++) await more(20);
    const s = await until(async () => { const x = await status(main.sort); return x.state === 'down' && x; }, `${name} to be seen`);
    ok(s.error && s.pending >= 1, JSON.stringify(s));
    if (name !== 'slow') equal((await recorded(code)).t.length, (await recorded(twin)).t.length, `${name}: what waits is read too`);
    g.fault = null;
    await drained(main.sort);
  }
  g.fault = () => 'cut';
  await more(50);
  await stop(serve, 'SIGKILL'); // with a full queue
  await start();
  await more(50);
  const s = await until(async () => { const x = await status(main.sort); return x?.error && x; }, 'the failure after the restart');
  ok(s.pending >= 50, JSON.stringify(s));
  await until(async () => (await api.raw('GET', `/history/recorded?points=${code}&from=*-1h`)).status === 503, 'the engine is asked');
  g.fault = null;
  await drained(main.sort);
  await until(async () => JSON.stringify(await recorded(code)) === JSON.stringify(await recorded(twin)), 'equal series');
  equal(complaints, []);
});

test('a wrong password holds the samples until it is put right', async () => {
  const code = `${main.sort}.A`, twin = `twin.${main.sort}.A`;
  const e = await api.get(`/ts-engines/${main.sort}`);
  equal(e.spec.password ?? null, null);
  await api.call('PATCH', `/ts-engines/${main.sort}`, { spec: { password: 'wrong-one-1' } });
  await until(async () => {
    await api.post('/samples', { samples: both([{ point: code, t: T0 + 9e6, v: 1 }], twin) });
    return (await status(main.sort)).state === 'down';
  }, 'the refusal', 20000, 300);
  const s = await status(main.sort);
  ok(/password/.test(s.error) && !s.error.includes('wrong-one-1') && !serve.log.includes('wrong-one-1'), s.error);
  ok(s.pending >= 1);
  // The form shows no password: the stored one counts with the stored address, and with no other.
  const spec = { engine: main.sort, url: main.url, database: 'plant', user: USER };
  equal((await api.post('/ts-engines:test', { code: main.sort, spec })).code, 'unauthenticated');
  await api.call('PATCH', `/ts-engines/${main.sort}`, { spec: { password: PASSWORD } });
  await drained(main.sort);
  ok((await api.post('/ts-engines:test', { code: main.sort, spec })).ok);
  const thief = await play((req, body, reply) => { complaints.push(req.headers.authorization ?? 'none'); reply(500, '{}'); });
  await api.post('/ts-engines:test', { code: main.sort, spec: { ...spec, url: thief.url } });
  ok(complaints.every((c) => !c.includes(basic)), String(complaints));
  complaints.length = 0;
  equal(await recorded(code), await recorded(twin));
});

test('a class is moved to an engine and back while it is written', async () => {
  await api.post('/archive-classes', { code: 'moving', name: 'moving', spec: {} });
  const codes = ['m.1', 'm.2', 'm.3'];
  for (const c of codes) {
    await point(c, { archive_class: 'moving' });
    await point(`twin.${c}`);
    await api.post('/samples', { samples: both(workload(c, 'influxdb', 3000), `twin.${c}`) });
  }
  let i = 0, writing = true;
  const writer = (async () => {
    while (writing) {
      await api.post('/samples', { samples: both([{ point: 'm.1', t: Date.now() - 3600e3 + i++, v: i }], 'twin.m.1') });
      await sleep(20);
    }
  })();
  writer.catch(() => {});
  cleanup(() => { writing = false; });
  const equalAll = async (what) => {
    for (const c of codes.slice(1)) equal(await recorded(c), await recorded(`twin.${c}`), `${what} ${c}`);
  };
  for (const e of Object.values(engines)) {
    const there = await migrate({ class: 'moving', to: e.sort, verify: true });
    ok(there.result.samples > 3000 && there.result.compared > 3000, JSON.stringify(there.result));
    ok((await api.get('/archive-classes/moving')).spec.engine, 'the class names its engine');
    await equalAll(`in ${e.sort}:`);
    const back = await migrate({ class: 'moving', verify: true, remove: true });
    ok(back.result.compared > 3000, JSON.stringify(back.result));
    equal((await api.get('/archive-classes/moving')).spec.engine ?? null, null);
    await equalAll(`back from ${e.sort}:`);
  }
  writing = false;
  await writer;
  equal(await recorded('m.1'), await recorded('twin.m.1'));
  equal(complaints, []);
});

test('a move that is killed goes on, one that is cancelled or fails changes nothing', async () => {
  const g = main.gate;
  g.fault = (req) => (g.seen % 3 === 0 ? 'slow' : null);
  const { id } = await api.call('POST', '/jobs', { type: 'history.migrate', params: { class: 'moving', to: main.sort } }, 201);
  await until(async () => (await api.get(`/jobs/${id}`)).state === 'running', 'the job to run');
  await stop(serve, 'SIGKILL');
  g.fault = null;
  await start();
  const j = await ended(id);
  equal(j.state, 'done', JSON.stringify(j.error));
  for (const c of ['m.1', 'm.2', 'm.3']) equal(await recorded(c), await recorded(`twin.${c}`), c);
  g.fault = () => 500;
  const failed = await migrate({ class: 'moving', verify: true }, 'failed');
  ok(/refuses|cannot be reached/.test(failed.error.detail), JSON.stringify(failed.error));
  g.fault = null;
  ok((await api.get('/archive-classes/moving')).spec.engine, 'the class stays');
  for (const c of ['m.1', 'm.2']) equal(await recorded(c), await recorded(`twin.${c}`), c);
});

test('an engine that hangs does not keep the server from stopping', async () => {
  await api.call('PATCH', `/ts-engines/${main.sort}`, { spec: { timeout: '10m' } });
  await until(async () => (await status(main.sort)).state === 'up', 'the engine');
  let hung = 0;
  main.gate.fault = () => (hung++, 'hang');
  await until(async () => {
    await api.post('/samples', { samples: both([{ point: `${main.sort}.A`, t: T0 + 9.5e6, v: 1 }], `twin.${main.sort}.A`) });
    return hung > 0;
  }, 'a request that hangs');
  const at = Date.now();
  await stop(serve);
  ok(Date.now() - at < 10000, `it took ${Date.now() - at} ms`);
  main.gate.fault = null;
  await start();
  await api.call('PATCH', `/ts-engines/${main.sort}`, { spec: { timeout: '2s' } });
  await drained(main.sort);
  equal(await recorded(`${main.sort}.A`), await recorded(`twin.${main.sort}.A`));
});

test('samples are removed where they lie', async () => {
  for (const e of Object.values(engines).filter((x) => x.sort !== 'victoriametrics')) {
    const range = { from: new Date(T0 + 1e5).toISOString(), to: new Date(T0 + 3e5).toISOString(), reason: 'calibration' };
    await api.post('/history:delete', { points: [`${e.sort}.A`, `twin.${e.sort}.A`], ...range });
    const got = await recorded(`${e.sort}.A`);
    equal(got, await recorded(`twin.${e.sort}.A`), e.sort);
    ok(!got.t.some((t) => t >= T0 + 1e5 && t < T0 + 3e5) && got.t.length > 100);
  }
  if (engines.victoriametrics) {
    const res = await api.raw('POST', '/history:delete', { points: ['victoriametrics.A'], from: new Date(T0).toISOString(), to: new Date(T0 + 1e5).toISOString(), reason: 'x' });
    ok([501, 409, 400].includes(res.status), String(res.status));
  }
  equal(complaints, []);
  const metrics = await (await fetch(`${serve.base}/metrics`, { headers: session })).text();
  ok(metrics.includes(`bornite_engine_up{engine="${main.sort}"} 1\n`), 'metrics of the engines');
  for (const secret of [PASSWORD, basic]) ok(!serve.log.includes(secret), 'a secret in the log');
});

await run();
