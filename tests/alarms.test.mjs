// Alarms from the sample to the list, the stream and the journal: limits, delay, deadband, shelving, acknowledging,
// configuration while it runs, restarts by kill -9, permission, and ten thousand at once.
import { Api, equal, ok, run, signIn, sleep, startServe, stop, tempDir, test, until } from './lib.mjs';

const dir = tempDir();
let serve, api, session;

const put = (code, v, extra = {}) => api.post('/samples', { samples: [{ point: code, v, ...extra }] });
const point = (code, spec) => api.post('/points', { code, name: code, spec });
const patch = (code, spec) => api.call('PATCH', `/points/${code}`, { spec });
const list = (query = '') => api.get(`/alarms${query}`);
const of = async (code, condition) =>
  (await list('?state=all&size=1000')).items.find((a) => a.code === code && a.condition === condition);
const state = async (code, condition) => (await of(code, condition))?.state ?? 'normal';
const reaches = (code, condition, want) =>
  until(async () => (await state(code, condition)) === want, `${code} ${condition} ${want}`, 10000, 20);

async function start() {
  serve = await startServe(dir);
  if (!api) {
    api = await signIn(serve);
    session = api.headers;
    const { token } = await api.post('/tokens', { name: 'alarms', roles: ['administrator'] });
    api.token = token;
  }
  const { token } = api;
  api = new Api(serve.base, { Authorization: `Bearer ${token}` });
  api.token = token;
}

// Server-sent events of a path as they come.
async function listen(path, who = api) {
  const end = new AbortController();
  const res = await fetch(`${serve.base}/api/v1${path}`, { headers: who.headers, signal: end.signal });
  equal(res.status, 200, path);
  const events = [];
  (async () => {
    let text = '';
    for await (const piece of res.body) {
      text += Buffer.from(piece).toString();
      for (let at; (at = text.indexOf('\n\n')) >= 0; text = text.slice(at + 2)) {
        const event = text.slice(0, at).match(/^event: (.*)$/m)?.[1];
        const data = text.slice(0, at).match(/^data: (.*)$/m)?.[1];
        if (event) events.push({ event, data: JSON.parse(data) });
      }
    }
  })().catch(() => {}).finally(() => (events.ended = true));
  events.close = () => end.abort();
  return events;
}

test('a limit is passed, acknowledged, left', async () => {
  await start();
  await point('A1', { hh: 200, h: 100, l: 10, unit: 't/h', area: 'LT/GRD' });
  equal(await list(), { items: [], total: 0, page: 1, size: 50,
    counts: { active: 0, unacked: 0, shelved: 0, by_priority: { 1: 0, 2: 0, 3: 0, 4: 0 }, dropped: 0 } });
  await put('A1', 150);
  await reaches('A1', 'h', 'active_unacked');
  const a = await of('A1', 'h');
  equal([a.value, a.limit, a.unit, a.priority, a.area, a.acked_by], [150, 100, 't/h', 3, 'LT/GRD', null]);
  const acked = await api.post(`/alarms/${a.id}:ack`, { comment: '已通知磨矿岗位' });
  equal([acked.state, acked.comment, acked.acked_by], ['active_acked', '已通知磨矿岗位', 'admin']);
  const twice = await api.raw('POST', `/alarms/${a.id}:ack`, {});
  equal(twice.status, 409);
  await put('A1', 50);
  await reaches('A1', 'h', 'normal');
  const { items } = await until(async () => {
    const h = await api.get('/alarms/history?point=A1');
    return h.total === 3 && h;
  }, 'three entries of the journal');
  equal(items.map((x) => x.event), ['cleared', 'acked', 'raised']);
  equal([items[1].by, items[1].comment], ['admin', '已通知磨矿岗位']);
});

test('cleared before it is acknowledged: stays until then', async () => {
  await put('A1', 150);
  await reaches('A1', 'h', 'active_unacked');
  await put('A1', 50);
  await reaches('A1', 'h', 'cleared_unacked');
  const a = await of('A1', 'h');
  ok(a.cleared_at >= a.raised_at, 'times');
  const done = await api.post('/alarms:ack', { ids: [a.id, '99999-h', 'x'] });
  equal(done, { acked: 1, skipped: 2 });
  equal(await state('A1', 'h'), 'normal');
});

test('delay and deadband, also below the deadband of the archive', async () => {
  await point('A2', { h: 100, alarm_delay: '400ms', alarm_deadband: 5, deadband: 1000 });
  await put('A2', 50);
  await put('A2', 120);
  equal(await state('A2', 'h'), 'normal', 'at once');
  await reaches('A2', 'h', 'active_unacked'); // without another sample
  await put('A2', 97);
  await put('A2', 96);
  await sleep(100);
  equal(await state('A2', 'h'), 'active_unacked', 'within the deadband');
  await put('A2', 95);
  await reaches('A2', 'h', 'cleared_unacked');
});

test('bad quality, no data, late samples', async () => {
  await point('A3', { h: 100, alarm_bad: true, alarm_stale: '1s', alarm_priority: 1 });
  await put('A3', 150);
  await reaches('A3', 'h', 'active_unacked');
  await put('A3', 0, { q: 'bad' });
  await reaches('A3', 'bad', 'active_unacked');
  equal(await state('A3', 'h'), 'active_unacked', 'bad quality clears no limit alarm');
  await put('A3', 10, { t: Date.now() - 3600e3 }); // late: neither clears nor raises
  await put('A3', 10, { t: Date.now() - 400 });
  equal(await state('A3', 'h'), 'active_unacked', 'late samples');
  await reaches('A3', 'stale', 'active_unacked');
  equal((await of('A3', 'stale')).priority, 1);
  await put('A3', 50);
  await reaches('A3', 'stale', 'cleared_unacked');
  await reaches('A3', 'bad', 'cleared_unacked');
  await reaches('A3', 'h', 'cleared_unacked');
  await api.call('DELETE', '/points/A3');
  await until(async () => !(await of('A3', 'h')), 'the alarms of a deleted point to go');
});

test('configuration in effect at once', async () => {
  await point('A4', {});
  await put('A4', 150);
  await patch('A4', { h: 100 });
  await until(async () => (await put('A4', 150)) && (await state('A4', 'h')) === 'active_unacked', 'a new limit');
  await patch('A4', { h: 160 });
  await reaches('A4', 'h', 'cleared_unacked');
  await patch('A4', { h: 140 });
  await reaches('A4', 'h', 'active_unacked');
  await patch('A4', { h: null });
  await until(async () => !(await of('A4', 'h')), 'a removed limit to end its alarm');
  await until(async () => (await api.get('/alarms/history?point=A4&size=1')).items[0].event === 'removed', 'it in the journal');
  const bad = await api.raw('PATCH', '/points/A4', { spec: { h: 10, l: 20 } });
  equal([bad.status, (await bad.json()).errors?.[0]?.where ?? 'spec.h'], [400, 'spec.h']);
});

test('shelving hides until its time', async () => {
  await point('A5', { h: 100 });
  await put('A5', 150);
  await reaches('A5', 'h', 'active_unacked');
  const { id } = await of('A5', 'h');
  equal((await api.raw('POST', `/alarms/${id}:shelve`, { until: Date.now() + 60000 })).status, 400, 'no reason');
  equal((await api.raw('POST', `/alarms/${id}:shelve`, { until: Date.now() - 1, reason: 'x' })).status, 400, 'past');
  equal((await api.raw('POST', `/alarms/${id}:shelve`, { until: Date.now() + 40 * 86400e3, reason: 'x' })).status, 400);
  await api.post(`/alarms/${id}:shelve`, { until: Date.now() + 60000, reason: '检修' });
  ok(!(await list()).items.some((a) => a.id === id), 'not among the open ones');
  equal((await list('?state=shelved')).items.map((a) => [a.id, a.shelve_reason]), [[id, '检修']]);
  await api.post(`/alarms/${id}:unshelve`);
  ok((await list()).items.some((a) => a.id === id), 'back');
  await api.post(`/alarms/${id}:shelve`, { until: Date.now() + 500, reason: 'short' });
  await until(async () => (await list()).items.some((a) => a.id === id), 'the shelving to end by itself');
});

test('the stream tells of alarms and counts', async () => {
  await point('A6', { h: 100 });
  const events = await listen('/alarms/stream');
  await until(() => events.some((e) => e.event === 'counts'), 'the first counts');
  await put('A6', 150);
  await until(() => events.some((e) => e.event === 'alarm' && e.data.code === 'A6' && e.data.state === 'active_unacked'),
    'the alarm');
  await api.post(`/alarms/${(await of('A6', 'h')).id}:ack`);
  await put('A6', 50);
  await until(() => events.some((e) => e.event === 'alarm' && e.data.code === 'A6' && e.data.state === 'normal'),
    'its end');
  const last = events.filter((e) => e.event === 'counts').at(-1).data;
  equal(last.unacked, (await list()).counts.unacked);
  events.close();
});

test('a token without the right sees and does nothing, and loses the stream', async () => {
  await api.post('/roles', { code: 'blind', name: 'blind', spec: { permissions: [{ kinds: ['point'], actions: ['read'] }] } });
  await api.post('/roles', { code: 'looker', name: 'looker', spec: { permissions: [{ kinds: ['alarm'], actions: ['read'] }] } });
  const admin = new Api(serve.base, session);
  const token = async (role) => new Api(serve.base,
    { Authorization: `Bearer ${(await admin.post('/tokens', { name: role, roles: [role] })).token}` });
  const blind = await token('blind'), looker = await token('looker');
  equal((await blind.raw('GET', '/alarms')).status, 403);
  equal((await blind.raw('GET', '/alarms/stream')).status, 403);
  equal((await looker.raw('GET', '/alarms')).status, 200);
  const { id } = await of('A5', 'h');
  equal((await looker.raw('POST', `/alarms/${id}:ack`, {})).status, 403);
  const events = await listen('/alarms/stream', looker);
  await until(() => events.length, 'the stream to begin');
  await admin.call('PATCH', '/roles/looker', { spec: { permissions: [] } });
  const from = Date.now();
  await until(() => events.ended, 'the stream to end', 5000, 10);
  ok(Date.now() - from < 2000, `cut off after ${Date.now() - from} ms`);
});

test('alarms of an organisation are seen by those who may see it, in lists, journal and stream', async () => {
  const admin = new Api(serve.base, session);
  for (const [code, parent] of [['NORTH', null], ['SOUTH', null], ['MINE', 'NORTH']])
    await admin.post('/orgs', { code, name: code, spec: { type: 'plant', parent } });
  await admin.post('/roles', { code: 'keeper', name: 'k', spec: { permissions: [{ kinds: ['alarm'], actions: ['read', 'write'] }] } });
  await admin.post('/users', { code: 'nora', name: 'n', spec: { grants: [{ role: 'keeper', orgs: ['NORTH'] }] } });
  await admin.post('/users/nora:password', { password: 'a long enough secret' });
  const nora = await signIn(serve, { login: 'nora', password: 'a long enough secret' });
  const events = await listen('/alarms/stream', nora);
  await until(() => events.length, 'the stream to begin');
  await admin.post('/points', { code: 'OM', name: 'm', org: 'MINE', spec: { h: 100 } });
  await admin.post('/points', { code: 'OS', name: 's', org: 'SOUTH', spec: { h: 100 } });
  for (const code of ['OM', 'OS']) {
    await put(code, 150);
    await reaches(code, 'h', 'active_unacked');
  }
  const mine = await nora.get('/alarms?q=O');
  equal(mine.items.map((a) => a.code), ['OM']);
  const all = await list('?q=O');
  equal(all.total, 2);
  const journal = await until(async () => {
    const h = await nora.get('/alarms/history?size=1000');
    return h.items.some((e) => e.code === 'OM') && h;
  }, 'the journal');
  ok(!journal.items.some((e) => e.code === 'OS'), 'not of the south');
  const south = all.items.find((a) => a.code === 'OS').id;
  equal((await nora.raw('POST', `/alarms/${south}:ack`, {})).status, 404, 'as if it were not there');
  equal((await nora.raw('POST', `/alarms/${south}:shelve`, { until: Date.now() + 1e4, reason: 'x' })).status, 404);
  equal(await nora.post('/alarms:ack', { ids: [south, mine.items[0].id] }), { acked: 1, skipped: 1 });
  await until(() => events.some((e) => e.event === 'alarm' && e.data.code === 'OM'), 'her alarm in the stream');
  ok(!events.some((e) => e.event === 'alarm' && e.data.code === 'OS'), 'only hers');
  ok((await nora.get('/notices')).items.every((n) => !n.title.includes('OS')), 'nor in her messages');
  await admin.call('PATCH', '/points/OM', { org: 'SOUTH' });
  await until(async () => (await nora.get('/alarms?q=OM')).total === 0, 'the alarm to move with its point');
  events.close();
});

test('kill -9: states, acknowledgements and shelvings are there, and follow the values again', async () => {
  await point('K1', { h: 100 });
  await point('K2', { h: 100 });
  await point('K3', { h: 100 });
  for (const code of ['K1', 'K2', 'K3']) await put(code, 150);
  for (const code of ['K1', 'K2', 'K3']) await reaches(code, 'h', 'active_unacked');
  await api.post(`/alarms/${(await of('K2', 'h')).id}:ack`, { comment: 'seen' });
  await api.post(`/alarms/${(await of('K3', 'h')).id}:shelve`, { until: Date.now() + 600e3, reason: 'later' });
  await stop(serve, 'SIGKILL');
  await start();
  const [k1, k2, k3] = [await of('K1', 'h'), await of('K2', 'h'), await of('K3', 'h')];
  equal([k1.state, k2.state, k2.comment, k3.shelve_reason], ['active_unacked', 'active_acked', 'seen', 'later']);
  await until(async () => (await put('K1', 50)) && (await state('K1', 'h')) === 'cleared_unacked', 'K1 to clear');
  await put('K2', 160);
  equal(await state('K2', 'h'), 'active_acked', 'not raised again');
  await until(async () => (await api.get('/alarms/history?point=K1')).items[0].event === 'cleared', 'it to be stored');
  await stop(serve, 'SIGKILL');
  await start();
  equal(await state('K1', 'h'), 'cleared_unacked');
});

test('ten thousand at once', async () => {
  const N = 10000;
  const items = Array.from({ length: N }, (_, i) => ({ op: 'create', code: `S${i}`, name: 's', spec: { h: 100 } }));
  for (let i = 0; i < N; i += 2500) await api.post('/points:bulk', { items: items.slice(i, i + 2500) });
  const storm = async (v) => api.post('/samples', { samples: items.map((p) => ({ point: p.code, v })) });
  const events = await listen('/alarms/stream');
  await storm(50);
  let at = Date.now();
  await until(async () => (await storm(150)) && (await list()).counts.active >= N, 'all to be raised', 60000, 300);
  const page = Date.now();
  equal((await list('?size=1000&q=S')).items.length, 1000);
  ok(Date.now() - page < 1500, `a page takes ${Date.now() - page} ms`);
  console.log(`     raised and listed in ${Date.now() - at} ms, a page of 1000 in ${Date.now() - page} ms`);
  await until(() => events.some((e) => e.event === 'reset'), 'the stream to say reset instead of ten thousand events');
  ok(events.length < 5000, `${events.length} events`);
  at = Date.now();
  const ids = [];
  for (let p = 1; ids.length < N; p++) {
    const { items: some } = await list(`?state=unacked&size=1000&page=${p}&q=S`);
    if (!some.length) break;
    ids.push(...some.map((a) => a.id));
  }
  const { acked } = await api.post('/alarms:ack', { ids, comment: 'all' });
  ok(acked >= N, `${acked} acknowledged`);
  console.log(`     ${acked} acknowledged in ${Date.now() - at} ms`);
  await storm(50);
  await until(async () => (await list()).counts.active < 50, 'all to clear', 60000);
  events.close();
});

await run();
