// The kernel from outside, as somebody uses it who makes a kind of his own: "spare part" with a code rule, a
// life cycle with approval by a second person, a reference, a picture field; 10,000 resources; the kind changed
// with the data in it, planned before; history, rollback, bin, where-used, copy; kill -9 in the midst of a
// change. preset: release
import { Api, equal, ok, run, signIn, sleep, startServe, stop, tempDir, test, until } from './lib.mjs';

const dir = tempDir();
const N = 10000;
let serve, admin, ann, ben, token;

const problem = async (res) => ({ status: res.status, ...(await res.json()) });
const SECRET = 'quite a long secret phrase';

async function person(login, actions) {
  await admin.post('/roles', { code: `r-${login}`, spec: { permissions: [{ kinds: ['spare_part'], actions }, { kinds: ['device', 'channel'], actions: ['read'] }] } });
  await admin.post('/users', { code: login, name: login, spec: { roles: [`r-${login}`] } });
  await admin.post(`/users/${login}:password`, { password: SECRET });
  return signIn(serve, { login, password: SECRET });
}

const fields = [
  { name: 'maker', type: 'string', title: { en: 'Maker', zh: '厂家' } },
  { name: 'device', type: 'ref', kind: 'device', title: { en: 'Equipment', zh: '所属设备' } },
  { name: 'stock', type: 'string', title: { en: 'Stock', zh: '库存' } },
  { name: 'price', type: 'number', sensitive: true, title: { en: 'Price', zh: '价格' } },
  { name: 'photo', type: 'file', accept: 'image', title: { en: 'Photo', zh: '照片' } },
];
const document = (list) => ({
  kind: 'spare_part', plural: 'spare-parts', title: { en: 'Spare part', zh: '备件' },
  code: { required: true, lifelong: true }, fields: list,
  lists: { columns: ['code', 'name', 'device'], sort: 'code' },
  lifecycle: {
    initial: 'draft',
    states: [
      { state: 'draft', title: { en: 'Draft', zh: '草稿' } },
      { state: 'pending', title: { en: 'Pending', zh: '待审' }, edit: false, delete: false },
      { state: 'released', title: { en: 'Released', zh: '已发布' }, edit: false, delete: false },
    ],
    transitions: [
      { name: 'submit', title: { en: 'Submit', zh: '提交' }, from: ['draft'], to: 'pending', requires: list.filter((f) => ['maker', 'supplier', 'vendor'].includes(f.name)).map((f) => f.name) },
      { name: 'approve', title: { en: 'Approve', zh: '批准' }, from: ['pending'], to: 'released', action: 'approve', four_eyes: true, comment: 'required' },
      { name: 'revise', title: { en: 'Revise', zh: '修订' }, from: ['released', 'pending'], to: 'draft', action: 'approve' },
    ],
  },
});
const changed = () => fields.map((f) => (f.name === 'maker' ? { ...f, name: 'supplier' } : f.name === 'stock' ? { ...f, type: 'integer' } : f))
  .concat({ name: 'location', type: 'string', default: 'store 1', title: { en: 'Location', zh: '库位' } });

test('a kind is made over the API and has its routes at once', async () => {
  serve = await startServe(dir);
  admin = await signIn(serve);
  await admin.post('/session/password', { new: SECRET });
  equal((await admin.raw('GET', '/spare-parts')).status, 404, 'before');
  await admin.post('/user-kinds', { code: 'spare_part', name: '备件', spec: { document: document(fields) } });
  equal((await admin.get('/spare-parts')).total, 0);
  const kinds = (await admin.get('/kinds')).items;
  equal(kinds.filter((k) => k.user).map((k) => k.kind), ['spare_part'], 'in /kinds, marked as made by a user');
  equal((await admin.get('/kinds/spare_part')).user, true);
  const api = await admin.get('/openapi.json');
  ok(api.paths['/api/v1/spare-parts/{id}:transition'] && api.components.schemas.spare_part, 'in OpenAPI');
  const clash = await problem(await admin.raw('POST', '/user-kinds', { code: 'point', spec: { document: { kind: 'point', plural: 'my-points' } } }));
  equal([clash.status, clash.where], [409, 'spec.document.kind']);
  const wrong = await problem(await admin.raw('POST', '/user-kinds', { code: 'x', spec: { document: { kind: 'x', plural: 'xs', fields: [{ name: 'a', type: 'strng' }] } } }));
  equal([wrong.status, wrong.where], [400, 'spec.document.fields[0].type']);
});

test('codes are given by a rule, never twice', async () => {
  await admin.post('/code-rules', { code: 'SP', spec: { kind: 'spare_part', pattern: 'SP-{yyyy}-{n:6}{check}', reset: 'year', check: 'mod11_2' } });
  const { codes } = await admin.post('/code-rules/SP:preview', { count: 3 });
  equal(codes.length, 3);
  await admin.post('/channels', { code: 'C1', name: 'C1', spec: { driver: 'modbus_tcp', enabled: false, options: { host: '127.0.0.1' } } });
  await admin.post('/devices', { code: 'D1', name: '一号泵', spec: { channel: 'C1' } });
  const one = await admin.post('/spare-parts', { name: '轴承', spec: { maker: 'SKF', device: 'D1', stock: '12', price: 99.5 } });
  equal([one.code, one.state, one.rev, one.refs.device.code], [codes[0], 'draft', 1, 'D1']);
  equal(await admin.post('/code-rules/SP:check', { code: one.code }), { ok: true, why: '' });
  equal((await admin.post('/code-rules/SP:check', { code: `${one.code.slice(0, -1)}${one.code.endsWith('1') ? '2' : '1'}` })).ok, false);
  equal((await admin.post('/spare-parts', { spec: {} })).code, codes[1]);
  await admin.call('DELETE', `/spare-parts/${codes[1]}`);
  const again = await problem(await admin.raw('POST', '/spare-parts', { code: codes[1], spec: {} }));
  equal([again.status, again.where], [409, 'code'], 'a life-long code');
  const gone = await problem(await admin.raw('DELETE', '/devices/D1'));
  equal(gone.status, 409, 'the device is in use');
  const used = await admin.get('/devices/D1/where-used');
  equal([used.total, used.items[0].code, used.items[0].path], [1, one.code, 'spec.device']);
});

test('two people approve; neither alone', async () => {
  ann = await person('ann', ['read', 'write', 'delete', 'approve']);
  ben = await person('ben', ['read', 'write', 'delete', 'approve']);
  const p = await ann.post('/spare-parts', { name: '密封', spec: {} });
  const path = `/spare-parts/${p.id}`;
  equal((await problem(await ann.raw('POST', `${path}:transition`, { transition: 'submit' }))).where, 'spec.maker');
  await ann.call('PATCH', path, { spec: { maker: 'Burgmann', price: 7 } });
  equal((await ann.get(path)).spec.price, '***', 'she may not see prices');
  equal((await admin.get(path)).spec.price, 7);
  await ann.call('PATCH', path, { spec: { price: '***', stock: '3' } });
  equal((await admin.get(path)).spec.price, 7, 'a masked value that comes back changes nothing');
  equal((await ann.post(`${path}:transition`, { transition: 'submit' })).state, 'pending');
  equal((await problem(await ann.raw('PATCH', path, { spec: { stock: '4' } }))).where, 'state');
  equal((await ann.raw('DELETE', path)).status, 400);
  const offers = await ann.get(`${path}/transitions`);
  equal(offers.items.map((o) => [o.name, o.allowed]), [['approve', false], ['revise', true]]);
  equal((await problem(await ann.raw('POST', `${path}:transition`, { transition: 'approve', comment: 'x' }))).status, 403);
  equal((await problem(await ben.raw('POST', `${path}:transition`, { transition: 'approve' }))).where, 'comment');
  equal((await ben.post(`${path}:transition`, { transition: 'approve', comment: 'seen' })).state, 'released');
  const h = (await ben.get(`${path}/history`)).items;
  equal([h[0].transition, h[0].comment, h[0].by], ['approve', 'seen', 'ben']);
  ok(h.some((x) => x.diff.some((d) => d.path === 'spec.price' && d.after === '***')), 'masked in history too');
  equal((await ann.raw('GET', '/users')).status, 403);
});

test('ten thousand at once, found and exported', async () => {
  const items = Array.from({ length: N }, (_, i) => ({ op: 'create', name: `part ${i}`, spec: { maker: `M${i % 7}`, stock: String(i % 50), device: i % 100 ? undefined : 'D1' } }));
  const report = await admin.post('/spare-parts:bulk', { items });
  equal([report.created, report.failed], [N, 0]);
  equal((await admin.get(`/spare-parts?filter=${encodeURIComponent("maker='M3'")}&size=1`)).total, Math.floor(N / 7) + (N % 7 > 3 ? 1 : 0));
  equal((await admin.get('/devices/D1/where-used?size=1')).total, 1 + N / 100);
  ok((await admin.get('/spare-parts:export')).split('\n').length > N, 'export');
});

test('the kind changes with the data in it, planned before', async () => {
  const plan = await admin.post('/user-kinds:plan', { document: document(changed()), renames: { maker: 'supplier' } });
  const at = (path) => plan.changes.find((c) => c.path === path);
  equal([plan.rows, plan.loses, plan.blocks], [N + 2, false, false]);
  equal([at('spec.supplier').affected, at('spec.stock').affected, at('spec.location').affected], [N + 2, N + 2, N + 2]);
  equal(at('spec.stock').what.en, 'string becomes integer');
  ok(at('spec.stock').examples.length === 5 && typeof at('spec.stock').examples[0].after === 'number', 'examples');
  const lossy = await admin.post('/user-kinds:plan', { document: document(fields.filter((f) => f.name !== 'maker')) });
  equal([lossy.loses, lossy.changes.find((c) => c.path === 'spec.maker').lost], [true, N + 2]);
  const refused = await problem(await admin.raw('PATCH', '/user-kinds/spare_part', { spec: { document: document(fields.filter((f) => f.name !== 'maker')) } }));
  equal([refused.status, refused.where], [400, 'spec.maker']);
  const before = Date.now();
  await admin.call('PUT', '/user-kinds/spare_part', { name: '备件', spec: { document: document(changed()), renames: { maker: 'supplier' } } });
  ok(Date.now() - before < 20000, `took ${Date.now() - before} ms`);
  console.log(`     ${N + 2} resources moved in ${Date.now() - before} ms`);
  const page = await admin.get('/spare-parts?size=3&filter=' + encodeURIComponent("supplier='SKF' and stock=12"));
  equal([page.total, page.items[0].spec.stock, page.items[0].spec.location], [1, 12, 'store 1']);
  equal((await problem(await admin.raw('POST', '/spare-parts', { spec: { maker: 'x' } }))).where, 'spec.maker');
});

test('history, rollback, bin and copy go across the change', async () => {
  const one = (await admin.get('/spare-parts?filter=' + encodeURIComponent("supplier='SKF'"))).items[0];
  const path = `/spare-parts/${one.id}`;
  const first = await admin.get(`${path}/history/1`);
  equal([first.spec.supplier, first.spec.stock], ['SKF', 12], 'the past follows');
  await admin.call('PATCH', path, { spec: { stock: 5, supplier: 'FAG' } });
  const back = await admin.post(`${path}:rollback`, { rev: 1 });
  equal([back.spec.supplier, back.spec.stock], ['SKF', 12]);
  await admin.call('DELETE', path);
  equal((await admin.raw('GET', path)).status, 404);
  const bin = await until(async () => (await admin.get('/spare-parts?deleted=1&size=100')).items.find((r) => r.id === one.id), 'the bin');
  ok(bin.deleted, 'marked');
  equal((await admin.post(`${path}:restore`)).code, one.code);
  const copy = await admin.post(`${path}:copy`, { name: 'a copy' });
  ok(copy.id !== one.id && copy.code !== one.code && copy.code.startsWith('SP-'), copy.code);
  equal([copy.name, copy.spec.supplier, copy.state], ['a copy', 'SKF', 'draft']);
});

test('killed in the midst of a change: whole or not at all', async () => {
  token = (await admin.post('/tokens', { name: 'kernel', roles: (await admin.get('/session')).user.roles })).token;
  let names = ['supplier', 'vendor'], whole = 0, none = 0;
  for (let round = 0; round < 8; round++) {
    const list = changed().map((f) => (f.name === 'supplier' ? { ...f, name: names[1] } : f));
    const answer = admin.raw('PUT', '/user-kinds/spare_part', { spec: { document: document(list), renames: { [names[0]]: names[1] } } }).then((r) => r.status, () => 0);
    await (round < 7 ? sleep([1, 40, 120, 250, 400, 600, 1000][round]) : answer); // the last one: right after it was acknowledged
    await stop(serve, 'SIGKILL');
    const status = await answer;
    serve = await startServe(dir);
    admin = new Api(serve.base, { Authorization: `Bearer ${token}` });
    const doc = (await admin.get('/user-kinds/spare_part')).spec.document;
    const now = doc.fields.some((f) => f.name === names[1]) ? names[1] : names[0];
    ok(status !== 200 || now === names[1], 'what was acknowledged is there');
    const left = await admin.get(`/spare-parts?size=1&filter=${encodeURIComponent(`${now}=null`)}`);
    equal(left.total, 0, `none without '${now}'`);
    ok((await admin.get(`/spare-parts?size=1&filter=${encodeURIComponent(`${now}='M3'`)}`)).total > N / 8, 'and all are there');
    if (now === names[1]) whole++, (names = [names[1], names[0]]);
    else none++;
  }
  console.log(`     ${whole} whole, ${none} not at all`);
  ok(whole && none, 'both happened');
});

test('a kind goes with its resources only when its name is given', async () => {
  equal((await problem(await admin.raw('DELETE', '/user-kinds/spare_part'))).status, 409);
  equal((await admin.raw('POST', '/user-kinds/spare_part:drop', { confirm: 'x' })).status, 400);
  const dropped = await admin.post('/user-kinds/spare_part:drop', { confirm: 'spare_part' });
  ok(dropped.resources > N, String(dropped.resources));
  equal((await admin.raw('GET', '/spare-parts')).status, 404);
  await admin.call('DELETE', '/devices/D1');
  await stop(serve);
});

await run();
