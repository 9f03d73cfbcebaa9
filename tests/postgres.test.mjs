// The server on PostgreSQL, end to end: sign in, resources, restart, two servers on one database, a database that
// goes away and comes back, moving to SQLite and back, killed at any moment.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Api, BIN, cleanup, equal, fail, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';

const SCRIPT = new URL('./postgres.sh', import.meta.url).pathname;

// A private server; it ends when its standard input does.
async function startPostgres() {
  const child = spawn(SCRIPT, ['sh', '-c', 'echo "dir=$BORNITE_PG_DIR sql=$BORNITE_TEST_SQL"; cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (d) => (text += d));
  const exited = new Promise((resolve) => child.on('exit', resolve));
  cleanup(async () => {
    child.stdin.end();
    await exited;
  });
  const m = await until(() => text.match(/dir=(\S+) sql=(\S+)/), 'PostgreSQL', 60000, 20);
  const ctl = (what) => {
    const r = spawnSync(SCRIPT, ['--ctl', what], { env: { ...process.env, BORNITE_PG_DIR: m[1] }, encoding: 'utf8' });
    if (r.status !== 0) fail(`${what}: ${r.stderr}`);
  };
  return { url: (schema) => `${m[2]}&schema=${schema}`, ctl, sql: (text) => spawnSync('psql', [m[2], '-Atc', text], { encoding: 'utf8' }).stdout.trim() };
}

const migrate = (from, to, ...more) => {
  const r = spawnSync(BIN, ['migrate', '--from', from, '--to', to, ...more], { encoding: 'utf8' });
  if (/Sanitizer|runtime error:/.test(r.stderr)) fail(r.stderr.slice(-4000));
  return r;
};
const token = async (api) => (await api.post('/tokens', { name: 't', roles: ['administrator'] })).token;
const by = (serve, t) => new Api(serve.base, { Authorization: `Bearer ${t}` });
// What people would miss: every resource of the kinds below, as the API tells it.
async function contents(api) {
  const all = {};
  for (const plural of ['points', 'users', 'roles']) {
    const page = await api.get(`/${plural}?size=1000&sort=code`);
    all[plural] = page.items.map(({ id, num, code, name, rev, spec, labels, created_at, updated_at, updated_by }) => ({ id, num, code, name, rev, spec, labels, created_at, updated_at, updated_by }));
  }
  return all;
}

const pg = await startPostgres();
const first = tempDir();
let serve, api, admin, key, before;

test('sign in, resources, restart', async () => {
  serve = await startServe(first, ['--database', pg.url('plant')]);
  ok(!existsSync(join(first, 'kernel.db')), 'nothing in SQLite');
  api = await signIn(serve);
  admin = api.headers; // tokens are made by somebody signed in
  key = await token(api);
  for (let i = 0; i < 20; i++) await api.post('/points', { code: `P${i}`, name: `铜 ${i}`, labels: { line: `L${i % 3}` }, spec: { unit: 'degC', description: `点 '${i}'` } });
  await api.call('PATCH', '/points/P3', { name: '阳极炉' });
  await api.call('DELETE', '/points/P4');
  equal((await api.get(`/points?filter=${encodeURIComponent("labels.line='L1' and name~'铜'")}&count=true`)).total, 6, 'filter:');
  equal((await api.get('/points?sort=-name,code&size=1')).items[0].code, 'P3', 'by bytes:');
  await api.post('/points', { code: 'P3', name: 'again', spec: {} }, 409);
  before = await contents(api);
  equal(before.points.length, 19);
  await stop(serve);
  serve = await startServe(first, ['--database', pg.url('plant')]);
  api = by(serve, key);
  equal(await contents(api), before, 'after the restart:');
});

test('two servers on one database see each other within a second', async () => {
  const dir = tempDir();
  const other = await startServe(dir, ['--database', pg.url('plant'), '--secret-key-file', join(first, 'secret.key')]);
  const there = by(other, key);
  equal((await there.get('/points/P3')).name, '阳极炉');
  await api.post('/points', { code: 'NEW', name: 'new', spec: {} });
  await until(async () => (await there.raw('GET', '/points/NEW')).status === 200, 'the new point', 1000, 10);
  await there.call('PATCH', '/points/NEW', { name: 'newer' });
  equal((await api.get('/points/NEW')).name, 'newer');
  const seq = (await api.get('/points/NEW')).rev;
  await there.call('PATCH', '/points/NEW', { name: 'newest' });
  ok((await api.get('/points/NEW')).rev === seq + 1);
  const made = await new Api(other.base, admin).post('/tokens', { name: 'there', roles: ['viewer'] }), own = made.token;
  await until(async () => (await by(serve, own).raw('GET', '/points/NEW')).status === 200, 'the token here', 1000, 10);
  await new Api(serve.base, admin).call('DELETE', `/tokens/${made.id}`); // made there, taken away here
  await until(async () => (await by(other, own).raw('GET', '/points/NEW')).status === 401, 'the token to end there', 1000, 10);
  await Promise.all(Array.from({ length: 30 }, (_, i) => (i % 2 ? api : there).post('/points', { code: `BOTH${i}`, name: 'w', spec: {} })));
  equal((await api.get('/points?filter=code~%27BOTH%27&count=true')).total, 30, 'written by both:');
  const nums = (await there.get('/points?size=1000')).items.map((p) => p.num);
  equal(new Set(nums).size, nums.length, 'numbers are given once:');
  await api.call('DELETE', '/points/NEW');
  await stop(other);
  before = await contents(api);
});

test('of two servers one watches the alarms and sends; the other follows when it dies', async () => {
  const dir = tempDir(), calls = [];
  const hook = createServer((req, res) => {
    let body = '';
    req.on('data', (d) => (body += d));
    req.on('end', () => (calls.push(JSON.parse(body)), res.end('{}')));
  });
  await new Promise((r) => hook.listen(0, '127.0.0.1', r));
  cleanup(() => new Promise((r) => (hook.closeAllConnections(), hook.close(r))));
  await api.post('/message-channels', { code: 'HOOK', spec: { type: 'webhook', url: `http://127.0.0.1:${hook.address().port}/`, allow_private: true, template: '{"title":"{{title}}"}' } });
  await api.post('/subscriptions', { code: 'ALARMS', spec: { topics: ['alarm.*'], severity: 'info', channels: ['HOOK'], users: ['admin'] } });
  await api.post('/points', { code: 'HOT', name: 'hot', spec: { h: 100 } });
  const other = await startServe(dir, ['--database', pg.url('plant'), '--secret-key-file', join(first, 'secret.key')]);
  const there = by(other, key), both = [api, there];
  const state = async (who) => (await who.get('/alarms?state=all')).items.find((a) => a.code === 'HOT')?.state ?? 'normal';
  const shows = (who, want) => until(async () => (await state(who)) === want, `${want} at ${who === api ? 'the first' : 'the second'}`, 15000, 50);
  const put = (list, v) => Promise.all(list.map((who) => who.post('/samples', { samples: [{ point: 'HOT', v }] })));
  const journal = async (who) => (await who.get('/alarms/history?point=HOT&size=100')).items.map((e) => e.event);
  const told = async (who, want) => {
    await until(async () => (await journal(who)).length >= want.split(' ').length, want, 15000, 50);
    equal((await journal(who)).join(' '), want, 'each is told once:');
  };
  await put(both, 150); // both collect
  await shows(api, 'active_unacked');
  await shows(there, 'active_unacked'); // as the first has stored it
  await until(() => calls.length, 'the message', 15000, 50);
  const id = (await there.get('/alarms')).items[0].id;
  equal((await there.raw('POST', `/alarms/${id}:ack`, {})).status, 503, 'people act where it is watched:');
  await api.post(`/alarms/${id}:ack`, { comment: 'seen' });
  await shows(there, 'active_acked');
  await told(there, 'acked raised');
  equal(calls.length, 1, JSON.stringify(calls));

  await stop(serve, 'SIGKILL');
  await until(() => other.log.includes('this process watches the alarms now'), 'the second to take over', 20000, 50);
  equal(await state(there), 'active_acked');
  await put([there], 50);
  await shows(there, 'normal');
  await told(there, 'cleared acked raised');
  await until(() => calls.length === 2, 'the second message', 15000, 50);
  serve = await startServe(first, ['--database', pg.url('plant')]);
  api = by(serve, key);
  await put([api, there], 150);
  await shows(api, 'active_unacked');
  await told(api, 'raised cleared acked raised');
  await stop(other);
  await until(async () => (await api.raw('POST', `/alarms/${id}:ack`, {})).status === 200, 'the first to watch again', 15000, 50);
  await api.call('DELETE', '/subscriptions/ALARMS');
  await api.call('DELETE', '/message-channels/HOOK');
  await api.call('DELETE', '/points/HOT');
  before = await contents(api);
});

test('a database that goes away is told, and all goes on when it is back', async () => {
  pg.ctl('stop');
  const res = await api.raw('POST', '/points', { code: 'GONE', name: 'x', spec: {} });
  const problem = JSON.stringify(await res.json());
  equal(res.status, 503, problem);
  ok(/database|audit/.test(problem), problem);
  const read = await api.raw('GET', '/points/P3');
  equal(read.status, 503, await read.text());
  pg.ctl('start');
  await until(async () => (await api.raw('GET', '/points/P3')).status === 200, 'reads again', 10000, 50);
  await until(async () => [201, 409].includes((await api.raw('POST', '/points', { code: 'BACK', name: 'x', spec: {} })).status), 'writes again', 10000, 50);
  equal((await api.raw('GET', '/points/GONE')).status, 404);
  await api.call('DELETE', '/points/BACK');
});

test('a start without its database says so', async () => {
  const r = spawnSync(BIN, ['serve', '--data', tempDir(), '--port', '0', '--database', 'postgresql://x@/y?host=/nowhere/at/all'], { encoding: 'utf8' });
  equal(r.status, 1);
  ok(/database server does not answer/.test(r.stderr) && /无法连接数据库服务器/.test(r.stderr), r.stderr);
});

test('moving is refused while a server runs or something stands there', async () => {
  const dir = tempDir();
  let r = migrate(pg.url('plant'), `sqlite:${dir}/kernel.db`);
  equal(r.status, 1);
  ok(/another process has the database open/.test(r.stderr) && /Nothing was moved/.test(r.stderr), r.stderr);
  ok(!existsSync(`${dir}/kernel.db`));
  equal(migrate('sqlite:/nowhere/kernel.db', pg.url('other')).status, 1);
  equal(migrate(pg.url('plant'), 'mysql:x').status, 1);
  equal(spawnSync(BIN, ['migrate', '--from', 'x']).status, 2);
});

test('to SQLite and back to PostgreSQL, everything', async () => {
  await stop(serve);
  let r = migrate(pg.url('plant'), `sqlite:${first}/kernel.db`, '--dry-run');
  equal(r.status, 0, r.stderr);
  ok(!existsSync(`${first}/kernel.db`), 'a dry run makes nothing');
  r = migrate(pg.url('plant'), `sqlite:${first}/kernel.db`);
  equal(r.status, 0, r.stderr);
  ok(/read again and the same/.test(r.stdout), r.stdout);
  serve = await startServe(first);
  equal(await contents(by(serve, key)), before, 'on SQLite:');
  equal((await by(serve, key).get('/audit?size=1')).total > 30, true, 'the audit log too');
  await by(serve, key).post('/points', { code: 'LITE', name: 'made on SQLite', spec: {} });
  r = migrate(`sqlite:${first}/kernel.db`, pg.url('second'));
  equal(r.status, 1, 'while it runs');
  await stop(serve);
  r = migrate(`sqlite:${first}/kernel.db`, pg.url('plant'));
  equal(r.status, 1, 'not empty');
  ok(/not empty/.test(r.stderr), r.stderr);
  r = migrate(`sqlite:${first}/kernel.db`, pg.url('second'));
  equal(r.status, 0, r.stderr);
  serve = await startServe(first, ['--database', pg.url('second')]);
  const now = await contents(by(serve, key));
  equal(now.points.length, before.points.length + 1);
  equal(now.points.filter((p) => p.code !== 'LITE'), before.points, 'on PostgreSQL again:');
  const next = await by(serve, key).post('/points', { code: 'NEXT', name: 'n', spec: {} });
  ok(next.num > Math.max(...now.points.map((p) => p.num)), 'numbers go on');
  equal((await by(serve, key).get('/points?q=SQLite')).items.length, 1, 'the full text is there again');
  await stop(serve);
});

// Killed at any moment: the target is there as a whole, or not at all and the next try succeeds.
async function killed(from, to, there, ms) {
  const child = spawn(BIN, ['migrate', '--from', from, '--to', to], { stdio: 'ignore' });
  const exited = new Promise((resolve) => child.on('exit', (code) => resolve(code)));
  setTimeout(() => child.kill('SIGKILL'), ms);
  const code = await exited;
  if (code === 0) ok(there(), 'done means there');
  return { code, there: there() };
}

test('kill -9 of a move leaves the whole or nothing', async () => {
  const dir = tempDir(), seen = { whole: 0, nothing: 0 };
  for (let i = 0, ms = 20; i < 14; i++, ms = Math.round(ms * 1.4)) {
    const lite = i % 2 === 0, file = `${dir}/k${i}.db`, schema = `k${i}`;
    const to = lite ? `sqlite:${file}` : pg.url(schema);
    const tables = () => Number(pg.sql(`select count(*) from pg_tables where schemaname = '${schema}' and tablename <> 'sql_lease'`));
    const there = () => (lite ? existsSync(file) : tables() > 0);
    const r = await killed(pg.url('second'), to, there, ms);
    seen[r.there ? 'whole' : 'nothing']++;
    const again = await until(() => {
      const a = migrate(pg.url('second'), to); // the killed one's connections end a moment later
      return /has the database open|being moved/.test(a.stderr) ? null : a;
    }, 'the locks of the killed one to end');
    equal(again.status, r.there ? 1 : 0, again.stderr);
    ok(there(), 'the next try stands');
    if (r.there) ok(/not empty/.test(again.stderr), again.stderr);
  }
  ok(seen.nothing > 2, JSON.stringify(seen));
  equal(readdirSync(dir).filter((f) => /part/.test(f)), [], 'nothing stays beside:');
});

await run();
