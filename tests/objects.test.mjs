// Attachments in an S3 store: s3rver (which we did not write) behind a gate that checks every signature with aws4 (which
// we did not write either) and the hash of every body, because s3rver takes any signature of version 4. The gate also
// plays the faults: lost connections, 503, refusals, a store that goes away in the middle and comes back.
// s3rver cannot abort an upload in parts: the gate answers that and remembers it.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import aws4 from 'aws4';
import S3rver from 's3rver';
import { BIN, cleanup, equal, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';

const ACCESS = 'S3RVER', SECRET = 'S3RVER', REGION = 'us-east-1'; // the key that s3rver has built in
const store = tempDir(), dir = tempDir();
let serve, admin, point;

// ---- the store ----
const s3 = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory: store, configureBuckets: [{ name: 'plant' }] });
const s3address = await s3.run();
cleanup(() => s3.close());

const gate = { seen: [], fault: () => null, skew: 0, page: 0 };
const xml = (res, status, code, text) => res.writeHead(status, { 'Content-Type': 'application/xml' }).end(`<Error><Code>${code}</Code><Message>${text}</Message></Error>`);

function signatureHolds(req, body) {
  const m = /Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=/.exec(req.headers.authorization ?? '');
  if (!m || m[3] !== REGION) return false;
  const names = m[4].split(';');
  if (!['host', 'x-amz-date', 'x-amz-content-sha256'].every((n) => names.includes(n))) return false;
  if (req.headers['x-amz-content-sha256'] !== createHash('sha256').update(body).digest('hex')) return false;
  const headers = Object.fromEntries(names.map((n) => [n === 'x-amz-date' ? 'X-Amz-Date' : n === 'x-amz-content-sha256' ? 'X-Amz-Content-Sha256' : n, req.headers[n]]));
  const signed = aws4.sign({ service: 's3', region: m[3], method: req.method, path: req.url, host: req.headers.host, headers, extraHeadersToInclude: { range: true } }, { accessKeyId: m[1], secretAccessKey: SECRET });
  return signed.headers.Authorization === req.headers.authorization;
}

// Lists in pages: s3rver makes its tokens with a cipher that OpenSSL 3 no longer has, so the last key is the token.
function onePage(text) {
  const items = text.match(/<Contents>.*?<\/Contents>/gs) ?? [];
  if (items.length <= gate.page) return text;
  const last = /<Key>(.*?)<\/Key>/.exec(items[gate.page - 1])[1];
  for (const it of items.slice(gate.page)) text = text.replace(it, '');
  return text.replace('<IsTruncated>false<', `<NextContinuationToken>${last}</NextContinuationToken><IsTruncated>true<`);
}

async function answer(req, res) {
  const chunks = [];
  try {
    for await (const c of req) chunks.push(c);
  } catch {
    return;
  }
  const body = Buffer.concat(chunks), what = `${req.method} ${req.url.replace(/=[0-9a-f]{32}/, '=ID')}`;
  gate.seen.push(what);
  const known = req.headers.authorization?.includes(`Credential=${ACCESS}/`);
  if (known && !signatureHolds(req, body)) return xml(res, 403, 'SignatureDoesNotMatch', 'it does not');
  const fault = gate.fault(req.method, req.url, gate.seen.length);
  if (fault === 'cut') return req.socket.destroy();
  if (fault) return xml(res, ...fault);
  if (req.method === 'DELETE' && req.url.includes('uploadId=')) return res.writeHead(204).end();
  const headers = { ...req.headers };
  if (gate.skew) headers['x-amz-date'] = new Date(Date.now() + gate.skew).toISOString().replace(/[-:]|\.\d+/g, '');
  const on = http.request({ host: s3address.address, port: s3address.port, method: req.method, path: req.url.replace(/continuation-token=/, 'start-after='), headers }, async (r) => {
    if (!gate.page || !req.url.includes('list-type=')) return res.writeHead(r.statusCode, r.headers) && r.pipe(res);
    let text = '';
    for await (const d of r) text += d;
    res.writeHead(r.statusCode, { 'Content-Type': 'application/xml' }).end(onePage(text));
  });
  on.on('error', () => req.socket.destroy());
  on.end(body);
}
const server = http.createServer(answer);
const listen = (port) => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
const away = () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
await listen(0);
const port = server.address().port, url = `s3+http://127.0.0.1:${port}/plant/site-a?region=${REGION}&retry_ms=20`;
cleanup(() => away());

const secretFile = (text) => {
  const file = join(tempDir(), 'secret');
  writeFileSync(file, text, { mode: 0o600 });
  return file;
};
const args = ['--objects', url, '--objects-secret-file', secretFile(`${ACCESS}:${SECRET}\n`)];
// What the store shows: keys as s3rver keeps them, without its own files for parts.
const stored = () => {
  const root = join(store, 'plant', 'site-a');
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true }).filter((f) => f.endsWith('_object')).map((f) => f.replace(/\._S3rver_object$/, ''));
};

// ---- the server ----
async function refused(objects, secret) {
  const env = { ...process.env, BORNITE_OBJECTS_SECRET: secret ?? '' };
  const child = spawn(BIN, ['serve', '--data', tempDir(), '--port', '0', '--objects', objects], { stdio: ['ignore', 'pipe', 'pipe'], env });
  let log = '';
  child.stdout.on('data', (d) => (log += d));
  child.stderr.on('data', (d) => (log += d));
  cleanup(() => child.kill('SIGKILL'));
  const code = await new Promise((resolve) => child.on('exit', resolve));
  ok(!/Sanitizer|runtime error:/.test(log), log);
  equal(code, 1, log);
  return log;
}
const upload = async (name, bytes) => {
  const res = await fetch(`${serve.base}/api/v1/uploads?name=${name}`, { method: 'POST', headers: { ...admin.headers, 'X-Bornite': '1' }, body: bytes });
  return { status: res.status, body: await res.json() };
};
const attach = async (name, bytes) => {
  const u = await upload(name, bytes);
  equal(u.status, 201, JSON.stringify(u.body));
  equal([u.body.size, u.body.sha256], [bytes.length, createHash('sha256').update(bytes).digest('hex')]);
  return admin.post(`/points/${point}/attachments`, { upload: u.body.id });
};
const download = async (id, headers) => Buffer.from(await (await admin.raw('GET', `/attachments/${id}`, undefined, headers)).arrayBuffer());
const random = (n, seed) => {
  const b = Buffer.alloc(n);
  let h = createHash('sha256').update(seed).digest();
  for (let i = 0; i < n; i += 32) {
    if (i % 65536 === 0) h = createHash('sha256').update(h).digest();
    h.copy(b, i);
    b.writeUInt32LE(i >>> 0, i);
  }
  return b;
};
const BIG = random(40 << 20, 'big');

test('a store that refuses us ends the start, and says why', async () => {
  for (const [objects, secret, ...texts] of [
    [url, `${ACCESS}:wrong-and-long`, "secret key of 'S3RVER' is wrong", '秘密密钥不正确'],
    [url, 'NOBODY:wrong-and-long', "does not know the access key 'NOBODY'", '不认识访问密钥'],
    [url.replace('/plant/', '/mine/'), `${ACCESS}:${SECRET}`, "no bucket 'mine' at 127.0.0.1", '没有可供'],
    [url, '', 'access key:secret key', '访问密钥:秘密密钥'],
    [url.replace('path', 'x') + '&colour=red', `${ACCESS}:${SECRET}`, "'colour' is no option", '不是 S3 存储的选项'],
    [url.replace('s3+http', 'ftp'), '', 'is no store of objects', '不是对象存储'],
    [`s3+http://127.0.0.1:${s3address.port}/`, 'a:b', 'the bucket is not right', '存储桶不正确'],
  ]) {
    const log = await refused(objects, secret);
    for (const t of texts) ok(log.includes(t), `${objects}: ${t}\n${log}`);
    ok(!log.includes('wrong-and-long'), 'the secret is in the log');
  }
  gate.skew = -3600_000;
  const log = await refused(url, `${ACCESS}:${SECRET}`);
  gate.skew = 0;
  const times = log.match(/clocks differ too much: here (\S+Z), the store at \S+ (\S+Z);/);
  ok(times && Math.abs(Date.parse(times[1]) - Date.parse(times[2])) < 60_000, log);
  gate.fault = () => [403, 'AccessDenied', 'no'];
  ok((await refused(url, `${ACCESS}:${SECRET}`)).includes("has no access to bucket 'plant'"));
  gate.fault = () => null;
});

test('small and large attachments, ranges', async () => {
  serve = await startServe(dir, args);
  admin = await signIn(serve);
  await admin.post('/session/password', { new: 'a copper-coloured horse' });
  await admin.post('/channels', { code: 'CH', spec: { driver: 'modbus_tcp', enabled: false, options: { host: '127.0.0.1', port: 1502 } } });
  await admin.post('/devices', { code: 'D1', spec: { channel: 'CH' } });
  point = (await admin.post('/points', { code: 'P1', spec: { device: 'D1', address: '400001', type: 'int16' } })).id;
  const small = await attach('small', Buffer.from('matte'));
  equal((await download(small.id)).toString(), 'matte');
  equal(gate.seen.filter((s) => s.startsWith('POST')).length, 0, 'one request for a small one:');
  const edge = await attach('edge', BIG.subarray(0, 16 << 20));
  equal(gate.seen.filter((s) => s.startsWith('POST')).length, 0, 'one request for 16 MiB:');
  const big = await attach('big', BIG);
  equal(gate.seen.filter((s) => s.includes('partNumber=')).length, 3, 'parts:');
  equal(gate.seen.filter((s) => s.startsWith('POST')).map((s) => s.replace(/.*\?/, '')), ['uploads=', 'uploadId=ID']);
  ok((await download(big.id)).equals(BIG), 'what comes back differs');
  ok((await download(edge.id)).equals(BIG.subarray(0, 16 << 20)));
  const at = (16 << 20) - 5;
  ok((await download(big.id, { Range: `bytes=${at}-${at + 99}` })).equals(BIG.subarray(at, at + 100)));
  ok((await download(big.id, { Range: 'bytes=-7' })).equals(BIG.subarray(BIG.length - 7)));
  equal((await admin.raw('GET', `/attachments/${big.id}`, undefined, { Range: `bytes=${BIG.length}-` })).status, 416);
  equal(stored().length, 3);
});

test('the store can be tried; what is deleted is gone there', async () => {
  equal(await admin.post('/objects:test').then((r) => [r.ok, r.detail]), [true, '']);
  equal(stored().length, 3);
  const edge = (await admin.get(`/points/${point}/attachments`)).items.find((a) => a.name === 'edge');
  equal((await admin.raw('DELETE', `/attachments/${edge.id}`)).status, 204);
  equal(stored().length, 2);
});

test('a restart, the secret from the environment', async () => {
  await stop(serve);
  process.env.BORNITE_OBJECTS_SECRET = `${ACCESS}:${SECRET}`;
  serve = await startServe(dir, args.slice(0, 2));
  delete process.env.BORNITE_OBJECTS_SECRET;
  admin = await signIn(serve, { login: 'admin', password: 'a copper-coloured horse' });
  const items = (await admin.get(`/points/${point}/attachments`)).items;
  equal(items.map((a) => a.name), ['small', 'big']);
  equal((await download(items[0].id)).toString(), 'matte');
});

test('503 and lost connections on the way are not seen', async () => {
  let n = 0;
  gate.fault = (method, path) => (path.includes('partNumber=2') && n++ < 2 ? (n === 1 ? 'cut' : [503, 'SlowDown', 'later']) : null);
  await attach('again', BIG.subarray(0, 33 << 20));
  equal(n, 3);
  n = 0;
  gate.fault = (method) => (method === 'GET' && n++ < 1 ? 'cut' : null);
  const again = (await admin.get(`/points/${point}/attachments`)).items.find((a) => a.name === 'again');
  ok((await download(again.id)).equals(BIG.subarray(0, 33 << 20)));
  gate.fault = () => null;
});

test('a refusal in the middle: nothing half, the parts are given up', async () => {
  const before = stored().length;
  gate.seen = [];
  gate.fault = (method, path) => (path.includes('partNumber=2') ? [403, 'AccessDenied', 'no more'] : null);
  const u = await upload('half', BIG);
  gate.fault = () => null;
  equal(u.status, 502, JSON.stringify(u.body));
  ok(JSON.stringify(u.body).includes('has no access to bucket'), JSON.stringify(u.body));
  await until(() => gate.seen.some((s) => s.startsWith('DELETE') && s.includes('uploadId=')), 'the parts to be given up');
  equal(stored().length, before);
});

test('the store goes away during an upload and comes back', async () => {
  const before = stored().length;
  gate.fault = (method, path) => {
    if (!path.includes('partNumber=2')) return null;
    away();
    return 'cut';
  };
  const u = await upload('gone', BIG);
  gate.fault = () => null;
  equal(u.status, 503, JSON.stringify(u.body));
  ok(JSON.stringify(u.body).includes('cannot be reached'), JSON.stringify(u.body));
  equal(stored().length, before);
  const health = async () => JSON.stringify(await (await admin.raw('GET', '/healthz')).json());
  ok(/127\.0\.0\.1/.test(await health()), await health());
  equal((await admin.post('/objects:test')).ok, false);
  const [first] = (await admin.get(`/points/${point}/attachments`)).items;
  const res = await admin.raw('GET', `/attachments/${first.id}`);
  equal(res.status, 503, 'a download of a store that is away:');
  ok((await res.text()).includes('cannot be reached'));
  await listen(port);
  equal((await admin.post('/objects:test')).ok, true);
  ok(!/cannot be reached/.test(await health()), await health());
  await attach('back', Buffer.from('slag'));
  equal(stored().length, before + 1);
});

test('a store that is away does not keep the plant from being watched', async () => {
  await stop(serve);
  await away();
  serve = await startServe(dir, args);
  admin = await signIn(serve, { login: 'admin', password: 'a copper-coloured horse' });
  equal((await admin.get('/points')).total ?? 1, 1);
  equal((await upload('early', Buffer.from('x'))).status, 503);
  await listen(port);
  await attach('late', Buffer.from('anode'));
  ok(!serve.log.includes('Credential='), 'signatures are in the log');
});

test('cleaning takes what nobody uses and is a day old, over several pages, and nothing else', async () => {
  const put = (key) => {
    const signed = aws4.sign({ service: 's3', region: REGION, method: 'PUT', host: `127.0.0.1:${port}`, path: `/plant/${key}`, headers: {}, body: 'stray' }, { accessKeyId: ACCESS, secretAccessKey: SECRET });
    return fetch(`http://127.0.0.1:${s3address.port}/plant/${key}`, { method: 'PUT', headers: { Authorization: signed.headers.Authorization, 'X-Amz-Date': signed.headers['X-Amz-Date'], 'X-Amz-Content-Sha256': signed.headers['X-Amz-Content-Sha256'] }, body: 'stray' });
  };
  const strays = Array.from({ length: 11 }, (_, i) => `site-a/files/${String(i).padStart(2, '0')}/stray-${i}`);
  const others = ['site-a/elsewhere/stray', 'site-b/files/00/stray', 'site-a/files/00/not ours'];
  for (const key of [...strays, ...others]) equal((await put(encodeURI(key))).status, 200, key);
  const waiting = await upload('waiting', Buffer.from('not used yet'));
  const old = new Date(Date.now() - 25 * 3600_000);
  for (const f of readdirSync(join(store, 'plant'), { recursive: true })) if (/_object$/.test(f)) utimesSync(join(store, 'plant', f), old, old);
  equal((await put('site-a/files/00/fresh')).status, 200);
  const before = stored().length;
  gate.page = 4;
  gate.seen = [];
  const { id } = await admin.call('POST', '/jobs', { type: 'files.clean' }, 201);
  const job = await until(async () => { const j = await admin.get(`/jobs/${id}`); return /done|failed/.test(j.state) && j; }, 'the cleaning');
  gate.page = 0;
  equal(job.state, 'done', JSON.stringify(job));
  ok(gate.seen.filter((x) => x.includes('continuation-token=')).length >= 4, gate.seen.join('\n'));
  const left = stored();
  equal(left.filter((f) => f.includes('stray-')), []);
  equal(left.length, before - strays.length);
  for (const f of ['files/00/fresh', 'elsewhere/stray']) ok(left.includes(f), f);
  equal(gate.seen.filter((x) => x.startsWith('DELETE')).length, strays.length);
  for (const a of (await admin.get(`/points/${point}/attachments`)).items) equal((await download(a.id)).length, a.size, a.name);
  const late = await admin.post(`/points/${point}/attachments`, { upload: waiting.body.id });
  equal((await download(late.id)).toString(), 'not used yet');
});

test('https: only a certificate that holds; a CA of one\'s own', async () => {
  await stop(serve);
  const d = tempDir(), key = join(d, 'key.pem'), cert = join(d, 'cert.pem');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=store', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const tls = https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, answer);
  await new Promise((resolve) => tls.listen(0, '127.0.0.1', resolve));
  cleanup(() => { tls.close(); tls.closeAllConnections(); });
  const secure = `s3+https://127.0.0.1:${tls.address().port}/plant/site-a?region=${REGION}`;
  const log = await refused(secure, `${ACCESS}:${SECRET}`);
  ok(/cannot be reached: .*certificate/.test(log), log);
  serve = await startServe(dir, ['--objects', `${secure}&ca_file=${cert}`, ...args.slice(2)]);
  admin = await signIn(serve, { login: 'admin', password: 'a copper-coloured horse' });
  equal((await admin.post('/objects:test')).ok, true);
  const items = (await admin.get(`/points/${point}/attachments`)).items;
  equal((await download(items[0].id)).toString(), 'matte');
});

await run();
