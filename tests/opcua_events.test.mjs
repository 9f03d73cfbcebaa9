// Events and alarms of OPC UA servers as points, against node-opcua's server with limit alarms, off-normal alarms and
// events of its own behind a proxy: what comes, what is chosen, who acknowledged, what a loss leaves, floods.
import { join } from 'node:path';
import { AttributeIds, DataType, OPCUAClient, StatusCodes, Variant } from 'node-opcua-client';
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import { nodesets } from 'node-opcua-nodesets';
import { OPCUAServer } from 'node-opcua-server';
import { cleanup, equal, freePort, ok, run, signIn, startServe, tempDir, test, until } from './lib.mjs';
import { Proxy } from './proxy.mjs';

const port = await freePort();
const pki = tempDir();
let server, serve, api, proxy, own, level, valve, high, off, quiet, custom, final, source;

async function startServer() {
  const manager = new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  server = new OPCUAServer({ port, hostname: '127.0.0.1', serverCertificateManager: manager, userCertificateManager: manager, certificateFile: join(pki, 'server.pem'), nodeset_filename: [nodesets.standard], allowAnonymous: true });
  await server.initialize();
  server.engine.allowAnonymousSubscriptionTransferOnUnsecuredChannel = true;
  const space = server.engine.addressSpace;
  space.installAlarmsAndConditionsService();
  own = space.getOwnNamespace();
  source = own.addObject({ organizedBy: space.rootFolder.objects, browseName: 'Tank', nodeId: 's=Tank', notifierOf: space.rootFolder.objects.server, eventNotifier: 1 });
  level = own.addVariable({ componentOf: source, browseName: 'Level', nodeId: 's=Tank.Level', dataType: 'Double', eventSourceOf: source });
  level.setValueFromSource({ dataType: DataType.Double, value: 50 });
  valve = own.addVariable({ componentOf: source, browseName: 'Valve', nodeId: 's=Tank.Valve', dataType: 'Boolean', eventSourceOf: source });
  valve.setValueFromSource({ dataType: DataType.Boolean, value: false });
  const normal = own.addVariable({ componentOf: source, browseName: 'Normal', nodeId: 's=Tank.Normal', dataType: 'Boolean' });
  normal.setValueFromSource({ dataType: DataType.Boolean, value: false });
  const limit = (name, inputNode) => own.instantiateExclusiveLimitAlarm('ExclusiveLimitAlarmType', { browseName: name, nodeId: `s=${name}`, componentOf: source, conditionSource: inputNode, inputNode, highHighLimit: 95, highLimit: 80, lowLimit: 20, lowLowLimit: 5, optionals: ['ConfirmedState', 'Confirm', 'ShelvingState', 'SuppressedState'] });
  high = limit('LevelAlarm', level);
  const calm = own.addVariable({ componentOf: source, browseName: 'Calm', nodeId: 's=Tank.Calm', dataType: 'Double', eventSourceOf: source });
  calm.setValueFromSource({ dataType: DataType.Double, value: 50 });
  quiet = limit('CalmAlarm', calm);
  off = own.instantiateOffNormalAlarm({ browseName: 'ValveAlarm', nodeId: 's=ValveAlarm', componentOf: source, conditionSource: valve, inputNode: valve, normalState: normal });
  custom = own.addEventType({ browseName: 'BatchEventType', subtypeOf: 'BaseEventType' });
  own.addVariable({ propertyOf: custom, browseName: 'Batch', dataType: 'String', modellingRule: 'Mandatory' });
  source.addReference({ referenceType: 'GeneratesEvent', nodeId: custom.nodeId });
  final = own.addEventType({ browseName: 'FinalBatchEventType', subtypeOf: custom });
  await server.start();
}
cleanup(async () => { await proxy?.close(); await server?.shutdown(0); });

const one = async (code) => (await api.get(`/current?points=${code}`)).items[0];
const is = (code, v, ms = 8000) => until(async () => { const i = await one(code); return i.q === 'good' && i.v === v && i; }, `${code} is ${v}`, ms).catch(async (e) => { throw new Error(`${e.message}; now ${JSON.stringify(await one(code))}\n${serve.log.slice(-800)}`); });
const logged = (text) => serve.log.split(text).length - 1;
async function history(code) {
  const r = await api.get(`/history/recorded?points=${code}&from=*-1h&to=${new Date(Date.now() + 60000).toISOString()}&limit=100000`);
  return r.series[0].t.map((t, k) => ({ t, v: r.series[0].v[k], q: r.series[0].q[k] }));
}
const add = (code, address, spec = {}) => api.post('/points', { code, name: code, spec: { device: 'DCS', address, ...spec } });
const raise = (type, text, severity, extra = {}, node = source) => node.raiseEvent(type, { message: { dataType: 'LocalizedText', value: { text } }, severity: { dataType: 'UInt16', value: severity }, ...extra });
const write = (code, value) => until(async () => { const w = JSON.parse(await (await api.raw('POST', `/points/${code}:write`, { value, confirm: true })).text()); return !/not running yet|being asked for/.test(w.detail ?? '') && w; }, `write ${code}`, 5000);
const set = (v) => level.setValueFromSource({ dataType: DataType.Double, value: v });

test('the channel starts', async () => {
  await startServer();
  proxy = new Proxy(port);
  await proxy.listen();
  serve = await startServe(tempDir());
  api = await signIn(serve);
  await api.post('/channels', { code: 'UA', name: 'UA', spec: { driver: 'opcua', options: { endpoint: `opc.tcp://127.0.0.1:${proxy.port}`, security: 'none', reconnect_min: '50ms', reconnect_max: '100ms', publishing_interval: '50ms' } } });
  await api.post('/devices', { code: 'DCS', name: 'DCS', spec: { channel: 'UA' } });
});

test('wrong addresses are refused when they are stored', async () => {
  for (const [address, why] of [['event:', /empty|node id/], ['event:i=2253 severity=0', /1 to 1000/], ['alarm:ns=1;s=A severity=5', /of events/], ['event:i=2253 notifier=i=1', /of alarms/], ['event:i=2253 field=', /field/], ['event:i=2253 field=a/b/c/d/e/f/g/h/i', /at most 8/], ['event:i=2253 field=A field=B', /twice/]]) {
    const r = await api.raw('POST', '/points', { code: 'X', name: 'X', spec: { device: 'DCS', address } });
    const text = await r.text();
    ok(r.status === 400 && why.test(text), `${address}: ${r.status} ${text}`);
  }
});

test('events of a notifier are samples at the time of the event', async () => {
  await add('Msg', 'event:i=2253');
  await add('Sev', 'event:i=2253 field=Severity');
  await add('Src', 'event:ns=1;s=Tank field=SourceName');
  await add('Type', 'event:i=2253 field=EventType');
  await add('Serious', 'event:ns=1;s=Tank severity=500');
  await add('Batch', 'event:ns=1;s=Tank field=1:Batch type=' + custom.nodeId.toString());
  const at = new Date(Date.now() - 5000);
  await until(async () => { raise('BaseEventType', 'hello', 300); return (await one('Msg')).v === 'hello'; }, 'the first event', 8000, 200);
  raise('BaseEventType', '第二条', 400, { time: { dataType: 'DateTime', value: at } });
  raise('BaseEventType', 'third', 700);
  await is('Msg', 'third');
  await is('Sev', 700);
  await is('Serious', 'third');
  equal((await one('Src')).v, 'Tank');
  ok(/i=2041$/.test((await one('Type')).v), JSON.stringify(await one('Type')));
  await until(async () => (await history('Msg')).some((r) => r.v === '第二条' && Math.abs(new Date(r.t) - at) < 2), 'the time of the event', 5000);
  equal((await history('Serious')).map((r) => r.v), ['third']);
  equal((await one('Batch')).v ?? null, null);
  raise(custom, 'batch', 100, { batch: { dataType: 'String', value: 'B-17' } });
  await is('Batch', 'B-17');
  raise(final, 'last', 100, { batch: { dataType: 'String', value: 'B-18' } });
  await is('Batch', 'B-18'); // a subtype
});

test('events of one time are all kept', async () => {
  const time = { time: { dataType: 'DateTime', value: new Date() } };
  for (let i = 0; i < 20; i++) raise('BaseEventType', `same ${i}`, 100, time);
  await until(async () => (await history('Msg')).filter((r) => /^same/.test(r.v)).length === 20, 'twenty', 8000);
});

test('an alarm: active, severity, message, acknowledged by us', async () => {
  for (const f of ['active', 'acked', 'confirmed', 'enabled', 'severity', 'message', 'comment', 'retain', 'shelved', 'limit', 'branches', 'source']) await add(`A.${f}`, `alarm:ns=1;s=LevelAlarm field=${f}`, { writable: ['acked', 'confirmed', 'enabled', 'comment'].includes(f), ...(f === 'acked' ? { options: { comment: 'seen in the control room' } } : {}), ...(f === 'comment' ? { type: 'string' } : {}) });
  await is('A.active', 0);
  await is('A.retain', 0);
  await is('A.enabled', 1);
  set(99);
  await is('A.active', 1);
  await is('A.acked', 0);
  await is('A.retain', 1);
  await is('A.limit', 'HighHigh');
  ok((await one('A.severity')).v > 0);
  ok(/Level$/.test((await one('A.source')).v));
  const w = await write('A.acked', true);
  equal(w.outcome, 'done', JSON.stringify(w));
  await is('A.acked', 1);
  equal(high.ackedState.getValue(), true);
  await is('A.comment', 'seen in the control room');
  const back = await write('A.acked', false);
  ok(back.outcome === 'refused' && /taken back/.test(back.detail), JSON.stringify(back));
  equal((await write('A.comment', 'pump 3 is stuck')).outcome, 'done');
  await is('A.comment', 'pump 3 is stuck');
  equal((await write('A.confirmed', true)).outcome, 'done');
  await is('A.confirmed', 1);
  const again = await write('A.confirmed', true);
  ok(again.outcome === 'refused' && /confirmed already/.test(again.detail), JSON.stringify(again));
  set(50);
  await is('A.active', 0);
});

test('acknowledged by somebody else', async () => {
  await add('V.active', 'alarm:ns=1;s=ValveAlarm notifier=ns=1;s=Tank');
  await add('V.acked', 'alarm:ns=1;s=ValveAlarm notifier=ns=1;s=Tank field=acked', { writable: true });
  await is('V.active', 0);
  valve.setValueFromSource({ dataType: DataType.Boolean, value: true });
  await is('V.active', 1);
  await is('V.acked', 0);
  const client = OPCUAClient.create({ endpointMustExist: false });
  await client.connect(`opc.tcp://127.0.0.1:${port}`);
  const session = await client.createSession();
  const eventId = off.eventId.readValue().value.value;
  const status = await session.acknowledgeCondition('ns=1;s=ValveAlarm', eventId, 'by a client');
  ok(status.isGood(), status.toString());
  await session.close();
  await client.disconnect();
  await is('V.acked', 1);
});

test('an alarm is disabled: its state means nothing', async () => {
  equal((await write('A.enabled', false)).outcome, 'done');
  await is('A.enabled', 0);
  await until(async () => (await one('A.active')).q === 'bad', 'out of service', 5000);
  ok(/service|停用/.test(JSON.stringify(await one('A.active'))), JSON.stringify(await one('A.active')));
  const w = await write('A.enabled', false);
  ok(w.outcome === 'refused' && /disabled already/.test(w.detail), JSON.stringify(w));
  equal((await write('A.enabled', true)).outcome, 'done');
  await is('A.enabled', 1);
  await is('A.active', 0);
});

test('after a loss the state is as it is now, and events that came meanwhile are there', async () => {
  const refreshes = logged('subscriptions go on');
  proxy.cut();
  await until(async () => (await one('A.active')).q === 'bad' && (await one('Msg')).q === 'bad', 'the loss is told', 8000);
  set(97);
  raise('BaseEventType', 'while away', 450);
  proxy.heal();
  await is('A.active', 1);
  await is('A.acked', 0);
  await until(async () => (await history('Msg')).some((r) => r.v === 'while away'), 'the server kept it', 5000);
  await until(() => logged('subscriptions go on') > refreshes, 'resumed');
  await until(async () => (await one('Batch')).q === 'good', 'the last event is known', 8000);
  equal((await one('Batch')).v, 'B-18');
});

test('the server forgets us: everything is made anew, the state comes by refresh', async () => {
  proxy.cut();
  await until(async () => (await one('A.active')).q === 'bad', 'the loss is told', 8000);
  for (const s of Object.values(server.engine._sessions ?? {})) server.engine.closeSession(s.authenticationToken, true, 'Terminated');
  high.ackedState && set(50);
  set(96);
  proxy.heal();
  await is('A.active', 1);
  await is('V.active', 1);
  const b = await until(async () => { const i = await one('Batch'); return i.q !== 'bad' && i; }, 'the last event', 8000);
  ok(b.q === 'uncertain' && b.v === 'B-18', JSON.stringify(b)); // others may have been missed
  const w = await write('A.acked', true);
  equal(w.outcome, 'done', JSON.stringify(w));
  await is('A.acked', 1);
  set(50);
  await is('A.active', 0);
});

test('what is not there is told', async () => {
  await add('Nowhere', 'event:ns=1;s=Nowhere');
  await until(async () => (await one('Nowhere')).q === 'bad', 'an unknown notifier', 8000);
  await add('NoField', 'event:i=2253 field=1:NoSuchField');
  await until(async () => (await one('NoField')).q === 'bad', 'an unknown field', 8000);
  await add('NoAlarm', 'alarm:ns=1;s=NoSuchAlarm');
  await until(async () => (await one('NoAlarm')).q === 'uncertain', 'nothing proves it', 8000);
  const state = (await api.get('/channels:status')).items[0];
  ok(state.state === 'degraded' && /Nowhere/.test(state.reason), JSON.stringify(state));
  raise('BaseEventType', 'the others go on', 200);
  await is('Msg', 'the others go on');
  for (const c of ['Nowhere', 'NoField', 'NoAlarm']) await api.call('DELETE', `/points/${c}`);
  await until(async () => (await api.get('/channels:status')).items[0].state === 'up', 'up again', 8000);
});

test('what only severe events of a type are wanted of is chosen by the server', async () => {
  const space = server.engine.addressSpace;
  const kiln = own.addObject({ organizedBy: space.rootFolder.objects, browseName: 'Kiln', nodeId: 's=Kiln', notifierOf: space.rootFolder.objects.server, eventNotifier: 1 });
  await add('K.Batch', `event:ns=1;s=Kiln field=1:Batch severity=500 type=${custom.nodeId}`);
  await add('K.Text', `event:ns=1;s=Kiln severity=600 type=${custom.nodeId}`);
  const filters = () => Object.values(server.engine._sessions).flatMap((x) => x.publishEngine?.subscriptions ?? []).flatMap((x) => [...(x.monitoredItems.values?.() ?? Object.values(x.monitoredItems))]).filter((m) => m.node?.browseName?.name === 'Kiln').map((m) => m.filter);
  const f = await until(() => filters().find((x) => x?.whereClause?.elements?.length), 'a where clause', 8000);
  equal(f.whereClause.elements.length, 3);
  const send = (type, severity, batch) => raise(type, `batch ${batch}`, severity, { batch: { dataType: 'String', value: batch } }, kiln);
  send(custom, 400, 'weak');
  raise('BaseEventType', 'other', 900, {}, kiln);
  send(custom, 550, 'medium');
  await is('K.Batch', 'medium');
  send(final, 700, 'strong');
  await is('K.Batch', 'strong');
  await is('K.Text', 'batch strong');
  await until(async () => (await history('K.Batch')).length >= 2, 'history', 5000);
  equal((await history('K.Batch')).map((r) => r.v), ['medium', 'strong']);
  equal((await history('K.Text')).map((r) => r.v), ['batch strong']);
});

test('an acknowledgement of what has changed meanwhile is refused', async () => {
  await api.post('/channels', { code: 'SLOW', name: 'SLOW', spec: { driver: 'opcua', options: { endpoint: `opc.tcp://127.0.0.1:${port}`, security: 'none', publishing_interval: '3s' } } });
  await api.post('/devices', { code: 'SLOW', name: 'SLOW', spec: { channel: 'SLOW' } });
  set(97);
  await is('A.active', 1);
  await api.post('/points', { code: 'S.acked', name: 'S.acked', spec: { device: 'SLOW', address: 'alarm:ns=1;s=LevelAlarm field=acked', writable: true } });
  await is('S.acked', 0, 12000);
  set(50);
  set(99); // another event, which the slow channel is told later
  await is('A.limit', 'HighHigh');
  const w = await write('S.acked', true);
  ok(w.outcome === 'refused' && /changed meanwhile/.test(w.detail), JSON.stringify(w));
  equal(high.ackedState.getValue(), false);
  await until(async () => (await write('S.acked', true)).outcome === 'done', 'the new state was heard', 12000, 500);
  // node-opcua keeps the former state as a branch; both were acknowledged, and our other channel heard it.
  await is('A.acked', 1);
  equal((await one('A.branches')).v, 1); // not confirmed yet
  equal((await write('A.confirmed', true)).outcome, 'done');
  await is('A.confirmed', 1);
  await is('A.branches', 0);
  for (const path of ['points/S.acked', 'devices/SLOW', 'channels/SLOW']) await api.call('DELETE', `/${path}`);
  set(50);
  await is('A.active', 0);
});

test('reads without storing', async () => {
  const r = await api.post('/channels:read', { channel: 'UA', device: 'DCS', points: [{ address: 'alarm:ns=1;s=CalmAlarm' }, { address: 'alarm:ns=1;s=CalmAlarm field=message' }, { address: 'event:i=2253' }, { address: 'alarm:ns=1;s=NoSuchAlarm' }, { address: 'ns=1;s=Tank.Level' }] });
  equal(r.items[0].quality, 'good', JSON.stringify(r.items[0]));
  equal(r.items[0].value, 0);
  ok(r.items[2].quality === 'bad' && /when something happens/.test(r.items[2].reason), JSON.stringify(r.items[2]));
  ok(r.items[3].quality === 'bad', JSON.stringify(r.items[3]));
  equal(typeof r.items[4].value, 'number');
});

test('browsing shows notifiers and alarms with ready addresses', async () => {
  const browse = async (node, size = 200) => (await api.post('/channels:browse', { channel: 'UA', device: 'DCS', node, size })).items;
  const find = (list, name) => { const i = list.find((x) => x.name === name || x.name.endsWith(`:${name}`)); ok(i, `${name} in ${list.map((x) => x.name)}`); return i; };
  const top = await browse('');
  equal(find(top, 'Server').address, 'event:i=2253');
  equal(find(top, 'Tank').address, 'event:ns=1;s=Tank');
  const tank = await browse('ns=1;s=Tank');
  const alarm = find(tank, 'LevelAlarm');
  equal([alarm.address, alarm.type, tank.filter((i) => /LevelAlarm/.test(i.name)).length], ['alarm:ns=1;s=LevelAlarm', 'bool', 1]);
  equal(find(await browse('ns=1;s=Tank.Level'), 'LevelAlarm').address, 'alarm:ns=1;s=LevelAlarm'); // by HasCondition
  const fields = await browse(alarm.node);
  const acked = find(fields, 'acked');
  equal([acked.address, acked.writable, find(fields, 'active').address], ['alarm:ns=1;s=LevelAlarm field=acked', true, 'alarm:ns=1;s=LevelAlarm']);
  ok((await browse(find(fields, 'Variables / 变量').node)).some((i) => /AckedState/.test(i.name)), 'its nodes');
  const events = await browse(find(tank, 'Events / 事件').node);
  equal(find(events, 'Severity').address, 'event:ns=1;s=Tank field=Severity');
  equal(find(events, 'BatchEventType').address, `event:ns=1;s=Tank type=${custom.nodeId}`); // by GeneratesEvent
  const pages = [];
  for (let cursor = null, n = 0; n < 50; n++) {
    const p = await api.post('/channels:browse', { channel: 'UA', device: 'DCS', node: 'ns=1;s=Tank', size: 1, ...(cursor ? { cursor } : {}) });
    ok(p.items.length <= 1);
    pages.push(...p.items);
    cursor = p.next;
    if (!cursor) break;
  }
  equal(pages.map((i) => i.node), tank.map((i) => i.node));
});

test('searching what the server offers', async () => {
  const search = async (q, extra = {}) => (await api.post('/channels:browse', { channel: 'UA', device: 'DCS', q, ...extra }));
  const r = await search('levelalarm');
  const hit = r.items.find((i) => i.address === 'alarm:ns=1;s=LevelAlarm');
  ok(hit && hit.path.at(-1).endsWith('Tank'), JSON.stringify(r.items.slice(0, 3)));
  const valve = await search('tank valve', { node: 'ns=1;s=Tank' });
  ok(valve.items.some((i) => i.address === 'ns=1;s=Tank.Valve' && i.path.length === 0), JSON.stringify(valve.items));
  const one = await api.get('/channels/UA/browse?q=acked&node=ns%3D1%3Bs%3DTank&device=DCS');
  ok(one.items.some((i) => i.address === 'alarm:ns=1;s=ValveAlarm field=acked'), JSON.stringify(one.items.map((i) => i.address)));
  // the whole server in portions, each node once, although its references go round in circles
  const start = Date.now(), found = [];
  let cursor = null, looked = 0, portions = 0;
  do {
    const p = await search('e', { size: 300, nodes: 700, ...(cursor ? { cursor } : {}) });
    found.push(...p.items.map((i) => i.address ?? i.node));
    ({ next: cursor, looked } = p);
    equal(p.truncated, cursor !== null);
    portions++;
  } while (cursor);
  console.log(`     ${looked} nodes, ${found.length} found in ${portions} portions, ${Date.now() - start} ms`);
  ok(portions > 2 && looked > 200, `${portions} ${looked}`);
  equal(new Set(found).size, found.length);
});

test('alarms of our own server, which shows no nodes of them', async () => {
  const own = await freePort();
  await add('OWN.L', 'ns=1;s=Tank.Level', { h: 90, alarm_priority: 2, area: 'LT' });
  set(50);
  await is('OWN.L', 50);
  await api.post('/forwards', { code: 'SRV', name: 'SRV', spec: { outlet: 'opcua_server', filter: "code~'OWN.'", writes: true, gather: '10ms', options: { address: '127.0.0.1', port: own, none: true, publishing_min: '20ms' } } });
  await until(async () => (await api.get('/forwards:status')).items[0]?.state === 'up', 'it to listen');
  set(95);
  const alarm = await until(async () => (await api.get('/alarms')).items.find((i) => i.code === 'OWN.L'), 'the alarm');
  await api.post('/channels', { code: 'SELF', name: 'SELF', spec: { driver: 'opcua', options: { endpoint: `opc.tcp://127.0.0.1:${own}`, security: 'none', publishing_interval: '50ms' } } });
  await api.post('/devices', { code: 'SELF', name: 'SELF', spec: { channel: 'SELF' } });
  const at = `alarm:ns=1;s=alarm:${alarm.id}`;
  for (const f of ['active', 'acked', 'message', 'severity']) await api.post('/points', { code: `O.${f}`, name: f, spec: { device: 'SELF', address: `${at} field=${f}`, writable: f === 'acked' } });
  await api.post('/points', { code: 'O.never', name: 'never', spec: { device: 'SELF', address: 'alarm:ns=1;s=alarm:00000000-0000-7000-8000-000000000000 field=acked', writable: true } });
  await is('O.active', 1);
  await is('O.acked', 0);
  await is('O.severity', 700);
  ok((await one('O.message')).v.length > 0);
  equal((await write('O.acked', true)).outcome, 'done');
  await is('O.acked', 1);
  ok((await api.get('/alarms?state=all')).items.find((i) => i.id === alarm.id).state.endsWith('acked'));
  const again = await write('O.acked', true);
  ok(again.outcome === 'refused' && /acknowledged already/.test(again.detail), JSON.stringify(again));
  await until(async () => (await one('O.never')).q === 'uncertain', 'nothing proves that it exists', 8000);
  const none = await write('O.never', true);
  ok(none.outcome === 'refused' && /no event of this alarm/.test(none.detail), JSON.stringify(none));
  set(50);
  await is('O.active', 0);
});

test('a flood of events', async () => {
  const n = 2000, batch = 200;
  const start = Date.now();
  for (let i = 0; i < n; i += batch) {
    for (let k = 0; k < batch; k++) raise('BaseEventType', `flood ${i + k}`, 150);
    await new Promise((r) => setTimeout(r, 20));
  }
  const sent = Date.now() - start;
  await until(async () => (await one('Msg')).v === `flood ${n - 1}`, 'the last one', 60000, 200);
  const kept = await until(async () => { const k = (await history('Msg')).filter((r) => /^flood/.test(r.v)).length; return k === n && k; }, 'all of them', 5000);
  console.log(`     ${n} events sent in ${sent} ms (${Math.round(n / sent * 1000)}/s), all through after ${Date.now() - start} ms, kept ${kept}`);
});

await run();
