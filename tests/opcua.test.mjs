// OPC UA against node-opcua's server: every built-in type browsed and compared, quality, arrays, values by subscription,
// writes, wrong passwords, an unknown node, each security policy with a pinned certificate, a server that goes and
// comes back.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import { coerceLocalizedText, coerceQualifiedName, DataType, MessageSecurityMode, resolveNodeId, SecurityPolicy, StatusCodes, Variant, VariantArrayType } from 'node-opcua-client';
import { OPCUAServer } from 'node-opcua-server';
import { cleanup, equal, freePort, ok, run, signIn, startServe, tempDir, test, until } from './lib.mjs';

const port = await freePort();
const endpoint = `opc.tcp://127.0.0.1:${port}`;
const pki = tempDir();
const fast = { reconnect_min: '50ms', reconnect_max: '200ms' };
let server, serve, api, ticks = 0, timer;

// name, type, what the server holds, what we are to show
const scalars = [
  ['Boolean', DataType.Boolean, true, true],
  ['SByte', DataType.SByte, -128, -128],
  ['Byte', DataType.Byte, 255, 255],
  ['Int16', DataType.Int16, -32768, -32768],
  ['UInt16', DataType.UInt16, 65535, 65535],
  ['Int32', DataType.Int32, -2147483648, -2147483648],
  ['UInt32', DataType.UInt32, 4294967295, 4294967295],
  ['Int64', DataType.Int64, [0xffffffff, 0xfffffffe], -2],
  ['UInt64', DataType.UInt64, [1, 2], 4294967298],
  ['Float', DataType.Float, 1.5, 1.5],
  ['Double', DataType.Double, -1e300, -1e300],
  ['String', DataType.String, '温度 "é"', '温度 "é"'],
  ['DateTime', DataType.DateTime, new Date('2026-01-05T01:02:03.004Z'), /^2026-01-05T01:02:03\.004/],
  ['Guid', DataType.Guid, '09087E75-8E5E-499B-954F-F2A9603DB28A', /^09087e75-8e5e-499b-954f-f2a9603db28a$/i],
  ['NodeId', DataType.NodeId, resolveNodeId('ns=1;s=Other'), 'ns=1;s=Other'],
  ['QualifiedName', DataType.QualifiedName, coerceQualifiedName('1:Name'), '1:Name'],
  ['LocalizedText', DataType.LocalizedText, coerceLocalizedText('阀门'), '阀门'],
];

async function startServer() {
  const manager = new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  server = new OPCUAServer({
    port, hostname: '127.0.0.1', serverCertificateManager: manager, userCertificateManager: manager,
    certificateFile: join(pki, 'server.pem'),
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes128_Sha256_RsaOaep, SecurityPolicy.Aes256_Sha256_RsaPss],
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
    userManager: { isValidUser: (user, password) => user === 'wang' && password === '密码123' },
    allowAnonymous: true,
  });
  await server.initialize();
  const ns = server.engine.addressSpace.getOwnNamespace();
  const folder = ns.addFolder('ObjectsFolder', { browseName: 'Plant' });
  const add = (name, dataType, extra) => ns.addVariable({ componentOf: folder, browseName: name, nodeId: `s=${name}`, dataType, ...extra });
  for (const [name, dataType, value] of scalars) add(name, DataType[dataType]).setValueFromSource({ dataType, arrayType: VariantArrayType.Scalar, value });
  add('Tick', 'UInt32', { minimumSamplingInterval: 50, value: { get: () => new Variant({ dataType: DataType.UInt32, value: ticks }) } });
  add('Wave', 'Double', { valueRank: 1 }).setValueFromSource({ dataType: DataType.Double, arrayType: VariantArrayType.Array, value: Float64Array.from([1, 2.5, -3]) });
  add('Bytes', 'ByteString').setValueFromSource({ dataType: DataType.ByteString, value: Buffer.from([1, 2, 3, 255]) });
  add('Bad', 'Double').setValueFromSource({ dataType: DataType.Double, value: 1 }, StatusCodes.BadSensorFailure);
  add('Uncertain', 'Double').setValueFromSource({ dataType: DataType.Double, value: 2 }, StatusCodes.UncertainLastUsableValue);
  add('Set', 'Float', { accessLevel: 'CurrentRead | CurrentWrite', userAccessLevel: 'CurrentRead | CurrentWrite' }).setValueFromSource({ dataType: DataType.Float, value: 7 });
  add('Text', 'String', { accessLevel: 'CurrentRead | CurrentWrite', userAccessLevel: 'CurrentRead | CurrentWrite' }).setValueFromSource({ dataType: DataType.String, value: 'a' });
  add('Locked', 'Int32', { accessLevel: 'CurrentRead', userAccessLevel: 'CurrentRead' }).setValueFromSource({ dataType: DataType.Int32, value: 3 });
  await server.start();
}
const stopServer = () => server.shutdown(0);
cleanup(() => { clearInterval(timer); return stopServer(); });

const current = async (codes) => (await api.get(`/current?points=${codes.join(',')}`)).items;
const one = async (code) => (await current([code]))[0];
const matches = (got, want) => (typeof want === 'boolean' ? !!got === want : want instanceof RegExp ? want.test(String(got)) : got === want);
const tried = (options) => api.post('/channels:test', { spec: { driver: 'opcua', options: { endpoint, ...fast, ...options } } });

test('the server is found, and tells what it offers', async () => {
  await startServer();
  timer = setInterval(() => ticks++, 100);
  serve = await startServe(tempDir());
  api = await signIn(serve);
  const t = await tried({ security: 'none' });
  ok(t.ok && /running/i.test(t.detail) && t.detail.includes('Aes256_Sha256_RsaPss SignAndEncrypt'), JSON.stringify(t));
});

test('browsing names every variable with its type, value and access', async () => {
  const spec = { driver: 'opcua', options: { endpoint, security: 'none', ...fast } };
  await api.post('/channels', { code: 'UA', name: 'OPC UA', spec });
  await api.post('/devices', { code: 'PLC', name: 'PLC', spec: { channel: 'UA' } });
  const top = await api.post('/channels:browse', { channel: 'UA', device: 'PLC' });
  const plant = top.items.find((i) => i.name === 'Plant');
  ok(plant && plant.children, JSON.stringify(top));
  const seen = [];
  for (let cursor; ; ) {
    const page = await api.post('/channels:browse', { channel: 'UA', device: 'PLC', node: plant.node, size: 10, cursor });
    seen.push(...page.items);
    if (!page.next) break;
    cursor = page.next;
  }
  for (const [name] of scalars) ok(seen.find((i) => i.name === name && i.address === `ns=1;s=${name}`), `browse ${name}: ${JSON.stringify(seen).slice(0, 600)}`);
  equal(seen.find((i) => i.name === 'Int16').type, 'int16');
  equal([seen.find((i) => i.name === 'Set').writable, seen.find((i) => i.name === 'Locked').writable], [true, false]);
  equal(seen.find((i) => i.name === 'String').value, '温度 "é"');
});

test('every built-in type arrives as the server holds it', async () => {
  const names = [...scalars.map((s) => s[0]), 'Tick', 'Wave', 'Bad', 'Uncertain', 'Set', 'Text', 'Locked'];
  const rows = names.map((n) => `${n},${n},PLC,ns=1;s=${n},,100ms,true`);
  rows.push('Named,Named,PLC,nsu=urn:none;s=X,,100ms,false', 'Missing,Missing,PLC,ns=1;s=Missing,,100ms,false', 'Bytes,Bytes,PLC,ns=1;s=Bytes,,100ms,false');
  const done = await api.csv('/points:import', ['code,name,device,address,type,period,writable', ...rows].join('\n'));
  equal(done.failed, 0, JSON.stringify(done).slice(0, 500));
  await api.post('/points', { code: 'Third', name: 'Third', spec: { device: 'PLC', address: 'ns=1;s=Wave', period: '100ms', options: { index_range: '2' } } });
  await until(async () => (await current(scalars.map((s) => s[0]))).every((i) => i.q === 'good'), 'all good', 8000);
  const items = await current(scalars.map((s) => s[0]));
  for (const [i, [name, , , want]] of scalars.entries()) ok(matches(items[i].v, want), `${name}: ${JSON.stringify(items[i])}`);
});

test('quality, arrays and what the server does not know', async () => {
  await until(async () => (await one('Missing')).q === 'bad', 'the missing node', 8000);
  const [bad, uncertain, wave, missing, named] = await current(['Bad', 'Uncertain', 'Wave', 'Missing', 'Named']);
  equal([bad.q, uncertain.q, missing.q, named.q], ['bad', 'uncertain', 'bad', 'bad']);
  const [bytes] = await current(['Bytes']);
  equal([wave.v, bytes.v, wave.q, bytes.q], ['blob:application/vnd.bornite.waveform:46', 'blob:application/octet-stream:4', 'good', 'good']);
  await until(async () => (await one('Third')).v === -3, 'the third element', 5000);
  equal([missing.reason, named.reason], ['config_error', 'config_error'], JSON.stringify(missing));
  const { items } = await api.get('/channels:status');
  const ua = items.find((i) => i.code === 'UA' || i.channel === 'UA');
  ok(JSON.stringify(ua).includes('BadNodeIdUnknown') || JSON.stringify(ua).includes('namespace'), JSON.stringify(ua));
});

test('a value that changes every 100 ms comes with the time of its source', async () => {
  const a = await one('Tick');
  const b = await until(async () => { const i = await one('Tick'); return i.v >= a.v + 5 && i; }, 'five changes', 5000);
  ok(Math.abs(Date.parse(b.t) - Date.now()) < 5000, JSON.stringify(b));
});

test('writes are carried out, read back, or refused with the reason', async () => {
  const w = await api.post('/points/Set:write', { value: 12.5, confirm: true });
  ok(JSON.stringify(w).includes('12.5') || w.outcome === 'done', JSON.stringify(w));
  const node = server.engine.addressSpace.findNode('ns=1;s=Set');
  equal(node.readValue().value.value, 12.5);
  await until(async () => (await one('Set')).v === 12.5, 'the value comes back');
  const refused = await (await api.raw('POST', '/points/Locked:write', { value: 5, confirm: true })).text();
  ok(/BadNotWritable|BadUserAccessDenied/.test(refused), refused);
  const range = await (await api.raw('POST', '/points/Byte:write', { value: 300, confirm: true })).text();
  ok(/255|range|Byte/.test(range), range);
});

test('a server is let in when somebody trusts its certificate, or by its thumbprint', async () => {
  const der = server.getCertificate(), thumbprint = createHash('sha256').update(der).digest('hex');
  const first = JSON.stringify(await until(async () => { const t = await tried({}); return !t.ok && t; }, 'the refusal'));
  equal(first.match(/SHA-1 ([0-9a-f]{40})/)?.[1], createHash('sha1').update(der).digest('hex'), `the thumbprint in ${first}`);
  const peer = await until(async () => (await api.get('/peer-certificates')).items.find((i) => i.spec.thumbprint_sha256 === thumbprint), 'listed');
  equal([peer.state, peer.spec.purpose], ['new', 'opcua']);
  const decide = (transition) => api.post(`/peer-certificates/${peer.id}:transition`, { transition });
  await decide('trust');
  await until(async () => (await tried({})).ok, 'trusted', 5000);
  await decide('reject');
  const refused = await until(async () => { const t = await tried({}); return !t.ok && t; }, 'rejected', 5000);
  ok(/rejected here/.test(JSON.stringify(refused)), JSON.stringify(refused));
  const pinned = await tried({ thumbprint });
  ok(pinned.ok, JSON.stringify(pinned));
  const other = await tried({ thumbprint: '00'.repeat(32) });
  ok(!other.ok && JSON.stringify(other).includes(thumbprint), JSON.stringify(other));
});

test('users: the right password signs in, a wrong one is told', async () => {
  const thumbprint = createHash('sha256').update(server.getCertificate()).digest('hex');
  const right = await tried({ thumbprint, user: 'username', username: 'wang', password: '密码123' });
  ok(right.ok, JSON.stringify(right));
  const wrong = await tried({ thumbprint, user: 'username', username: 'wang', password: 'x' });
  ok(!wrong.ok && /Bad(UserAccessDenied|IdentityTokenRejected|IdentityTokenInvalid)/.test(JSON.stringify(wrong)), JSON.stringify(wrong));
});

test('each security policy, signed and encrypted', async () => {
  const thumbprint = createHash('sha256').update(server.getCertificate()).digest('hex');
  const all = ['basic256sha256', 'aes128_sha256_rsaoaep', 'aes256_sha256_rsapss'].flatMap((p) => [p, `${p}_sign`]);
  for (const security of all) {
    const t = await tried({ security, thumbprint });
    ok(t.ok, `${security}: ${JSON.stringify(t)}`);
  }
});

test('a server that goes leaves bad values, and all come back with it', async () => {
  await stopServer();
  await until(async () => (await one('Double')).q === 'bad', 'told as bad', 8000);
  equal((await one('Double')).reason, 'not_connected');
  await startServer();
  await until(async () => (await current(scalars.map((s) => s[0]))).every((i) => i.q === 'good'), 'good again', 12000);
  const before = (await one('Tick')).v;
  await until(async () => (await one('Tick')).v > before, 'it goes on');
});

await run();
