// Messages: the inbox with its stream, and what goes out through webhooks, robots and e-mail, against an SMTP server
// and a mail parser that others wrote, with receivers that are slow, broken, gone or not who they say they are.
import { createServer } from 'node:http';
import { createHmac } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SMTPServer } from 'smtp-server';
import { simpleParser } from 'mailparser';
import { Api, cleanup, equal, freePort, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';

const dir = tempDir();
let serve, api, session;

async function start() {
  serve = await startServe(dir);
  if (session) api = new Api(serve.base, session);
  else api = await signIn(serve);
  session = api.headers;
}
let n = 0;
// An event: an alarm that is raised (and, the next time, one that ends).
async function alarm(spec = {}) {
  const code = `P${++n}`;
  await api.post('/points', { code, name: `磨机 ${n}`, spec: { h: 100, unit: 'kW', ...spec } });
  await until(async () => {
    await api.post('/samples', { samples: [{ point: code, v: 150 }] });
    return (await api.get(`/alarms?q=${code}`)).total;
  }, 'the alarm', 5000, 20);
  return code;
}
const deliveries = (query = '') => api.get(`/deliveries?size=1000${query}`);
const delivered = (code, want, ms) => until(async () => {
  const d = (await deliveries(`&channel=${code}`)).items[0];
  return d?.state === want && d;
}, `a delivery of ${code} that is ${want}`, ms);
const channel = (code, spec) => api.post('/message-channels', { code, name: code,
  spec: { allow_private: true, retry_after: '60ms', language: 'zh', ...spec } });
const subscribe = (code, channels, spec = {}) => api.post('/subscriptions', { code, name: code,
  spec: { topics: ['alarm.raised'], channels, ...spec } });
const off = (code) => api.call('PATCH', `/subscriptions/${code}`, { spec: { enabled: false } });

// An HTTP receiver: keeps what comes; `answer(request number)` → [status, body, wait ms].
async function receiver(answer = () => [200, '{}', 0]) {
  const got = [];
  const server = createServer((req, res) => {
    let body = '';
    req.on('data', (d) => (body += d));
    req.on('end', () => {
      got.push({ url: req.url, headers: req.headers, body, at: Date.now() });
      const [status, text, wait = 0] = answer(got.length);
      setTimeout(() => res.writeHead(status, { 'Content-Type': 'application/json' }).end(text), wait);
    });
  });
  await new Promise((r) => server.listen(0, '127.0.0.1', r));
  cleanup(() => new Promise((r) => (server.closeAllConnections(), server.close(r))));
  return Object.assign(got, { url: `http://127.0.0.1:${server.address().port}/hook`, server });
}

async function listen(path) {
  const end = new AbortController();
  const res = await fetch(`${serve.base}/api/v1${path}`, { headers: { ...api.headers, 'Accept-Language': 'zh' }, signal: end.signal });
  const events = [];
  (async () => {
    let text = '';
    for await (const piece of res.body) {
      text += Buffer.from(piece).toString();
      for (let at; (at = text.indexOf('\n\n')) >= 0; text = text.slice(at + 2)) {
        const event = text.slice(0, at).match(/^event: (.*)$/m)?.[1];
        if (event) events.push({ event, data: JSON.parse(text.slice(0, at).match(/^data: (.*)$/m)[1]) });
      }
    }
  })().catch(() => {});
  events.close = () => end.abort();
  return events;
}

test('an event becomes a notice, live, in both languages, read one by one and at once', async () => {
  await start();
  const before = await api.get('/notices');
  const events = await listen('/notices/stream');
  await until(() => events.find((e) => e.event === 'unread'), 'the first count');
  const code = await alarm();
  const live = await until(() => events.find((e) => e.event === 'notice' && e.data.topic === 'alarm.raised'), 'the notice');
  ok(live.data.title.includes(`${code}：高限报警，150 kW`), live.data.title);
  const list = await api.get('/notices?unread=1');
  equal(list.unread, before.unread + 1);
  const [item] = list.items;
  equal([item.topic, item.severity, item.read], ['alarm.raised', 'warning', false]);
  ok(item.title.includes(`${code}: high, 150 kW (limit 100)`), item.title);
  equal((await api.post('/notices:read', { ids: [item.id, 'x'] })).unread, before.unread);
  await alarm();
  await until(async () => (await api.get('/notices')).unread === before.unread + 1, 'the second');
  equal((await api.post('/notices:read', { all: true })).unread, 0);
  await until(() => events.at(-1)?.data.unread === 0, 'the stream to say so');
  events.close();
  equal((await api.raw('POST', '/notices:read', {})).status, 400);
});

test('only those who may see it see it', async () => {
  await api.post('/roles', { code: 'p', name: 'p', spec: { permissions: [{ kinds: ['point'], actions: ['read'] }] } });
  const blind = new Api(serve.base, { Authorization: `Bearer ${(await api.post('/tokens', { name: 'b', roles: ['p'] })).token}` });
  const list = await blind.get('/notices');
  ok(!list.items.some((i) => i.topic.startsWith('alarm.')), 'alarms are not his');
  equal((await blind.raw('GET', '/deliveries')).status, 403);
});

test('webhook: template, signature, retries with back-off, and what cannot be repaired is given up', async () => {
  const good = await receiver((i) => (i <= 2 ? [500, 'down'] : [200, 'ok']));
  const never = await receiver(() => [404, 'no such hook']);
  const bad = await api.raw('POST', '/message-channels', { code: 'X', name: 'x', spec: { type: 'webhook', url: good.url, template: '{"a": {{titel}}}' } });
  equal([bad.status, (await bad.json()).where], [400, 'spec.template']);
  await channel('HOOK', { type: 'webhook', url: good.url, secret: 'geheim', template: '{"msg":"{{title}}","n":{{count}},"lvl":"{{severity}}"}' });
  await channel('NEVER', { type: 'webhook', url: never.url });
  await channel('GONE', { type: 'webhook', url: `http://127.0.0.1:${await freePort()}/x`, tries: 3 });
  await channel('PRIVATE', { type: 'webhook', url: good.url, allow_private: false });
  await subscribe('S1', ['HOOK', 'NEVER', 'GONE', 'PRIVATE']);
  const code = await alarm();
  const done = await delivered('HOOK', 'sent');
  equal([good.length, done.tries], [3, 3]);
  ok(good[2].at - good[1].at >= 100 && good[1].at - good[0].at >= 50, 'waits longer each time');
  const { body, headers } = good[2];
  ok(JSON.parse(body).msg.includes(code) && JSON.parse(body).n === 1 && JSON.parse(body).lvl === 'warning', body);
  const [, t, v1] = headers['x-bornite-signature'].match(/^t=(\d+),v1=([0-9a-f]{64})$/);
  equal(v1, createHmac('sha256', 'geheim').update(`${t}.${body}`).digest('hex'), 'signature');
  equal(headers['x-bornite-delivery'], done.id);
  const given = await delivered('NEVER', 'failed');
  equal([given.tries, never.length], [1, 1]);
  ok(given.error.includes('404'), given.error);
  const gone = await delivered('GONE', 'failed');
  equal(gone.tries, 3);
  const guarded = await delivered('PRIVATE', 'failed');
  ok(guarded.error.includes('private'), guarded.error);
  await off('S1');
  const again = await api.raw('POST', `/deliveries/${given.id}:retry`);
  equal(again.status, 204);
  await until(() => never.length === 2, 'the second try');
  const seen = await api.get('/message-channels/HOOK');
  ok(!JSON.stringify(seen).includes('geheim'), 'the secret is not given out');
});

test('a slow receiver holds up nobody else', async () => {
  const slow = await receiver(() => [200, 'ok', 5000]), quick = await receiver();
  await channel('SLOW', { type: 'webhook', url: slow.url, timeout: '300ms', tries: 2 });
  await channel('QUICK', { type: 'webhook', url: quick.url });
  await subscribe('S2', ['SLOW', 'QUICK']);
  for (let i = 0; i < 3; i++) await alarm();
  await until(() => quick.length === 3, 'the quick one to have all three', 3000);
  const failed = await delivered('SLOW', 'failed', 8000);
  equal(failed.tries, 2);
  await off('S2');
});

test('robots: WeCom, DingTalk and Feishu in their forms, their refusals understood', async () => {
  const robot = await receiver((i) => (i === 1 ? [200, '{"errcode":310000,"errmsg":"sign not match"}'] : [200, '{"errcode":0,"errmsg":"ok"}']));
  const feishu = await receiver(() => [200, '{"code":0,"msg":"success"}']);
  await channel('DING', { type: 'dingtalk', url: `${robot.url}?access_token=1`, secret: 'SECx' });
  await channel('WECOM', { type: 'wecom', url: robot.url });
  await channel('FEISHU', { type: 'feishu', url: feishu.url, secret: 'fs' });
  const refused = await api.post('/message-channels/DING:test');
  ok(!refused.ok && refused.detail.includes('sign not match'), refused.detail);
  equal((await api.post('/message-channels/DING:test')).ok, true);
  const ding = new URL(robot[1].url, 'http://x');
  const ts = ding.searchParams.get('timestamp');
  equal(ding.searchParams.get('sign'), createHmac('sha256', 'SECx').update(`${ts}\nSECx`).digest('base64'));
  equal(JSON.parse(robot[1].body).msgtype, 'markdown');
  equal((await api.post('/message-channels/WECOM:test')).ok, true);
  ok(JSON.parse(robot[2].body).markdown.content.startsWith('**测试消息**'), robot[2].body);
  equal((await api.post('/message-channels/FEISHU:test')).ok, true);
  const fs = JSON.parse(feishu[0].body);
  equal(fs.sign, createHmac('sha256', `${fs.timestamp}\nfs`).update('').digest('base64'));
  equal(fs.msg_type, 'text');
});

// ---- mail ----
const certs = tempDir();
function certificate(name, host) {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${host}`,
    '-addext', `subjectAltName=IP:${host}`, '-keyout', join(certs, `${name}.key`), '-out', join(certs, `${name}.pem`)], { stdio: 'ignore' });
  return { key: readFileSync(join(certs, `${name}.key`)), cert: readFileSync(join(certs, `${name}.pem`)) };
}
async function smtp(options) {
  const mails = [];
  const server = new SMTPServer({ logger: false, ...options,
    onAuth: (auth, _, done) => (auth.username === 'plant' && auth.password === 'p w' ? done(null, { user: 1 }) : done(new Error('bad login'))),
    onData: (stream, s, done) => simpleParser(stream).then((mail) => {
      mails.push({ mail, to: s.envelope.rcptTo.map((r) => r.address), secure: s.secure });
      done();
    }, done) });
  server.on('error', () => {});
  await new Promise((r) => server.listen(0, '127.0.0.1', r));
  cleanup(() => new Promise((r) => server.close(r)));
  return Object.assign(mails, { port: server.server.address().port });
}

test('e-mail: STARTTLS, sign-in, a Chinese subject, text and HTML; to those who may see it', async () => {
  const good = certificate('good', '127.0.0.1');
  const mails = await smtp({ ...good });
  await channel('MAIL', { type: 'email', host: '127.0.0.1', port: mails.port, from: 'bornite@plant.example', to: ['ops@plant.example'],
    username: 'plant', password: 'p w', ca_file: join(certs, 'good.pem') });
  await api.post('/roles', { code: 'seer', name: 's', spec: { permissions: [{ kinds: ['alarm'], actions: ['read'] }] } });
  await api.post('/users', { code: 'anna', name: 'a', spec: { email: 'anna@plant.example', roles: ['seer'] } });
  await api.post('/users', { code: 'bert', name: 'b', spec: { email: 'bert@plant.example', roles: ['p'] } });
  await subscribe('S3', ['MAIL'], { users: ['anna', 'bert'] });
  const code = await alarm();
  await delivered('MAIL', 'sent');
  equal(mails.length, 1);
  const [{ mail, to, secure }] = mails;
  equal([to.sort(), secure], [['anna@plant.example', 'ops@plant.example'], true]);
  ok(mail.subject.startsWith(`${code}：高限报警，150 kW`), mail.subject);
  ok(mail.text.includes('磨机') && mail.html.includes('磨机'), mail.text);
  equal(mail.from.value[0].address, 'bornite@plant.example');
  await off('S3');
});

test('e-mail: a wrong certificate, a wrong password, a server without TLS are refused and said', async () => {
  const wrong = await smtp({ ...certificate('wrong', '127.0.0.2') });
  const plain = await smtp({ hideSTARTTLS: true, disabledCommands: ['STARTTLS'], authOptional: true });
  const base = { type: 'email', host: '127.0.0.1', from: 'a@b.example', to: ['c@d.example'], username: 'plant', password: 'p w' };
  const said = async (code, spec) => {
    await channel(code, { ...base, ...spec });
    return api.post(`/message-channels/${code}:test`);
  };
  const name = await said('M1', { port: wrong.port, ca_file: join(certs, 'wrong.pem') });
  ok(!name.ok && /subject|alternative|match/i.test(name.detail), name.detail);
  const unknown = await said('M2', { port: wrong.port });
  ok(!unknown.ok && /certificate/i.test(unknown.detail), unknown.detail);
  const login = await said('M3', { port: wrong.port, tls_insecure: true, password: 'nein' });
  ok(!login.ok && /denied|login|auth/i.test(login.detail), login.detail);
  const clear = await said('M4', { port: plain.port });
  ok(!clear.ok, 'STARTTLS is demanded');
  equal((await said('M5', { port: plain.port, security: 'none', username: null, password: null })).ok, true);
  const tls = await smtp({ ...certificate('tls', '127.0.0.1'), secure: true });
  equal((await said('M6', { port: tls.port, security: 'tls', ca_file: join(certs, 'tls.pem') })).ok, true);
  equal((await api.post('/message-channels/M6:test', { to: 'me@here.example' })).ok, true);
  equal(tls.at(-1).to, ['me@here.example']);
});

test('kill -9 while a receiver is down: what waited goes out after the restart', async () => {
  const port = await freePort();
  await channel('LATER', { type: 'webhook', url: `http://127.0.0.1:${port}/x`, tries: 20, retry_after: '200ms' });
  await subscribe('S4', ['LATER']);
  const code = await alarm();
  await until(async () => (await deliveries('&channel=LATER')).items[0]?.tries >= 1, 'a first try');
  const unread = (await api.get('/notices')).unread;
  await stop(serve, 'SIGKILL');
  const got = [];
  const server = createServer((req, res) => {
    let body = '';
    req.on('data', (d) => (body += d)).on('end', () => (got.push(body), res.end('{}')));
  });
  await new Promise((r) => server.listen(port, '127.0.0.1', r));
  cleanup(() => new Promise((r) => (server.closeAllConnections(), server.close(r))));
  await start();
  await until(() => got.some((b) => b.includes(code)), 'the message');
  equal((await api.get('/notices')).unread, unread, 'notices and what was read are there');
  await off('S4');
});

test('a flood: the channel gets its limit and summaries whose counts add up; the inbox stays readable', async () => {
  const hook = await receiver();
  await channel('FLOOD', { type: 'webhook', url: hook.url, per_minute: 10 });
  await subscribe('S5', ['FLOOD']);
  const N = 400;
  const items = Array.from({ length: N }, (_, i) => ({ op: 'create', code: `F${i}`, name: 'f', spec: { h: 100 } }));
  await api.post('/points:bulk', { items });
  const before = (await api.get('/notices')).total;
  await until(async () => {
    await api.post('/samples', { samples: items.map((p) => ({ point: p.code, v: 150 })) });
    return (await api.get('/alarms?q=F')).total === N;
  }, 'the flood', 20000, 100);
  const counted = () => hook.reduce((sum, r) => sum + JSON.parse(r.body).count, 0);
  await until(() => counted() >= N, 'all to be told of', 30000);
  equal(counted(), N, 'nothing lost, nothing twice');
  ok(hook.length <= 16, `${hook.length} messages`);
  ok(hook.some((r) => JSON.parse(r.body).topic === 'notice.summary'), 'a summary');
  const after = (await api.get('/notices')).total;
  ok(after - before <= 61, `${after - before} notices`);
  await off('S5');
});

test('quiet hours hold back what is not critical', async () => {
  const hook = await receiver();
  const at = (min) => {
    const m = (new Date().getUTCHours() * 60 + new Date().getUTCMinutes() + min + 1440) % 1440;
    return `${String(Math.floor(m / 60)).padStart(2, '0')}:${String(m % 60).padStart(2, '0')}`;
  };
  await channel('NIGHT', { type: 'webhook', url: hook.url });
  await subscribe('S6', ['NIGHT'], { quiet_from: at(-60), quiet_to: at(60), utc_offset: 0 });
  await alarm();
  const held = await delivered('NIGHT', 'collecting');
  ok(new Date(held.next_at) > new Date(Date.now() + 50 * 60e3), held.next_at);
  const code = await alarm({ alarm_priority: 1 });
  await until(() => hook.length, 'the critical one');
  ok(hook.length === 1 && hook[0].body.includes(code), hook[0].body);
});

await run();
