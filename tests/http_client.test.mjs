// The HTTP driver and the HTTP push against Node's servers: polling, ETag, times of rows, pages, tokens (OAuth 2.0), TLS with
// an authority of one's own, writing; slow, huge and broken answers, redirects to files and other hosts, outages; batches that
// are refused, repeated and kept over kill -9.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { cleanup, equal, near, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';

let serve, api, dir;
const bomb = gzipSync(Buffer.alloc(20 << 20, ' '));
const current = async (codes) => (await api.get(`/current?points=${codes.join(',')}`)).items;
const one = async (code) => (await current([code]))[0];

// ---- the API that is asked ----
const peer = { value: 1, seen: [], tokens: 0, valid: 'none', fault: null, notModified: 0, wrote: [], gone: 0 };
function answer(req, res) {
  const url = new URL(req.url, 'http://x');
  peer.seen.push({ method: req.method, url: req.url, headers: req.headers });
  if (peer.seen.length > 500) peer.seen.splice(0, 250);
  const json = (v, headers = {}) => {
    res.writeHead(200, { 'Content-Type': 'application/json', ...headers });
    res.end(JSON.stringify(v));
  };
  const fault = url.pathname.startsWith('/values') && peer.fault;
  if (fault) return fault(req, res);
  if (url.pathname === '/values') {
    const tag = `"v${peer.value}"`;
    if (req.headers['if-none-match'] === tag) {
      peer.notModified++;
      res.writeHead(304);
      return res.end();
    }
    return json({ temperature: 20 + peer.value, text: `状态 ${peer.value}`, nested: { list: [1, 2, { deep: true }] } }, { ETag: tag });
  }
  if (url.pathname === '/rows') {
    const from = Number(url.searchParams.get('from'));
    const rows = peer.rows.filter((r) => r.ts > from);
    const page = Number(url.searchParams.get('page') ?? 1);
    return json({ rows: rows.slice((page - 1) * 10, page * 10), next: page * 10 < rows.length ? `/rows?from=${from}&page=${page + 1}` : null });
  }
  if (url.pathname === '/tags') return json(peer.tags);
  if (url.pathname === '/report.csv') {
    res.writeHead(200, { 'Content-Type': 'text/csv' });
    return res.end('when;品位;回收率\n23.11.2026 08:00:00;23.5;88.1\n23.11.2026 09:00:00;24.5;88.4\n');
  }
  if (url.pathname === '/xml') {
    res.writeHead(200, { 'Content-Type': 'text/xml' });
    return res.end(peer.xml ?? '<?xml version="1.0"?><s:Envelope xmlns:s="urn:s"><s:Body><plant at="2026-11-23T01:00:00Z"><t id="T1" unit="°C"><v> 21.5 </v></t><t id="T2" unit="°C"><v>22</v></t></plant></s:Body></s:Envelope>');
  }
  if (url.pathname === '/token') {
    const basic = Buffer.from((req.headers.authorization ?? '').slice(6), 'base64').toString();
    if (basic !== 'client:s3cret') return res.writeHead(401).end();
    peer.valid = `token-${++peer.tokens}`;
    return json({ access_token: peer.valid, token_type: 'Bearer', expires_in: 3600 });
  }
  if (url.pathname === '/private') {
    if (req.headers.authorization !== `Bearer ${peer.valid}`) return res.writeHead(401).end('no');
    return json({ v: 42 });
  }
  if (url.pathname === '/set') {
    let body = '';
    req.on('data', (d) => (body += d));
    req.on('end', () => {
      peer.wrote.push(`${req.method} ${req.url} ${body}`);
      if (url.searchParams.get('no')) return res.writeHead(409).end('interlocked');
      if (url.searchParams.get('silent')) return;
      peer.value = JSON.parse(body).value - 20;
      res.writeHead(204).end();
    });
    return;
  }
  res.writeHead(404).end();
}
const listen = (server) =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server.address().port));
    cleanup(() => (server.closeAllConnections(), server.close()));
  });

async function channel(code, options, device, points) {
  await api.post('/channels', { code, name: code, spec: { driver: 'http_client', options } });
  await api.post('/devices', { code: `${code}-D`, name: code, spec: { channel: code, options: { period: '200ms', ...device } } });
  for (const [p, address, type, extra] of points)
    await api.post('/points', { code: p, name: p, spec: { device: `${code}-D`, address, type: type ?? 'auto', period: '200ms', ...extra } });
}
const channelOf = async (code) => (await api.get('/channels:status')).items.find((i) => i.code === code);

test('an API in three steps: tried, browsed, polled', async () => {
  const port = (peer.port = await listen(http.createServer(answer)));
  dir = tempDir();
  serve = await startServe(dir);
  api = await signIn(serve);
  const spec = { driver: 'http_client', options: { url: `http://127.0.0.1:${port}` } };
  const tried = await api.post('/channels:test', { spec });
  ok(tried.ok && tried.detail.includes('HTTP 404'), JSON.stringify(tried));
  const seen = await api.post('/channels:browse', { channel: spec, device: { options: { path: '/values' } } });
  equal(seen.items.map((i) => `${i.address}=${i.value}`), ['$.temperature=21', '$.text=状态 1', '$.nested.list[0]=1', '$.nested.list[1]=2', '$.nested.list[2].deep=true'], JSON.stringify(seen));
  await channel('API', spec.options, { path: '/values' }, [['A.T', 'temperature'], ['A.S', '$.text', 'string'], ['A.B', 'nested.list[?@.deep].deep', 'bool'], ['A.X', 'missing']]);
  await until(async () => (await current(['A.T', 'A.S', 'A.B'])).every((i) => i.q === 'good') && (await one('A.X')).t, 'all of them');
  const items = await current(['A.T', 'A.S', 'A.B', 'A.X']);
  equal(items.map((i) => [i.v, i.q]), [[21, 'good'], ['状态 1', 'good'], [1, 'good'], [null, 'bad']], JSON.stringify(items));
  await until(() => peer.notModified > 2, 'answers 304');
  const before = (await one('A.T')).t;
  await until(async () => (await one('A.T')).t !== before, 'the value goes on although nothing changed');
  peer.value = 5;
  await until(async () => (await one('A.T')).v === 25 && (await one('A.S')).v === '状态 5', 'the change');
});

test('an address that cannot be right is refused when it is saved', async () => {
  const bad = async (spec, part) => {
    const res = await api.raw('POST', '/points', { code: 'A.BAD', name: 'x', spec: { device: 'API-D', period: '1s', type: 'auto', ...spec } });
    const text = await res.text();
    ok(res.status === 400 && text.includes(part), `${res.status} ${text}`);
  };
  await bad({ address: '$.a[' }, 'JSONPath');
  await bad({ address: 'a', options: { write_method: 'PUT', write_path: '/x/${oops}' } }, '${oops}');
});

test('rows with times: pages are followed, each row comes once, local times', async () => {
  const t0 = Date.now() - 600000;
  peer.rows = Array.from({ length: 25 }, (_, i) => ({ ts: t0 + i * 1000, v: i }));
  await channel('ROWS', { url: `http://127.0.0.1:${peer.port}` }, { path: '/rows?from=${last:ms}', rows: '$.rows[*]', time: 'ts', paging: 'next', period: '300ms' }, [['R.V', 'v']]);
  const recorded = async () => (await api.get('/history/recorded?points=R.V&from=*-1h&limit=1000')).series[0];
  await until(async () => (await recorded()).v?.length === 25, 'all 25 rows');
  peer.rows.push({ ts: t0 + 60000, v: 100 });
  const got = await until(async () => (await recorded()).v?.length === 26 && recorded(), 'the new row');
  equal([got.v.at(-1), new Date(got.t.at(-1)).getTime()], [100, t0 + 60000]);
  await until(() => peer.seen.some((s) => s.url.includes(`from=${t0 + 60000}`)), 'the next question to begin at the newest row');
  await channel('CSV', { url: `http://127.0.0.1:${peer.port}` }, { path: '/report.csv', payload: 'csv', time: 'when', time_format: 'pattern', time_pattern: '%d.%m.%Y %H:%M:%S', time_zone: 'Asia/Shanghai' }, [['C.G', '品位'], ['C.R', '3']]);
  await until(async () => (await one('C.G')).v === 24.5 && (await one('C.R')).v === 88.4, 'the columns');
  equal(new Date((await one('C.G')).t).toISOString(), '2026-11-23T01:00:00.000Z');
});

test('rows with names: one request feeds many points', async () => {
  peer.tags = [{ tag: 'FT1', v: 1.5, q: 'good' }, { tag: 'FT2', v: 2.5, q: 'bad' }];
  await channel('TAGS', { url: `http://127.0.0.1:${peer.port}` }, { path: '/tags', rows: '[*]', key: 'tag', value: 'v', quality: 'q' }, [['T.1', 'FT1'], ['T.2', 'FT2']]);
  await until(async () => (await one('T.1')).v === 1.5, 'FT1');
  equal((await one('T.2')).q, 'bad');
});

test('XML: elements, attributes, rows with names', async () => {
  const spec = { driver: 'http_client', options: { url: `http://127.0.0.1:${peer.port}` } };
  const seen = await api.post('/channels:browse', { channel: spec, device: { options: { path: '/xml', payload: 'xml' } } });
  ok(seen.items.some((i) => i.address === 'Envelope/Body/plant/t[2]/@unit' && i.value === '°C'), JSON.stringify(seen));
  const device = { path: '/xml', payload: 'xml', time: '//plant/@at' };
  await channel('XML', spec.options, device, [['X.1', "//t[@id='T1']/v", 'double'], ['X.2', 'Envelope/Body/plant/t[2]/v'], ['X.U', '//t[2]/@unit', 'string'], ['X.9', "//t[@id='T9']/v"]]);
  await until(async () => (await current(['X.1', 'X.2', 'X.U'])).every((i) => i.q === 'good') && (await one('X.9')).t, 'the elements');
  equal((await current(['X.1', 'X.2', 'X.U'])).map((i) => i.v), [21.5, 22, '°C']);
  equal(new Date((await one('X.1')).t).toISOString(), '2026-11-23T01:00:00.000Z');
  equal((await one('X.9')).q, 'bad', 'an element that is not there');
  await channel('XMLR', spec.options, { path: '/xml', payload: 'xml', rows: '//t', key: '@id', value: 'v' }, [['XR.1', 'T1'], ['XR.2', 'T2']]);
  await until(async () => (await one('XR.1')).v === 21.5 && (await one('XR.2')).v === 22, 'the rows');
  peer.xml = '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>';
  await until(async () => ((await channelOf('XML')).reason ?? '').includes('DOCTYPE'), 'no entities');
  peer.xml = '<broken>';
  await until(async () => ((await channelOf('XML')).reason ?? '').includes('line 1') && (await one('X.1')).q === 'bad', 'what is no XML');
  peer.xml = undefined;
  await until(async () => (await one('X.1')).q !== 'bad', 'it is well again');
});

// An HTTP proxy: forwards what is asked with a whole address, and makes tunnels; wants a user.
async function proxyServer() {
  const p = { asked: [], tunnels: [], user: 'Basic ' + Buffer.from('plant:pa ss').toString('base64'), refused: 0 };
  const right = (req) => req.headers['proxy-authorization'] === p.user || (p.refused++, false);
  const server = http.createServer((req, res) => {
    if (!right(req)) return res.writeHead(407, { 'Proxy-Authenticate': 'Basic realm="p"' }).end();
    p.asked.push(req.url);
    const headers = { ...req.headers };
    delete headers['proxy-authorization'];
    const out = http.request(req.url, { method: req.method, headers }, (r) => (res.writeHead(r.statusCode, r.headers), r.pipe(res)));
    out.on('error', () => res.writeHead(502).end());
    req.pipe(out);
  });
  server.on('connect', (req, socket, head) => {
    socket.on('error', () => {});
    if (!right(req)) return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="p"\r\n\r\n');
    p.tunnels.push(req.url);
    const [host, port] = req.url.split(':');
    const to = net.connect(Number(port), host, () => (socket.write('HTTP/1.1 200 OK\r\nX-Proxy: yes\r\n\r\n'), to.write(head), socket.pipe(to), to.pipe(socket)));
    to.on('error', () => socket.destroy());
  });
  p.port = await listen(server);
  return p;
}

test('through an HTTP proxy: plain, by tunnel, with the wrong password', async () => {
  const p = await proxyServer();
  const through = { proxy: `http://127.0.0.1:${p.port}`, proxy_username: 'plant', proxy_password: 'pa ss' };
  await channel('PX', { url: `http://127.0.0.1:${peer.port}`, ...through }, { path: '/values' }, [['PX.T', 'temperature']]);
  await until(async () => (await one('PX.T')).q === 'good', 'the value');
  ok(p.asked.every((u) => u === `http://127.0.0.1:${peer.port}/values`), JSON.stringify(p.asked));
  const pem = join(tempDir(), 'cert.pem'), key = `${pem}.key`;
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=p', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', pem], { stdio: 'ignore' });
  const secure = await listen(https.createServer({ cert: readFileSync(pem), key: readFileSync(key) }, answer));
  await channel('PS', { url: `https://127.0.0.1:${secure}`, tls_ca: readFileSync(pem, 'utf8'), ...through }, { path: '/values' }, [['PS.T', 'temperature']]);
  await until(async () => (await one('PS.T')).q === 'good', 'the value by a tunnel');
  ok(p.tunnels.length > 0 && p.tunnels.every((u) => u === `127.0.0.1:${secure}`), JSON.stringify(p.tunnels));
  ok(!peer.seen.some((s) => s.headers['proxy-authorization']), 'the password of the proxy stays there');
  for (const [url, says] of [[`http://127.0.0.1:${peer.port}`, '407'], [`https://127.0.0.1:${secure}`, '407']]) {
    const r = await api.post('/channels:test', { spec: { driver: 'http_client', options: { url, ...through, tls_verify: false, proxy_password: 'wrong' } } });
    ok(!r.ok && r.detail.includes(says) && !r.detail.includes('wrong'), JSON.stringify(r));
  }
  ok(p.refused > 1, 'both were refused by the proxy');
  const gone = await api.post('/channels:test', { spec: { driver: 'http_client', options: { url: 'http://127.0.0.1:1', proxy: 'http://127.0.0.1:1' } } });
  equal([gone.ok, gone.code], [false, 'unavailable'], JSON.stringify(gone));
});

test('OAuth 2.0: a token is fetched, and again when it is refused', async () => {
  await channel('OAUTH', { url: `http://127.0.0.1:${peer.port}`, auth: 'oauth2', token_url: `http://127.0.0.1:${peer.port}/token`, client_id: 'client', client_secret: 's3cret' }, { path: '/private' }, [['O.V', 'v']]);
  await until(async () => (await one('O.V')).v === 42, 'the value');
  equal(peer.tokens, 1);
  peer.valid = 'revoked';
  await until(() => peer.tokens === 2, 'another token');
  await until(async () => (await one('O.V')).q === 'good', 'good');
  const spec = await api.get('/channels/OAUTH');
  ok(!JSON.stringify(spec).includes('s3cret'), 'secrets are not given out');
});

const write = (code, value) => api.post(`/points/${code}:write`, { value, confirm: true, reason: 'test' }, [200, 409, 502, 504]);
test('writing: done, refused with its reason, unknown', async () => {
  const o = (path) => ({ writable: true, options: { write_method: 'PUT', write_path: path } });
  await channel('W', { url: `http://127.0.0.1:${peer.port}`, timeout: '500ms' }, { path: '/values' }, [['W.T', 'temperature', 'double', o('/set?v=${value}')], ['W.NO', 'temperature', 'double', o('/set?no=1')], ['W.MAYBE', 'temperature', 'double', o('/set?silent=1')]]);
  await until(async () => (await one('W.T')).q === 'good', 'the point');
  const done = await write('W.T', 33.5);
  equal(done.outcome, 'done', JSON.stringify(done));
  ok(peer.wrote.includes('PUT /set?v=33.5 {"value":33.5}'), peer.wrote.join());
  await until(async () => (await one('W.T')).v === 33.5, 'the written value');
  const no = await write('W.NO', 1);
  ok(JSON.stringify(no).includes('HTTP 409') && JSON.stringify(no).includes('interlocked'), JSON.stringify(no));
  const maybe = await write('W.MAYBE', 1);
  ok(JSON.stringify(maybe).includes('unknown'), JSON.stringify(maybe));
  equal(peer.wrote.filter((w) => w.includes('silent')).length, 1, 'sent once');
});

test('slow, huge, broken, elsewhere: told in words, and over when it is over', async () => {
  await channel('F', { url: `http://127.0.0.1:${peer.port}`, timeout: '300ms', answer_max: 65536 }, { path: '/values' }, [['F.T', 'temperature']]);
  await until(async () => (await one('F.T')).q === 'good', 'good at first');
  const faults = [
    ['slow', () => {}, 'imed out'],
    ['huge', (q, r) => r.end('['.padEnd(10 << 20, ' ') + ']'), 'larger than 65536'],
    ['a bomb', (q, r) => r.writeHead(200, { 'Content-Encoding': 'gzip' }).end(bomb), 'larger than 65536'],
    ['broken', (q, r) => r.end('{"temperature": 1,\n"x": tru}'), 'line 2'],
    ['html', (q, r) => r.writeHead(502).end('<html>Bad gateway'), 'HTTP 502'],
    ['a file', (q, r) => r.writeHead(302, { Location: 'file:///etc/passwd' }).end(), 'same host'],
    ['another host', (q, r) => r.writeHead(302, { Location: 'http://169.254.169.254/latest/meta-data' }).end(), 'same host'],
    ['round and round', (q, r) => r.writeHead(302, { Location: '/values' }).end(), 'too many redirects'],
    ['cut off', (q, r) => (r.writeHead(200, { 'Content-Length': 1000 }), r.write('{"temp'), r.socket.destroy()), ''],
  ];
  for (const [name, fault, part] of faults) {
    peer.fault = fault;
    await until(async () => (await one('F.T')).q === 'bad', `${name}: bad`);
    const s = JSON.stringify(await until(async () => {
      const d = await channelOf('F');
      return JSON.stringify(d).includes(part) && d;
    }, `${name}: "${part}" in the status`));
    ok(!s.includes('root:'), 'no file is read');
    peer.fault = null;
    await until(async () => (await one('F.T')).q === 'good', `${name}: good again`, 30000);
  }
});

test('TLS: the authority is ours, another is refused, none is a choice', async () => {
  const at = (n) => join(dir, n);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=api', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', at('k.pem'), '-out', at('c.pem')], { stdio: 'ignore' });
  const cert = readFileSync(at('c.pem'), 'utf8');
  const port = await listen(https.createServer({ key: readFileSync(at('k.pem')), cert }, answer));
  const tryIt = (options) => api.post('/channels:test', { spec: { driver: 'http_client', options: { url: `https://127.0.0.1:${port}`, ...options } } });
  ok((await tryIt({ tls_ca: cert })).ok, 'our authority');
  const no = await tryIt({});
  ok(!no.ok && JSON.stringify(no).includes('not trusted'), JSON.stringify(no));
  ok((await tryIt({ tls_verify: false })).ok, 'not verified, by choice');
});

// ---- pushing ----
const receiver = { batches: [], status: 200, keys: new Set(), headers: {} };
function receive(req, res) {
  const parts = [];
  req.on('data', (d) => parts.push(d));
  req.on('end', () => {
    const raw = Buffer.concat(parts);
    if (req.method === 'HEAD') return res.writeHead(405).end();
    const text = (req.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw).toString();
    const status = typeof receiver.status === 'function' ? receiver.status(text) : receiver.status;
    if (status === 200) {
      receiver.batches.push(text);
      receiver.keys.add(req.headers['idempotency-key']);
      receiver.headers = req.headers;
    }
    res.writeHead(status).end(status === 200 ? 'ok' : 'not now');
  });
}
const forwardOf = async (code) => (await api.get('/forwards:status')).items.find((i) => i.code === code);
const pushed = () => receiver.batches.flatMap((b) => JSON.parse(b)).filter((r) => r.code === 'A.T').map((r) => r.value);

test('push: batches arrive in order; nothing is lost while the receiver is away or over kill -9', async () => {
  let server = http.createServer(receive);
  const port = await listen(server);
  const options = { url: `http://127.0.0.1:${port}`, path: '/in', auth: 'header', key: 'abc', gzip: true, timeout: '1s' };
  const tried = await api.post('/forwards:test', { spec: { outlet: 'http_push', enabled: true, options, filter: "code='A.T'" } });
  ok(tried.ok && tried.detail.includes('405'), JSON.stringify(tried));
  await api.post('/forwards', { code: 'PUSH', name: '推送', spec: { outlet: 'http_push', enabled: true, options, filter: "code='A.T'", gather: '50ms', buffer_hours: 24 } });
  const next = async (v) => {
    peer.value = v;
    await until(async () => (await one('A.T')).v === 20 + v, `${v} is polled`);
  };
  await next(101);
  await until(() => pushed().includes(121), 'the first value');
  equal([receiver.headers['x-api-key'], receiver.headers['content-type'], receiver.headers['content-encoding']], ['abc', 'application/json', 'gzip']);
  ok(receiver.keys.size >= 1 && !receiver.keys.has(undefined), 'keys of batches');
  receiver.status = 503;
  await next(102);
  await next(103);
  await until(async () => (await forwardOf('PUSH')).state === 'down', 'down');
  await stop(serve, 'SIGKILL');
  serve.expected = true;
  await new Promise((r) => (server.closeAllConnections(), server.close(r)));
  serve = await startServe(dir);
  api.base = serve.base;
  await next(104);
  server = http.createServer(receive);
  await new Promise((r) => server.listen(port, '127.0.0.1', r));
  cleanup(() => (server.closeAllConnections(), server.close()));
  receiver.status = 200;
  await until(() => [122, 123, 124].every((v) => pushed().includes(v)), 'what came meanwhile', 40000);
  await until(async () => (await forwardOf('PUSH')).state === 'up', 'up');
});

test('push: what the receiver refuses is let go, a wrong key keeps everything', async () => {
  receiver.status = (t) => (t.includes('"value":131') ? 422 : 200);
  const set = async (v) => {
    peer.value = v;
    await until(async () => (await one('A.T')).v === 20 + v, `${v} is polled`);
  };
  const refused = (await forwardOf('PUSH')).buffer.refused;
  await set(111);
  await until(async () => (await forwardOf('PUSH')).buffer.refused > refused, 'refused');
  await set(112);
  await until(() => pushed().includes(132), 'the next one goes through');
  ok(!pushed().includes(131), '131 was refused');
  receiver.status = 401;
  await set(113);
  await until(async () => (await forwardOf('PUSH')).reason.includes('401') || (await forwardOf('PUSH')).state === 'down', 'the reason');
  receiver.status = 200;
  await until(() => pushed().includes(133), 'kept and sent', 40000);
});

run();
