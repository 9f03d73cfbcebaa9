// Devices that push: ThingsBoard's forms and our own, points made by rule, tokens, rates, registration, nonsense,
// kill -9 under load: what was answered with 200 is there.
import { gzipSync } from 'node:zlib';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Api, equal, near, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';

const dir = tempDir();
let serve, api, session;
const tokens = [];

async function start() {
  serve = await startServe(dir);
  if (session) api = new Api(serve.base, session);
  else api = await signIn(serve);
  session = api.headers;
}
async function device(code, spec = {}) {
  await api.post('/push-devices', { code, name: code, spec });
  const { token } = await api.post(`/push-devices/${code}:token`);
  ok(/^dv_[A-Za-z0-9_-]{24}$/.test(token), token);
  tokens.push(token);
  return token;
}
const send = (path, body, headers = {}) => fetch(`${serve.base}/api/v1${path}`, {
  method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: typeof body === 'string' || body instanceof Buffer ? body : JSON.stringify(body) });
const tb = (token, body, headers) => send(`/${token}/telemetry`, body, headers);
const own = (token, body) => send('/push', body, { Authorization: `Bearer ${token}` });
const latest = (code) => api.get(`/push-devices/${code}/latest`);
const key = async (code, name) => (await latest(code)).items.find((i) => i.key === name);
const current = async (code) => (await api.get(`/current?points=${code}`)).items[0];
const recorded = async (code) => (await api.get(`/history/recorded?points=${code}&from=*-30d&to=*%2B1d&limit=100000`)).series[0];

test("ThingsBoard's forms, mapped by hand", async () => {
  await start();
  for (const p of ['T', 'ON', 'S']) await api.post('/points', { code: p, name: p, spec: p === 'S' ? { type: 'string' } : {} });
  const token = await device('D1', { keys: [{ key: 'temperature', point: 'T' }, { key: 'on', point: 'ON' }, { key: 'serial', point: 'S' }] });
  const res = await tb(token, { temperature: 42.5, on: true, serial: '0012', other: 1 });
  equal([res.status, await res.text()], [200, '']);
  equal((await current('T')).v, 42.5);
  equal((await current('ON')).v, 1);
  equal((await current('S')).v, '0012');
  const ts = Date.now() - 5000;
  equal((await tb(token, { ts, values: { temperature: '43.5' } })).status, 200); // older than the current one
  equal((await tb(token, [{ ts: ts + 1000, values: { temperature: 44 } }, { temperature: 45 }])).status, 200);
  const r = await recorded('T');
  equal(r.v, [43.5, 44, 42.5, 45]);
  equal(r.t.slice(0, 2), [ts, ts + 1000]);
  equal((await current('T')).v, 45);
  equal((await send(`/${token}/telemetry`, '{"temperature":46}', { 'Content-Type': 'text/plain' })).status, 200);
  const l = await latest('D1');
  equal([l.messages, l.unknown, l.has_token], [4, 1, true]);
  const other = await key('D1', 'other');
  equal([other.point, other.value, other.count], [null, '1', 1]);
  ok(other.problem.includes('no point'), other.problem);
});

test('attributes', async () => {
  equal((await send(`/${tokens[0]}/attributes`, { firmware: '1.2', at: { x: 1 } })).status, 200);
  equal((await send(`/${tokens[0]}/attributes`, { firmware: '1.3' })).status, 200);
  equal((await latest('D1')).attributes.map((a) => [a.key, a.value]), [['at', { x: 1 }], ['firmware', '1.3']]);
  equal((await send(`/${tokens[0]}/attributes`, [1])).status, 400);
});

test('our own form, quality and time', async () => {
  const res = await own(tokens[0], { t: new Date(Date.now() - 1000).toISOString(), values: { temperature: { v: 1, q: 'uncertain', t: Date.now() }, on: false, serial: 'x', nix: 3 } });
  equal([res.status, await res.json()], [200, { stored: 3, unknown: 1, rejected: 0 }]);
  const now = await current('T');
  equal([now.v, now.q], [1, 'uncertain']);
  const bad = await own(tokens[0], [{ values: { temperature: 2 } }, { values: { temperature: { v: 3, q: 'fine' } } }]);
  equal([bad.status, (await bad.json()).where], [400, '[1].values.q']);
  equal((await current('T')).v, 1, 'nothing of a message that is refused');
  const strange = await own(tokens[0], { values: { temperature: null, on: { v: 1, t: Date.now() + 86400e3 }, serial: { v: 's', t: 1000 } } });
  equal(await strange.json(), { stored: 0, unknown: 0, rejected: 3 });
  ok((await key('D1', 'on')).problem.includes('time'), 'the problem is shown');
  const zh = await api.call('GET', '/push-devices/D1/latest', undefined, 200, { 'Accept-Language': 'zh' });
  ok(zh.items.find((i) => i.key === 'temperature').problem.includes('没有值'), 'in Chinese');
});

test('points are made by rule, once, and never taken from others', async () => {
  await api.post('/points', { code: 'D2.mine', name: 'x', spec: {} });
  const token = await device('D2', { create: true, max_keys: 5, point_spec: { unit: 'kW', area: 'LT/X', h: 100 } });
  const many = await Promise.all(Array.from({ length: 8 }, () => own(token, { values: { power: 50, 'a b/c': true, note: 'hello' } })));
  equal(many.map((r) => r.status), Array(8).fill(200));
  const power = await api.get('/points/D2.power');
  equal([power.spec.unit, power.spec.area, power.name, power.created_by !== ''], ['kW', 'LT/X', 'power', true]);
  equal((await current('D2.a_b_c')).v, 1);
  equal((await current('D2.note')).v, 'hello');
  equal((await (await own(token, { values: { mine: 1 } })).json()).unknown, 1);
  ok((await key('D2', 'mine')).problem.includes("not this device's"), 'told why');
  equal((await (await own(token, { values: { k5: 1, k6: 1, k7: 1 } })).json()), { stored: 1, unknown: 2, rejected: 0 }); // max_keys
  await api.call('PATCH', '/push-devices/D2', { spec: { keys: [{ key: 'mine', point: 'D2.mine' }] } });
  await until(async () => (await (await own(token, { values: { mine: 7 } })).json()).stored === 1, 'the mapping');
  await api.call('DELETE', '/points/D2.note');
  await until(async () => (await own(token, { values: { note: 'again' } })) && (await api.raw('GET', '/points/D2.note')).status === 200, 'a deleted point to be made again');
  await until(async () => {
    await own(token, { values: { power: 150 } });
    return (await api.get('/alarms?q=D2.power')).total === 1;
  }, 'an alarm of a pushed value');
});

test('tokens: wrong ones 401 then slower, right ones never; renewed, switched off; nowhere to be found', async () => {
  const token = await device('D3', { create: true });
  for (let i = 0; i < 6; i++) equal((await tb(`dv_wrong${i}`, { a: 1 })).status, i < 5 ? 401 : (await tb('dv_x', { a: 1 })).status);
  const slow = await tb('dv_wrong', { a: 1 });
  equal(slow.status, 429);
  ok(Number(slow.headers.get('retry-after')) > 0, 'Retry-After');
  equal((await tb(token, { a: 1 })).status, 200, 'the right one from the same address');
  const { token: fresh } = await api.post('/push-devices/D3:token');
  tokens.push(fresh);
  ok([401, 429].includes((await tb(token, { a: 1 })).status), 'the old one is void');
  equal((await tb(fresh, { a: 1 })).status, 200);
  await api.call('PATCH', '/push-devices/D3', { spec: { enabled: false } });
  await until(async () => (await tb(fresh, { a: 1 })).status !== 200, 'the device to be off');
  await stop(serve);
  for (const t of tokens) ok(!serve.log.includes(t), 'a token in the log');
  const file = join(dir, 'kernel.db');
  const db = existsSync(file) ? readFileSync(file).toString('latin1') : ''; // not there on PostgreSQL
  for (const t of tokens) ok(!db.includes(t), 'a token in the database');
  await start();
  equal((await own(tokens[1], { values: { power: 51 } })).status, 200, 'after a restart');
  const audit = JSON.stringify(await api.get('/audit?size=1000'));
  for (const t of tokens) ok(!audit.includes(t), 'a token in the audit log');
});

test('a device that sends too often is told to wait, others go on', async () => {
  const fast = await device('FAST', { create: true, rate: 5 }), calm = await device('CALM', { create: true });
  const all = [];
  for (let i = 0; i < 8; i++) all.push((await tb(fast, { a: i })).status);
  equal(all, [200, 200, 200, 200, 200, 429, 429, 429]);
  const res = await tb(fast, { a: 9 });
  near(Number(res.headers.get('retry-after')), 12, 1, 'Retry-After');
  equal((await tb(calm, { a: 1 })).status, 200);
});

test('gzip, other codings, bombs and nonsense', async () => {
  const token = await device('Z', { create: true });
  equal((await tb(token, gzipSync('{"z":5}'), { 'Content-Encoding': 'gzip' })).status, 200);
  equal((await current('Z.z')).v, 5);
  equal((await tb(token, '{"z":6}', { 'Content-Encoding': 'br' })).status, 415);
  equal((await tb(token, 'no gzip', { 'Content-Encoding': 'gzip' })).status, 400);
  equal((await tb(token, gzipSync('{"z":5}').subarray(0, 15), { 'Content-Encoding': 'gzip' })).status, 400);
  equal((await tb(token, gzipSync(Buffer.alloc(64 << 20)), { 'Content-Encoding': 'gzip' })).status, 413);
  for (const text of ['', '{', '[[1]]', '"x"', '{"a":1,"a":2}', '{"ts":"x","values":{"a":1}}', '\u0000'])
    equal((await tb(token, text)).status, 400, JSON.stringify(text));
  equal((await tb(token, Object.fromEntries(Array.from({ length: 10001 }, (_, i) => [`k${i}`, i])))).status, 413);
  equal((await current('Z.z')).v, 5);
  equal((await fetch(`${serve.base}/api/v1/points/telemetry`, { headers: api.headers })).status, 404, 'a point of that name, not the route');
  equal((await api.raw('GET', `/${token}/telemetry`)).status === 200, false);
});

test('registration with a profile: names, limit, end, secret', async () => {
  await api.post('/provision-profiles', { code: 'PUMPS', name: 'p', spec: { key: 'pumpkey-1', secret: 'pump-secret', name_pattern: 'PUMP-[0-9]+', max_devices: 2 } });
  const register = async (deviceName, provisionDeviceSecret = 'pump-secret', provisionDeviceKey = 'pumpkey-1') => {
    const res = await send('/provision', { deviceName, provisionDeviceKey, provisionDeviceSecret });
    return [res.status, await res.json()];
  };
  const [status, first] = await register('PUMP-1');
  equal([status, first.status, first.credentialsType], [200, 'SUCCESS', 'ACCESS_TOKEN']);
  equal((await tb(first.credentialsValue, { flow: 7 })).status, 200);
  equal((await current('PUMP-1.flow')).v, 7);
  equal((await register('PUMP-1'))[1].status, 'FAILURE', 'twice');
  equal((await register('FAN-1'))[1].status, 'FAILURE', 'a name that is not allowed');
  equal((await register('PUMP-2'))[1].status, 'SUCCESS');
  equal((await register('PUMP-3'))[1].status, 'FAILURE', 'the limit');
  equal((await register('PUMP-4', 'wrong'))[1].status, 'NOT_FOUND');
  equal((await register('PUMP-4', 'pump-secret', 'wrongkey1'))[1].status, 'NOT_FOUND');
  ok(!JSON.stringify(await api.get('/provision-profiles/PUMPS')).includes('pump-secret'), 'the secret is not given out');
  await api.call('PATCH', '/provision-profiles/PUMPS', { spec: { until: '2020-01-01T00:00:00Z', max_devices: 9 } });
  equal((await register('PUMP-5'))[1].status, 'FAILURE', 'over');
  for (let i = 0; i < 4; i++) await register('X', 'wrong');
  equal((await register('PUMP-5'))[0], 429);
});

test('kill -9 under load: every value that was answered with 200 is there', async () => {
  const token = await device('K', { create: true, rate: 600000 });
  const T0 = Date.now() - 600e3;
  let acked = 0, at = 0;
  for (let round = 0; round < 3; round++) {
    let dead = false;
    const writer = (async () => {
      while (!dead) {
        const n = ++at;
        const res = await tb(token, { ts: T0 + n * 10, values: { v: n } }).catch(() => null);
        if (res?.status === 200) acked = n;
        else if (!dead) at--;
      }
    })();
    const want = acked + 60;
    await until(() => acked >= want, 'messages', 20000, 5);
    const end = stop(serve, 'SIGKILL');
    dead = true;
    await Promise.all([writer, end]);
    at = acked;
    await start();
  }
  const { v } = await recorded('K.v');
  const found = new Set(v);
  for (let n = 1; n <= acked; n++) ok(found.has(n), `value ${n} of ${acked} is lost`);
});

await run();
