// The OPC UA server, asked by node-opcua's client: endpoints, security policies with certificates that an administrator
// trusts, users of the platform, browsing, reading, subscriptions, writes under the control rules, history, alarms with
// acknowledgement, a server that is killed and comes back. In the end our own driver is the client: what goes out comes
// back the same.
import { readdirSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import {
  AggregateFunction, AttributeIds, BrowseDirection, ClientMonitoredItem, ClientMonitoredItemGroup, ClientSubscription, constructEventFilter, DataType, MessageSecurityMode,
  ofType, OPCUAClient, SecurityPolicy, TimestampsToReturn, UserTokenType, Variant,
} from 'node-opcua-client';
import { Device, POINTS } from './browser/device.mjs';
import { cleanup, equal, freePort, near, ok, run, signIn, sleep, startServe, stop, tempDir, test, until } from './lib.mjs';

const device = new Device();
const dir = tempDir();
const pki = tempDir();
const CODES = ['UI.INT', 'UI.F.ABCD', 'UI.F64', 'UI.COIL', 'UI.DI', 'UI.UINT'];
const NONE = { securityMode: MessageSecurityMode.None, securityPolicy: SecurityPolicy.None };
const ADMIN = 'admin', PASSWORD = '斑铜矿-Bornite-1';
let serve, api, port, manager;

const current = async (code) => (await api.get(`/current?points=${code}`)).items[0];
const status = async () => (await api.get('/forwards:status')).items.find((i) => i.code === 'UASRV');
const node = (code) => `ns=2;s=${code}`;
const url = () => `opc.tcp://127.0.0.1:${port}`;

function client(options) {
  const c = OPCUAClient.create({
    applicationName: 'Watcher', endpointMustExist: false, connectionStrategy: { maxRetry: 0 }, clientCertificateManager: manager, ...options,
  });
  return c;
}
// A session for the time of fn.
async function withSession(options, user, fn) {
  const c = client(options);
  await c.connect(url());
  try {
    const s = await c.createSession(user);
    try { return await fn(s, c); } finally { await s.close(); }
  } finally {
    await c.disconnect();
  }
}
const refusal = async (p) => { try { await p; return ''; } catch (e) { return String(e.message ?? e); } };
const read = (s, nodeId, attributeId = AttributeIds.Value) => s.read({ nodeId, attributeId });
const write = async (s, code, dataType, value) => (await s.write({ nodeId: node(code), attributeId: AttributeIds.Value, value: { value: { dataType, value } } })).name;

test('a device is collected, a server offers its points', async () => {
  manager = new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  await device.start();
  serve = await startServe(dir);
  api = await signIn(serve);
  port = await freePort();
  await api.post('/channels', { code: 'PEER', name: '设备', spec: { driver: 'modbus_tcp', options: { host: '127.0.0.1', port: device.port } } });
  await api.post('/devices', { code: 'D', name: '设备', spec: { channel: 'PEER', options: { unit: 1 } } });
  const rows = CODES.map((code) => {
    const [, address, type, order, scale] = POINTS.find((p) => p[0] === code);
    return `${code},${code},D,${address},${type},${order},${scale},100ms,${['UI.INT', 'UI.F64', 'UI.COIL'].includes(code)},LT/GRD`;
  });
  const done = await api.csv('/points:import', ['code,name,device,address,type,byte_order,scale,period,writable,area', ...rows].join('\n'));
  equal(done.failed, 0, JSON.stringify(done).slice(0, 400));
  await until(async () => (await current('UI.INT')).q === 'good', 'the device');
  const row = (await api.get('/outlets')).items.find((o) => o.name === 'opcua_server');
  ok(row.server && row.addresses, 'it is listed');
  const options = { address: '127.0.0.1', port, none: true, publishing_min: '20ms' };
  const spec = { outlet: 'opcua_server', filter: "code~'UI.'", writes: true, gather: '10ms', options };
  await api.post('/forwards', { code: 'UASRV', name: 'OPC UA', spec });
  await until(async () => (await status())?.state === 'up', 'it to listen');
  await api.post('/forward-points', { code: 'UA.INT', name: 'x', spec: { forward: 'UASRV', point: 'UI.INT', type: 'int16', address: 'ns=2;s=Plant.Int' } });
  await until(async () => (await api.get('/forwards/UASRV/points')).items.some((i) => i.address === 'ns=2;s=Plant.Int'), 'the address');
  const bad = await api.raw('POST', '/forward-points', { code: 'UA.BAD', name: 'x', spec: { forward: 'UASRV', point: 'UI.DI', address: 'ns=1;s=x' } });
  ok(bad.status === 400 && /namespace 2/.test(await bad.text()), 'an address in another namespace');
  const tried = await api.post('/forwards/UASRV:test');
  ok(tried.ok && /SHA-1 [0-9a-f]{40}/.test(tried.detail), JSON.stringify(tried));
});

test('endpoints, and a tree of areas, devices and points', async () => {
  const c = client();
  await c.connect(url());
  const endpoints = await c.getEndpoints();
  equal(endpoints.map((e) => `${e.securityPolicyUri.split('#')[1]}/${e.securityMode}`).sort(),
    ['Aes128_Sha256_RsaOaep/3', 'Aes256_Sha256_RsaPss/3', 'Basic256Sha256/3', 'None/1']);
  ok(endpoints.every((e) => e.endpointUrl === url()), 'the address by which we came');
  await c.disconnect();
  await withSession(NONE, undefined, async (s) => {
    const seen = {};
    const walk = async (nodeId, path) => {
      const r = await s.browse({ nodeId, browseDirection: BrowseDirection.Forward, referenceTypeId: 'HierarchicalReferences', includeSubtypes: true, resultMask: 63 });
      for (const x of r.references) {
        const at = `${path}/${x.browseName.name}`;
        seen[at] = x.nodeId.toString();
        if (x.nodeId.namespace > 0) await walk(x.nodeId, at);
      }
    };
    await walk('ObjectsFolder', '');
    equal(seen['/LT/GRD/D/UI.F64'], node('UI.F64'), JSON.stringify(seen));
    equal(seen['/LT/GRD/D/UI.INT'], 'ns=2;s=Plant.Int');
    equal(await s.readNamespaceArray().then((l) => l.slice(2)), ['urn:bornite:points']);
    equal((await read(s, 'i=2259')).value.value, 0);
    const path = await s.translateBrowsePath({ startingNode: 'i=85', relativePath: { elements: ['1:LT', '1:GRD', '1:D', '2:UI.DI'].map((t) => ({ referenceTypeId: 'i=33', includeSubtypes: true, targetName: { namespaceIndex: +t[0], name: t.slice(2) } })) } });
    equal(path.targets[0].targetId.toString(), node('UI.DI'));
  });
});

test('values, types and times are those of the platform', async () => {
  await withSession(NONE, undefined, async (s) => {
    for (const code of CODES) {
      const want = await current(code);
      const got = await read(s, code === 'UI.INT' ? 'ns=2;s=Plant.Int' : node(code));
      equal(got.statusCode.name, 'Good', code);
      near(Number(got.value.value), Number(want.v), 1e-9, code);
      ok(Math.abs(Date.now() - got.sourceTimestamp) < 60000, `${code} ${got.sourceTimestamp}`);
    }
    equal((await read(s, 'ns=2;s=Plant.Int')).value.dataType, DataType.Int16);
    equal((await read(s, node('UI.COIL'))).value.dataType, DataType.Boolean);
    equal((await read(s, node('UI.NONE'))).statusCode.name, 'BadNodeIdUnknown');
  });
});

test('certificates: unknown ones are refused and listed, trusted ones come in', async () => {
  const secure = { securityMode: MessageSecurityMode.SignAndEncrypt, securityPolicy: SecurityPolicy.Basic256Sha256 };
  const why = await refusal(withSession(secure, undefined, async () => {}));
  ok(why !== '', 'an unknown client');
  const peer = await until(async () => (await api.get('/peer-certificates')).items.find((i) => i.state === 'new'), 'it in the list');
  ok(JSON.stringify(peer).includes('opcua'), JSON.stringify(peer));
  await api.post(`/peer-certificates/${peer.id}:transition`, { transition: 'trust' });
  for (const policy of ['Basic256Sha256', 'Aes128_Sha256_RsaOaep', 'Aes256_Sha256_RsaPss']) {
    const options = { securityMode: MessageSecurityMode.SignAndEncrypt, securityPolicy: SecurityPolicy[policy] };
    await withSession(options, undefined, async (s) => equal((await read(s, node('UI.F64'))).statusCode.name, 'Good', policy));
  }
  const sign = { securityMode: MessageSecurityMode.Sign, securityPolicy: SecurityPolicy.Basic256Sha256 };
  ok(await refusal(withSession(sign, undefined, async () => {})) !== '', 'signing alone is off');
});

test('users of the platform sign in with their password, also without security', async () => {
  await api.post('/session/password', { new: PASSWORD });
  const options = { securityMode: MessageSecurityMode.SignAndEncrypt, securityPolicy: SecurityPolicy.Aes256_Sha256_RsaPss };
  for (const o of [options, NONE]) {
    const wrong = await refusal(withSession(o, { type: UserTokenType.UserName, userName: ADMIN, password: 'x' }, async () => {}));
    ok(wrong.includes('BadUserAccessDenied'), wrong);
    await withSession(o, { type: UserTokenType.UserName, userName: ADMIN, password: PASSWORD }, async (s) => equal((await read(s, node('UI.F64'))).statusCode.name, 'Good'));
  }
});

test('changes are told with the time of their source', async () => {
  await withSession(NONE, undefined, async (s) => {
    const sub = ClientSubscription.create(s, { requestedPublishingInterval: 50, requestedLifetimeCount: 100, requestedMaxKeepAliveCount: 10, maxNotificationsPerPublish: 100, publishingEnabled: true, priority: 1 });
    const seen = [];
    const item = ClientMonitoredItem.create(sub, { nodeId: node('UI.F64'), attributeId: AttributeIds.Value }, { samplingInterval: 0, discardOldest: true, queueSize: 100 }, TimestampsToReturn.Both);
    item.on('changed', (v) => seen.push(v));
    await until(() => seen.length === 1, 'the value at first');
    for (let k = 1; k <= 5; k++) {
      device.put('UI.F64', 1000 + k);
      await until(() => seen.at(-1).value.value === 1000 + k, `change ${k}`);
    }
    ok(seen.every((v, i) => i === 0 || v.sourceTimestamp > seen[i - 1].sourceTimestamp), 'in order');
    await device.stop();
    await until(() => seen.at(-1).statusCode.name.startsWith('Bad'), 'a device that is gone');
    await device.start(device.port);
    await until(() => seen.at(-1).statusCode.name === 'Good', 'a device that came back');
    await sub.terminate();
  });
});

test('writes go through the control rules', async () => {
  await withSession(NONE, undefined, async (s) => {
    equal(await write(s, 'UI.F64', DataType.Double, 77.5), 'Good');
    equal(device.get('UI.F64'), 77.5);
    equal(await write(s, 'UI.F64', DataType.Int32, 1), 'BadTypeMismatch');
    equal(await write(s, 'UI.DI', DataType.Boolean, true), 'BadNotWritable');
    equal(await write(s, 'Plant.Int', DataType.Int16, -5), 'Good');
    equal(device.get('UI.INT'), -5);
    await device.stop();
    const lost = await write(s, 'UI.F64', DataType.Double, 1);
    ok(/^Bad/.test(lost), lost);
    await device.start(device.port);
    await until(async () => (await current('UI.F64')).q === 'good', 'the device back');
  });
  const audit = JSON.stringify(await api.get('/audit?size=50'));
  ok(audit.includes('forward:UASRV') && audit.includes('127.0.0.1'), 'who wrote it stands in the record');
});

test('history: raw values in pieces and aggregates, as the platform has them', async () => {
  await withSession(NONE, undefined, async (s) => {
    const from = new Date(Date.now() - 3600e3), to = new Date(Date.now() + 3600e3);
    const all = await until(async () => {
      const r = await s.readHistoryValue({ nodeId: node('UI.F64') }, from, to, { returnBounds: false });
      return r.historyData?.dataValues.some((v) => v.value.value === 77.5) && r;
    }, 'the write in the history');
    const values = all.historyData.dataValues;
    ok([1001, 1002, 1003, 1004, 1005, 77.5].every((x) => values.some((v) => v.value.value === x)), JSON.stringify(values.map((v) => v.value?.value)));
    const piece = await s.readHistoryValue({ nodeId: node('UI.F64') }, from, to, { numValuesPerNode: 2, returnBounds: false });
    equal(piece.historyData.dataValues.length, 2);
    ok(piece.continuationPoint?.length > 0, 'more to come');
    const max = await s.readAggregateValue({ nodeId: node('UI.F64') }, from, to, AggregateFunction.Maximum, 7200e3);
    near(max.historyData.dataValues[0].value.value, Math.max(...values.filter((v) => v.statusCode.name === 'Good').map((v) => v.value.value)), 1e-9);
    const count = await s.readAggregateValue({ nodeId: node('UI.F64') }, from, to, AggregateFunction.Count, 7200e3);
    ok(count.historyData.dataValues[0].value.value > 5, 'a count');
  });
});

test('alarms are events, and can be acknowledged', async () => {
  await api.call('PATCH', '/points/UI.F64', { spec: { h: 500, alarm_priority: 2 } });
  await withSession(NONE, undefined, async (s) => {
    const sub = ClientSubscription.create(s, { requestedPublishingInterval: 50, requestedLifetimeCount: 100, requestedMaxKeepAliveCount: 10, maxNotificationsPerPublish: 100, publishingEnabled: true, priority: 1 });
    const filter = constructEventFilter(['EventId', 'SourceName', 'Severity', 'ActiveState.Id', 'AckedState.Id', 'Message', 'ConditionName'], ofType('AlarmConditionType'));
    const events = [];
    const item = ClientMonitoredItem.create(sub, { nodeId: 'ns=1;s=area:LT', attributeId: AttributeIds.EventNotifier }, { samplingInterval: 0, discardOldest: true, queueSize: 100, filter }, TimestampsToReturn.Both);
    item.on('changed', (f) => events.push(f.map((v) => v.value)));
    await until(() => item.monitoredItemId > 0 || events.length, 'the item', 5000).catch(() => {});
    await sleep(200);
    device.put('UI.F64', 900);
    const raised = await until(() => events.find((e) => e[1] === 'UI.F64' && e[3] === true), 'the alarm');
    equal([raised[2], raised[4]], [700, false]);
    const alarm = (await api.get('/alarms')).items.find((i) => i.code === 'UI.F64');
    const ack = await s.call({ objectId: `ns=1;s=alarm:${alarm.id}`, methodId: 'i=9111', inputArguments: [new Variant({ dataType: DataType.ByteString, value: raised[0] }), new Variant({ dataType: DataType.LocalizedText, value: { text: '已处理' } })] });
    equal(ack.statusCode.name, 'Good');
    await until(() => events.find((e) => e[1] === 'UI.F64' && e[4] === true), 'it is told');
    const after = (await api.get('/alarms?state=all')).items.find((i) => i.code === 'UI.F64');
    equal([after.state, after.comment], ['active_acked', '已处理']);
    const refresh = await s.call({ objectId: 'i=2782', methodId: 'i=3875', inputArguments: [new Variant({ dataType: DataType.UInt32, value: sub.subscriptionId })] });
    equal(refresh.statusCode.name, 'Good');
    device.put('UI.F64', 77.5);
    await until(() => events.find((e) => e[1] === 'UI.F64' && e[3] === false), 'it ends');
    await sub.terminate();
  });
});

test('who is connected stands on the page; many come and go', async () => {
  const c = client(NONE);
  await c.connect(url());
  const s = await c.createSession();
  const peers = (await api.get('/forwards/UASRV/diagnostics')).peers;
  ok(peers.some((p) => /^127\.0\.0\.1:\d+$/.test(p.address)), JSON.stringify(peers));
  await s.close();
  await c.disconnect();
  await Promise.all(Array.from({ length: 30 }, () => withSession(NONE, undefined, (x) => read(x, node('UI.DI')))));
  await until(async () => (await status()).connections === 0, 'all gone');
});

// ---- many items ----
const MANY = 1000, bigUrl = () => `opc.tcp://127.0.0.1:${bigPort}`;
let bigPort;
const put = (v) => api.post('/samples', { samples: Array.from({ length: MANY }, (_, k) => ({ point: `UB.${k}`, v: v + k })) });
// A client with a subscription to each point, `times` over; the last value of each item in seen.
async function watchMany(times) {
  const c = client({ ...NONE, requestedSessionTimeout: 60000 });
  await c.connect(bigUrl());
  const s = await c.createSession();
  const sub = ClientSubscription.create(s, { requestedPublishingInterval: 50, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 10, maxNotificationsPerPublish: 0, publishingEnabled: true, priority: 1 });
  const seen = new Array(times * MANY), groups = [];
  for (let t = 0; t < times; t++) {
    const nodes = Array.from({ length: MANY }, (_, k) => ({ nodeId: node(`UB.${k}`), attributeId: AttributeIds.Value }));
    const group = ClientMonitoredItemGroup.create(sub, nodes, { samplingInterval: 0, discardOldest: true, queueSize: 10 }, TimestampsToReturn.Source);
    group.on('changed', (item, v, k) => (seen[t * MANY + k] = v.value.value));
    await new Promise((r) => group.on('initialized', r));
    ok(group.monitoredItems.every((i) => i.statusCode.name === 'Good'), 'every item is made');
    groups.push(group);
  }
  const all = (v) => until(() => seen.length === times * MANY && !seen.includes(undefined) && seen.every((x, i) => x === v + (i % MANY)), `all ${times * MANY} values ${v}`, 20000, 20);
  return { all, groups, end: async () => { await sub.terminate(); await s.close(); await c.disconnect(); } };
}
const bigStatus = async () => (await api.get('/forwards:status')).items.find((i) => i.code === 'UABIG');

test('ten thousand items of one client: first values, changes, and they go', async () => {
  const rows = Array.from({ length: MANY }, (_, k) => `UB.${k},UB.${k},double`);
  const made = await api.csv('/points:import', ['code,name,type', ...rows].join('\n'));
  equal(made.failed, 0, JSON.stringify(made).slice(0, 300));
  await put(1);
  bigPort = await freePort();
  const options = { address: '127.0.0.1', port: bigPort, none: true, publishing_min: '20ms' };
  await api.post('/forwards', { code: 'UABIG', name: 'many', spec: { outlet: 'opcua_server', filter: "code~'UB.'", gather: '10ms', options } });
  await until(async () => { const f = await bigStatus(); return f?.state === 'up' && f.points === MANY; }, 'it to listen');
  const w = await watchMany(10);
  equal((await bigStatus()).subscriptions, 10 * MANY);
  await w.all(1);
  await put(5000);
  await w.all(5000);
  for (const g of w.groups) await g.terminate();
  await until(async () => (await bigStatus()).subscriptions === 0, 'the items to go');
  await w.end();
});

test('a thousand items each of ten clients at once', async () => {
  const all = await Promise.all(Array.from({ length: 10 }, () => watchMany(1)));
  equal((await bigStatus()).subscriptions, 10 * MANY);
  await Promise.all(all.map((w) => w.all(5000)));
  await put(9000);
  await Promise.all(all.map((w) => w.all(9000)));
  await Promise.all(all.slice(0, 5).map((w) => w.end())); // the others go on
  await put(20000);
  await Promise.all(all.slice(5).map((w) => w.all(20000)));
  await Promise.all(all.slice(5).map((w) => w.end()));
  await until(async () => { const f = await bigStatus(); return f.subscriptions === 0 && f.connections === 0; }, 'all gone');
});

test('a thousand half handshakes leave nothing behind, and nobody else notices', async () => {
  const files = () => readdirSync(`/proc/${serve.pid}/fd`).length;
  await withSession(NONE, undefined, async (s) => {
    const before = files();
    const hello = Buffer.from('48454c4638000000000000000000010000000100000000000000000018000000', 'hex'); // its URL is missing
    const come = (k) => new Promise((done) => {
      const c = net.connect(port, '127.0.0.1', () => {
        if (k % 3) c.write(k % 3 === 1 ? hello : Buffer.from('GET / HTTP/1.1\r\n\r\n'));
        if (k % 2) c.resetAndDestroy(); else c.end();
      });
      c.on('error', () => {}).on('close', done).resume();
    });
    for (let k = 0; k < 1000; k += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, i) => come(k + i)));
      equal((await read(s, node('UI.F64'))).statusCode.name, 'Good');
    }
    await until(async () => (await status()).connections === 1 && files() <= before, 'the connections to be gone');
  });
});

test('a server that was killed comes back with the same certificate', async () => {
  const secure = { securityMode: MessageSecurityMode.SignAndEncrypt, securityPolicy: SecurityPolicy.Basic256Sha256 };
  const cert = () => withSession(secure, undefined, async (s, c) => c.serverCertificate?.toString('hex') ?? (await c.getEndpoints())[0].serverCertificate.toString('hex'));
  const before = await cert();
  await stop(serve, 'SIGKILL');
  serve = await startServe(dir);
  api = await signIn(serve, { login: ADMIN, password: PASSWORD });
  await until(async () => (await refusal(withSession(secure, undefined, async () => {}))) === '', 'it to listen again');
  equal(await cert(), before);
});

test('our own driver as its client: what goes out comes back', async () => {
  const options = { endpoint: url(), security: 'none', reconnect_min: '50ms', reconnect_max: '200ms' };
  await api.post('/channels', { code: 'BACK', name: '回读', spec: { driver: 'opcua', options } });
  await api.post('/devices', { code: 'BACK', name: '回读', spec: { channel: 'BACK' } });
  const rows = CODES.filter((c) => c !== 'UI.INT').map((code) => `B.${code},B.${code},BACK,${node(code)},100ms,false`);
  await api.csv('/points:import', ['code,name,device,address,period,writable', ...rows].join('\n'));
  for (const code of CODES.filter((c) => c !== 'UI.INT'))
    await until(async () => { const a = await current(code), b = await current(`B.${code}`); return b.q === 'good' && Number(a.v) === Number(b.v); }, code);
  device.put('UI.F64', 31.25);
  await until(async () => (await current('B.UI.F64')).v === 31.25, 'a change through both');
});

cleanup(() => device.stop());
await run();
