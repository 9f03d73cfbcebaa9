// The API from outside: signing in, tokens and roles, resources with history and conflicts, import and
// export, samples and queries, errors that name the thing, the OpenAPI document, hostile requests.
import net from 'node:net';
import { Api, equal, near, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';

const dir = tempDir();
let serve, admin;

const problem = async (res) => {
  ok((res.headers.get('content-type') ?? '').startsWith('application/problem+json'), 'problem+json');
  return res.json();
};

test('nobody gets in without signing in; the link works once', async () => {
  serve = await startServe(dir);
  const nobody = new Api(serve.base);
  for (const path of ['/points', '/users', '/session', '/current?points=x', '/storage', '/audit', '/drivers']) {
    equal((await nobody.raw('GET', path)).status, 401, path);
  }
  equal((await nobody.raw('GET', '/healthz')).status, 200);
  admin = await signIn(serve);
  equal((await nobody.raw('POST', '/session', { link: serve.link })).status, 401, 'the link a second time');
  ok(admin.session.must_set_password, 'a password is asked for');
});

test('passwords: rules, signing in, wrong ones', async () => {
  equal((await admin.raw('POST', '/session/password', { new: 'short' })).status, 400);
  await admin.post('/session/password', { new: 'a copper-coloured horse' });
  const again = await signIn(serve, { login: 'admin', password: 'a copper-coloured horse' });
  equal(again.session.must_set_password, false);
  const wrong = await admin.raw('POST', '/session', { login: 'admin', password: 'nonsense-nonsense' });
  const unknown = await admin.raw('POST', '/session', { login: 'nobody-here', password: 'nonsense-nonsense' });
  equal([wrong.status, unknown.status], [401, 401]);
  equal((await wrong.json()).detail, (await unknown.json()).detail, 'no hint which logins exist');
});

test('a change needs the header that other sites cannot send', async () => {
  const res = await fetch(`${serve.base}/api/v1/trends`, { method: 'POST', headers: { Cookie: admin.headers.Cookie, 'Content-Type': 'application/json' }, body: '{"name":"x","spec":{}}' });
  equal(res.status, 403);
});

test('errors name field and remedy, in the language asked for', async () => {
  const body = { code: 'E1', name: 'e', spec: { period: '5x', nonsense: 1 } };
  const en = await problem(await admin.raw('POST', '/points', body, { 'Accept-Language': 'en' }));
  const zh = await problem(await admin.raw('POST', '/points', body, { 'Accept-Language': 'zh-CN' }));
  ok(en.errors.some((x) => x.where.includes('period') && x.detail.includes('5x')), JSON.stringify(en));
  ok(en.errors.length >= 2, 'all faults at once');
  ok(/[\u4e00-\u9fff]/.test(zh.detail), zh.detail);
  equal((await problem(await admin.raw('GET', '/points/none'))).status, 404);
  equal((await problem(await admin.raw('POST', '/points', '{"a":', { 'Content-Type': 'application/json' }))).status, 400);
  equal((await problem(await admin.raw('GET', '/pointz'))).status, 404);
});

test('resources: create, patch, conflict, history, rollback, delete, undelete', async () => {
  const made = await admin.post('/points', { code: 'A1', name: '一号', labels: { line: '1' }, spec: { unit: 't/h', lo: 0, hi: 10 } });
  equal([made.rev, made.spec.period, made.num > 0], [1, '1s', true]);
  const res = await admin.raw('PATCH', '/points/A1', { name: '二号', spec: { hi: 20 } }, { 'If-Match': '"1"' });
  equal([res.status, res.headers.get('etag')], [200, '"2"']);
  const late = await problem(await admin.raw('PATCH', '/points/A1', { name: 'x' }, { 'If-Match': '"1"' }));
  equal(late.status, 412);
  const { items } = await admin.get('/points/A1/history');
  equal(items[0].rev, 2);
  ok(items[0].diff.some((d) => d.path === 'spec.hi' && d.before === 10 && d.after === 20), JSON.stringify(items[0].diff));
  const back = await admin.post('/points/A1:rollback', { rev: 1 });
  equal([back.rev, back.name, back.spec.hi], [3, '一号', 10]);
  await admin.call('DELETE', '/points/A1');
  equal((await admin.raw('GET', '/points/A1')).status, 404);
  equal((await admin.post(`/points/${made.id}:rollback`, { rev: 3 })).num, made.num, 'undeleted with its number');
});

test('references: what is referred to is not deleted', async () => {
  await admin.post('/channels', { code: 'C1', name: 'c', spec: { driver: 'modbus_tcp', enabled: false, options: { host: '127.0.0.1' } } });
  await admin.post('/devices', { code: 'D1', name: 'd', spec: { channel: 'C1' } });
  const p = await problem(await admin.raw('DELETE', '/channels/C1'));
  equal(p.status, 409);
  ok(p.detail.includes('D1'), p.detail);
  equal((await admin.raw('POST', '/devices', { code: 'D2', name: 'd', spec: { channel: 'nowhere' } })).status, 400);
});

test('lists: filter, search, sort, pages', async () => {
  const items = Array.from({ length: 250 }, (_, i) => ({ op: 'create', code: `L${String(i).padStart(3, '0')}`, name: i % 2 ? `泵站 ${i}` : `炉 ${i}`, labels: { line: String(i % 5) }, spec: { unit: i % 3 ? 't/h' : 'kW', hi: i } }));
  const report = await admin.post('/points:bulk', { items });
  equal([report.created, report.failed], [250, 0]);
  equal((await admin.get(`/points?filter=${encodeURIComponent("unit='kW' and hi>=30 and hi<60 and code~'L'")}&size=100`)).total, 10);
  equal((await admin.get(`/points?filter=${encodeURIComponent("labels.line='3'")}`)).total, 50);
  equal((await admin.get(`/points?q=${encodeURIComponent('泵站')}`)).total, 125);
  const page = await admin.get(`/points?filter=${encodeURIComponent("code~'L'")}&sort=-code&page=2&size=100`);
  equal([page.items.length, page.items[0].code, page.total], [100, 'L149', 250]);
  const bad = await problem(await admin.raw('GET', `/points?filter=${encodeURIComponent("perod='1s'")}`));
  ok(bad.detail.includes('period'), `the nearest name: ${bad.detail}`);
});

test('import: report per row, all or nothing, or the good rows', async () => {
  const csv = 'code,name,unit,hi\nI1,甲,t/h,5\nI2,乙,nonsense-unit,5\nI3,丙,kW,x\nI1,甲,t/h,5\n';
  const all = await admin.csv('/points:import', csv, [200, 400]);
  equal((await admin.get(`/points?filter=${encodeURIComponent("code~'I'")}`)).items.filter((i) => /^I\d$/.test(i.code)).length, 0, 'nothing of a failed import');
  ok((all.rows ?? all.errors).length >= 2, JSON.stringify(all).slice(0, 400));
  const some = await admin.csv('/points:import?skip_errors=1', csv);
  equal([some.created, some.failed], [1, 3], JSON.stringify(some));
  const lines = some.rows.filter((r) => r.status === 'failed').map((r) => r.line);
  equal(lines, [3, 4, 5]); // the last one repeats a code
  const out = await admin.get('/points:export?filter=' + encodeURIComponent("code~'L'"));
  const again = await admin.csv('/points:import', out);
  equal([again.unchanged, again.updated, again.failed], [250, 0, 0], 'an export imports unchanged');
});

test('100,000 points in one request', async () => {
  const rows = Array.from({ length: 100000 }, (_, i) => `BIG${i},点 ${i},t/h,0,${i % 1000 + 1}`);
  const at = Date.now();
  const r = await admin.csv('/points:import', `code,name,unit,lo,hi\n${rows.join('\n')}\n`);
  equal([r.created, r.failed], [100000, 0]);
  console.log(`     ${Date.now() - at} ms (with sanitizers)`);
  equal((await admin.get(`/points?q=BIG99999`)).total, 1);
});

test('samples: durable, overwritten by (point, time), queried', async () => {
  const t0 = Date.UTC(2026, 5, 1);
  const samples = Array.from({ length: 100 }, (_, i) => ({ point: 'A1', t: t0 + i * 1000, v: i }));
  equal((await admin.post('/samples', { samples })).stored, 100);
  await admin.post('/samples', { samples: [{ point: 'A1', t: t0 + 50000, v: 1000 }, { point: 'A1', t: t0 + 60500, v: -5, q: 'bad' }] });
  const from = `from=${t0}&to=${t0 + 100000}`;
  const rec = (await admin.get(`/history/recorded?points=A1&${from}`)).series[0];
  equal([rec.v.length, rec.v[50], rec.q[61]], [101, 1000, 2]);
  const ip = (await admin.get(`/history/interpolated?points=A1&from=${t0 + 10500}&to=${t0 + 12500}&interval=1s`)).series[0];
  equal(ip.v, [10.5, 11.5]);
  const plot = (await admin.get(`/history/plot?points=A1&${from}&px=10`)).series[0];
  ok(plot.v.length <= 51 && plot.v.includes(1000) && plot.v.includes(0), `plot ${plot.v.length}`);
  const sum = (await admin.get(`/history/summary?points=A1&${from}&interval=50s`)).series[0].rows;
  equal([sum.length, sum[0].count, sum[0].min, sum[0].max], [2, 50, 0, 49]);
  const ramp = (await admin.get(`/history/summary?points=A1&from=${t0}&to=${t0 + 40000}`)).series[0].rows[0];
  near(ramp.twa, 20, 1e-9, 'time-weighted average of a ramp 0..40');
  const csv = await admin.get(`/history/export?points=A1&${from}`);
  equal(csv.trim().split('\r\n').length, 102);
  equal((await admin.raw('GET', '/history/recorded?points=A1,NOPE')).status, 404);
  equal((await admin.raw('GET', `/history/recorded?points=A1&from=*&to=*-1h`)).status, 400);
});

test('points by name are remembered, and forgotten the moment they change', async () => {
  await admin.post('/points', { code: 'RENAMED1', name: 'first', spec: { unit: 'm' } });
  const ask = async (name) => (await (await admin.raw('GET', `/history/recorded?points=${name}&from=*-1h`)).json()).series?.[0];
  equal((await ask('RENAMED1')).unit, 'm');
  const p = await admin.get('/points/RENAMED1');
  equal((await ask(p.id)).code, 'RENAMED1', 'by id');
  await admin.call('PATCH', '/points/RENAMED1', { code: 'RENAMED2', name: 'second', spec: { unit: 't/h' } });
  equal(await ask('RENAMED1'), undefined, 'the old code is gone');
  const now = await ask('RENAMED2');
  equal([now.unit, now.name, now.point], ['t/h', 'second', p.num]);
  equal((await ask(p.id)).code, 'RENAMED2', 'the id knows the new code');
  await admin.call('DELETE', '/points/RENAMED2');
  equal(await ask('RENAMED2'), undefined);
  equal((await admin.raw('GET', '/current?points=RENAMED2')).status, 404);
});

test('many points by name: all are read at once, and right after a change', async () => {
  const codes = Array.from({ length: 300 }, (_, i) => `MANY${i}`);
  await admin.post('/points:bulk', { items: codes.map((code, i) => ({ op: 'create', code, name: code, spec: { unit: 'm', step: i % 2 === 0 } })) });
  const ask = async () => (await admin.post('/current', { points: codes })).items;
  equal((await ask()).map((x) => x.code), codes);
  equal((await ask()).map((x) => x.code), codes, 'from memory');
  const series = async (list) => (await admin.post('/history/recorded', { points: list, from: '*-1h' })).series;
  equal((await series(codes.slice(0, 4))).map((x) => [x.unit, x.step]), [['m', true], ['m', false], ['m', true], ['m', false]]);
  await admin.call('PATCH', '/points/MANY7', { spec: { unit: 't' } });
  equal((await series(['MANY7']))[0].unit, 't');
  await admin.call('DELETE', '/points/MANY8');
  equal((await admin.raw('POST', '/current', { points: codes })).status, 404);
});

test('roles: a viewer reads and changes nothing; a token has its own rights; revocation is immediate', async () => {
  await admin.post('/users', { code: 'vera', name: 'Vera', spec: { roles: ['viewer'] } });
  const vera = await admin.get('/users/vera');
  await admin.post(`/users/${vera.id}:password`, { password: 'looks-only-please' });
  const viewer = await signIn(serve, { login: 'vera', password: 'looks-only-please' });
  equal((await viewer.raw('GET', '/points/A1')).status, 200);
  equal((await viewer.raw('PATCH', '/points/A1', { name: 'x' })).status, 403);
  equal((await viewer.raw('POST', '/points/A1:write', { value: 1, confirm: true })).status, 403);
  equal((await viewer.raw('GET', '/audit')).status, 403);
  const t = await admin.post('/tokens', { name: 'reader', roles: ['viewer'] });
  const bot = new Api(serve.base, { Authorization: `Bearer ${t.token}` });
  equal((await bot.raw('GET', '/points/A1')).status, 200);
  equal((await bot.raw('POST', '/samples', { samples: [{ point: 'A1', v: 1 }] })).status, 403);
  await admin.call('DELETE', `/tokens/${t.id}`);
  equal((await bot.raw('GET', '/points/A1')).status, 401, 'a revoked token');
  await admin.call('PATCH', '/users/vera', { spec: { disabled: true } });
  await until(async () => (await viewer.raw('GET', '/points/A1')).status === 401, 'a disabled user is out', 1000);
});

test('the audit tells who did what', async () => {
  const text = JSON.stringify(await admin.get('/audit?size=500'));
  for (const word of ['A1', 'vera', 'admin']) ok(text.includes(word), word);
  ok(!text.includes('looks-only-please'), 'no password in it');
});

test('OpenAPI describes every route that is used here', async () => {
  const doc = await admin.get('/openapi.json');
  equal(doc.openapi.slice(0, 3), '3.1');
  for (const path of ['/api/v1/points', '/api/v1/points/{id}:write', '/api/v1/history/plot', '/api/v1/session', '/api/v1/channels:status']) {
    ok(doc.paths[path], path);
  }
});

test('metrics count', async () => {
  const text = await admin.get('/metrics');
  ok(/^bornite_history_stored_total \d+$/m.test(text) && /^# TYPE /m.test(text), text.slice(0, 300));
});

function rawRequest(bytes) {
  return new Promise((resolve) => {
    const s = net.connect(serve.port, '127.0.0.1', () => s.write(bytes));
    let got = '';
    s.on('data', (d) => (got += d));
    s.on('close', () => resolve(got));
    s.on('error', () => resolve(got));
    s.setTimeout(15000, () => s.destroy());
  });
}

test('hostile requests are refused and the server goes on', async () => {
  for (const bad of ['GARBAGE\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n', 'POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
                     `GET /${'a'.repeat(70000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 'GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n']) {
    const answer = await rawRequest(bad);
    ok(/^HTTP\/1\.1 4\d\d /.test(answer) || answer === '' || answer.includes('<!doctype html'), answer.slice(0, 80));
    ok(!answer.includes('root:'), 'no file');
  }
  equal((await admin.raw('GET', '/healthz')).status, 200);
});

test('everything is there after a restart', async () => {
  equal((await stop(serve)).code, 0, 'exit code');
  serve = await startServe(dir);
  ok(!serve.link, 'no link any more: there is a password');
  const again = new Api(serve.base, admin.headers);
  equal((await again.get('/points/A1')).spec.hi, 10);
  equal((await again.get(`/history/recorded?points=A1&from=${Date.UTC(2026, 5, 1)}&to=${Date.UTC(2026, 5, 2)}`)).series[0].v.length, 101);
  const last = await until(async () => { const [x] = (await again.get('/current?points=A1')).items; return x.v !== null && x; }, 'its last value');
  ok(last.t.startsWith('2026-06-'), last.t);
  equal((await stop(serve)).code, 0, 'exit code');
});

await run();
