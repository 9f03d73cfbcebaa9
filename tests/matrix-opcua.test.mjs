// OPC UA: each type with its edge values, elements of arrays and matrices, variables that change their type; read by our
// driver from node-opcua's server, told again by our server and read there by node-opcua's client; written the whole way
// back. Expected is what node-opcua's variables hold.
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import { AttributeIds, coerceLocalizedText, DataType, MessageSecurityMode, OPCUAClient, SecurityPolicy, Variant, VariantArrayType } from 'node-opcua-client';
import { OPCUAServer } from 'node-opcua-server';
import { cleanup, equal, fail, freePort, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';
import { all, each, exact, imported } from './matrix.mjs';

const pki = tempDir(), ports = [await freePort(), await freePort()];
let serve, api, server;
const pair = (big) => { const u = BigInt.asUintN(64, big); return [Number(u >> 32n), Number(u & 0xffffffffn)]; };
const big = (v, signed) => { const u = (BigInt(v[0] >>> 0) << 32n) | BigInt(v[1] >>> 0); return signed ? BigInt.asIntN(64, u) : u; };
const INTS = { SByte: ['int8', -128, 127, 0], Byte: ['uint8', 0, 255, 1], Int16: ['int16', -32768, 32767, -1], UInt16: ['uint16', 0, 65535, 256], Int32: ['int32', -2147483648, 2147483647, -1], UInt32: ['uint32', 0, 4294967295, 65536] };
const BIG = { Int64: ['int64', -9223372036854775808n, 9223372036854775807n, 9007199254740993n], UInt64: ['uint64', 0n, 9007199254740993n, 9223372036854775807n] };
const REAL = { Float: ['float', 1.401298464324817e-45, 3.4028234663852886e38, -0.5], Double: ['double', 5e-324, -1.7976931348623157e308, 0.1] };
const scalars = [...Object.entries(INTS), ...Object.entries(BIG), ...Object.entries(REAL)].map(([name, [type, ...values]]) => ({ name, code: `S.${name}`, type, values: typeof values[0] === 'bigint' ? values.map(pair) : values }));
scalars.push({ name: 'Boolean', code: 'S.Boolean', type: 'bool', values: [true, false, true] }, { name: 'String', code: 'S.String', type: 'string', values: ['', '铜 "é" 😀', 'x'.repeat(300)] });
const node = (id) => server.engine.addressSpace.findNode(`ns=1;s=${id}`);
const hold = (id, dataType, value, more = {}) => node(id).setValueFromSource({ dataType: DataType[dataType], arrayType: VariantArrayType.Scalar, value, ...more });
// What a variable holds, as the platform shows it.
function held(id, name) {
  const v = node(id).readValue().value.value;
  if (name in BIG) { const b = big(v, name === 'Int64'); return b > 0x7fffffffffffffffn ? Number(b) : String(b); }
  return name === 'Boolean' ? Number(v) : v;
}

test('a server of node-opcua', async () => {
  const manager = new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  server = new OPCUAServer({ port: ports[0], hostname: '127.0.0.1', serverCertificateManager: manager, userCertificateManager: manager, securityPolicies: [SecurityPolicy.None], securityModes: [MessageSecurityMode.None], allowAnonymous: true });
  await server.initialize();
  const ns = server.engine.addressSpace.getOwnNamespace(), folder = ns.addFolder('ObjectsFolder', { browseName: 'M' });
  const rw = { accessLevel: 'CurrentRead | CurrentWrite', userAccessLevel: 'CurrentRead | CurrentWrite', minimumSamplingInterval: 20 };
  const add = (id, dataType, more) => ns.addVariable({ componentOf: folder, browseName: id, nodeId: `s=${id}`, dataType, ...rw, ...more });
  for (const s of scalars) add(s.name, s.name), hold(s.name, s.name, s.values[0]);
  for (const s of scalars) add(`A${s.name}`, s.name, { valueRank: 1 }), node(`A${s.name}`).setValueFromSource({ dataType: DataType[s.name], arrayType: VariantArrayType.Array, value: s.values });
  add('Matrix', 'Double', { valueRank: 2, arrayDimensions: [2, 3] });
  node('Matrix').setValueFromSource({ dataType: DataType.Double, arrayType: VariantArrayType.Matrix, dimensions: [2, 3], value: Float64Array.from([11, 12, 13, 21, 22, 23]) });
  add('Any', 'BaseDataType');
  hold('Any', 'Int32', 1);
  const kinds = ns.addEnumerationType({ browseName: 'Mode', enumeration: ['Off', 'Auto', 'Manual'] });
  ns.addVariable({ componentOf: folder, browseName: 'Mode', nodeId: 's=Mode', dataType: kinds.nodeId, ...rw });
  hold('Mode', 'Int32', 2);
  add('Words', 'LocalizedText');
  hold('Words', 'LocalizedText', coerceLocalizedText('正常'));
  await server.start();
  cleanup(() => server.shutdown(0));
  serve = await startServe(tempDir());
  api = await signIn(serve);
  await api.post('/channels', { code: 'UA', name: 'UA', spec: { driver: 'opcua', options: { endpoint: `opc.tcp://127.0.0.1:${ports[0]}`, security: 'none', reconnect_min: '50ms' } } });
  await api.post('/devices', { code: 'UA', name: 'UA', spec: { channel: 'UA' } });
});

test('scalars: each edge value is shown as it is held', async () => {
  await imported(api, 'code,name,device,address,type,period,writable', scalars.map((s) => `${s.code},x,UA,ns=1;s=${s.name},${s.type},100ms,true`));
  for (let round = 0; round < 3; round++) {
    for (const s of scalars) hold(s.name, s.name, s.values[round]);
    await all(api, scalars, (s) => held(s.name, s.name), `round ${round}`);
  }
});

test('elements of arrays and of a matrix, enumerations, a variable that changes its type', async () => {
  const points = scalars.flatMap((s) => s.values.map((_, i) => ({ code: `A.${s.name}.${i}`, id: `A${s.name}`, name: s.name, type: s.type, range: String(i), i })));
  for (let r = 0; r < 2; r++) for (let c = 0; c < 3; c++) points.push({ code: `M.${r}.${c}`, id: 'Matrix', type: 'double', range: `${r},${c}`, want: () => node('Matrix').readValue().value.value[3 * r + c] });
  points.push({ code: 'MODE', id: 'Mode', type: 'int32', want: () => node('Mode').readValue().value.value }, { code: 'WORDS', id: 'Words', type: 'string', want: () => node('Words').readValue().value.value.text });
  await each(points, (p) => api.post('/points', { code: p.code, name: 'x', spec: { device: 'UA', address: `ns=1;s=${p.id}`, type: p.type, period: '100ms', ...(p.range && { options: { index_range: p.range } }) } }));
  const element = (p) => {
    const v = node(p.id).readValue().value.value[p.i];
    return p.name in BIG ? String(big(v, p.name === 'Int64')) : p.name === 'Boolean' ? Number(v) : v;
  };
  await all(api, points, (p) => (p.want ? p.want() : element(p)), 'elements');
  for (const s of scalars) node(`A${s.name}`).setValueFromSource({ dataType: DataType[s.name], arrayType: VariantArrayType.Array, value: [...s.values].reverse() });
  hold('Mode', 'Int32', 1);
  await all(api, points, (p) => (p.want ? p.want() : element(p)), 'elements that changed');
  await api.post('/points', { code: 'ANY', name: 'x', spec: { device: 'UA', address: 'ns=1;s=Any', type: 'double', period: '100ms' } });
  for (const [type, value] of [['Int32', 7], ['Double', -0.25], ['UInt16', 65535], ['Float', 1.5]]) {
    hold('Any', type, value);
    await all(api, [{ code: 'ANY' }], () => Number(value), `a Variant that holds ${type}`);
  }
});

let session;
test('our server: each value and type is that of the first server', async () => {
  await api.post('/forwards', { code: 'N', name: 'N', spec: { outlet: 'opcua_server', filter: "code~'S.'", writes: true, gather: '10ms', options: { address: '127.0.0.1', port: ports[1], none: true } } });
  const rows = scalars.map((s) => `f${s.name},x,N,${s.code},${s.type}`);
  equal((await api.csv('/forward-points:import', ['code,name,forward,point,type', ...rows].join('\n'))).failed, 0);
  await until(async () => (await api.get('/forwards:status')).items.find((i) => i.code === 'N')?.points === scalars.length, 'the points');
  const manager = new OPCUACertificateManager({ rootFolder: tempDir(), automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  const c = OPCUAClient.create({ endpointMustExist: false, connectionStrategy: { maxRetry: 2 }, clientCertificateManager: manager, securityPolicy: SecurityPolicy.None, securityMode: MessageSecurityMode.None });
  await until(() => c.connect(`opc.tcp://127.0.0.1:${ports[1]}`).then(() => true, () => false), 'our server');
  cleanup(() => c.disconnect());
  session = await c.createSession();
  for (let round = 0; round < 3; round++) {
    for (const s of scalars) hold(s.name, s.name, s.values[round]);
    let wrong;
    await until(async () => {
      const got = await session.read(scalars.map((s) => ({ nodeId: `ns=2;s=${s.code}`, attributeId: AttributeIds.Value })));
      wrong = scalars.filter((s, i) => {
        const first = node(s.name).readValue().value;
        s.note = `${s.name}: ${JSON.stringify(got[i].value?.value)} as ${DataType[got[i].value?.dataType]} (${got[i].statusCode.name}), not ${JSON.stringify(first.value)}`;
        return got[i].value.dataType !== DataType[s.name] || JSON.stringify(got[i].value.value) !== JSON.stringify(first.value);
      });
      return wrong.length === 0;
    }, `round ${round}`, 6000).catch(() => fail(wrong.map((s) => s.note).join('; ')));
  }
});

test('written at our server, it is in the first one; written through the API, too', async () => {
  for (let round = 0; round < 3; round++)
    for (const s of scalars) {
      const r = await session.write({ nodeId: `ns=2;s=${s.code}`, attributeId: AttributeIds.Value, value: { value: new Variant({ dataType: DataType[s.name], arrayType: VariantArrayType.Scalar, value: s.values[round] }) } });
      equal(r.name, 'Good', `${s.name} ${JSON.stringify(s.values[round])}`);
      equal(JSON.stringify(node(s.name).readValue().value.value), JSON.stringify(s.values[round]), s.name);
      equal(node(s.name).readValue().value.dataType, DataType[s.name], `${s.name}: its type`);
    }
  for (const s of scalars) {
    const v = s.name in BIG ? big(s.values[0], s.name === 'Int64') : s.values[0];
    const res = await api.raw('POST', `/points/${s.code}:write`, `{"value":${typeof v === 'bigint' ? v : JSON.stringify(v)},"confirm":true}`, { 'Content-Type': 'application/json' });
    const r = exact(await res.text());
    equal(r.outcome, 'done', `${s.name} ${v} ${JSON.stringify(r)}`);
    equal(JSON.stringify(node(s.name).readValue().value.value), JSON.stringify(s.values[0]), s.name);
  }
});

test('the end', async () => {
  await session?.close();
  equal((await stop(serve)).code, 0, 'exit code');
});

await run();
