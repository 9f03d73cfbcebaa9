// make.mjs FOLDER - fills an empty server of the version under BORNITE with a little of everything and keeps what it
// wrote: FOLDER/kernel.sql (text dump) and FOLDER/expected.json (what its API told). Run once per release, with the
// binary of that release; what is kept is never made anew.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { equal, run, signIn, startServe, stop, tempDir, test } from '../lib.mjs';

const folder = process.argv[2];
process.argv.splice(2, 1);

test('make', async () => {
  const dir = tempDir();
  let serve = await startServe(dir);
  const api = await signIn(serve);
  await api.post('/session/password', { new: 'a copper-coloured horse' });
  await api.post('/channels', { code: 'LINE1', name: '电解一线', labels: { site: '东区' }, spec: { driver: 'modbus_tcp', enabled: false, options: { host: '127.0.0.1' } } });
  await api.post('/devices', { code: 'PLC1', name: '整流柜 PLC', spec: { channel: 'LINE1' } });
  for (let i = 0; i < 12; i++)
    await api.post('/points', {
      code: `CELL${i}`, name: `槽温 ${i}`, labels: { line: `L${i % 3}` },
      spec: { device: 'PLC1', address: `4${String(i + 1).padStart(4, '0')}`, type: 'float', unit: 'degC', period: i % 2 ? '500ms' : '5s', description: `quote ' and "double", 铜` },
    });
  await api.call('PATCH', '/points/CELL3', { name: '槽温 三' });
  await api.call('PATCH', '/points/CELL3', { spec: { description: 'third revision' } });
  await api.call('DELETE', '/points/CELL5');
  await api.post('/roles', { code: 'tapper', name: 'Tapper', spec: { permissions: [{ kinds: ['point', 'device'], actions: ['read', 'control'] }] } });
  await api.post('/users', { code: 'li.na', name: '李娜', spec: { roles: ['tapper'] } });
  await api.post('/users/li.na:password', { password: 'molten anode 1180' });
  const token = (await api.post('/tokens', { name: 'golden', roles: ['administrator'] })).token;
  const expected = { token, admin: 'a copper-coloured horse', user: { login: 'li.na', password: 'molten anode 1180' } };
  for (const plural of ['channels', 'devices', 'points', 'roles', 'users'])
    expected[plural] = (await api.get(`/${plural}?size=1000&sort=code`)).items;
  expected.history = (await api.get('/points/CELL3/history')).items;
  expected.audit = (await api.get('/audit?size=1')).total;
  equal(expected.points.length, 11);
  await stop(serve);
  const db = join(dir, 'kernel.db');
  execFileSync('sqlite3', [db, 'pragma wal_checkpoint(truncate)']);
  writeFileSync(join(folder, 'kernel.sql'), execFileSync('sqlite3', [db, '.dump'], { maxBuffer: 1 << 28 }));
  writeFileSync(join(folder, 'expected.json'), JSON.stringify(expected, null, 1) + '\n');
});

await run();
