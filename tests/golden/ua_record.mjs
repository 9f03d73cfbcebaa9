// Records what node-opcua's client and server say to each other, for src/proto/opcua/ua_golden_test.c.
// node-opcua 2.186 must be installed where this runs:
//   npm install node-opcua@2.186 && node <here>/ua_record.mjs <out folder>
// Per policy: ua_<policy>.client and .server (bytes of one connection), and once the two private keys and
// certificates that the test needs to read the encrypted ones.
import net from 'node:net';
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
const require = createRequire(path.join(process.cwd(), 'x.js'));
const ua = require('node-opcua');
const { Variant, DataType, VariantArrayType, StatusCodes, MessageSecurityMode, SecurityPolicy, AttributeIds } = ua;

const out = process.argv[2] ?? '.';
const PORT = 48411, PROXY = 48412;
const pki = fs.mkdtempSync(path.join(fs.realpathSync('/tmp'), 'uapki'));
const manager = async name => {
  const m = new ua.OPCUACertificateManager({ rootFolder: path.join(pki, name), automaticallyAcceptUnknownCertificate: true });
  await m.initialize();
  return m;
};
const serverManager = await manager('server'), clientManager = await manager('client');

const policies = { none: [SecurityPolicy.None, MessageSecurityMode.None],
  basic256sha256: [SecurityPolicy.Basic256Sha256, MessageSecurityMode.SignAndEncrypt],
  aes128: [SecurityPolicy.Aes128_Sha256_RsaOaep, MessageSecurityMode.Sign],
  aes256: [SecurityPolicy.Aes256_Sha256_RsaPss, MessageSecurityMode.SignAndEncrypt] };

const server = new ua.OPCUAServer({ port: PORT, serverCertificateManager: serverManager, alternateHostname: ['127.0.0.1'],
  advertisedEndpoints: [`opc.tcp://127.0.0.1:${PROXY}`],
  securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
  securityPolicies: Object.values(policies).map(p => p[0]), allowAnonymous: true,
  userManager: { isValidUser: (user, password) => user === 'joe' && password === 'secret' } });
await server.initialize();
const space = server.engine.addressSpace, ns = space.getOwnNamespace();
const device = ns.addObject({ organizedBy: space.rootFolder.objects, browseName: 'Device' });
const guid = '09087e75-8e5e-499b-954f-f2a9603db28a', when = new Date('2026-11-23T05:00:00.500Z');
const samples = { Boolean: true, SByte: -5, Byte: 200, Int16: -300, UInt16: 60000, Int32: -70000, UInt32: 4000000000,
  Int64: [0xffffffff, 0xfffffffe], UInt64: [0x80000000, 1], Float: 1.5, Double: -2.25, String: '水', DateTime: when, Guid: guid,
  ByteString: Buffer.from([1, 2, 3]), NodeId: ua.resolveNodeId('ns=1;s=Double'), StatusCode: StatusCodes.BadSensorFailure,
  QualifiedName: { namespaceIndex: 1, name: 'q' }, LocalizedText: { locale: 'en', text: 'level' } };
for (const [name, value] of Object.entries(samples))
  ns.addVariable({ componentOf: device, nodeId: 's=' + name, browseName: name, dataType: name, minimumSamplingInterval: 100,
    value: new Variant({ dataType: DataType[name], arrayType: VariantArrayType.Scalar, value }) });
ns.addVariable({ componentOf: device, nodeId: 's=Array', browseName: 'Array', dataType: 'Double', valueRank: 1,
  value: new Variant({ dataType: DataType.Double, arrayType: VariantArrayType.Array, value: Float64Array.from({ length: 200 }, (_, i) => i / 2) }) });
ns.addVariable({ componentOf: device, nodeId: 's=Matrix', browseName: 'Matrix', dataType: 'Int32', valueRank: 2, arrayDimensions: [2, 3],
  value: new Variant({ dataType: DataType.Int32, arrayType: VariantArrayType.Matrix, dimensions: [2, 3], value: Int32Array.from([1, 2, 3, 4, 5, 6]) }) });
ns.addAnalogDataItem({ componentOf: device, nodeId: 's=Analog', browseName: 'Analog', dataType: 'Double',
  engineeringUnitsRange: { low: 0, high: 150 }, engineeringUnits: ua.standardUnits.degree_celsius, minimumSamplingInterval: 100,
  value: new Variant({ dataType: DataType.Double, value: 21.5 }) });
const method = ns.addMethod(device, { nodeId: 's=Twice', browseName: 'Twice',
  inputArguments: [{ name: 'x', dataType: DataType.Double, description: 'a number' }], outputArguments: [{ name: 'y', dataType: DataType.Double }] });
method.bindMethod((inputs, context, done) => done(null, { statusCode: StatusCodes.Good, outputArguments: [{ dataType: DataType.Double, value: inputs[0].value * 2 }] }));
await server.start();

let all = []; // the connections of one policy: the last is the session's, one before it may ask for endpoints
const proxy = net.createServer(from => {
  const to = net.connect(PORT, '127.0.0.1'), mine = { client: [], server: [] };
  all.push(mine);
  for (const [a, b, side] of [[from, to, 'client'], [to, from, 'server']]) {
    a.on('data', d => { mine[side].push(d); b.write(d); });
    a.on('close', () => b.destroy());
    a.on('error', () => b.destroy());
  }
}).listen(PROXY, '127.0.0.1');
await new Promise(r => proxy.on('listening', r));

const names = Object.keys(samples);
async function talk(policy) {
  const [securityPolicy, securityMode] = policies[policy];
  const client = ua.OPCUAClient.create({ securityPolicy, securityMode, endpointMustExist: false, clientCertificateManager: clientManager,
    connectionStrategy: { maxRetry: 0 }, keepSessionAlive: false, defaultSecureTokenLifetime: 600000, requestedSessionTimeout: 60000 });
  all = [];
  await client.connect(`opc.tcp://127.0.0.1:${PROXY}`);
  const session = await client.createSession(policy === 'none' ? undefined : { type: ua.UserTokenType.UserName, userName: 'joe', password: 'secret' });
  await session.browse({ nodeId: device.nodeId, resultMask: 63, referenceTypeId: 'HierarchicalReferences', includeSubtypes: true });
  await session.read(names.map(n => ({ nodeId: 'ns=1;s=' + n, attributeId: AttributeIds.Value })));
  await session.read(['Array', 'Matrix', 'Nothing'].map(n => ({ nodeId: 'ns=1;s=' + n, attributeId: AttributeIds.Value })));
  await session.read([{ nodeId: 'i=2256', attributeId: AttributeIds.Value }, { nodeId: 'i=887', attributeId: AttributeIds.DataTypeDefinition }]);
  await session.translateBrowsePath([ua.makeBrowsePath(device.nodeId, '/1:Analog.0:EURange')]);
  await session.write({ nodeId: 'ns=1;s=Double', attributeId: AttributeIds.Value, value: { value: { dataType: DataType.Double, value: 3.75 } } });
  await session.call({ objectId: device.nodeId, methodId: method.nodeId, inputArguments: [{ dataType: DataType.Double, value: 21 }] });
  await session.readHistoryValue('ns=1;s=Double', when, when).catch(() => {});
  const sub = await session.createSubscription2({ requestedPublishingInterval: 100, requestedMaxKeepAliveCount: 5, publishingEnabled: true });
  const item = await sub.monitor({ nodeId: 'ns=1;s=Double', attributeId: AttributeIds.Value }, { samplingInterval: 100, queueSize: 4,
    filter: new ua.DataChangeFilter({ trigger: ua.DataChangeTrigger.StatusValue, deadbandType: ua.DeadbandType.Absolute, deadbandValue: 0.1 }) }, ua.TimestampsToReturn.Both);
  await new Promise(r => item.once('changed', r));
  const events = await sub.monitor({ nodeId: 'i=2253', attributeId: AttributeIds.EventNotifier }, { queueSize: 10,
    filter: ua.constructEventFilter(['EventId', 'Message', 'Severity', 'Time'], ua.ofType('BaseEventType')) }, ua.TimestampsToReturn.Both);
  await new Promise(r => setTimeout(r, 200));
  space.rootFolder.objects.server.raiseEvent('BaseEventType', { message: { dataType: DataType.LocalizedText, value: { text: 'hot' } }, severity: { dataType: DataType.UInt16, value: 700 } });
  await Promise.race([new Promise(r => events.once('changed', r)), new Promise(r => setTimeout(r, 3000))]);
  await item.modify({ samplingInterval: 500, queueSize: 2 });
  await sub.terminate();
  await session.close();
  await client.disconnect();
  await new Promise(r => setTimeout(r, 100));
  const last = all[all.length - 1];
  for (const side of ['client', 'server']) fs.writeFileSync(path.join(out, `ua_${policy}.${side}`), Buffer.concat(last[side]));
  fs.copyFileSync(client.privateKeyFile, path.join(out, 'ua_client_key.pem'));
  fs.copyFileSync(server.privateKeyFile, path.join(out, 'ua_server_key.pem'));
  console.log(policy, all.length, 'connections', last.client.length, last.server.length);
}
for (const policy of Object.keys(policies)) await talk(policy);
await server.shutdown();
proxy.close();
process.exit(0);
