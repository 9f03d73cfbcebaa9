// Messages of any shape: payload mappings over MQTT and HTTP, the preview, the last messages and what nobody reads;
// CSV and line protocol with a device's token; ThingsBoard's gateway, attributes and commands; JetLinks in full.
import { Api, cleanup, equal, ok, run, test, until } from './lib.mjs';
import { Broker, code } from './mqtt.mjs';

const b = new Broker();
cleanup(() => b.stop());
const Q1 = { qos: 1 };
const mapping = (code_, spec) => b.api.post('/payload-mappings', { code: code_, name: code_, spec });
const preview = (body) => b.api.call('POST', '/mqtt/mappings:preview', body, 200);
// A body as it is; status and JSON.
async function push(token, body, { type = 'application/json', query = '' } = {}) {
  const r = await fetch(`${b.serve.base}/api/v1/push${query}`, { method: 'POST', body, headers: { Authorization: `Bearer ${token}`, 'Content-Type': type } });
  return { status: r.status, body: await r.json() };
}

test('a message nobody reads is shown; its mapping is previewed; then its values are stored', async () => {
  await b.start();
  await b.device('P1');
  const u = await b.asUser();
  const text = JSON.stringify({ meta: { ts: 1700000000, id: 'P1' }, data: { temp: 21.5, flow: 300 }, password: 'geheim' });
  equal(await code(u.publishAsync('plant/P1/status', text, Q1)), 0);
  const [seen] = await b.recent('plant/+/status');
  equal([seen.topic, seen.outcome, seen.passed, seen.messages[0].from, seen.messages[0].samples], ['plant/P1/status', 'passed', 1, 'admin', 0]);
  ok(/mapping/.test(seen.reason), seen.reason);
  equal(JSON.parse(seen.messages[0].payload).password, '***');
  const spec = {
    topic: 'plant/+/status', device: { from: 'topic', level: 1 }, time: '$.meta.ts', unknown_device: 'refuse',
    rows: [{ key: 'temp', value: '$.data.temp', unit: 'Cel' }, { key: 'flow', value: '$.data.flow', factor: 0.1 }, { key: 'gone', value: '$.data.gone' }, { key: 'bad', value: '$.meta.id', as: 'number' }],
  };
  const p = await preview({ spec, topic: seen.topic, payload: seen.messages[0].payload });
  equal(p.values.map((v) => [v.row, v.device, v.known, v.key, v.value, v.t, v.place, v.point]), [[0, 'P1', true, 'temp', 21.5, '2023-11-14T22:13:20Z', 'new', 'P1.temp'], [1, 'P1', true, 'flow', 30, '2023-11-14T22:13:20Z', 'new', 'P1.flow']]);
  equal(p.faults.map((f) => [f.row, f.where, f.missing]), [[2, 'value', true], [3, 'value', false]]);
  await mapping('STATUS', spec);
  const now = Math.floor(Date.now() / 1000);
  equal(await code(u.publishAsync('plant/P1/status', text.replace('1700000000', now), Q1)), 0);
  equal([(await b.current('P1.temp')).v, (await b.current('P1.flow')).v], [21.5, 30]);
  equal((await b.recorded('P1.temp')).t, [now * 1000]);
  const [after] = await b.recent('plant/P1/status');
  equal([after.outcome, after.messages[0].mapping, after.messages[0].samples, after.messages.length], ['stored', 'STATUS', 2, 2]);
  equal((await b.api.get('/points/P1.temp')).spec.unit, 'Cel');
  equal(await code(u.publishAsync('plant/NEW/status', text, Q1)), 0x99, 'unknown device');
  const [unknown] = await b.recent('plant/NEW/status');
  equal([unknown.outcome, unknown.refused], ['refused', 1]);
  ok(/NEW/.test(unknown.reason), unknown.reason);
  await b.bye(u);
});

test('specs that are wrong are refused and told in the preview', async () => {
  for (const [spec, where] of [[{ rows: [{ key: 'a', value: '$[' }] }, 'spec.rows[0].value'], [{ topic: 'a/#/b', leaves: true }, 'spec.topic'], [{ topic: 'v1/devices/me/x', leaves: true }, 'spec.topic'], [{ leaves: true, time_format: 'x' }, 'spec.time_format'], [{}, 'spec.rows']]) {
    const r = await b.api.call('POST', '/payload-mappings', { code: 'WRONG', name: 'x', spec }, 400);
    equal(r.where, where);
  }
  const p = await preview({ spec: { rows: [{ key: 'a', value: '$.a' }, { key: 'b', value: '$[' }] }, payload: '{}' });
  equal(p.faults.map((f) => f.row), [1]);
  const q = await preview({ spec: { leaves: true }, payload: '{broken' });
  equal([q.values.length, q.faults.length], [0, 1]);
});

test('records, every leaf, devices that are made, bytes', async () => {
  await mapping('LIST', { topic: 'edge/+/tags', each: '$.tags[*]', time: '$.t', time_format: 'ms', device: { from: 'path', path: '$.dev' }, unknown_device: 'create', max_devices: 2, rows: [{ key: '{$.n}', value: '$.v', quality: '$.q' }] });
  await mapping('RAW', { topic: 'raw/+', form: 'bytes', device: { from: 'topic', level: 1 }, rows: [{ key: 'level', value: '1:u16', factor: 0.1 }, { key: 'alarm', value: '0.7:bit' }] });
  await mapping('TREE', { topic: 'tree/#', leaves: true, device: { from: 'fixed', code: 'P1' }, leaf_key: '{topic.1}.{name}' });
  const u = await b.asUser(), t = Date.now() - 5000;
  const list = (dev) => JSON.stringify({ dev, t, tags: [{ n: 'a', v: 1, q: 192 }, { n: 'b', v: 2, q: 0 }] });
  equal([await code(u.publishAsync('edge/1/tags', list('E1'), Q1)), await code(u.publishAsync('edge/1/tags', list('E 二'), Q1)), await code(u.publishAsync('edge/1/tags', list('E3'), Q1))], [0, 0, 0x87]);
  equal([(await b.current('E1.a')).v, (await b.current('E1.b')).q, (await b.recorded('E1.a')).t], [1, 'bad', [t]]);
  equal((await b.recent('edge/1/tags'))[0].refused, 1);
  const made = (await b.api.get(`/push-devices?filter=${encodeURIComponent("labels.mapping='LIST'")}`)).items.map((d) => d.name).sort();
  equal(made, ['E 二', 'E1'].sort());
  equal(await code(u.publishAsync('raw/P1', Buffer.from([0x80, 0x01, 0xf4]), Q1)), 0);
  equal([(await b.current('P1.level')).v, (await b.current('P1.alarm')).v], [50, 1]);
  const [raw] = await b.recent('raw/P1');
  equal([raw.messages[0].payload, raw.messages[0].payload_hex], [null, '8001f4']);
  equal((await preview({ spec: { form: 'bytes', rows: [{ key: 'x', value: '1:u16' }] }, payload_hex: '8001f4', client: 'P1' })).values[0].value, 500);
  equal(await code(u.publishAsync('tree/pump', '{"a":{"b":[1,"on"]},"c":null}', Q1)), 0);
  equal([(await b.current('P1.pump.a.b.0')).v, (await b.current('P1.pump.a.b.1')).v], [1, 'on']);
  await b.bye(u);
});

test('devices publish there for themselves only; a mapping that is switched off reads nothing more', async () => {
  await b.device('P2');
  const c = await b.asDevice('P1');
  const text = JSON.stringify({ meta: {}, data: { temp: 5 } });
  equal(await code(c.publishAsync('plant/P1/status', text, Q1)), 0);
  equal(await code(c.publishAsync('plant/P2/status', text, Q1)), 0x87);
  equal(await code(c.publishAsync('edge/1/tags', JSON.stringify({ dev: 'P2', tags: [{ n: 'a', v: 1 }] }), Q1)), 0x87);
  ok(/P2/.test((await b.recent('edge/1/tags'))[0].reason));
  equal(await code(c.publishAsync('other/topic', text, Q1)), 0x87);
  await b.patch('/payload-mappings/STATUS', { publish: false });
  await until(async () => (await code(c.publishAsync('plant/P1/status', text, Q1))) === 0x87, 'no publishing any more');
  await b.patch('/payload-mappings/STATUS', { publish: true, enabled: false });
  await until(async () => (await code(c.publishAsync('plant/P1/status', text, Q1))) === 0x87, 'not read any more');
  await b.patch('/payload-mappings/STATUS', { enabled: true });
  await until(async () => (await code(c.publishAsync('plant/P1/status', text, Q1))) === 0, 'read again');
  await b.bye(c);
});

test('a mapping reads what the form of the topic cannot', async () => {
  await mapping('OWN', { topic: 'bornite/+', form: 'csv', header: false, rows: [{ key: '{1}', value: '2' }] });
  const c = await b.asDevice('P1');
  equal(await code(c.publishAsync('bornite/P1', '{"values":{"x":1}}', Q1)), 0);
  equal(await code(c.publishAsync('bornite/P1', 'a;1.5\nb;2\n', Q1)), 0);
  equal([(await b.current('P1.x')).v, (await b.current('P1.a')).v, (await b.current('P1.b')).v], [1, 1.5, 2]);
  await b.bye(c);
});

test('HTTP: CSV, line protocol, mappings by name and of the device', async () => {
  const t = Date.now() - 10000, iso = new Date(t).toISOString();
  const token = await b.device('H1');
  let r = await push(token, `time,flow,state\n${iso},1.5,run\n${new Date(t + 1000).toISOString()},,stop\n`, { type: 'text/csv' });
  equal([r.status, r.body], [200, { stored: 3, unknown: 0, rejected: 0 }]);
  equal([(await b.recorded('H1.flow')).t, (await b.current('H1.state')).v], [[t], 'stop']);
  r = await push(token, `t;key;value;quality\n${t};k1;7;good\n${t};k2;8;bad\n`, { query: '?format=csv' });
  equal([r.status, (await b.current('H1.k1')).v, (await b.current('H1.k2')).q], [200, 7, 'bad']);
  r = await push(token, `motor,line=1 value=3,amps=1.5 ${t}\nmotor on=t,text="a b" ${t}\n`, { query: '?format=line&precision=ms' });
  equal([r.status, r.body.stored], [200, 4]);
  equal([(await b.current('H1.motor.1')).v, (await b.current('H1.motor.1.amps')).v, (await b.current('H1.motor.on')).v, (await b.current('H1.motor.text')).v], [3, 1.5, 1, 'a b']);
  r = await push(token, 'broken\n', { query: '?format=line' });
  equal([r.status, /line 1/.test(r.body.detail)], [400, true]);
  equal((await push(token, 'time,flow\nyesterday,1\n', { type: 'text/csv' })).status, 400);
  equal((await push(token, '{}', { query: '?format=xml' })).status, 400);
  equal((await push(token, '{}', { query: '?mapping=NONE' })).status, 400);
  equal((await push('dv_wrong', '{}', { query: '?mapping=WEB' })).status, 401);
  await mapping('WEB', { rows: [{ key: '{name}', value: '$.m.*' }], time: '$.when' });
  await until(async () => (await push(token, '{"m":{"z":9}}', { query: '?mapping=WEB' })).status === 200, 'the mapping');
  equal((await b.current('H1.z')).v, 9);
  await b.patch('/push-devices/H1', { mapping: 'WEB' });
  await until(async () => (await push(token, '{"m":{"y":4}}')).status === 200, 'the device\'s mapping');
  equal((await b.current('H1.y')).v, 4);
  equal((await push(token, '{"values":{"plain":1}}', { query: '?format=json' })).body.stored, 1);
});

test('ThingsBoard gateway: telemetry, attributes, presence, questions', async () => {
  await b.device('GW', { gateway: true, max_children: 3, commands: 'thingsboard' });
  await b.device('NOGW');
  const ts = Date.now() - 1000, g = await b.asDevice('GW'), n = await b.asDevice('NOGW');
  const telemetry = { 'Press 1': [{ ts, values: { force: 12.5, on: true } }], 'Press-2': [{ force: 3 }] };
  equal(await code(g.publishAsync('v1/gateway/telemetry', JSON.stringify(telemetry), Q1)), 0);
  const children = (await b.api.get(`/push-devices?filter=${encodeURIComponent("labels.gateway='GW'")}`)).items;
  equal(children.map((c) => c.name).sort(), ['Press 1', 'Press-2']);
  const one = children.find((c) => c.name === 'Press 1');
  equal([one.spec.alias, one.spec.parent, (await b.recorded(`${one.code}.force`)).t], ['Press 1', (await b.api.get('/push-devices/GW')).id, [ts]]);
  equal((await b.current('Press-2.force')).v, 3);
  equal(await code(g.publishAsync('v1/gateway/connect', '{"device":"Press-2"}', Q1)), 0);
  equal((await b.current('Press-2.online')).v, 1);
  equal(await code(g.publishAsync('v1/gateway/disconnect', '{"device":"Press-2"}', Q1)), 0);
  equal((await b.current('Press-2.online')).v, 0);
  equal(await code(g.publishAsync('v1/gateway/attributes', '{"Press-2":{"fw":"1.0"}}', Q1)), 0);
  await g.subscribeAsync('v1/gateway/attributes/response', Q1);
  equal(await code(g.publishAsync('v1/gateway/attributes/request', '{"id":7,"device":"Press-2","client":true,"key":"fw"}', Q1)), 0);
  await until(() => g.got.length, 'the attribute');
  equal([g.got[0].topic, JSON.parse(g.got[0].text)], ['v1/gateway/attributes/response', { id: 7, device: 'Press-2', value: '1.0' }]);
  equal(await code(n.publishAsync('v1/gateway/telemetry', '{"Press-2":[{"force":666}]}', Q1)), 0x87, 'not behind it');
  equal(await code(n.publishAsync('v1/gateway/telemetry', '{"Fresh":[{"force":1}]}', Q1)), 0x87, 'no gateway makes none');
  equal((await b.current('Press-2.force')).v, 3);
  equal(await code(g.publishAsync('v1/gateway/telemetry', '{"C3":[{"a":1}],"C4":[{"a":1}],"Press-2":[{"force":4}]}', Q1)), 0x87, 'as many as it may');
  equal((await b.current('Press-2.force')).v, 4, 'the others are kept');
  await b.bye(g, n);
});

test('shared attributes: changed, told at once, asked for; also through a gateway and by HTTP', async () => {
  const c = await b.asDevice('P1'), g = await b.asDevice('GW');
  await c.subscribeAsync(['v1/devices/me/attributes', 'v1/devices/me/attributes/response/+'], Q1);
  await g.subscribeAsync('v1/gateway/attributes', Q1);
  const put = (code_, body) => b.api.call('PATCH', `/push-devices/${code_}/shared`, body, 200, { 'Content-Type': 'application/json' });
  const items = (await put('P1', { interval: 5, mode: 'auto' })).items;
  equal(items.map((i) => [i.key, i.value, i.by]), [['interval', 5, 'admin'], ['mode', 'auto', 'admin']]);
  await until(() => c.got.length === 1, 'told');
  equal([c.got[0].topic, JSON.parse(c.got[0].text)], ['v1/devices/me/attributes', { interval: 5, mode: 'auto' }]);
  await put('P1', { mode: null });
  await until(() => c.got.length === 2, 'told again');
  equal(JSON.parse(c.got[1].text), { deleted: ['mode'] });
  await c.publishAsync('v1/devices/me/attributes', '{"fw":"3"}', Q1);
  await c.publishAsync('v1/devices/me/attributes/request/1', '{"clientKeys":"fw","sharedKeys":"interval"}', Q1);
  await until(() => c.got.length === 3, 'the answer');
  equal(JSON.parse(c.got[2].text), { client: { fw: '3' }, shared: { interval: 5 } });
  await put('Press-2', { limit: 9 });
  await until(() => g.got.length === 1, 'told through the gateway');
  equal(JSON.parse(g.got[0].text), { device: 'Press-2', data: { limit: 9 } });
  const http = await fetch(`${b.serve.base}/api/v1/${b.tokens.P1}/attributes?sharedKeys=interval`);
  equal([http.status, await http.json()], [200, { shared: { interval: 5 } }]);
  equal((await fetch(`${b.serve.base}/api/v1/dv_nope/attributes`)).status, 401);
  await b.bye(c, g);
});

// Answers commands as `reply` says.
function answering(c, reply) {
  c.on('message', (topic, payload) => { const r = reply(topic, JSON.parse(payload.toString())); if (r) c.publish(r[0], JSON.stringify(r[1]), Q1); });
}
const rpc = (device, method, params, timeout_ms = 3000) => b.api.call('POST', `/push-devices/${device}:rpc`, { method, params, timeout_ms }, 200);

test('commands: answered, refused, unanswered, to whom is not there; through a gateway; JetLinks', async () => {
  await b.patch('/push-devices/P1', { commands: 'thingsboard' });
  equal([(await rpc('P1', 'reboot', {})).outcome], ['failed']);
  const c = await b.asDevice('P1');
  equal((await rpc('P1', 'reboot', {})).outcome, 'failed', 'it has not subscribed');
  await c.subscribeAsync('v1/devices/me/rpc/request/+', Q1);
  answering(c, (topic, m) => m.method === 'silent' ? null : [topic.replace('request', 'response'), m.method === 'no' ? { error: 'too hot' } : { ok: m.params }]);
  let r = await rpc('P1', 'reboot', { in: 5 });
  equal([r.outcome, r.reply], ['done', { ok: { in: 5 } }]);
  r = await rpc('P1', 'no', null);
  equal([r.outcome, /too hot/.test(r.detail)], ['refused', true]);
  equal((await rpc('P1', 'silent', null, 200)).outcome, 'unknown');
  const told = (await b.api.get('/push-devices/P1/commands')).items;
  equal(told.slice(0, 3).map((x) => [x.method, x.outcome, x.by]), [['silent', 'unknown', 'admin'], ['no', 'refused', 'admin'], ['reboot', 'done', 'admin']], 'newest first');
  equal([told[2].params, told[2].reply, /too hot/.test(told[1].detail)], ['{"in":5}', '{"ok":{"in":5}}', true]);
  equal(c.got.every((m) => m.qos === 0), true, 'a command is never repeated');
  const g = await b.asDevice('GW');
  await g.subscribeAsync('v1/gateway/rpc', Q1);
  answering(g, (topic, m) => [topic, { device: m.device, id: m.data.id, data: { sum: m.data.params.a + 1 } }]);
  equal((await rpc('Press-2', 'add', { a: 1 })).reply, { sum: 2 });
  await b.device('J1', { commands: 'jetlinks', gateway: true });
  const j = await b.asDevice('J1');
  await j.subscribeAsync('/pumps/J1/#', Q1);
  answering(j, (topic, m) => topic.endsWith('function/invoke') ? [`${topic}/reply`, { messageId: m.messageId, output: m.inputs, success: m.functionId === 'start' }] : null);
  r = await rpc('J1', 'start', { speed: 3 });
  equal([r.outcome, r.reply.output], ['done', [{ name: 'speed', value: 3 }]]);
  equal([j.got[0].topic, JSON.parse(j.got[0].text).deviceId], ['/pumps/J1/function/invoke', 'J1']);
  equal((await rpc('J1', 'explode', {})).outcome, 'refused');
  await b.bye(c, g, j);
});

test('points of devices are written through their connection', async () => {
  const write = (point, value, expires_ms = 3000) => b.api.call('POST', `/points/${point}:write`, { value, confirm: true, expires_ms }, 200);
  const c = await b.asDevice('P1'), j = await b.asDevice('J1'), g = await b.asDevice('GW');
  await c.publishAsync('v1/devices/me/telemetry', '{"setpoint":1}', Q1);
  await j.publishAsync('/pumps/J1/child/C1/properties/report', '{"properties":{"speed":1}}', Q1);
  const status = async (p) => (await fetch(`${b.serve.base}/api/v1/points/${p}:write`, { method: 'POST', body: '{"value":5,"confirm":true}', headers: { ...b.session, 'X-Bornite': '1', 'Content-Type': 'application/json' } })).status;
  await until(async () => (await status('P1.setpoint')) === 403, 'it is not writable');
  for (const p of ['P1.setpoint', 'C1.speed', 'Press-2.force']) await b.patch(`/points/${p}`, { writable: true });
  for (const p of ['P1.setpoint', 'C1.speed', 'Press-2.force']) await until(async () => (await status(p)) === 200, `${p} is writable`);
  equal((await write('P1.setpoint', 5)).outcome, 'failed', 'it does not listen');
  await c.subscribeAsync('v1/devices/me/rpc/request/+', Q1);
  answering(c, (topic, m) => [topic.replace('request', 'response'), m.params.setpoint > 50 ? { success: false, message: 'too much' } : m.params]);
  let r = await write('P1.setpoint', 5.5);
  equal([r.outcome, r.before, r.readback], ['done', 1, 5.5]);
  equal(JSON.parse(c.got[0].text), { method: 'write', params: { setpoint: 5.5 } });
  r = await write('P1.setpoint', 60);
  equal([r.outcome, /too much/.test(r.detail)], ['refused', true]);
  await b.patch('/push-devices/P1', { method: 'set_{key}' });
  await until(async () => { await write('P1.setpoint', 7, 300); return JSON.parse(c.got.at(-1).text).method === 'set_setpoint'; }, 'the other method');
  equal(JSON.parse(c.got.at(-1).text).params, 7);
  await j.subscribeAsync('/pumps/J1/child/+/properties/write', Q1);
  answering(j, (topic, m) => [`${topic}/reply`, { messageId: m.messageId, deviceId: m.deviceId, success: true, properties: m.properties }]);
  r = await write('C1.speed', 42);
  equal([r.outcome, r.readback, j.got[0].topic], ['done', 42, '/pumps/J1/child/C1/properties/write']);
  await until(async () => (await b.current('C1.speed')).v === 42, 'what it tells back is kept');
  await g.subscribeAsync('v1/gateway/rpc', Q1);
  equal((await write('Press-2.force', 1, 300)).outcome, 'unknown');
  const audited = (await b.api.get('/audit?size=20')).items.find((x) => x.action === 'write' && x.class === 'control');
  ok(audited && JSON.stringify(audited).includes('unknown'), JSON.stringify(audited));
  await b.bye(c, j, g);
});

test('JetLinks: reports, events, presence, children, replies', async () => {
  const j = await b.asDevice('J1'), at = Date.now() - 2000;
  const say = (rest, body) => code(j.publishAsync(`/pumps/J1/${rest}`, JSON.stringify({ timestamp: at, ...body }), Q1));
  equal(await say('properties/report', { properties: { speed: 5 } }), 0);
  equal(await say('event/fault', { data: { code: 7, text: 'hot' } }), 0);
  equal(await say('event/tick', { data: 3 }), 0);
  equal(await say('online', {}), 0);
  equal(await say('child/C1/properties/report', { properties: { t: 20 } }), 0);
  equal(await say('child/C1/event/door', { data: { open: true } }), 0);
  equal(await say('child/C1/connected', {}), 0);
  equal(await say('child/C1/disconnect', {}), 0);
  equal(await say('properties/read/reply', { messageId: '99', success: true, properties: { speed: 6 } }), 0);
  equal(await say('event/none', {}), 0x99);
  const now = async (p) => (await b.current(p)).v;
  equal([(await b.recorded('J1.event.fault.code')).v, await now('J1.event.fault.text'), await now('J1.event.tick'), await now('J1.online'), await now('J1.speed')], [[7], 'hot', 3, 1, 6]);
  equal([await now('C1.t'), await now('C1.event.door.open'), await now('C1.online')], [20, 1, 0]);
  equal((await b.recorded('C1.t')).t, [at]);
  equal(await code(j.publishAsync('/pumps/P1/properties/report', '{"properties":{"x":1}}', Q1)), 0x87);
  await b.bye(j);
});

test('who may not see a device does not see its messages', async () => {
  await b.api.post('/orgs', { code: 'MINE', name: 'Mine', spec: {} });
  await b.api.post('/orgs', { code: 'OTHER', name: 'Other', spec: {} });
  await b.device('M1', {}, { org: 'MINE' });
  await b.device('O1', {}, { org: 'OTHER' });
  for (const d of ['M1', 'O1']) {
    const c = await b.asDevice(d);
    await c.publishAsync('v1/devices/me/telemetry', '{"a":1}', Q1);
    await b.bye(c);
  }
  const all = await b.recent('v1/devices/me/telemetry');
  const from = (list) => list.flatMap((t) => t.messages.map((m) => m.from));
  ok(from(all).includes('M1') && from(all).includes('O1'));
  const t = await b.api.post('/tokens', { name: 'mine', roles: ['viewer'], orgs: ['MINE'] });
  const mine = new Api(b.serve.base, { Authorization: `Bearer ${t.token}` });
  const seen = from((await mine.get('/mqtt/recent?topic=v1/devices/me/telemetry')).items);
  ok(seen.includes('M1') && !seen.includes('O1'), JSON.stringify(seen));
});

run();
