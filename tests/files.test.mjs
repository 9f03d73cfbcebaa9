// Files from outside: uploads streamed and limited, attachments under the rights of what they belong to, ranges,
// names and types that do no harm, uploads cut off in the middle, memory that stays small.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import net from 'node:net';
import { Api, equal, ok, run, signIn, startServe, tempDir, test, until } from './lib.mjs';

const dir = tempDir();
let serve, admin, rita, point;
const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');

const upload = async (api, name, bytes) => {
  const res = await fetch(`${serve.base}/api/v1/uploads?name=${encodeURIComponent(name)}`, { method: 'POST', headers: { ...api.headers, 'X-Bornite': '1' }, body: bytes });
  return { status: res.status, body: await res.json() };
};
const attach = async (name, bytes) => {
  const u = (await upload(admin, name, bytes)).body;
  return admin.post(`/points/${point}/attachments`, { upload: u.id });
};
const stored = (d = join(dir, 'objects')) => readdirSync(d, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).length;

test('a point, and somebody who may not see points', async () => {
  serve = await startServe(dir);
  admin = await signIn(serve);
  await admin.post('/session/password', { new: 'a copper-coloured horse' });
  await admin.post('/channels', { code: 'CH', spec: { driver: 'modbus_tcp', enabled: false, options: { host: '127.0.0.1', port: 1502 } } });
  await admin.post('/devices', { code: 'D1', spec: { channel: 'CH' } });
  point = (await admin.post('/points', { code: 'P1', spec: { device: 'D1', address: '400001', type: 'int16' } })).id;
  await admin.post('/roles', { code: 'none', spec: { permissions: [{ kinds: ['trend'], actions: ['read'] }] } });
  const u = await admin.post('/users', { code: 'rita', name: 'rita', spec: { roles: ['none'] } });
  await admin.post(`/users/${u.id}:password`, { password: 'a quite long pass phrase' });
  rita = await signIn(serve, { login: 'rita', password: 'a quite long pass phrase' });
});

test('an upload becomes an attachment; content, ranges, names', async () => {
  const u = await upload(admin, '..\\..\\炉\u202egnp.exe', PNG);
  equal([u.status, u.body.name, u.body.type, u.body.size], [201, '炉gnp.exe', 'image/png', 16]);
  equal(u.body.sha256, createHash('sha256').update(PNG).digest('hex'));
  const a = await admin.post(`/points/${point}/attachments`, { upload: u.body.id });
  equal((await admin.raw('POST', `/points/${point}/attachments`, { upload: u.body.id })).status, 404, 'an upload is used once');
  const list = (await admin.get(`/points/${point}/attachments`)).items;
  equal([list.length, list[0].id, list[0].name], [1, a.id, '炉gnp.exe']);
  const res = await admin.raw('GET', `/attachments/${a.id}`);
  equal(Buffer.from(await res.arrayBuffer()).equals(PNG), true);
  equal(res.headers.get('x-content-type-options'), 'nosniff');
  ok(res.headers.get('content-disposition').startsWith('inline; filename="'), res.headers.get('content-disposition'));
  ok(res.headers.get('content-disposition').endsWith("filename*=UTF-8''%E7%82%89gnp.exe"));
  for (const [range, status, want] of [['bytes=1-3', 206, PNG.subarray(1, 4)], ['bytes=-4', 206, PNG.subarray(12)], ['bytes=14-99', 206, PNG.subarray(14)], ['bytes=99-', 416, null], ['lines=1', 200, PNG]]) {
    const r = await admin.raw('GET', `/attachments/${a.id}`, undefined, { Range: range });
    equal(r.status, status, range);
    const got = Buffer.from(await r.arrayBuffer());
    if (want) ok(got.equals(want), `${range}: ${got.toString('hex')}`);
  }
});

test('fields hold attachments of their own resource, or uploads that become such', async () => {
  const field = (name, more) => ({ name, title: { en: name, zh: name }, type: 'file', ...more });
  await admin.post('/user-kinds', { code: 'part', name: 'Part', spec: { document: { kind: 'part', plural: 'parts', title: { en: 'Part', zh: '备件' }, code: { required: true }, fields: [field('photo'), field('pictures', { type: 'array', items: { type: 'file' } })] } } });
  const patch = async (path, body) => (await admin.raw('PATCH', path, body)).json();
  const send = async (api = admin) => (await upload(api, 'a.png', PNG)).body.id;
  const refused = async (res, status, where) => {
    const body = await res.json();
    equal([res.status, body.where], [status, where]);
    return body.detail;
  };
  const first = await send();
  const a = await admin.post('/parts', { code: 'A', spec: { photo: first } });
  equal(a.spec.photo, first);
  const list = (await admin.get('/parts/A/attachments')).items;
  equal(list.map((x) => [x.id, x.field, x.size]), [[first, 'photo', 16]]);
  ok((await refused(await admin.raw('POST', '/parts', { code: 'B', spec: { photo: first } }), 400, 'spec.photo')).includes('no attachment of this resource'));
  await refused(await admin.raw('POST', '/parts', { code: 'B', spec: { pictures: ['nonsense'] } }), 400, 'spec.pictures[0]');
  await refused(await admin.raw('PATCH', '/parts/A', { spec: { photo: await send(rita) } }), 400, 'spec.photo');
  equal((await admin.get('/parts')).total, 1, 'nothing was made');
  equal((await patch('/parts/A', { name: 'x', spec: { photo: first } })).name, 'x', 'what stands there may stay');

  const second = await send();
  equal((await admin.post('/parts/A/attachments', { upload: second, field: 'photo' })).field, 'photo');
  equal((await admin.get('/parts/A')).spec.photo, second, 'the field is set');
  equal((await patch('/parts/A', { spec: { photo: second } })).spec.photo, second, 'and may be set once more by the sender');
  const pictures = [await send(), await send()];
  for (const id of pictures) await admin.post('/parts/A/attachments', { upload: id, field: 'spec.pictures' });
  equal((await admin.get('/parts/A')).spec.pictures, pictures);

  ok((await refused(await admin.raw('DELETE', `/attachments/${second}`), 409, 'spec.photo')).includes("'photo'"));
  await refused(await admin.raw('DELETE', `/attachments/${pictures[1]}`), 409, 'spec.pictures[1]');
  equal((await admin.raw('DELETE', `/attachments/${first}`)).status, 204, 'no field holds it any more');
  await patch('/parts/A', { spec: { photo: null } });
  equal((await admin.raw('DELETE', `/attachments/${second}`)).status, 204);
});

test('what a browser could run is never shown inline', async () => {
  for (const [name, text] of [['a.png', '<html><script>alert(1)</script>'], ['b.png', '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'], ['c.pdf', 'MZ\x90']]) {
    const a = await attach(name, text);
    const res = await admin.raw('GET', `/attachments/${a.id}`);
    equal(res.headers.get('content-type'), 'application/octet-stream', name);
    ok(res.headers.get('content-disposition').startsWith('attachment'), name);
    await res.arrayBuffer();
  }
});

test('rights are those of what it belongs to', async () => {
  const id = (await admin.get(`/points/${point}/attachments`)).items[0].id;
  equal((await rita.raw('GET', `/attachments/${id}`)).status, 404);
  equal((await rita.raw('DELETE', `/attachments/${id}`)).status, 404);
  equal((await rita.raw('GET', `/points/${point}/attachments`)).status, 403);
  equal((await rita.get('/attachments')).total, 0);
  ok((await admin.get('/attachments')).total >= 4);
  equal((await new Api(serve.base).raw('GET', `/attachments/${id}`)).status, 401);
  const u = (await upload(rita, 'x', 'mine')).body;
  equal((await admin.raw('POST', `/points/${point}/attachments`, { upload: u.id })).status, 404, "not another's upload");
  const before = stored();
  equal((await admin.raw('DELETE', `/attachments/${id}`)).status, 204);
  equal(stored(), before - 1);
});

test('200 MiB go through without being held; more than 256 MiB, nothing, and half a file are refused', async () => {
  const status = () => readFileSync(`/proc/${serve.pid}/status`, 'utf8');
  const rss = () => Number(status().match(/VmRSS:\s+(\d+)/)[1]) / 1024;
  const before = rss(), piece = Buffer.alloc(1 << 20, 7), hash = createHash('sha256');
  async function* pieces(n) {
    for (let i = 0; i < n; i++) yield piece;
  }
  for (let i = 0; i < 200; i++) hash.update(piece);
  const res = await fetch(`${serve.base}/api/v1/uploads?name=big`, { method: 'POST', headers: { ...admin.headers, 'X-Bornite': '1' }, body: ReadableStream.from(pieces(200)), duplex: 'half' });
  const u = await res.json();
  equal([res.status, u.size, u.sha256], [201, 200 << 20, hash.digest('hex')]);
  ok(rss() - before < 150, `memory grew by ${Math.round(rss() - before)} MiB`);
  equal((await upload(admin, 'e', '')).status, 400);
  const raw = (length, body, end) =>
    new Promise((resolve) => {
      let text = '';
      const s = net.connect(serve.port, '127.0.0.1', () => {
        s.write(`POST /api/v1/uploads?name=h HTTP/1.1\r\nHost: x\r\nX-Bornite: 1\r\nCookie: ${admin.headers.Cookie}\r\nContent-Length: ${length}\r\n\r\n`);
        s.write(body);
        if (end) s.end();
      });
      s.on('data', (d) => (text += d));
      s.on('close', () => resolve(text));
      s.on('error', () => resolve(text));
    });
  ok((await raw(300 << 20, 'x', false)).startsWith('HTTP/1.1 413'));
  const n = stored();
  await raw(1000, 'half', true);
  await until(() => stored() === n, 'the half file to go');
});

test('many at once, and the store can be tried', async () => {
  const all = await Promise.all(Array.from({ length: 40 }, (_, i) => upload(admin, `f${i}`, Buffer.alloc(50000 + i, i))));
  ok(all.every((r) => r.status === 201));
  equal(new Set(all.map((r) => r.body.sha256)).size, 40);
  equal((await admin.post('/objects:test')).ok, true);
  equal((await rita.raw('POST', '/objects:test', {})).status, 403);
});

await run();
