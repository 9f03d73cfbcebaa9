// The OPC UA client under the hardships of a plant, against node-opcua's server behind a proxy that cuts, stalls and
// swallows: sessions and subscriptions that outlive a loss, notifications that were sent but never came, gaps that are
// filled from the server's history, structures of the server's own, deadbands, a write whose outcome nobody knows.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import { DataType, MessageSecurityMode, SecurityPolicy, StatusCodes, Variant } from 'node-opcua-client';
import { nodesets } from 'node-opcua-nodesets';
import { OPCUAServer } from 'node-opcua-server';
import { cleanup, equal, freePort, ok, run, signIn, startServe, tempDir, test, until } from './lib.mjs';
import { Proxy } from './proxy.mjs';

const port = await freePort();
const pki = tempDir();
const dir = tempDir();
let server, serve, api, proxy, timer, nodes, counter = 0;

// ---- structures of the server's own: nested, an array of structures, optional members, a union, an enumeration ----
const NS = 'urn:bornite:test';
const type = (id, name, parent, kind, fields, extra = '') => `
  <UADataType NodeId="ns=1;i=${id}" BrowseName="1:${name}"><DisplayName>${name}</DisplayName>
    <References><Reference ReferenceType="HasSubtype" IsForward="false">${parent}</Reference></References>
    <Definition Name="1:${name}" ${kind}>${fields}</Definition></UADataType>${extra}`;
const encoding = (id, of) => `
  <UAObject NodeId="ns=1;i=${id}" BrowseName="Default Binary" SymbolicName="DefaultBinary"><DisplayName>Default Binary</DisplayName>
    <References><Reference ReferenceType="HasEncoding" IsForward="false">ns=1;i=${of}</Reference>
    <Reference ReferenceType="HasTypeDefinition">i=76</Reference></References></UAObject>`;
const nodeset = `<?xml version="1.0" encoding="utf-8"?>
<UANodeSet xmlns="http://opcfoundation.org/UA/2011/03/UANodeSet.xsd">
  <NamespaceUris><Uri>${NS}</Uri></NamespaceUris>
  <Models><Model ModelUri="${NS}" Version="1.0.0" PublicationDate="2026-01-01T00:00:00Z"><RequiredModel ModelUri="http://opcfoundation.org/UA/" Version="1.04" PublicationDate="2019-01-01T00:00:00Z"/></Model></Models>
  <Aliases><Alias Alias="HasSubtype">i=45</Alias><Alias Alias="HasEncoding">i=38</Alias><Alias Alias="HasTypeDefinition">i=40</Alias><Alias Alias="Double">i=11</Alias><Alias Alias="Int32">i=6</Alias><Alias Alias="String">i=12</Alias><Alias Alias="Duration">i=290</Alias></Aliases>
  ${type(3001, 'Mode', 'i=29', '', '<Field Name="Off" Value="0"/><Field Name="Auto" Value="2"/>')}
  ${type(3002, 'Spot', 'i=22', '', '<Field Name="X" DataType="Double"/><Field Name="Y" DataType="Double"/>', encoding(5002, 3002))}
  ${type(3003, 'Crane', 'i=22', '', '<Field Name="Name" DataType="String"/><Field Name="Mode" DataType="ns=1;i=3001"/><Field Name="At" DataType="ns=1;i=3002"/><Field Name="Path" DataType="ns=1;i=3002" ValueRank="1"/><Field Name="Loads" DataType="Double" ValueRank="1"/><Field Name="Cycle" DataType="Duration"/>', encoding(5003, 3003))}
  ${type(3004, 'Note', 'i=22', '', '<Field Name="Id" DataType="Int32"/><Field Name="Text" DataType="String" IsOptional="true"/><Field Name="Weight" DataType="Double" IsOptional="true"/>', encoding(5004, 3004))}
  ${type(3005, 'Either', 'i=12756', 'IsUnion="true"', '<Field Name="Number" DataType="Double"/><Field Name="Text" DataType="String"/>', encoding(5005, 3005))}
</UANodeSet>`;

// ---- the server ----
async function startServer() {
  writeFileSync(join(pki, 'own.xml'), nodeset);
  const manager = new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  server = new OPCUAServer({
    port, hostname: '127.0.0.1', serverCertificateManager: manager, userCertificateManager: manager, certificateFile: join(pki, 'server.pem'),
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256], securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
    nodeset_filename: [nodesets.standard, join(pki, 'own.xml')], allowAnonymous: true,
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const own = space.getOwnNamespace();
  const folder = own.addFolder('ObjectsFolder', { browseName: 'Plant' });
  const add = (name, dataType, extra) => own.addVariable({ componentOf: folder, browseName: name, nodeId: `s=${name}`, dataType, ...extra });
  const rw = { accessLevel: 'CurrentRead | CurrentWrite', userAccessLevel: 'CurrentRead | CurrentWrite' };
  nodes = { Count: add('Count', 'UInt32', { minimumSamplingInterval: 0 }), Still: add('Still', 'Double'), Set: add('Set', 'Double', rw), Slow: add('Slow', 'Double', rw) };
  nodes.Still.setValueFromSource({ dataType: DataType.Double, value: 5.5 }, StatusCodes.Good, new Date(Date.now() - 3600_000));
  nodes.Set.setValueFromSource({ dataType: DataType.Double, value: 1 });
  nodes.Analog = own.addAnalogDataItem({ componentOf: folder, browseName: 'Analog', nodeId: 's=Analog', dataType: 'Double', engineeringUnitsRange: { low: 0, high: 200 }, engineeringUnits: { namespaceUri: 'http://www.opcfoundation.org/UA/units/un/cefact', unitId: 4408652, displayName: { text: '°C' }, description: { text: 'degree Celsius' } } });
  nodes.Analog.setValueFromSource({ dataType: DataType.Double, value: 10 });
  space.installHistoricalDataNode(nodes.Count, { maxOnlineValues: 100000 });
  const i = space.getNamespaceIndex(NS);
  const make = (name, id, value) => { const t = space.findNode(`ns=${i};i=${id}`); const v = add(name, t.nodeId, rw); v.setValueFromSource({ dataType: DataType.ExtensionObject, value: space.constructExtensionObject(t, value) }); nodes[name] = v; };
  make('Crane', 3003, { name: '起重机', mode: 2, at: { x: 1.5, y: -2 }, path: [{ x: 1, y: 2 }, { x: 3, y: 4 }], loads: [7, 8.5], cycle: 250 });
  make('Note', 3004, { id: 7, text: 'full' });
  make('Either', 3005, { text: 'one' });
  server.engine.allowAnonymousSubscriptionTransferOnUnsecuredChannel = true;
  addMethods(own, folder);
  await server.start();
  timer = setInterval(tick, 110); // slower than the fastest sampling of node-opcua, 50 ms
}
const called = [];
// What is written, as JSON, and what the server gets.
const EVERY = {
  Boolean: [true, (v) => v === true], SByte: [-128, (v) => v === -128], Byte: [255, (v) => v === 255], Int16: [-32768, (v) => v === -32768], UInt16: [65535, (v) => v === 65535], Int32: [-2147483648, (v) => v === -2147483648], UInt32: [4294967295, (v) => v === 4294967295],
  Int64: ['-9007199254740993', (v) => BigInt.asIntN(64, (BigInt(v[0]) << 32n) | BigInt(v[1])) === -9007199254740993n], UInt64: ['18446744073709551615', (v) => v[0] === 4294967295 && v[1] === 4294967295],
  Float: [1.5, (v) => v === 1.5], Double: [-1e300, (v) => v === -1e300], String: ['钢包 7', (v) => v === '钢包 7'], DateTime: ['2026-03-04T05:06:07.089Z', (v) => v.toISOString() === '2026-03-04T05:06:07.089Z'],
  Guid: ['09087e75-8e5e-499b-954f-f2a9603db28a', (v) => v.toLowerCase() === '09087e75-8e5e-499b-954f-f2a9603db28a'], ByteString: ['AAEC/w==', (v) => v.toString('hex') === '000102ff'], XmlElement: ['<a>b</a>', (v) => v === '<a>b</a>'],
  NodeId: ['ns=1;s=Pump', (v) => v.toString() === 'ns=1;s=Pump'], ExpandedNodeId: ['ns=2;i=7', (v) => /ns=2;i=7/.test(v.toString())], StatusCode: ['BadOutOfRange', (v) => v.name === 'BadOutOfRange'],
  QualifiedName: ['1:Tank', (v) => v.namespaceIndex === 1 && v.name === 'Tank'], LocalizedText: [{ locale: 'zh', text: '槽' }, (v) => v.locale === 'zh' && v.text === '槽'],
};
let every;
function addMethods(own, folder) {
  const pump = own.addObject({ componentOf: folder, browseName: 'Pump', nodeId: 's=Pump' });
  const argument = (name, dataType, valueRank = -1) => ({ name, dataType, valueRank, description: { text: name } });
  const add = (name, inputs, outputs, run) => own.addMethod(pump, { browseName: name, nodeId: `s=Pump.${name}`, inputArguments: inputs, outputArguments: outputs })
    .bindMethod((values, _context, done) => { const v = values.map((x) => x.value); called.push([name, ...v]); done(null, run(...v)); });
  add('Stop', [], [], () => ({ statusCode: StatusCodes.Good }));
  add('Run', [argument('speed', DataType.Double)], [argument('was', DataType.Double)], (speed) => ({ statusCode: speed > 100 ? StatusCodes.BadOutOfRange : StatusCodes.Good, outputArguments: [{ dataType: DataType.Double, value: speed / 2 }] }));
  every = Object.entries(EVERY).map(([name]) => argument(name, DataType[name]));
  add('Every', every, [], () => ({ statusCode: StatusCodes.Good }));
  add('Lists', [argument('numbers', DataType.Float, 1), argument('names', DataType.String, 1), argument('bytes', DataType.ByteString, 1)], [], () => ({ statusCode: StatusCodes.Good }));
  add('Load', [argument('name', DataType.String), argument('count', DataType.UInt16)], [], () => ({ statusCode: StatusCodes.Good }));
}
// Each value once, each with a time of its own.
function tick() {
  nodes.Count.setValueFromSource({ dataType: DataType.UInt32, value: ++counter }, StatusCodes.Good, new Date());
}
cleanup(async () => { clearInterval(timer); await proxy?.close(); await server?.shutdown(0); });

const current = async (codes) => (await api.get(`/current?points=${codes.join(',')}`)).items;
const one = async (code) => (await current([code]))[0];
const fast = { reconnect_min: '50ms', reconnect_max: '100ms' };
const sessions = () => Object.values(server.engine._sessions ?? {});
const endSessions = (withSubscriptions) => { for (const s of sessions()) server.engine.closeSession(s.authenticationToken, withSubscriptions, 'Terminated'); };
const logged = (text) => serve.log.split(text).length - 1;
async function history(code, from) {
  const r = await api.get(`/history/recorded?points=${code}&from=${from}&to=${new Date(Date.now() + 60000).toISOString()}&limit=100000`);
  return r.series[0].t.map((t, k) => ({ t, v: r.series[0].v[k], q: r.series[0].q[k] })).filter((s) => s.q === 0);
}
// Every number from the first to the last, with one time each; after a loss the value that still holds may stand once more,
// with the time at which it was good again.
let losses = 0;
async function complete(what, from) {
  const last = counter;
  let missing, twice;
  await until(async () => {
    const rows = await history('Count', from), times = new Map();
    for (const r of rows) times.set(r.v, (times.get(r.v) ?? 0) + 1);
    missing = [];
    for (let v = rows[0].v; v <= last; v++) if (!times.has(v)) missing.push(v);
    twice = [...times.values()].reduce((n, k) => n + k - 1, 0);
    return missing.length === 0;
  }, `${what}: all values`, 10000).catch((e) => { throw new Error(`${e.message.slice(0, 60)}: to ${last}, missing ${missing}`); });
  ok(twice <= losses, `${what}: ${twice} stand twice after ${losses} losses`);
}

test('structures of the server come as JSON, members as values', async () => {
  await startServer();
  proxy = new Proxy(port);
  await proxy.listen();
  serve = await startServe(dir);
  api = await signIn(serve);
  await api.post('/channels', { code: 'UA', name: 'UA', spec: { driver: 'opcua', options: { endpoint: `opc.tcp://127.0.0.1:${proxy.port}`, security: 'none', backfill: true, answer_timeout: '2s', ...fast } } });
  await api.post('/devices', { code: 'PLC', name: 'PLC', spec: { channel: 'UA' } });
  const point = (code, node, options, extra) => api.post('/points', { code, name: code, spec: { device: 'PLC', address: `ns=1;s=${node}`, period: '50ms', options, ...extra } });
  for (const n of ['Crane', 'Note', 'Either']) await point(n, n, undefined, { type: 'string', writable: true });
  await point('CraneX', 'Crane', { member: 'At.X' });
  await point('CraneMode', 'Crane', { member: 'Mode' });
  await point('CraneY2', 'Crane', { member: 'Path[1].Y' });
  await point('CraneName', 'Crane', { member: 'Name' });
  await point('NoteWeight', 'Note', { member: 'Weight' });
  const all = await until(async () => { const i = await current(['Crane', 'Note', 'Either', 'CraneX', 'CraneMode', 'CraneY2', 'CraneName']); return i.every((x) => x.q === 'good') && i; }, 'all good', 8000);
  equal(JSON.parse(all[0].v), { Name: '起重机', Mode: 2, At: { X: 1.5, Y: -2 }, Path: [{ X: 1, Y: 2 }, { X: 3, Y: 4 }], Loads: [7, 8.5], Cycle: 250 });
  equal([JSON.parse(all[1].v), JSON.parse(all[2].v)], [{ Id: 7, Text: 'full' }, { Text: 'one' }]);
  equal(all.slice(3).map((x) => x.v), [1.5, 2, 4, '起重机']);
  equal([(await one('NoteWeight')).q, (await one('NoteWeight')).reason], ['bad', 'no_data'], 'a member that is not there');
  const t = await api.post('/channels:read', { channel: 'UA', points: [{ address: 'ns=1;s=Crane' }] }).catch((e) => ({ e: String(e) }));
  ok(JSON.stringify(t).includes('起重机'), JSON.stringify(t));
});

test('a structure is written as JSON, and what does not fit is refused', async () => {
  const next = { Name: 'B', Mode: 0, At: { X: 9, Y: 8 }, Path: [], Loads: [1], Cycle: 5 };
  await api.post('/points/Crane:write', { value: JSON.stringify(next), confirm: true });
  await until(async () => (await one('CraneX')).v === 9, 'the new place');
  equal(JSON.parse((await one('Crane')).v), next);
  await api.post('/points/Note:write', { value: '{"Id":8,"Weight":1.25}', confirm: true });
  await until(async () => (await one('NoteWeight')).v === 1.25, 'the optional member');
  const bad = await (await api.raw('POST', '/points/Crane:write', { value: '{"Name":3}', confirm: true })).text();
  ok(/Name|Mode/.test(bad), bad);
  const text = await (await api.raw('POST', '/points/Crane:write', { value: 'x', confirm: true })).text();
  ok(/JSON/.test(text), text);
});

let from;
test('a cut of half a second: the session lives, and no value is missing', async () => {
  await api.post('/points', { code: 'Count', name: 'Count', spec: { device: 'PLC', address: 'ns=1;s=Count', period: '50ms', options: { sampling: '50ms', queue: 2000 } } });
  await api.post('/points', { code: 'Still', name: 'Still', spec: { device: 'PLC', address: 'ns=1;s=Still', period: '50ms' } });
  await until(async () => (await current(['Count', 'Still'])).every((i) => i.q === 'good'), 'good', 5000);
  from = new Date((await one('Count')).t).toISOString();
  proxy.cut();
  losses++;
  await until(async () => (await one('Still')).q === 'bad', 'told as bad', 5000);
  proxy.heal();
  await until(async () => (await one('Count')).q === 'good', 'good again', 5000);
  await complete('after a cut', from);
  ok(logged('by=session') === 1, 'the session went on');
  await until(async () => (await one('Still')).q === 'good', 'what has not changed is good again', 3000);
  equal((await one('Still')).v, 5.5);
});

test('notifications that were sent but never came are asked for again', async () => {
  proxy.swallow = true;
  const at = counter;
  await until(() => counter > at + 8, 'lost notifications');
  proxy.cut();
  losses++;
  proxy.heal();
  await until(async () => (await one('Count')).q === 'good' && (await one('Count')).v > at + 8, 'good again', 5000);
  await complete('after swallowing', from);
  equal(logged('a notification was lost'), 0, 'all were republished');
});

test('the session is gone, its subscriptions are taken over', async () => {
  const before = logged('by=transfer');
  proxy.cut();
  losses++;
  await until(async () => (await one('Still')).q === 'bad', 'told as bad', 5000);
  endSessions(false);
  proxy.heal();
  await until(async () => (await current(['Count', 'Still'])).every((i) => i.q === 'good'), 'good again', 8000);
  await complete('after a transfer', from);
  equal(logged('by=transfer'), before + 1);
});

test('everything is gone: the gap is read from the server\'s history', async () => {
  proxy.cut();
  losses++;
  await until(async () => (await one('Still')).q === 'bad', 'told as bad', 5000);
  endSessions(true);
  const at = counter;
  await until(() => counter > at + 12, 'values that nobody has queued');
  proxy.heal();
  await until(async () => (await current(['Count', 'Still'])).every((i) => i.q === 'good'), 'good again', 8000);
  await complete('after back-filling', from);
  ok(logged('gaps filled') >= 1, 'it is told in the log');
});

test('a queue that runs over is made good from the history', async () => {
  await api.post('/points', { code: 'Few', name: 'Few', spec: { device: 'PLC', address: 'ns=1;s=Count', period: '1s', options: { sampling: '50ms', queue: 2 } } });
  const since = new Date(Date.now() - 60000).toISOString();
  const first = await until(async () => (await one('Few')).q === 'good' && (await one('Few')).v, 'good', 5000);
  const at = await until(() => counter > first + 20 && counter, 'more than the queue holds');
  await until(async () => { const seen = new Set((await history('Few', since)).map((r) => r.v)); for (let v = first; v <= at; v++) if (!seen.has(v)) return false; return true; }, 'all values', 8000);
});

test('a deadband keeps small changes at the server', async () => {
  await api.post('/points', { code: 'Abs', name: 'Abs', spec: { device: 'PLC', address: 'ns=1;s=Analog', period: '50ms', options: { deadband: 5 } } });
  await api.post('/points', { code: 'Pct', name: 'Pct', spec: { device: 'PLC', address: 'ns=1;s=Analog', period: '50ms', options: { deadband: 10, deadband_kind: 'percent' } } });
  await api.post('/points', { code: 'All', name: 'All', spec: { device: 'PLC', address: 'ns=1;s=Analog', period: '50ms' } });
  const set = async (v) => { nodes.Analog.setValueFromSource({ dataType: DataType.Double, value: v }); await until(async () => (await one('All')).v === v, `All ${v}`, 3000); };
  await until(async () => (await current(['Abs', 'Pct', 'All'])).every((i) => i.q === 'good'), 'good', 5000);
  await set(14);
  equal((await current(['Abs', 'Pct'])).map((i) => i.v), [10, 10]);
  await set(16);
  await until(async () => (await one('Abs')).v === 16, 'beyond 5', 3000);
  equal((await one('Pct')).v, 10);
  await set(31); // 10 % of 200 are 20
  await until(async () => (await one('Pct')).v === 31, 'beyond 20', 3000);
});

test('browsing tells unit and range', async () => {
  const top = await api.post('/channels:browse', { channel: 'UA', device: 'PLC' });
  const plant = top.items.find((i) => i.name === 'Plant');
  const all = await api.post('/channels:browse', { channel: 'UA', device: 'PLC', node: plant.node, size: 100 });
  const analog = all.items.find((i) => i.name === 'Analog');
  equal([analog.unit, analog.lo, analog.hi], ['Cel', 0, 200], JSON.stringify(analog));
  equal(all.items.find((i) => i.name === 'Set').unit ?? null, null);
});

test('a write that was sent and never answered is called unknown', async () => {
  await api.post('/points', { code: 'Set', name: 'Set', spec: { device: 'PLC', address: 'ns=1;s=Set', period: '50ms', writable: true } });
  await until(async () => (await one('Set')).q === 'good', 'good', 5000);
  proxy.swallow = true;
  const w = api.raw('POST', '/points/Set:write', { value: 42, confirm: true }).then((r) => r.text());
  await until(() => nodes.Set.readValue().value.value === 42, 'it reached the server', 3000);
  proxy.cut();
  losses++;
  const text = await w;
  ok(/unknown/.test(text), text);
  proxy.heal();
  await until(async () => (await one('Set')).v === 42, 'what was written is seen', 5000);
});

test('methods are found by browsing and called by writing', async () => {
  const top = await api.post('/channels:browse', { channel: 'UA', device: 'PLC' });
  const plant = await api.post('/channels:browse', { channel: 'UA', device: 'PLC', node: top.items.find((i) => i.name === 'Plant').node, size: 100 });
  const pump = await api.post('/channels:browse', { channel: 'UA', device: 'PLC', node: plant.items.find((i) => i.name === 'Pump').node });
  const address = (name) => pump.items.find((i) => i.name === name).address;
  equal(address('Run'), 'method ns=1;s=Pump ns=1;s=Pump.Run');
  for (const [name, type] of [['Stop', 'auto'], ['Run', 'auto'], ['Load', 'string']]) await api.post('/points', { code: name, name, spec: { device: 'PLC', address: address(name), type, writable: true } });
  const write = (name, value) => until(async () => { const w = JSON.parse(await (await api.raw('POST', `/points/${name}:write`, { value, confirm: true })).text()); return !/not running yet/.test(w.detail ?? '') && w; }, name, 5000);
  const run = await write('Run', 40);
  ok(run.outcome === 'done' && JSON.stringify(run).includes('20'), JSON.stringify(run));
  await until(async () => (await one('Run')).v === 20, 'the output argument', 3000);
  const stop = await write('Stop', 1);
  equal(stop.outcome, 'done', JSON.stringify(stop));
  equal((await write('Load', '["coil", 7]')).outcome, 'done');
  equal((await write('Load', '{"name":"slab","count":8}')).outcome, 'done');
  equal(called, [['Run', 40], ['Stop'], ['Load', 'coil', 7], ['Load', 'slab', 8]]);
  const range = JSON.stringify(await write('Run', 400));
  ok(/BadOutOfRange/.test(range), range);
  const few = JSON.stringify(await write('Load', '["coil"]'));
  ok(/2 arguments/.test(few), few);
  const wrong = JSON.stringify(await write('Load', '["coil", 70000]'));
  ok(/argument 2 \\\(count\\\)|argument 2 \(count\)/.test(wrong), wrong);
  const bad = await (await api.raw('POST', '/points', { code: 'M', name: 'M', spec: { device: 'PLC', address: 'method ns=1;s=Pump' } })).text();
  ok(/method ns=2;s=Pump ns=2;s=Pump.Start/.test(bad), bad);
});

test('a method takes arguments of every built-in type, and arrays', async () => {
  for (const name of ['Every', 'Lists']) await api.post('/points', { code: name, name, spec: { device: 'PLC', address: `method ns=1;s=Pump ns=1;s=Pump.${name}`, type: 'string', writable: true } });
  const write = (name, value) => until(async () => { const w = JSON.parse(await (await api.raw('POST', `/points/${name}:write`, { value, confirm: true })).text()); return !/not running yet/.test(w.detail ?? '') && w; }, name, 5000);
  called.length = 0;
  const byName = await write('Every', JSON.stringify(Object.fromEntries(Object.entries(EVERY).map(([k, [v]]) => [k, v]))));
  equal(byName.outcome, 'done', JSON.stringify(byName));
  const inOrder = await write('Every', JSON.stringify(Object.values(EVERY).map(([v]) => v)));
  equal(inOrder.outcome, 'done', JSON.stringify(inOrder));
  equal(called.length, 2);
  for (const [, ...got] of called) Object.entries(EVERY).forEach(([name, [, right]], i) => ok(right(got[i]), `${name}: ${JSON.stringify(got[i])}`));
  called.length = 0;
  const lists = await write('Lists', '[[1.5, -2], ["a", "", "铜"], []]');
  equal(lists.outcome, 'done', JSON.stringify(lists));
  equal([[...called[0][1]], called[0][2], called[0][3] ?? []], [[1.5, -2], ['a', '', '铜'], []]);
  for (const [name, wrong] of [['SByte', 128], ['Byte', -1], ['UInt64', '-1'], ['Guid', 'nonsense'], ['ByteString', '***'], ['NodeId', 'x=1'], ['DateTime', 'yesterday'], ['StatusCode', 'BadMood'], ['Boolean', 'maybe']]) {
    const all = Object.fromEntries(Object.entries(EVERY).map(([k, [v]]) => [k, v]));
    const w = await write('Every', JSON.stringify({ ...all, [name]: wrong }));
    ok(w.outcome === 'refused' && w.detail.includes(name), `${name}: ${JSON.stringify(w)}`);
  }
  equal(called.length, 1);
});

test('own certificate, certificate of a user, keys renewed while values go on', async () => {
  const keys = tempDir();
  const manager = new OPCUACertificateManager({ rootFolder: keys, automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  const file = join(keys, 'client.pem');
  await manager.createSelfSignedCertificate({ applicationUri: 'urn:plant:client', subject: '/CN=client', dns: ['localhost'], startDate: new Date(Date.now() - 3600_000), validity: 30, outputFile: file });
  const certificate = readFileSync(file, 'utf8'), key = readFileSync(manager.privateKey, 'utf8');
  const options = { endpoint: `opc.tcp://127.0.0.1:${proxy.port}`, security: 'basic256sha256', trust: 'any', certificate, private_key: key, user: 'certificate', user_certificate: certificate, user_key: key, token_lifetime: '1s', ...fast };
  const other = await api.raw('POST', '/channels:test', { spec: { driver: 'opcua', options: { ...options, private_key: readFileSync(join(pki, 'own/private/private_key.pem'), 'utf8') } } });
  ok(/does not belong to the certificate/.test(await other.text()), 'a key of another certificate is refused');
  await api.post('/channels', { code: 'SEC', name: 'SEC', spec: { driver: 'opcua', options } });
  await api.post('/devices', { code: 'SAFE', name: 'SAFE', spec: { channel: 'SEC' } });
  await api.post('/points', { code: 'Safe', name: 'Safe', spec: { device: 'SAFE', address: 'ns=1;s=Count', period: '50ms' } });
  await until(async () => (await one('Safe')).q === 'good', 'good', 8000);
  const mine = () => server.engine.getSessions().find((s) => s.sessionName === 'SEC');
  equal(mine().clientDescription.applicationUri, 'urn:plant:client');
  ok(/X509|Certificate/i.test(mine().userIdentityToken.constructor.name), mine().userIdentityToken.constructor.name);
  const token = () => mine().channel.securityTokenCount;
  const first = token(), lost = logged('connection lost');
  await until(() => token() > first + 1, 'two renewals', 9000);
  const at = (await one('Safe')).v;
  await until(async () => (await one('Safe')).v > at, 'it goes on', 3000);
  equal(logged('connection lost'), lost);
  for (const path of ['points/Safe', 'devices/SAFE', 'channels/SEC']) await api.call('DELETE', `/${path}`);
});

test('an expired certificate is refused though it is trusted', async () => {
  const at = await freePort(), root = tempDir(), old = join(root, 'old.pem');
  const manager = new OPCUACertificateManager({ rootFolder: root, automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  await manager.createSelfSignedCertificate({ applicationUri: 'urn:old', subject: '/CN=old', dns: ['localhost'], startDate: new Date(Date.now() - 90 * 86400_000), validity: 30, outputFile: old });
  const expired = new OPCUAServer({ port: at, hostname: '127.0.0.1', serverCertificateManager: manager, userCertificateManager: manager, certificateFile: old, securityPolicies: [SecurityPolicy.Basic256Sha256], securityModes: [MessageSecurityMode.SignAndEncrypt], serverInfo: { applicationUri: 'urn:old' } });
  await expired.start();
  try {
    const tried = () => api.post('/channels:test', { spec: { driver: 'opcua', options: { endpoint: `opc.tcp://127.0.0.1:${at}`, security: 'basic256sha256', ...fast } } });
    const first = await until(async () => { const t = await tried(); return /not trusted yet/.test(t.detail) && t; }, 'not trusted');
    ok(!first.ok);
    const peer = await until(async () => (await api.get('/peer-certificates')).items.find((i) => i.name === 'old'), 'listed', 5000);
    await api.post(`/peer-certificates/${peer.id}:transition`, { transition: 'trust' });
    const second = await until(async () => { const t = await tried(); return !/not trusted yet/.test(t.detail) && t; }, 'judged', 5000);
    ok(!second.ok && /has ended on/.test(second.detail), JSON.stringify(second));
  } finally {
    await expired.shutdown(0);
  }
});

test('of two servers the one with the higher ServiceLevel is used, and the other takes over', async () => {
  const second = await freePort(), away = new Proxy(second);
  await away.listen();
  const manager = new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  const twin = new OPCUAServer({ port: second, hostname: '127.0.0.1', serverCertificateManager: manager, userCertificateManager: manager, certificateFile: join(pki, 'server.pem'), securityPolicies: [SecurityPolicy.None], securityModes: [MessageSecurityMode.None] });
  await twin.initialize();
  const own = twin.engine.addressSpace.getOwnNamespace();
  const folder = own.addFolder('ObjectsFolder', { browseName: 'Plant' });
  const who = (space, parent, value) => space.addVariable({ componentOf: parent, browseName: 'Who', nodeId: 's=Who', dataType: 'String' }).setValueFromSource({ dataType: DataType.String, value });
  who(own, folder, 'second');
  who(server.engine.addressSpace.getOwnNamespace(), server.engine.addressSpace.findNode('ns=1;s=Set').parent, 'first');
  const levels = new Map([[server, 210], [twin, 240]]);
  for (const s of [server, twin]) s.engine.addressSpace.findNode('i=2267').bindVariable({ get: () => new Variant({ dataType: DataType.Byte, value: levels.get(s) }) }, true);
  const level = (s, n) => levels.set(s, n);
  await twin.start();
  try {
    await api.post('/channels', { code: 'RED', name: 'RED', spec: { driver: 'opcua', options: { endpoint: `opc.tcp://127.0.0.1:${proxy.port}`, endpoints: `opc.tcp://127.0.0.1:${away.port}`, watch_interval: '100ms', security: 'none', ...fast } } });
    await api.post('/devices', { code: 'PAIR', name: 'PAIR', spec: { channel: 'RED' } });
    await api.post('/points', { code: 'Who', name: 'Who', spec: { device: 'PAIR', address: 'ns=1;s=Who', period: '50ms', type: 'string' } });
    const is = (v) => until(async () => { const i = await one('Who'); return i.q === 'good' && i.v === v; }, `the ${v} server`, 8000);
    await is('second'); // the higher one at the beginning
    level(twin, 100); // degraded: the other is better
    await is('first');
    level(twin, 250); // ours is in order: it stays
    const at = counter;
    await until(() => counter > at + 5, 'some time');
    equal((await one('Who')).v, 'first');
    proxy.cut(); // ours is lost
    await is('second');
    proxy.heal();
    away.cut();
    await is('first');
  } finally {
    await api.call('DELETE', '/points/Who');
    await api.call('DELETE', '/devices/PAIR');
    await api.call('DELETE', '/channels/RED');
    proxy.heal();
    await away.close();
    await twin.shutdown(0);
  }
});

await run();
