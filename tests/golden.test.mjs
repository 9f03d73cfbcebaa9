// Golden data sets: databases as released versions wrote them. Today's binary starts on each, after a backup; all is
// there; what a newer version wrote is refused. golden/README.md tells how a set is made.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Api, BIN, equal, ok, run, signIn, startServe, stop, tempDir, test } from './lib.mjs';

const golden = new URL('./golden/', import.meta.url).pathname;
const sqlite = (db, text) => execFileSync('sqlite3', [db, text], { encoding: 'utf8' }).trim();

// Everything that was told then is told now; fields may have been added since.
function same(now, then, where) {
  if (then && typeof then === 'object') {
    for (const [k, v] of Object.entries(then)) same(now?.[k], v, `${where}.${k}`);
    if (Array.isArray(then)) equal(now.length, then.length, `${where}:`);
  } else equal(now, then, `${where}:`);
}

for (const version of readdirSync(golden).filter((f) => existsSync(join(golden, f, 'kernel.sql')))) {
  const then = JSON.parse(readFileSync(join(golden, version, 'expected.json'), 'utf8'));
  const dir = tempDir(), db = join(dir, 'kernel.db');
  let serve;

  test(`${version}: a start makes a backup first and keeps everything`, async () => {
    execFileSync('sqlite3', [db], { input: readFileSync(join(golden, version, 'kernel.sql')) });
    const newest = sqlite(db, "select max(number) from schema_migration where component = 'core'");
    serve = await startServe(dir);
    const api = new Api(serve.base, { Authorization: `Bearer ${then.token}` }); // tokens go on
    for (const plural of ['channels', 'devices', 'points', 'users'])
      same((await api.get(`/${plural}?size=1000&sort=code`)).items, then[plural], plural);
    const roles = (await api.get('/roles?size=1000')).items;
    for (const role of then.roles.filter((r) => r.created_by !== 'system')) same(roles.find((r) => r.code === role.code), role, role.code);
    same((await api.get('/points/CELL3/history')).items, then.history, 'history');
    equal((await api.raw('GET', '/points/CELL5')).status, 404, 'what was deleted:');
    equal((await api.post('/points', { code: 'CELL5', name: 'anew', spec: {} })).num, 13, 'numbers go on:');
    ok((await api.get('/audit?size=1')).total >= then.audit, 'audit');
    for (const [login, password] of [['admin', then.admin], [then.user.login, then.user.password]])
      equal((await signIn(serve, { login, password })).session.login ?? login, login, 'signs in:');
    const backup = readdirSync(dir).filter((f) => /^kernel\.db\.before-core-\d+$/.test(f));
    equal(backup.length, 1, readdirSync(dir).join(' '));
    equal(sqlite(join(dir, backup[0]), "select max(number) from schema_migration where component = 'core'"), newest);
    equal(sqlite(join(dir, backup[0]), "select count(*) from resource where kind = 'point'"), '12');
  });

  test(`${version}: a second start changes nothing more`, async () => {
    await stop(serve);
    const files = readdirSync(dir).filter((f) => /before/.test(f));
    serve = await startServe(dir);
    equal(readdirSync(dir).filter((f) => /before/.test(f)), files);
    await stop(serve);
  });

  test(`${version}: an older program refuses what a newer one wrote`, async () => {
    sqlite(db, "insert into schema_migration(component, number, applied_us) values('core', 99999, 1)");
    const r = spawnSync(BIN, ['serve', '--data', dir, '--port', '0'], { encoding: 'utf8' });
    equal(r.status, 1);
    ok(/written by a newer version \(core 99999/.test(r.stderr) && /更新的版本/.test(r.stderr), r.stderr);
    const m = spawnSync(BIN, ['migrate', '--from', `sqlite:${db}`, '--to', `sqlite:${dir}/to.db`], { encoding: 'utf8' });
    equal(m.status, 1);
    ok(/newer version/.test(m.stderr), m.stderr);
  });

  test(`${version}: is not moved before this version has started on it`, async () => {
    const old = join(dir, 'old.db');
    execFileSync('sqlite3', [old], { input: readFileSync(join(golden, version, 'kernel.sql')) });
    const m = spawnSync(BIN, ['migrate', '--from', `sqlite:${old}`, '--to', `sqlite:${dir}/to.db`], { encoding: 'utf8' });
    equal(m.status, 1);
    ok(/older version .*start this version on it once/.test(m.stderr), m.stderr);
    ok(!existsSync(join(dir, 'to.db')));
  });
}

await run();
