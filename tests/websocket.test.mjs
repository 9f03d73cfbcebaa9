// The WebSocket driver and outlets against the npm package ws, which stands on the other side each time: as the server that we
// connect to, as devices that connect to us with a token, as subscribers of our server, as the receiver of batches. Fragments,
// compression that we do not take, huge and broken messages, silent and vanishing peers.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import { WebSocket, WebSocketServer } from 'ws';
import { cleanup, equal, freePort, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';

let serve, api, dir;
const current = async (codes) => (await api.get(`/current?points=${codes.join(',')}`)).items;
const one = async (code) => (await current([code]))[0];
const channelOf = async (code) => (await api.get('/channels:status')).items.find((i) => i.code === code);
const forwardOf = async (code) => (await api.get('/forwards:status')).items.find((i) => i.code === code);
const write = (code, value) => api.post(`/points/${code}:write`, { value, confirm: true, reason: 'test' }, [200, 409, 502, 504]);

function listen(port = 0, options = {}) {
  return new Promise((resolve) => {
    const s = new WebSocketServer({ port, host: '127.0.0.1', ...options }, () => resolve(s));
    s.seen = [];
    s.heads = [];
    s.on('connection', (c, req) => {
      s.heads.push(req.headers);
      c.on('message', (d) => s.seen.push(d.toString()));
      c.on('error', () => {});
    });
    cleanup(() => end(s));
  });
}
function end(s) {
  for (const c of s.clients) c.terminate();
  return new Promise((r) => s.close(r));
}
const say = (s, v) => s.clients.forEach((c) => c.send(typeof v === 'string' ? v : JSON.stringify(v)));
async function points(channel, rows, device = {}) {
  await api.post('/devices', { code: `${channel}-D`, name: channel, spec: { channel, options: device } });
  for (const [code, address, type, extra] of rows)
    await api.post('/points', { code, name: code, spec: { device: `${channel}-D`, address, type: type ?? 'auto', period: '1s', ...extra } });
}

let gateway;
test('a gateway that we connect to: token, subscription, values, browsing', async () => {
  dir = tempDir();
  serve = await startServe(dir);
  api = await signIn(serve);
  gateway = await listen();
  const spec = { driver: 'websocket', options: { url: `ws://127.0.0.1:${gateway.address().port}/stream`, token: 'secret', subscribe: '{"op":"subscribe"}', reconnect_min: '50ms', reconnect_max: '200ms', confirm: '1s' } };
  const tried = await api.post('/channels:test', { spec });
  ok(tried.ok && tried.detail.includes('connected'), JSON.stringify(tried));
  await api.post('/channels', { code: 'GW', name: '网关', spec });
  await points('GW', [['G.T', 'temperature'], ['G.S', '$.state', 'string'], ['G.V', 'valve', 'double', { writable: true, options: { write_message: '{"set":"valve","to":${json:value}}' } }]], { time: 'ts' });
  await until(() => gateway.seen.includes('{"op":"subscribe"}'), 'the subscription');
  await until(async () => (await channelOf('GW')).points === 3 && (await channelOf('GW')).state === 'up', 'the points');
  equal(gateway.heads.at(-1).authorization, 'Bearer secret');
  const ts = Date.now() - 1234;
  say(gateway, { temperature: 21.5, state: '运行', ts });
  await until(async () => (await one('G.T')).v === 21.5 && (await one('G.S')).v === '运行', 'the values');
  equal(new Date((await one('G.T')).t).getTime(), ts, 'their time');
  const seen = await api.post('/channels:browse', { channel: 'GW', device: 'GW-D' });
  ok(seen.items.some((i) => i.address === '$.temperature' && i.value === '21.5'), JSON.stringify(seen));
});

test('fragments, large, broken and binary messages', async () => {
  const [c] = gateway.clients;
  const text = JSON.stringify({ temperature: 31, ts: Date.now() });
  c.send(text.slice(0, 5), { fin: false });
  c.ping();
  c.send(text.slice(5, 9), { fin: false });
  c.send(text.slice(9), { fin: true });
  await until(async () => (await one('G.T')).v === 31, 'fragments');
  say(gateway, JSON.stringify({ fill: 'x'.repeat(900000), temperature: 32, ts: Date.now() }));
  await until(async () => (await one('G.T')).v === 32, 'a large message');
  say(gateway, '{"temperature": 33,');
  await until(async () => (await channelOf('GW')).state === 'degraded' && (await channelOf('GW')).reason.includes('cannot be read'), 'a broken message is told');
  equal((await one('G.T')).q, 'good', 'and makes nothing bad');
  c.send(Buffer.from([0xff, 0xfe, 1]), { binary: true });
  say(gateway, { temperature: 34, ts: Date.now() });
  await until(async () => (await channelOf('GW')).state === 'up' && (await one('G.T')).v === 34, 'up again');
  say(gateway, 'x'.repeat(1100000)); // more than may be: 1009, and a new connection
  await until(async () => (await one('G.T')).q === 'bad', 'too large: the connection ends');
  await until(async () => gateway.clients.size === 1 && (await channelOf('GW')).state === 'up', 'and is there again');
  say(gateway, { temperature: 35, ts: Date.now() });
  await until(async () => (await one('G.T')).v === 35, 'values again');
});

test('writing is done when the value comes back, unknown when it does not', async () => {
  gateway.on('connection', () => {});
  const echo = (c) => c.on('message', (d) => d.toString().includes('"to":5') && c.send(JSON.stringify({ valve: 5, ts: Date.now() })));
  gateway.clients.forEach(echo);
  const done = await write('G.V', 5);
  equal(done.outcome, 'done', JSON.stringify(done));
  ok(gateway.seen.includes('{"set":"valve","to":5}'), gateway.seen.join());
  const maybe = await write('G.V', 6);
  ok(JSON.stringify(maybe).includes('unknown'), JSON.stringify(maybe));
  equal(gateway.seen.filter((m) => m.includes('"to":6')).length, 1, 'sent once');
});

test('the gateway goes and comes back', async () => {
  const { port } = gateway.address();
  await end(gateway);
  await until(async () => (await one('G.T')).q === 'bad' && (await channelOf('GW')).state === 'down', 'down');
  gateway = await listen(port);
  await until(async () => gateway.clients.size === 1 && (await channelOf('GW')).state === 'up', 'connected');
  say(gateway, { temperature: 41, ts: Date.now() });
  await until(async () => (await one('G.T')).v === 41 && (await channelOf('GW')).state === 'up', 'up');
});

test('wss: our authority, another, a server that says no', async () => {
  const at = (n) => join(dir, n);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=ws', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', at('k.pem'), '-out', at('c.pem')], { stdio: 'ignore' });
  const cert = readFileSync(at('c.pem'), 'utf8'), key = readFileSync(at('k.pem'), 'utf8');
  const web = https.createServer({ key, cert });
  const secure = new WebSocketServer({ server: web, verifyClient: (i, done) => done(i.req.url !== '/no', 403, 'no') });
  await new Promise((r) => web.listen(0, '127.0.0.1', r));
  cleanup(() => (secure.clients.forEach((c) => c.terminate()), web.close()));
  const tryIt = (options, path = '/') => api.post('/channels:test', { spec: { driver: 'websocket', options: { url: `wss://127.0.0.1:${web.address().port}${path}`, ...options } } });
  ok((await tryIt({ tls_ca: cert })).ok, 'our authority');
  ok(!(await tryIt({})).ok, 'an authority that nobody knows');
  ok((await tryIt({ tls_verify: false })).ok, 'by choice');
  const no = await tryIt({ tls_ca: cert }, '/no');
  ok(!no.ok && JSON.stringify(no).includes('403'), JSON.stringify(no));
  Object.assign(globalThis, { tlsCert: cert, tlsKey: key });
});

test('devices connect to us with a token; a thief does not', async () => {
  const port = await freePort();
  await api.post('/channels', { code: 'IN', name: '接入', spec: { driver: 'websocket', options: { mode: 'server', address: '127.0.0.1', port, token: 'correct horse' } } });
  await points('IN', [['I.V', 'v', 'double', { writable: true, options: { write_message: '${value}' } }]], { peer: '/plc1' });
  await until(async () => (await channelOf('IN')).state === 'degraded', 'listening, nobody there');
  const join_ = (path, token, options) =>
    new Promise((resolve) => {
      const c = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers: token ? { Authorization: `Bearer ${token}` } : {}, ...options });
      c.on('open', () => resolve(c));
      c.on('error', (e) => resolve(e));
      cleanup(() => c.terminate?.());
    });
  ok(String(await join_('/plc1', 'wrong horse')).includes('401'), 'a wrong token');
  ok(String(await join_('/plc1')).includes('401'), 'no token');
  const other = await join_('/plc2', 'correct horse'), plc = await join_('/plc1', 'correct horse', { perMessageDeflate: true });
  other.send('{"v":666}');
  plc.send('{"v":7}');
  await until(async () => (await one('I.V')).v === 7, 'the value of plc1');
  plc.on('message', (d) => plc.send(`{"v":${d}}`));
  equal((await write('I.V', 9)).outcome, 'done');
  plc.terminate();
  await until(async () => (await one('I.V')).q === 'bad', 'it is gone');
  other.terminate();
});

// ---- northbound ----
test('subscribers are told what is and what changes; filters; slow words; writes within rights', async () => {
  const port = await freePort();
  const spec = { outlet: 'websocket_server', enabled: true, options: { address: '127.0.0.1', port, token: 'let me read' }, filter: "code~'G.'", writes: true, gather: '20ms' };
  await api.post('/forwards', { code: 'OUT', name: '外发', spec });
  await until(async () => (await forwardOf('OUT'))?.state === 'up', 'listening');
  const open = (query) =>
    new Promise((resolve, reject) => {
      const c = new WebSocket(`ws://127.0.0.1:${port}/?token=let%20me%20read${query}`);
      c.got = [];
      c.on('message', (d) => c.got.push(JSON.parse(d)));
      c.on('open', () => resolve(c));
      c.on('error', reject);
      cleanup(() => c.terminate());
    });
  const all = await open(''), some = await open('&points=G.S');
  const last = (c, code) => c.got.flat().filter((r) => r.code === code).at(-1)?.value;
  await until(() => last(all, 'G.T') === 41, 'the current value');
  say(gateway, { temperature: 51, state: '停机', ts: Date.now() });
  await until(() => last(all, 'G.T') === 51 && last(some, 'G.S') === '停机', 'the changes');
  ok(!some.got.flat().some((r) => r.code === 'G.T'), 'not what was not asked for');
  some.send(JSON.stringify({ subscribe: ['G.T'] }));
  await until(() => last(some, 'G.T') === 51, 'another filter');
  some.send('nonsense');
  await until(() => some.got.some((m) => m.error && m.error_zh), 'an error in both languages');
  gateway.clients.forEach((c) => c.on('message', (d) => d.toString().includes('"to":8') && c.send(JSON.stringify({ valve: 8, ts: Date.now() }))));
  all.send(JSON.stringify({ write: { code: 'G.V', value: 8 }, id: 1 }));
  const answer = await until(() => all.got.find((m) => m.id === 1), 'the outcome of the write');
  equal(answer.outcome, 'done', JSON.stringify(answer));
  all.send(JSON.stringify({ write: { code: 'G.T', value: 8 }, id: 2 }));
  ok((await until(() => all.got.find((m) => m.id === 2), 'a refusal')).error.includes('cannot be written'));
  const peers = (await api.get(`/forwards/${(await forwardOf('OUT')).id}/diagnostics`)).peers;
  equal(peers.length, 2, JSON.stringify(peers));
  await new Promise((resolve, reject) => {
    const thief = new WebSocket(`ws://127.0.0.1:${port}/?token=let%20me%20in`);
    thief.on('open', () => reject(new Error('let in')));
    thief.on('error', resolve);
  });
});

test('batches are pushed and acknowledged, and kept while the receiver is away', async () => {
  let receiver = await listen();
  const { port } = receiver.address();
  const answer = (s) => s.on('connection', (c) => c.on('message', () => c.send('{"ok":true}')));
  answer(receiver);
  const options = { url: `ws://127.0.0.1:${port}/in`, ack: '$.ok', reconnect_min: '50ms', reconnect_max: '200ms' };
  await api.post('/forwards', { code: 'WSP', name: '推送', spec: { outlet: 'websocket_push', enabled: true, options, filter: "code='G.T'", gather: '20ms', buffer_hours: 24 } });
  const all = [];
  const got = () => [...all, ...receiver.seen].flatMap((b) => JSON.parse(b)).map((r) => r.value);
  const next = async (v) => {
    say(gateway, { temperature: v, ts: Date.now() });
    await until(async () => (await one('G.T')).v === v, `${v}`);
  };
  await until(async () => (await forwardOf('WSP')).state === 'up', 'up');
  await next(61);
  await until(() => got().includes(61), 'a batch');
  all.push(...receiver.seen);
  await end(receiver);
  await next(62);
  await next(63);
  await until(async () => (await forwardOf('WSP')).state === 'down', 'down');
  receiver = await listen(port);
  answer(receiver);
  await until(() => got().includes(62) && got().includes(63), 'what came meanwhile', 40000);
});

run();
