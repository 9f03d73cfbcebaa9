// Rules over topics (kind mqtt_acl), what survives a crash (subscriptions that were acknowledged, wills with their
// delays), and a bridge: mqtt.js and mosquitto's own clients and broker against the running server.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BIN, cleanup, equal, freePort, ok, run, stop, tempDir, test, until } from './lib.mjs';
import { Broker, code } from './mqtt.mjs';

const b = new Broker();
cleanup(() => b.stop());
const Q1 = { qos: 1 };
let n = 0;
const rule = (spec) => b.api.post('/mqtt-acls', { code: `R${++n}`, name: `R${n}`, spec: { order: n, ...spec } });
const sub = (c, filter, o = Q1) => c.subscribeAsync(filter, o).then((g) => g[0].qos, (e) => e.code ?? 0x87);
const mosquitto = existsSync('/usr/sbin/mosquitto') && existsSync('/usr/bin/mosquitto_pub');
function tool(name, args) {
  const r = spawnSync(`/usr/bin/${name}`, ['-h', '127.0.0.1', '-p', String(b.port), '-V', 'mqttv5', ...args], { encoding: 'utf8', timeout: 15000 });
  return `${r.stdout}${r.stderr}`;
}

test('rules allow more and less than the defaults; with names filled in; the first that fits', async () => {
  await b.start();
  await b.device('D1');
  await b.device('D2');
  await b.api.post('/provision-profiles', { code: 'PUMPS', name: 'P', spec: { key: 'key-of-pumps', secret: 'secret-of-pumps' } });
  const c = await b.asDevice('D1');
  equal(await code(c.publishAsync('line/1/D1/x', 'x', Q1)), 0x87);
  await rule({ who: 'devices', topic: 'line/+/${device}/#', effect: 'allow' });
  await until(async () => (await code(c.publishAsync('line/1/D1/x', 'x', Q1))) === 0, 'allowed');
  equal(await code(c.publishAsync('line/1/D2/x', 'x', Q1)), 0x87);
  equal([await sub(c, 'line/7/D1/#'), await sub(c, 'line/7/D1/a/b'), await sub(c, 'line/#'), await sub(c, 'line/+/+/#')], [1, 1, 0x87, 0x87]);
  const d1 = (await b.api.get('/push-devices/D1')).id;
  await rule({ who: 'device', device: d1, order: 0, action: 'publish', topic: 'line/1/D1/locked', effect: 'deny' });
  await rule({ who: 'device', device: d1, action: 'publish', topic: 'v1/devices/me/attributes', effect: 'deny' });
  await until(async () => (await code(c.publishAsync('line/1/D1/locked', 'x', Q1))) === 0x87, 'denied');
  equal([await code(c.publishAsync('v1/devices/me/attributes', '{}', Q1)), await code(c.publishAsync('v1/devices/me/telemetry', '{"a":1}', Q1))], [0x87, 0]);
  const [seen] = await b.recent('line/1/D1/locked');
  equal([seen.outcome, seen.refused > 0], ['refused', true]);
  await b.bye(c);
});

test('wrong rules are refused where they are wrong', async () => {
  for (const [spec, where] of [[{ who: 'device', topic: 'a' }, 'spec.device'], [{ who: 'role', topic: 'a' }, 'spec.role'], [{ topic: 'a/#/b' }, 'spec.topic'], [{ topic: '$SYS/#' }, 'spec.topic'], [{ topic: 'a/${what}' }, 'spec.topic'], [{ topic: 'a/x${device}+' }, 'spec.topic']])
    equal((await b.api.call('POST', '/mqtt-acls', { code: 'WRONG', name: 'x', spec }, 400)).where, where, JSON.stringify(spec));
});

test('devices of a profile; users, roles; a rule that goes', async () => {
  const r = await fetch(`${b.serve.base}/api/v1/provision`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ deviceName: 'PUMP-1', provisionDeviceKey: 'key-of-pumps', provisionDeviceSecret: 'secret-of-pumps' }) });
  b.tokens['PUMP-1'] = (await r.json()).credentialsValue;
  const profile = await b.api.get('/provision-profiles/PUMPS');
  await rule({ who: 'profile', profile: profile.id, topic: 'pumps/#', effect: 'allow' });
  const p = await b.asDevice('PUMP-1'), d = await b.asDevice('D2');
  await until(async () => (await code(p.publishAsync('pumps/a', 'x', Q1))) === 0, 'its own profile');
  equal(await code(d.publishAsync('pumps/a', 'x', Q1)), 0x87);
  const viewer = await b.api.get('/roles/viewer');
  const t = await b.api.post('/tokens', { name: 'v', roles: ['viewer'] });
  const v = await b.connect({ username: 'v', password: t.token });
  equal(await code(v.publishAsync('board/1', 'x', Q1)), 0x87, 'a viewer does not publish');
  const admin = (await b.api.get('/roles/administrator')).id;
  const last = await rule({ who: 'users', action: 'publish', topic: 'board/#', effect: 'allow' });
  await until(async () => (await code(v.publishAsync('board/1', 'x', Q1))) === 0, 'allowed by the rule');
  await rule({ who: 'role', role: admin, order: 0, action: 'publish', topic: 'board/2', effect: 'deny' });
  const u = await b.asUser();
  await until(async () => (await code(u.publishAsync('board/2', 'x', Q1))) === 0x87, 'denied to the role');
  ok(viewer.id !== admin);
  await b.api.call('DELETE', `/mqtt-acls/${last.code}`, undefined, 204);
  await until(async () => (await code(v.publishAsync('board/1', 'x', Q1))) === 0x87, 'the rule is gone');
  await b.bye(p, d, v, u);
});

test('what is denied in part is withheld; subscriptions end when a rule comes; wills are checked', async () => {
  const u = await b.asUser(), d = await b.asDevice('D1');
  equal(await sub(u, 'hall/#'), 1);
  await u.publishAsync('hall/secret/1', 'before', Q1);
  await until(() => u.got.length === 1, 'the first');
  await u.publishAsync('hall/secret/kept', 'retained', { qos: 1, retain: true });
  await until(() => u.got.length === 2, 'the second');
  await rule({ who: 'users', action: 'subscribe', topic: 'hall/secret/#', effect: 'deny' });
  await until(async () => (await sub(u, 'hall/secret/1')) === 0x87, 'denied');
  await u.publishAsync('hall/secret/1', 'withheld', Q1);
  await u.publishAsync('hall/open', 'given', Q1);
  await until(() => u.got.some((m) => m.text === 'given'), 'the open one');
  equal(u.got.filter((m) => m.text === 'withheld').length, 0);
  equal(await sub(u, 'hall/#'), 1, 'again: retained messages are withheld, too');
  await u.publishAsync('hall/open', 'given again', Q1);
  await until(() => u.got.some((m) => m.text === 'given again'), 'the open one');
  equal(u.got.filter((m) => m.text === 'retained').length, 1);
  equal((await b.recent('hall/#')).map((t) => t.topic), ['hall/open'], 'nor among the last messages');
  equal(await sub(d, 'line/9/D1/#'), 1);
  await rule({ who: 'devices', order: 0, action: 'both', topic: 'line/9/#', effect: 'deny' });
  await until(async () => !(await b.api.get('/mqtt/clients?q=D1')).items[0].subscriptions.length, 'the subscription has ended');
  equal(await b.refused(b.asDevice('D1', { will: { topic: 'line/9/D1/will', payload: 'x', qos: 1 } })), 0x87);
  equal(await b.refused(b.asDevice('D2', { will: { topic: 'line/1/D1/will', payload: 'x', qos: 1 } })), 0x87);
  const w = await b.asDevice('D2', { will: { topic: 'line/5/D2/will', payload: 'bye', qos: 1 } });
  equal(await sub(u, 'line/5/#'), 1);
  await rule({ who: 'devices', order: 0, action: 'publish', topic: 'line/5/#', effect: 'deny' });
  await until(async () => (await code(w.publishAsync('line/5/D2/x', 'x', Q1))) === 0x87, 'denied by now');
  w.stream.destroy();
  await w.gone;
  await until(async () => !(await b.api.get('/mqtt/clients?q=D2&state=connected')).items.length, 'it is gone');
  await u.publishAsync('line/5/end', 'end', Q1);
  await until(() => u.got.some((m) => m.text === 'end'), 'what comes behind');
  equal(u.got.filter((m) => m.text === 'bye').length, 0, 'its right has gone since');
  await b.bye(u, d, w);
});

test('mosquitto\'s clients under rules', async () => {
  if (!mosquitto) return;
  const dev = ['-u', b.tokens.D1];
  equal(tool('mosquitto_pub', [...dev, '-q', '1', '-t', 'line/1/D1/m', '-m', 'x']), '');
  ok(/not authori[sz]ed/i.test(tool('mosquitto_pub', [...dev, '-q', '1', '-t', 'line/9/D1/m', '-m', 'x'])));
  ok(/not authori[sz]ed|denied/i.test(tool('mosquitto_sub', [...dev, '-q', '1', '-t', 'line/9/#', '-W', '2'])));
  const u = await b.asUser();
  await u.publishAsync('line/3/D1/kept', 'to you', { qos: 1, retain: true });
  equal(tool('mosquitto_sub', [...dev, '-q', '1', '-t', 'line/3/D1/#', '-C', '1', '-W', '10']).trim(), 'to you');
  await b.bye(u);
});

test('an acknowledged subscription and wills survive kill -9; a delay goes on; who comes back in time is not mourned', async () => {
  const keep = { clean: false, properties: { sessionExpiryInterval: 600 } };
  const reader = await b.asUser({ clientId: 'reader', ...keep });
  equal(await sub(reader, 'mourn/#'), 1);
  const will = (text, delay) => ({ topic: `mourn/${text}`, payload: text, qos: 1, properties: { willDelayInterval: delay } });
  const plain = await b.asUser({ clientId: 'plain', will: will('plain', 0) });
  const late = await b.asUser({ clientId: 'late', ...keep, will: will('late', 4) });
  const back = await b.asUser({ clientId: 'back', ...keep, will: will('back', 3) });
  const polite = await b.asUser({ clientId: 'polite', will: will('polite', 0) });
  await polite.endAsync();
  b.clients.delete(polite);
  equal(await code(plain.publishAsync('x/durable', 'x', { qos: 1, retain: true })), 0); // all before it is on disk
  await stop(b.serve, 'SIGKILL');
  await Promise.all([reader.gone, plain.gone, late.gone, back.gone]);
  await b.start();
  const again = await b.asUser({ clientId: 'reader', ...keep });
  equal(again.connack.sessionPresent, true);
  const home = await b.asUser({ clientId: 'back', ...keep });
  await until(() => again.got.some((m) => m.text === 'plain'), 'the will without delay');
  await until(() => again.got.some((m) => m.text === 'late'), 'the will with a longer delay than that of `back`');
  equal(again.got.map((m) => m.text).sort(), ['late', 'plain']);
  await again.unsubscribeAsync('mourn/#');
  await stop(b.serve, 'SIGKILL');
  await again.gone;
  await b.start();
  const third = await b.asUser({ clientId: 'reader', ...keep });
  equal(third.connack.sessionPresent, true);
  equal((await b.api.get('/mqtt/clients?q=reader')).items[0].subscriptions, []);
  await b.bye(third, home);
});

test('mosquitto bridges into the server, both ways, over a restart of ours', async () => {
  if (!mosquitto) return;
  await b.device('B1');
  await b.api.post('/payload-mappings', { code: 'BRIDGED', name: 'b', spec: { topic: 'factory/+/out', device: { from: 'topic', level: 1 }, leaves: true } });
  const port = b.port, local = await freePort();
  const conf = join(b.dir, 'bridge.conf');
  writeFileSync(conf, [`listener ${local} 127.0.0.1`, 'allow_anonymous true', 'connection bornite', `address 127.0.0.1:${port}`, 'bridge_protocol_version mqttv311', 'remote_username bridge', `remote_password ${b.user}`, 'remote_clientid factory-bridge', 'cleansession false', 'restart_timeout 1', 'topic factory/# out 1', 'topic orders/# in 1', ''].join('\n'));
  const broker = spawn('/usr/sbin/mosquitto', ['-c', conf], { stdio: 'ignore' });
  cleanup(() => broker.kill());
  const at = (name, args) => execFileSync(`/usr/bin/${name}`, ['-h', '127.0.0.1', '-p', String(local), ...args], { encoding: 'utf8', timeout: 15000 });
  await until(async () => (await b.api.get('/mqtt/clients?q=factory-bridge&state=connected')).items.length === 1, 'the bridge');
  await until(async () => { try { at('mosquitto_pub', ['-q', '1', '-t', 'factory/B1/out', '-m', '{"level":4.5}']); return (await b.current('B1.level'))?.v === 4.5; } catch { return false; } }, 'a value through the bridge');
  const u = await b.asUser();
  await u.publishAsync('orders/7', 'make 5', { qos: 1, retain: true });
  equal(at('mosquitto_sub', ['-q', '1', '-t', 'orders/#', '-C', '1', '-W', '10']).trim(), 'make 5');
  await b.bye(u);
  await stop(b.serve);
  at('mosquitto_pub', ['-q', '1', '-t', 'factory/B1/out', '-m', '{"level":5.5}']);
  await b.start();
  await b.patch('/mqtt-listeners/default', { port });
  b.port = port;
  await until(async () => (await b.current('B1.level'))?.v === 5.5, 'what waited in the bridge');
  broker.kill();
});

test('backups hold sessions, subscriptions and retained messages', async () => {
  const target = join(tempDir(), 'target'), restored = join(tempDir(), 'restored');
  const c = await b.asUser({ clientId: 'in-backup', clean: false, properties: { sessionExpiryInterval: 600 } });
  equal(await sub(c, 'kept/#'), 1);
  await b.bye(c);
  const u = await b.asUser();
  equal(await code(u.publishAsync('kept/1', 'waits', { qos: 1, retain: true })), 0);
  await b.bye(u);
  await b.api.post('/backup-plans', { code: 'ALL', spec: { target: `dir:${target}`, logs: false } });
  const { job } = await b.api.post('/backup-plans/ALL:run', { mode: 'full' });
  await until(async () => (await b.api.get(`/jobs/${job}`)).state === 'done', 'the backup');
  await stop(b.serve);
  const r = spawnSync(BIN, ['restore', '--from', `dir:${target}`, '--data', restored], { encoding: 'utf8' });
  equal(r.status, 0, r.stdout + r.stderr);
  copyFileSync(join(b.dir, 'secret.key'), join(restored, 'secret.key')); // is never in a backup
  b.dir = restored;
  await b.start();
  const back = await b.asUser({ clientId: 'in-backup', clean: false, properties: { sessionExpiryInterval: 600 } });
  equal(back.connack.sessionPresent, true);
  await until(() => back.got.length, 'what waited in the backup');
  equal(back.got.map((m) => m.text), ['waits']);
  await b.bye(back);
});

run();
