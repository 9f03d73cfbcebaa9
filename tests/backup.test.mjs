// Backups from outside: full, incremental, logs, killed in the middle, drills that pass and that find a flipped byte,
// samples brought back, offline restore of everything and to a point in time, a target in S3 (s3rver behind a gate),
// targets that are away, full, or refuse the key.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import S3rver from 's3rver';
import { BIN, cleanup, equal, fail, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';

const PASSWORD = 'a copper-coloured horse';
const T0 = Date.parse('2026-01-05T00:00:00Z');
const dir = tempDir(), target = join(tempDir(), 'target'), target2 = join(tempDir(), 'target2');
mkdirSync(target);
mkdirSync(target2);
let serve, admin;

// ---- the plant ----
const CODES = ['P1', 'P2', 'P3', 'P4'];
const value = (p, i) => Math.round(Math.sin(i / 7 + p) * 1000) / 10 + p * 100;
const at = (i) => T0 + i * 1000;
let nums = {};
// In binary: one request, however many.
async function write(codes, from, n, shift = 0) {
  const body = Buffer.alloc(16 + 24 * n * codes.length);
  body.writeUInt32LE(0x31534e42, 0);
  body.writeUInt32LE(n * codes.length, 4);
  let o = 16;
  for (const c of codes) {
    for (let k = from; k < from + n; k++, o += 24) {
      body.writeBigInt64LE(BigInt(at(k)) * 1000n, o);
      body.writeUInt32LE(nums[c], o + 8);
      body.writeUInt8(1, o + 12);
      body.writeDoubleLE(value(CODES.indexOf(c), k) + shift, o + 16);
    }
  }
  const res = await fetch(`${serve.base}/api/v1/samples`, { method: 'POST', headers: { ...admin.headers, 'X-Bornite': '1', 'Content-Type': 'application/vnd.bornite.samples' }, body });
  const text = await res.text();
  equal([res.status, JSON.parse(text).stored], [200, n * codes.length], text);
}
// What a server has of a point, as text: every sample.
async function samplesOf(api, code, from = 0, to = 20000) {
  const r = await api.get(`/history/recorded?points=${code}&from=${at(from)}&to=${at(to)}&limit=1000000`);
  const s = r.series[0];
  return s.t.map((t, i) => [t, s.v[i], s.q[i]]);
}
const expected = (code, from, n, shift = 0) => Array.from({ length: n }, (_, k) => [at(from + k), value(CODES.indexOf(code), from + k) + shift, 0]);
async function settled(job, want = 'done', ms = 60000) {
  const j = await until(async () => { const x = await admin.get(`/jobs/${job}`); return /^(done|failed|cancelled)$/.test(x.state) && x; }, `job ${job}`, ms, 30);
  if (j.state !== want) fail(`job ${j.type}: ${j.state} ${JSON.stringify(j.error)} ${JSON.stringify((await admin.get(`/jobs/${job}/log`)).items)}`);
  return j;
}
const start = async (plan, mode) => (await admin.post(`/backup-plans/${plan}:run`, { mode })).job;
const backUp = async (plan, mode) => settled(await start(plan, mode));
const newest = async (plan) => (await admin.get(`/backups?plan=${plan}`)).items[0];
const files = (d) => (existsSync(d) ? readdirSync(d, { recursive: true }).filter((f) => statSync(join(d, f)).isFile()) : []);
const chunks = (d = target) => files(join(d, 'bornite-backup/chunks'));

test('a plan; a full backup', async () => {
  serve = await startServe(dir);
  admin = await signIn(serve);
  await admin.post('/session/password', { new: PASSWORD });
  await admin.post('/channels', { code: 'CH', spec: { driver: 'modbus_tcp', enabled: false, options: { host: '127.0.0.1', port: 1502 } } });
  await admin.post('/devices', { code: 'D1', spec: { channel: 'CH' } });
  for (const [i, code] of CODES.entries()) nums[code] = (await admin.post('/points', { code, spec: { device: 'D1', address: `40000${i + 1}`, type: 'float' } })).num;
  const u = await (await fetch(`${serve.base}/api/v1/uploads?name=note.txt`, { method: 'POST', headers: { ...admin.headers, 'X-Bornite': '1' }, body: 'matte grade' })).json();
  await admin.post('/points/P1/attachments', { upload: u.id });
  await write(CODES, 0, 5000);
  await admin.post('/backup-plans', { code: 'NIGHT', spec: { target: `dir:${target}`, keep_full: 2, logs: false } });
  equal((await admin.post('/backup-plans/NIGHT:test')).ok, true);
  const j = await backUp('NIGHT', 'full');
  const b = await newest('NIGHT');
  equal([b.state, b.mode, b.plan, b.base, b.samples], ['done', 'full', 'NIGHT', null, 20000], JSON.stringify(b));
  equal(b.id, j.result.backup);
  const d = await admin.get(`/backups/${b.id}`);
  equal(d.parts.map((p) => p.what), ['history', 'database', 'files']);
  ok(d.parts.every((p) => p.files > 0 && p.bytes > 0), JSON.stringify(d.parts));
  equal(d.report.digest, { points: 4, samples: 20000, complete: true });
  ok(existsSync(join(target, 'bornite-backup/backups', b.id, 'manifest.json')));
});

test('a drill passes, leaves nothing behind, and its report is kept', async () => {
  const b = await newest('NIGHT');
  await settled((await admin.post(`/backups/${b.id}:drill`)).job);
  const d = await admin.get(`/backups/${b.id}`);
  equal(d.drill.ok, true, JSON.stringify(d));
  equal([d.report.points.compared, d.report.points.samples, d.report.points.different, d.report.points.all_samples], [4, 20000, 0, true]);
  ok(d.report.database.resources > 5 && d.report.database.fault === '', JSON.stringify(d.report));
  ok(d.verified_at);
  equal(files(join(dir, 'backup')), []);
});


test('nothing new: a full backup sends the database only, an incremental one reads nothing twice', async () => {
  const before = chunks().length;
  const full = (await backUp('NIGHT', 'full')).result;
  ok(full.sent_bytes < full.bytes, JSON.stringify(full));
  equal(full.reused_bytes, 0, 'a full backup reads everything:');
  const inc = (await backUp('NIGHT', 'incremental')).result;
  ok(inc.reused_bytes > 10000, JSON.stringify(inc));
  const b = await newest('NIGHT');
  equal([b.mode, b.samples], ['incremental', 20000]);
  ok(b.base && chunks().length > before);
});

test('more samples, rewritten ones and a deleted range: incremental', async () => {
  await write(CODES, 5000, 3000);
  await write(['P2'], 100, 50, 1000);
  await admin.post('/history:delete', { points: ['P3'], from: at(1000), to: at(1500), reason: 'test' });
  const r = (await backUp('NIGHT', 'incremental')).result;
  ok(r.reused_bytes > 0, JSON.stringify(r));
  const b = await newest('NIGHT');
  await settled((await admin.post(`/backups/${b.id}:drill`)).job);
  const d = await admin.get(`/backups/${b.id}`);
  equal([d.drill.ok, d.report.points.samples], [true, 4 * 8000 - 500], JSON.stringify(d.drill));
});

// ---- offline ----
function bornite(args, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(BIN, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    let out = '', err = '';
    child.stdout.on('data', (d) => (out += d));
    child.stderr.on('data', (d) => (err += d));
    child.on('exit', (code) => {
      if (/Sanitizer|runtime error:/.test(err + out)) out = `SANITIZER ${err}`;
      resolve({ code, out, err });
    });
  });
}
// A server on a restored directory: what it has of each point.
async function serveRestored(d, fn) {
  cpSync(join(dir, 'secret.key'), join(d, 'secret.key'));
  const s = await startServe(d);
  const a = await signIn(s, { login: 'admin', password: PASSWORD });
  await fn(a, s);
  await stop(s);
}

test('offline: list, verify, restore of the newest and of the first, exactly', async () => {
  const list = await bornite(['backup', 'list', '--from', `dir:${target}`]);
  equal(list.code, 0, list.err + list.out);
  const ids = list.out.match(/^[0-9a-f-]{36}/gm);
  ok(/3 backups|4 backups/.test(list.out), list.out);
  const verify = await bornite(['backup', 'verify', '--from', `dir:${target}`]);
  equal([verify.code, /all as they were written/.test(verify.out)], [0, true], verify.out + verify.err);

  const d = join(tempDir(), 'restored');
  const r = await bornite(['restore', '--from', `dir:${target}`, '--data', d]);
  equal(r.code, 0, r.err + r.out);
  ok(/secret\.key/.test(r.out) && /as of the backup/.test(r.out), r.out);
  await serveRestored(d, async (a, s) => {
    equal(await samplesOf(a, 'P1'), expected('P1', 0, 8000));
    const p2 = expected('P2', 0, 8000);
    p2.splice(100, 50, ...expected('P2', 100, 50, 1000));
    equal(await samplesOf(a, 'P2'), p2);
    equal(await samplesOf(a, 'P3'), [...expected('P3', 0, 1000), ...expected('P3', 1500, 6500)]);
    const [note] = (await a.get('/points/P1/attachments')).items;
    const res = await fetch(`${s.base}/api/v1/attachments/${note.id}`, { headers: a.headers });
    equal(await res.text(), 'matte grade');
    equal((await a.get('/jobs?state=running,queued&type=backup.full,backup.incremental')).items, []);
    equal((await a.get('/backups')).items.filter((b) => b.state === 'running'), []);
    equal((await a.post('/samples', { samples: [{ point: 'P1', t: at(9000), v: 1, q: 'good' }] })).stored, 1);
  });
  const again = await bornite(['restore', '--from', `dir:${target}`, '--data', d]);
  equal([again.code, /is not an empty directory/.test(again.err)], [1, true], again.err);
  ok(existsSync(join(d, 'kernel.db')));
  equal(JSON.parse(readFileSync(join(d, 'settings-of-backup.json'))).data, dir);

  const first = join(tempDir(), 'first');
  mkdirSync(first);
  const f = await bornite(['restore', '--from', `dir:${target}`, '--backup', ids[0], '--data', first]);
  equal(f.code, 0, f.err + f.out);
  await serveRestored(first, async (a) => {
    for (const c of CODES) equal(await samplesOf(a, c), expected(c, 0, 5000), c);
  });
});

test('offline: wrong arguments and targets', async () => {
  equal((await bornite(['backup', 'burn'])).code, 2);
  equal((await bornite(['restore', '--data', '/tmp/x'])).code, 2);
  const none = await bornite(['backup', 'list', '--from', 'dir:/nowhere/at/all']);
  equal([none.code, /there is no directory/.test(none.err)], [1, true], none.err);
  ok(!existsSync('/nowhere'));
  const empty = tempDir(), d = join(tempDir(), 'x');
  const r = await bornite(['restore', '--from', `dir:${empty}`, '--data', d]);
  equal([r.code, /there is no backup/.test(r.err), existsSync(d), existsSync(`${d}.part`)], [1, true, false, false], r.err);
});

// ---- bringing back ----
test('a deleted range of one point comes back, nothing else is touched', async () => {
  const b = (await admin.get('/backups')).items.find((x) => x.mode === 'full');
  await write(['P3'], 1100, 10, 5000); // somebody wrote into the hole meanwhile
  const job = await settled((await admin.post(`/backups/${b.id}:restore`, { points: ['P3'], from: new Date(at(900)).toISOString(), to: at(1600), mode: 'missing' })).job);
  equal([job.result.points, job.result.written, job.result.removed], [1, 490, 0], JSON.stringify(job.result));
  const p3 = expected('P3', 0, 8000);
  p3.splice(1100, 10, ...expected('P3', 1100, 10, 5000));
  equal(await samplesOf(admin, 'P3'), p3);
  equal((await samplesOf(admin, 'P1')).length, 8000);
  const audit = (await admin.get('/audit?kind=backup')).items.find((x) => x.action === 'restore');
  ok(audit && audit.outcome === 'done' && audit.resource === b.id, JSON.stringify(audit));
});

test('replace: what stands in the range gives way to the backup', async () => {
  const b = (await admin.get('/backups')).items.find((x) => x.mode === 'full');
  await admin.post('/samples', { samples: [{ point: 'P3', t: at(1200) + 500, v: -1, q: 'good' }] });
  const job = await settled((await admin.post(`/backups/${b.id}:restore`, { points: ['P3'], from: at(1000), to: at(1500), mode: 'replace' })).job);
  equal([job.result.written, job.result.removed], [500, 501], JSON.stringify(job.result));
  equal(await samplesOf(admin, 'P3'), expected('P3', 0, 8000));
  for (const [body, where] of [[{ from: 1, to: 2, mode: 'mad' }, /mode/], [{ from: 5, to: 5 }, /to/], [{ from: 1 }, /to/]]) {
    const res = await admin.raw('POST', `/backups/${b.id}:restore`, body);
    const text = res.status === 200 ? JSON.stringify(await settled((await res.json()).job, 'failed')) : await res.text();
    ok(where.test(text), text);
  }
});

test('a whole class comes back', async () => {
  const b = (await admin.get('/backups')).items.find((x) => x.mode === 'full');
  await admin.call('PATCH', '/points/P4', { spec: { archive_class: 'standard' } });
  await admin.post('/history:delete', { points: ['P4', 'P1'], from: at(0), to: at(5000), reason: 'test' });
  const job = await settled((await admin.post(`/backups/${b.id}:restore`, { classes: ['standard'], from: at(0), to: at(6000), mode: 'missing' })).job);
  const inClass = (await admin.get("/points?filter=archive_class='standard'")).items.map((p) => p.code);
  equal(job.result.written, 5000 * inClass.filter((c) => ['P1', 'P4'].includes(c)).length, `${JSON.stringify(job.result)} ${inClass}`);
  equal(await samplesOf(admin, 'P4'), expected('P4', 0, 8000));
  await settled((await admin.post(`/backups/${b.id}:restore`, { points: ['P1'], from: at(0), to: at(6000) })).job);
  equal(await samplesOf(admin, 'P1'), expected('P1', 0, 8000));
});


// ---- faults ----
async function slowPlan(code, more = {}) {
  const t = tempDir();
  await admin.post('/backup-plans', { code, spec: { target: `dir:${t}`, rate_mb: 0.25, full: '', incremental: '', ...more } });
  return t;
}
const sent = (t) => chunks(t).length;

test('killed in the middle: it goes on after the restart, once, and is whole', async () => {
  const t = await slowPlan('SLOW');
  await start('SLOW', 'full');
  await until(() => sent(t) >= 1, 'the first chunk');
  await stop(serve, 'SIGKILL');
  equal(files(join(t, 'bornite-backup/backups')), [], 'no manifest of half a backup:');
  serve = await startServe(dir);
  admin = await signIn(serve, { login: 'admin', password: PASSWORD });
  const b = await until(async () => { const x = await newest('SLOW'); return x.state !== 'running' && x; }, 'the backup to end', 30000);
  equal([b.state, (await admin.get('/backups?plan=SLOW')).total], ['done', 1], JSON.stringify(b));
  await settled((await admin.post(`/backups/${b.id}:drill`)).job);
  equal((await newest('SLOW')).drill.ok, true, JSON.stringify(await newest('SLOW')));
  equal(files(join(dir, 'backup')), []);
});

test('killed while samples come back: it goes on, and nothing half is called done', async () => {
  const t = tempDir(), n = 120000;
  await admin.post('/backup-plans', { code: 'LONG', spec: { target: `dir:${t}`, full: '', incremental: '' } });
  await write(['P4'], 100000, n);
  const b = (await backUp('LONG', 'full')).result.backup;
  await admin.post('/history:delete', { points: ['P4'], from: at(100000), to: at(100000 + n), reason: 'test' });
  const { job } = await admin.post(`/backups/${b}:restore`, { points: ['P4'], from: at(100000), to: at(100000 + n) });
  const back = async () => (await samplesOf(admin, 'P4', 100000, 100000 + n)).length;
  await until(async () => (await back()) > 0, 'the first step', 30000, 5);
  await stop(serve, 'SIGKILL');
  serve = await startServe(dir);
  admin = await signIn(serve, { login: 'admin', password: PASSWORD });
  const j = await settled(job);
  equal(j.result.written + j.result.kept, n, JSON.stringify(j.result));
  equal(await samplesOf(admin, 'P4', 100000, 100000 + n), expected('P4', 100000, n));
});

test('cancelled: no backup, no manifest', async () => {
  const t = await slowPlan('STOPPED');
  const job = await start('STOPPED', 'full');
  await until(() => sent(t) >= 1, 'the first chunk');
  await admin.post(`/jobs/${job}:cancel`);
  await settled(job, 'cancelled');
  equal((await newest('STOPPED')).state, 'cancelled');
  equal(files(join(t, 'bornite-backup/backups')), []);
});

test('a drill finds a flipped byte, names the file, and the next backup heals it', async () => {
  const t = tempDir();
  await admin.post('/backup-plans', { code: 'FLIP', spec: { target: `dir:${t}`, full: '', incremental: '' } });
  await backUp('FLIP', 'full');
  const b = await newest('FLIP');
  const lists = JSON.parse(readFileSync(join(t, 'bornite-backup/backups', b.id, 'manifest.json'))).list;
  const chunkFile = (h) => join(t, 'bornite-backup/chunks', h.slice(0, 2), h);
  const entries = lists.map((h) => readFileSync(chunkFile(h), 'utf8')).join('').trim().split('\n').map((l) => JSON.parse(l));
  const seg = entries.filter((e) => e.name.startsWith('ts/seg-')).sort((x, y) => y.bytes - x.bytes)[0];
  const bad = chunkFile(seg.chunks[0]), bytes = readFileSync(bad);
  bytes[bytes.length >> 1] ^= 0x10;
  writeFileSync(bad, bytes);
  const job = await settled((await admin.post(`/backups/${b.id}:drill`)).job);
  const d = await admin.get(`/backups/${b.id}`);
  equal([d.drill.ok, d.report.bad_files >= 1, d.report.bad[0].file], [false, true, seg.name], JSON.stringify(d));
  ok(d.report.points.different > 0 && d.drill.detail.includes(seg.name), JSON.stringify(d.drill));
  ok(JSON.stringify((await admin.get(`/jobs/${job.id}/log`)).items).includes(seg.name));
  const verify = await bornite(['backup', 'verify', '--from', `dir:${t}`]);
  equal([verify.code, verify.out.includes(`history ${seg.name}`)], [1, true], verify.out);
  const r = await bornite(['restore', '--from', `dir:${t}`, '--data', join(tempDir(), 'r')]);
  equal([r.code, r.err.includes(seg.name)], [1, true], r.err);
  const healed = (await backUp('FLIP', 'incremental')).result;
  equal([healed.mode, healed.fresh], ['full', true], JSON.stringify(healed));
  equal((await bornite(['backup', 'verify', '--from', `dir:${t}`])).code, 0);
  await settled((await admin.post(`/backups/${healed.backup}:drill`)).job);
  equal((await newest('FLIP')).drill.ok, true);
  rmSync(chunkFile(seg.chunks[0]));
  await settled((await admin.post(`/backups/${healed.backup}:drill`)).job);
  const gone = await admin.get(`/backups/${healed.backup}`);
  ok(!gone.drill.ok && /missing/.test(JSON.stringify(gone.report.bad)), JSON.stringify(gone.report));
});

test('old backups go, what no backup names goes, what others need stays', async () => {
  const t = tempDir();
  await admin.post('/backup-plans', { code: 'KEEP', spec: { target: `dir:${t}`, keep_full: 2, full: '', incremental: '' } });
  const ids = [];
  for (let i = 0; i < 4; i++) {
    await write(['P1'], 9000 + i * 100, 100);
    ids.push((await backUp('KEEP', 'full')).result.backup);
    ids.push((await backUp('KEEP', 'incremental')).result.backup);
  }
  const left = readdirSync(join(t, 'bornite-backup/backups')).filter((d) => existsSync(join(t, 'bornite-backup/backups', d, 'manifest.json'))).sort();
  equal(left, ids.slice(4).sort());
  equal((await admin.get('/backups?plan=KEEP')).items.map((b) => b.id).sort(), ids.slice(4).sort());
  equal((await bornite(['backup', 'verify', '--from', `dir:${t}`])).code, 0);
  const before = sent(t);
  const { job } = await admin.call('DELETE', `/backups/${ids[4]}`);
  await settled(job);
  ok(sent(t) < before, `${sent(t)} of ${before}`);
  equal((await bornite(['backup', 'verify', '--from', `dir:${t}`])).code, 0);
  equal((await admin.get('/backups?plan=KEEP')).total, 3);
  writeFileSync(join(t, 'bornite-backup/chunks', readdirSync(join(t, 'bornite-backup/chunks'))[0], 'f'.repeat(64)), 'stray');
  const { id } = await admin.call('POST', '/jobs', { type: 'backup.prune', params: { plan: 'KEEP' } }, 201);
  equal((await settled(id)).result.chunks, 1);
});

test('a target that is away or full: the backup fails, is told of, and the platform goes on', async () => {
  const t = join(tempDir(), 'gone');
  await admin.post('/backup-plans', { code: 'AWAY', spec: { target: `dir:${t}/not/there`, full: '', incremental: '' } });
  const j = await settled(await start('AWAY', 'full'), 'failed');
  ok(/not\/there/.test(JSON.stringify(j.error)), JSON.stringify(j.error));
  const b = await newest('AWAY');
  equal(b.state, 'failed');
  ok(b.error.length > 5);
  await until(async () => (await admin.get('/notices')).items.some((n) => n.topic === 'backup.failed' && /AWAY/.test(n.title)), 'the notice');
  equal((await admin.post('/samples', { samples: [{ point: 'P1', t: at(15000), v: 1, q: 'good' }] })).stored, 1);
  const metrics = await (await admin.raw('GET', '/metrics')).text();
  ok(/bornite_backup_age_seconds\{plan="NIGHT"\} \d+/.test(metrics) && /bornite_backup_age_seconds\{plan="AWAY"\} -1/.test(metrics), metrics.match(/.*backup.*/g)?.join('\n'));
  const small = tempDir();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'none', small], { stdio: 'ignore' });
  } catch {
    return; // only root can make a disk that is full
  }
  cleanup(() => execFileSync('umount', ['-l', small]));
  await admin.post('/backup-plans', { code: 'FULL', spec: { target: `dir:${small}`, full: '', incremental: '' } });
  const f = await settled(await start('FULL', 'full'), 'failed');
  equal(f.error.code, 'disk_full', JSON.stringify(f.error));
  equal(files(join(small, 'bornite-backup/backups')), []);
});

test('plans that make no sense are refused', async () => {
  for (const [spec, where] of [[{ target: 'ftp://x' }, 'spec.target'], [{ target: 'dir:relative' }, 'spec.target'], [{ target: 'dir:/x', full: 'sometimes' }, 'spec.full']]) {
    const res = await admin.raw('POST', '/backup-plans', { code: 'BAD', spec });
    const body = await res.json();
    equal([res.status, body.where], [400, where], JSON.stringify(body));
  }
});

// ---- S3 ----
// s3rver cannot cut a list (its tokens need a cipher that OpenSSL 3 no longer has): it is never asked to.
const gate = { fault: () => null };
const gateServer = http.createServer(async (req, res) => {
  const body = [];
  for await (const c of req) body.push(c);
  const fault = gate.fault(req.method, req.url);
  if (fault === 'cut') return req.socket.destroy();
  if (fault) return res.writeHead(fault[0], { 'Content-Type': 'application/xml' }).end(`<Error><Code>${fault[1]}</Code><Message>x</Message></Error>`);
  const on = http.request({ host: '127.0.0.1', port: gate.port, method: req.method, path: req.url.replace('max-keys=1&', ''), headers: req.headers }, (r) => { res.writeHead(r.statusCode, r.headers); r.pipe(res); });
  on.on('error', () => req.socket.destroy());
  on.end(Buffer.concat(body));
});

test('S3: full, incremental, drill, offline; lost connections, a full bucket, a wrong key', async () => {
  const s3 = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory: tempDir(), configureBuckets: [{ name: 'vault' }] });
  gate.port = (await s3.run()).port;
  cleanup(() => s3.close());
  await new Promise((resolve) => gateServer.listen(0, '127.0.0.1', resolve));
  cleanup(() => { gateServer.close(); gateServer.closeAllConnections(); });
  const url = `s3+http://127.0.0.1:${gateServer.address().port}/vault/works?region=us-east-1&retry_ms=10`;
  await admin.post('/backup-plans', { code: 'CLOUD', spec: { target: url, secret: 'S3RVER:S3RVER', full: '', incremental: '' } });
  let n = 0;
  gate.fault = (method) => (method === 'PUT' && ++n % 3 === 1 ? (n % 2 ? 'cut' : [503, 'SlowDown']) : null);
  await backUp('CLOUD', 'full');
  gate.fault = () => null;
  await write(['P2'], 12000, 100);
  const inc = (await backUp('CLOUD', 'incremental')).result;
  ok(inc.reused_bytes > 0);
  await settled((await admin.post(`/backups/${inc.backup}:drill`)).job);
  equal((await newest('CLOUD')).drill.ok, true);
  gate.fault = (method, u) => (method === 'PUT' && u.includes('/chunks/') ? [507, 'InsufficientStorage'] : null);
  await write(['P2'], 12100, 100);
  const full = await settled(await start('CLOUD', 'incremental'), 'failed');
  ok(full.error.detail.length > 5, JSON.stringify(full.error));
  gate.fault = () => null;
  equal((await newest('CLOUD')).state, 'failed');

  const d = join(tempDir(), 'r');
  const noKey = await bornite(['restore', '--from', url, '--data', d]);
  equal(noKey.code, 1, noKey.out);
  const wrong = join(tempDir(), 'secret');
  writeFileSync(wrong, 'S3RVER:wrong', { mode: 0o600 });
  gate.fault = () => [403, 'SignatureDoesNotMatch'];
  const refused = await bornite(['restore', '--from', url, '--data', d, '--secret-file', wrong]);
  gate.fault = () => null;
  equal([refused.code, /secret key/i.test(refused.err), existsSync(d)], [1, true, false], refused.err);
  const r = await bornite(['restore', '--from', url, '--data', d], { BORNITE_BACKUP_SECRET: 'S3RVER:S3RVER' });
  equal(r.code, 0, r.err);
  await serveRestored(d, async (a) => equal((await samplesOf(a, 'P2')).length, (await samplesOf(admin, 'P2')).length - 100));
});

test('history that has moved to a cold store in S3 is read, backed up and drilled; away, it is told', async () => {
  const s3 = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory: tempDir(), configureBuckets: [{ name: 'cold' }] });
  gate.port = (await s3.run()).port;
  gate.gets = 0;
  cleanup(() => s3.close());
  const key = join(tempDir(), 'key');
  writeFileSync(key, 'S3RVER:S3RVER\n', { mode: 0o600 });
  await stop(serve);
  const cold = `s3+http://127.0.0.1:${gateServer.address().port}/cold?region=us-east-1&retry_ms=10`;
  serve = await startServe(dir, ['--cold', cold, '--cold-secret-file', key]);
  admin = await signIn(serve, { login: 'admin', password: PASSWORD });
  const was = {};
  for (const c of CODES) was[c] = await samplesOf(admin, c);
  let puts = 0;
  gate.fault = (method) => { puts += method === 'PUT'; return null; };
  await admin.post('/archive-classes', { code: 'OLD', spec: { keep: '3650d', cold_after: '1d' } });
  for (const c of CODES) await admin.call('PATCH', `/points/${c}`, { spec: { archive_class: 'OLD' } });
  await write(['P1'], 19990, 5); // sealed under the new class by the backup
  await admin.call('PATCH', '/archive-classes/standard', { spec: { cold_after: '1d' } });
  await settled(await start('NIGHT', 'incremental'));
  await admin.call('PATCH', '/archive-classes/OLD', { spec: { cold_after: '2d' } });
  await until(() => puts > 0, 'a segment to move', 20000);
  gate.fault = () => null;
  for (const c of CODES) equal((await samplesOf(admin, c)).length, was[c].length + (c === 'P1' ? 5 : 0), c);
  const r = (await backUp('NIGHT', 'full')).result;
  await settled((await admin.post(`/backups/${r.backup}:drill`)).job);
  equal((await newest('NIGHT')).drill.ok, true, JSON.stringify(await newest('NIGHT')));

  await stop(serve);
  gate.fault = () => 'cut';
  serve = await startServe(dir, ['--cold', cold, '--cold-secret-file', key]);
  admin = await signIn(serve, { login: 'admin', password: PASSWORD });
  const res = await admin.raw('GET', `/history/recorded?points=P1&from=${at(0)}&to=${at(20000)}&limit=1000000`);
  const text = await res.text();
  equal([res.status, /cold/.test(text)], [503, true], text.slice(0, 500));
  const cut = (await admin.get('/storage')).places[2];
  equal([cut.name, cut.at, cut.state, cut.files > 0, cut.away_files > 0], ['cold', cold.split('?')[0], 'away', true, true], JSON.stringify(cut));
  ok(cut.why && cut.why_zh && cut.traffic.failures > 0, JSON.stringify(cut));
  equal((await admin.post('/samples', { samples: [{ point: 'P1', t: Date.now(), v: 1, q: 'good' }] })).stored, 1, 'collecting goes on:');
  const failed = await settled(await start('NIGHT', 'full'), 'failed');
  ok(failed.error.detail.length > 5, JSON.stringify(failed.error));
  gate.fault = () => null;
  for (const c of CODES) equal((await samplesOf(admin, c)).length, was[c].length + (c === 'P1' ? 5 : 0), c);
  const back = await until(async () => (await admin.get('/storage')).places.find((p) => p.name === 'cold' && p.state === 'ok'), 'the cold place to be told back', 30000, 500);
  ok(back.traffic.fetches > 0 && back.free === null && back.why === null, JSON.stringify(back));
});

// ---- to a point in time ----
test('logs: exactly what was written until a moment comes back', async () => {
  const t = tempDir();
  await admin.post('/backup-plans', { code: 'PITR', spec: { target: `dir:${t}`, full: '', incremental: '', logs: true, logs_every: '1s' } });
  await until(async () => (await admin.get('/jobs?type=backup.logs&state=done')).total > 0, 'the first logs');
  await backUp('PITR', 'full');
  const base = (await samplesOf(admin, 'P1')).length;
  const marks = [];
  for (let i = 0; i < 3; i++) {
    await write(['P1'], 16000 + i * 200, 200);
    if (i === 1) await admin.post('/history:delete', { points: ['P1'], from: at(16000), to: at(16050), reason: 'test' });
    marks.push(Date.now());
    await until(() => Date.now() > marks[i] + 20, 'the clock to move on');
  }
  const end = Date.now();
  const reached = async () => {
    const l = await bornite(['backup', 'list', '--from', `dir:${t}`]);
    const m = /logs to .*?，至 (\S+)/.exec(l.out);
    return m && Date.parse(m[1]) >= marks[2] - 5000 && files(join(t, 'bornite-backup/logs')).length > 0 && l.out;
  };
  await until(reached, 'the logs', 30000);
  await until(async () => (await admin.get(`/jobs?type=backup.logs&state=done&from=${end}`)).total > 1, 'two more runs of logs');
  for (const [i, want] of [[0, base + 200], [1, base + 350], [2, base + 550]]) {
    const d = join(tempDir(), `at${i}`);
    const r = await bornite(['restore', '--from', `dir:${t}`, '--until', new Date(marks[i]).toISOString(), '--data', d]);
    equal(r.code, 0, r.err + r.out);
    ok(/database and files: as of the backup/.test(r.out));
    await serveRestored(d, async (a) => {
      const got = await samplesOf(a, 'P1');
      equal(got.length, want, `mark ${i}: ${r.out}`);
      const tail = got.filter(([x]) => x >= at(16000) && x < at(17000));
      equal(tail, i === 0 ? expected('P1', 16000, 200) : expected('P1', 16050, 350 + (i - 1) * 200));
    });
  }
  const early = await bornite(['restore', '--from', `dir:${t}`, '--until', '2020-01-01T00:00:00Z', '--data', join(tempDir(), 'e')]);
  equal([early.code, /no backup/.test(early.err)], [1, true], early.err);
});

test('a schedule of a plan runs what it missed, and a drill by cron', async () => {
  const t = tempDir();
  await admin.post('/backup-plans', { code: 'EACH', spec: { target: `dir:${t}`, full: '*/2 * * * * *', incremental: '', drill: '*/2 * * * * *', keep_full: 100 } });
  await until(async () => { const b = (await admin.get('/backups?plan=EACH')).items; return b.filter((x) => x.state === 'done').length >= 2 && b.some((x) => x.drill?.ok); }, 'two backups and a drill', 30000).catch(async (e) => fail(`${e.message} ${JSON.stringify((await admin.get('/backups?plan=EACH')).items)} ${JSON.stringify((await admin.get('/jobs?size=20')).items.map((j) => [j.type, j.state, j.error]))}`));
  await admin.call('PATCH', '/backup-plans/EACH', { spec: { enabled: false } });
});

// ---- PostgreSQL ----
test('PostgreSQL: backed up while it runs; restored as SQLite, and into another PostgreSQL schema', async () => {
  const script = new URL('./postgres.sh', import.meta.url).pathname;
  const child = spawn(script, ['sh', '-c', 'echo "sql=$BORNITE_TEST_SQL"; cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (d) => (text += d));
  const exited = new Promise((resolve) => child.on('exit', resolve));
  cleanup(async () => { child.stdin.end(); await exited; });
  const [, sql] = await until(() => text.match(/sql=(\S+)/), 'PostgreSQL', 60000, 20);
  const d = tempDir(), t = tempDir();
  let s = await startServe(d, ['--database', `${sql}&schema=works`]);
  let a = await signIn(s);
  await a.post('/session/password', { new: PASSWORD });
  await a.post('/channels', { code: 'CH', spec: { driver: 'modbus_tcp', enabled: false, options: { host: '127.0.0.1', port: 1502 } } });
  await a.post('/devices', { code: 'D1', spec: { channel: 'CH' } });
  await a.post('/points', { code: 'P1', name: '精矿品位', spec: { device: 'D1', address: '400001', type: 'float' } });
  await a.post('/samples', { samples: Array.from({ length: 500 }, (_, i) => ({ point: 'P1', t: at(i), v: value(0, i), q: 'good' })) });
  await a.post('/backup-plans', { code: 'PG', spec: { target: `dir:${t}`, full: '', incremental: '' } });
  const ended = (id) => until(async () => { const j = await a.get(`/jobs/${id}`); return /done|failed/.test(j.state) && j; }, 'the job');
  const j = await ended((await a.post('/backup-plans/PG:run', { mode: 'full' })).job);
  equal(j.state, 'done', JSON.stringify(j.error));
  const drilled = await ended((await a.post(`/backups/${j.result.backup}:drill`)).job);
  equal(drilled.state, 'done', JSON.stringify(drilled.error));
  equal((await a.get('/backups')).items[0].drill.ok, true, JSON.stringify((await a.get('/backups')).items[0]));
  await stop(s);
  for (const database of [null, `${sql}&schema=again`]) {
    const r = join(tempDir(), 'r'), more = database ? ['--database', database] : [];
    const out = await bornite(['restore', '--from', `dir:${t}`, '--data', r, ...more]);
    equal(out.code, 0, out.err + out.out);
    cpSync(join(d, 'secret.key'), join(r, 'secret.key'));
    s = await startServe(r, more);
    a = await signIn(s, { login: 'admin', password: PASSWORD });
    equal((await a.get('/points/P1')).name, '精矿品位');
    equal(await samplesOf(a, 'P1'), expected('P1', 0, 500));
    equal((await a.get('/points?q=精矿')).total, 1, 'the search is made anew:');
    await stop(s);
  }
});

await run();
