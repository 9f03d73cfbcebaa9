// jobs.test.mjs - jobs from outside: start, result, log, stream, cancel, retry, permission, schedules with a
// calendar, and what becomes of jobs when the process is killed. preset: release
import { cleanup, equal, ok, run, signIn, startServe, stop, tempDir, test, until, Api } from './lib.mjs';

const dir = tempDir();
let serve = await startServe(dir);
let admin = await signIn(serve);
await admin.call('POST', '/session/password', { new: 'correct horse battery' });
const signInAdmin = () => signIn(serve, { login: 'admin', password: 'correct horse battery' });

const ended = (api, id) =>
  until(async () => {
    const j = await api.get(`/jobs/${id}`);
    return ['done', 'failed', 'cancelled'].includes(j.state) && j;
  }, `job ${id} to end`);

async function user(login, roles) {
  await admin.post('/users', { code: login, name: login, spec: { roles } });
  await admin.call('POST', `/users/${login}:password`, { password: 'a long enough secret' });
  return signIn(serve, { login, password: 'a long enough secret' });
}

// Events of a stream as they come.
async function listen(api, path) {
  const abort = new AbortController();
  const res = await fetch(`${serve.base}/api/v1${path}`, { headers: api.headers, signal: abort.signal });
  equal(res.status, 200, path);
  const events = [];
  (async () => {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const piece of res.body) {
      rest += decoder.decode(piece, { stream: true });
      const parts = rest.split('\n\n');
      rest = parts.pop();
      for (const p of parts) {
        const event = /^event: (.*)$/m.exec(p)?.[1], data = /^data: (.*)$/m.exec(p)?.[1];
        if (event && data) events.push({ event, data: JSON.parse(data) });
      }
    }
  })().catch(() => {});
  cleanup(() => abort.abort());
  return { events, close: () => abort.abort() };
}

test('types: what the kernel offers, with their parameters', async () => {
  const { items } = await admin.get('/job-types');
  const prune = items.find((t) => t.name === 'system.prune');
  ok(prune.by_user && prune.params.some((p) => p.name === 'keep_days') && prune.title.zh, JSON.stringify(prune));
  ok(items.some((t) => t.name === 'system.integrity'));
});

test('a job runs: result, log, progress, order of times', async () => {
  const j = await admin.call('POST', '/jobs', { type: 'system.integrity', title: 'by hand' }, 201);
  const d = await ended(admin, j.id);
  equal(d.state, 'done', JSON.stringify(d.error));
  equal(d.result.ok, true, JSON.stringify(d.result));
  equal(d.result.counts.user, 1);
  equal(d.title.zh, 'by hand');
  equal(d.by, 'admin');
  ok(d.created_at <= d.started_at && d.started_at <= d.ended_at);
  const p = await ended(admin, (await admin.call('POST', '/jobs', { type: 'system.prune', params: { keep_days: 400 } }, 201)).id);
  equal(p.state, 'done', JSON.stringify(p));
  equal(p.params, { keep_days: 400, keep_jobs: 20000 });
  const log = await admin.get(`/jobs/${p.id}/log`);
  ok(log.items.length >= 5 && log.items[0].n === 1 && log.items[0].level === 'info', JSON.stringify(log));
  const rest = await admin.get(`/jobs/${p.id}/log?after=2`);
  equal(rest.items[0].n, 3);
});

test('what is wrong is refused by name', async () => {
  const bad = async (body, where) => equal((await admin.call('POST', '/jobs', body, [400, 404])).where, where, JSON.stringify(body));
  await bad({ type: 'nothing.such' }, 'type');
  await bad({ type: 'system.prune', params: { keep_days: 0 } }, 'params.keep_days');
  await bad({ type: 'system.prune', params: { days: 3 } }, 'params.days');
  await bad({ type: 'system.prune', after: ['0199-none'] }, 'after');
  await bad({ type: 'system.prune', not_before: 'some day' }, 'not_before');
  await admin.call('GET', '/jobs/none', undefined, 404);
  await admin.call('POST', '/jobs/none:cancel', {}, 404);
});

test('later, after another, cancelled, again', async () => {
  const later = await admin.call('POST', '/jobs', { type: 'system.integrity', not_before: '*+1h' }, 201);
  equal(later.state, 'queued');
  const next = await admin.call('POST', '/jobs', { type: 'system.integrity', after: [later.id] }, 201);
  equal(next.state, 'waiting');
  equal(next.depends, [{ id: later.id, state: 'queued' }]);
  equal((await admin.post(`/jobs/${later.id}:cancel`)).state, 'cancelled');
  const failed = await admin.get(`/jobs/${next.id}`);
  equal([failed.state, failed.error.where], ['failed', 'after']);
  await admin.call('POST', `/jobs/${later.id}:cancel`, {}, 400);
  await admin.post(`/jobs/${later.id}:retry`);
  equal((await ended(admin, later.id)).state, 'done');
  await admin.post(`/jobs/${next.id}:retry`);
  equal((await ended(admin, next.id)).state, 'done');
});

test('lists: filters, time range, pages', async () => {
  const all = await admin.get('/jobs?size=2');
  ok(all.total >= 4 && all.items.length === 2 && all.items[0].created_at >= all.items[1].created_at);
  ok((await admin.get('/jobs?type=system.prune')).items.every((j) => j.type === 'system.prune'));
  equal((await admin.get('/jobs?state=running,cancelling')).total, 0);
  equal((await admin.get('/jobs?q=BY%20HAND')).total, 1);
  equal((await admin.get('/jobs?to=*-1h')).total, 0);
  equal((await admin.get('/jobs?from=*-1h&to=*%2B1h')).total, all.total);
  await admin.call('GET', '/jobs?from=never', undefined, 400);
});

test('the stream tells each change to who may see it', async () => {
  const viewer = await user('viewer1', ['viewer']);
  const mine = await listen(admin, '/jobs/stream'), his = await listen(viewer, '/jobs/stream');
  let j;
  await until(async () => {
    j = await admin.call('POST', '/jobs', { type: 'system.integrity' }, 201);
    await ended(admin, j.id);
    return mine.events.some((e) => e.event === 'job');
  }, 'the stream to be open');
  await until(() => mine.events.some((e) => e.event === 'job' && e.data.id === j.id && e.data.state === 'done'), 'the end of the job on the stream');
  equal(his.events.filter((e) => e.event === 'job').length, 0);
  mine.close();
  his.close();
});

test('who may not, does not see and cannot start', async () => {
  const viewer = await signIn(serve, { login: 'viewer1', password: 'a long enough secret' });
  const [j] = (await admin.get('/jobs?size=1')).items;
  equal((await viewer.get('/jobs')).total, 0);
  equal((await viewer.get('/job-types')).items.filter((t) => t.kind === 'system'), []);
  await viewer.call('GET', `/jobs/${j.id}`, undefined, 404);
  await viewer.call('GET', `/jobs/${j.id}/log`, undefined, 404);
  await viewer.call('POST', `/jobs/${j.id}:cancel`, {}, 404);
  await viewer.call('POST', `/jobs/${j.id}:retry`, {}, 404);
  await viewer.call('POST', '/jobs', { type: 'system.integrity' }, 403);
  await viewer.call('POST', '/schedules', { code: 'mine', spec: { cron: '* * * * *', job_type: 'system.prune' } }, 403);
  await viewer.call('POST', '/schedules/system-prune:run', {}, 403);
  await new Api(serve.base).call('GET', '/jobs', undefined, 401);
});

test('a job that an API token started has what the token may, also after a restart', async () => {
  for (const code of ['JA', 'JB']) await admin.post('/orgs', { code, name: code });
  await admin.post('/user-kinds', { code: 'box', name: 'Box', spec: { document: { kind: 'box', plural: 'boxes', title: { en: 'Box', zh: '箱' }, code: { required: true }, fields: [{ name: 'note', type: 'string', title: { en: 'Note', zh: '备注' } }] } } });
  const tokenFor = async (orgs) => {
    const t = await admin.call('POST', '/tokens', { name: `jobs of ${orgs}`, roles: ['administrator'], orgs });
    const by = new Api(serve.base);
    by.headers = { Authorization: `Bearer ${t.token}` };
    return { by, id: t.id };
  };
  const send = async (by, csv) => (await (await fetch(`${serve.base}/api/v1/uploads?name=a.csv`, { method: 'POST', headers: { ...by.headers, 'X-Bornite': '1' }, body: csv })).json()).id;
  const load = async (by, csv) => ended(admin, (await by.call('POST', '/boxes:import-run', { upload: await send(by, csv) }, 202)).job);
  const { by, id } = await tokenFor(['JA']);
  equal((await load(by, 'code,org\nX1,JA\n')).state, 'done');
  const beyond = await load(by, 'code,org\nX2,JA\nX3,JB\n');
  equal([beyond.result.applied, beyond.result.failed, beyond.result.rows[1].errors[0].where], [false, 1, 'org'], JSON.stringify(beyond));
  equal((await admin.get('/boxes')).items.map((b) => b.code), ['X1'], "nothing in another organisation, though the token's owner may");

  const soon = () => ({ type: 'system.integrity', not_before: '*+1s' });
  const whole = await tokenFor([]), gone = await tokenFor([]);
  const good = await whole.by.call('POST', '/jobs', soon(), 201), bad = await gone.by.call('POST', '/jobs', soon(), 201);
  await admin.call('DELETE', `/tokens/${gone.id}`, undefined, 204);
  await admin.call('DELETE', `/tokens/${id}`, undefined, 204);
  await stop(serve);
  serve = await startServe(dir);
  admin = await signInAdmin();
  equal((await ended(admin, good.id)).state, 'done');
  const end = await ended(admin, bad.id);
  equal([end.state, end.error.code, end.error.where], ['failed', 'forbidden', 'by']);
  ok(end.error.detail.includes('API token') || end.error.text?.en?.includes('API token'), JSON.stringify(end.error));
});

test('a schedule runs with what its owner may do', async () => {
  const engineer = await user('engineer1', ['engineer']);
  await engineer.call('POST', '/schedules', { code: 'greedy', spec: { cron: '* * * * * *', job_type: 'system.prune' } }, 201);
  const [j] = await until(async () => {
    const list = (await admin.get('/jobs?q=greedy&state=failed')).items;
    return list.length && list;
  }, 'the run without permission');
  equal([j.by, j.error.code], ['engineer1', 'forbidden']);
  await engineer.call('DELETE', '/schedules/greedy', undefined, 204);
});

test('schedules: next times, calendar, run by hand, each second', async () => {
  const holiday = { from: '2020-01-01', to: '2099-12-31' };
  await admin.call('POST', '/calendars', { code: 'never', spec: { holidays: [holiday], extra_working_days: [{ from: '2040-10-02' }] } }, 201);
  await admin.call('POST', '/schedules', { code: 'rare', spec: { cron: '0 8 * * *', calendar: 'never', job_type: 'system.integrity' } }, 201);
  equal((await admin.get('/schedules/rare/next')).items, ['2040-10-02T00:00:00Z']);
  equal((await admin.post('/schedules:preview?n=2', { cron: '0 8 1 1 *', time_zone: 'UTC' })).items.length, 2);
  equal((await admin.call('POST', '/schedules:preview', { cron: '0 8 1 13 *' }, 400)).where, 'spec.cron');
  const j = await admin.call('POST', '/schedules/rare:run', {}, 201);
  equal((await ended(admin, j.id)).state, 'done');
  await admin.call('POST', '/schedules', { code: 'often', spec: { cron: '* * * * * *', job_type: 'system.integrity' } }, 201);
  await until(async () => (await admin.get('/jobs?q=often&state=done')).total >= 2, 'two runs of a schedule');
  ok((await admin.get('/schedules/often/next')).last.run_at);
  equal((await admin.call('POST', '/schedules', { code: 'bad', spec: { cron: '99 * * * *', job_type: 'system.prune' } }, 400)).where, 'spec.cron');
  await admin.call('DELETE', '/schedules/often', undefined, 204);
});

test('an API token makes no schedules: they would have all rights of its owner', async () => {
  const { token } = await admin.call('POST', '/tokens', { name: 'planner', roles: ['administrator'] });
  const program = new Api(serve.base, { Authorization: `Bearer ${token}` });
  const refused = await program.call('POST', '/schedules', { code: 'sneaky', spec: { cron: '0 0 * * *', job_type: 'system.prune' } }, 403);
  ok(refused.detail.includes('API token'), refused.detail);
  await program.call('PATCH', '/schedules/system-prune', { spec: { cron: '0 0 * * *' } }, 403);
});

test('the system tells what it is and what it is made of', async () => {
  const info = await admin.get('/system/info');
  ok(info.store.engine === 'SQLite' && info.store.bytes > 0 && info.store.url.startsWith('sqlite:'), JSON.stringify(info.store));
  ok(info.disk.free > 0 && info.disk.total >= info.disk.free && info.pid > 0 && info.memory > 0, JSON.stringify(info));
  ok(info.threads.some((t) => t.name === 'job' && t.n >= 2), JSON.stringify(info.threads));
  const { items } = await admin.get('/licences');
  const ssl = items.find((i) => i.name === 'libssl3'), react = items.find((i) => i.name === 'react');
  ok(ssl.version && ssl.licence && ssl.text.length > 500, 'libssl3');
  ok(react && react.licence === 'MIT', 'react');
  ok(!items.some((i) => i.name === 'vitest' || i.name === 'typescript'), 'only what is shipped');
});

test('killed: nothing stays running, nothing is lost, schedules go on', async () => {
  await admin.call('POST', '/schedules', { code: 'steady', spec: { cron: '* * * * * *', job_type: 'system.integrity', overlap: 'queue' } }, 201);
  const waiting = await admin.call('POST', '/jobs', { type: 'system.integrity', not_before: '*+1h' }, 201);
  for (let i = 0; i < 4; i++) {
    const many = [];
    for (let n = 0; n < 20; n++) many.push(await admin.call('POST', '/jobs', { type: n % 2 ? 'system.prune' : 'system.integrity' }, 201));
    await stop(serve, 'SIGKILL');
    serve = await startServe(dir);
    admin = await signInAdmin();
    for (const j of many) {
      const d = await ended(admin, j.id);
      if (d.state === 'failed') {
        equal(d.error.where, 'interrupted');
        ok((await admin.get(`/jobs/${j.id}/log`)).items.some((l) => l.text.includes('interrupted')));
      } else equal(d.state, 'done', JSON.stringify(d.error));
    }
  }
  equal((await admin.get(`/jobs/${waiting.id}`)).state, 'queued');
  const before = (await admin.get('/jobs?q=steady&state=done')).total;
  await until(async () => (await admin.get('/jobs?q=steady&state=done')).total > before, 'the schedule to go on');
});

await run();
