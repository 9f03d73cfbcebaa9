// What an OPC UA server keeps of the past is fetched by the job device.history, as recorded and as aggregates that the
// server computes: node-opcua's server with its historian, in pages smaller than the history.
import { addAggregateSupport } from 'node-opcua-aggregates';
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import { DataType, DataValue, MessageSecurityMode, SecurityPolicy, StatusCodes } from 'node-opcua-client';
import { OPCUAServer } from 'node-opcua-server';
import { cleanup, equal, freePort, near, ok, run, signIn, startServe, tempDir, test, until } from './lib.mjs';

const N = 6000, STEP = 1000, T0 = Math.floor((Date.now() - 2 * N * STEP) / 60000) * 60000;
const value = (i) => Math.round(1000 * Math.sin(i / 50)) / 10;
const quality = (i) => (i % 500 === 7 ? StatusCodes.UncertainSensorNotAccurate : StatusCodes.Good);
const port = await freePort(), pki = tempDir();
let server, serve, api;
cleanup(() => server?.shutdown(0));

test('a server with a past, and points on it', async () => {
  const serverCertificateManager = new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: true });
  await serverCertificateManager.initialize();
  server = new OPCUAServer({ port, hostname: '127.0.0.1', serverCertificateManager, securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256], securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt], allowAnonymous: true });
  await server.initialize();
  const space = server.engine.addressSpace, own = space.getOwnNamespace();
  addAggregateSupport(space);
  const add = (name, dataType, from) => {
    const v = own.addVariable({ componentOf: space.rootFolder.objects.server, browseName: name, nodeId: `s=${name}`, dataType });
    const past = Array.from({ length: N }, (_, i) => new DataValue({ value: { dataType: DataType[dataType], value: from(i) }, statusCode: quality(i), sourceTimestamp: new Date(T0 + i * STEP), serverTimestamp: new Date(T0 + i * STEP) }));
    const extractDataValues = (d, max, reversed, reverse, done) => {
      const some = past.filter((v) => (!d.startTime || v.sourceTimestamp >= d.startTime) && (!d.endTime || v.sourceTimestamp < d.endTime));
      done(null, max ? some.slice(0, max) : some);
    };
    space.installHistoricalDataNode(v, { historian: { push: async () => {}, extractDataValues } });
    v.setValueFromSource({ dataType: DataType[dataType], value: from(N) }, StatusCodes.Good, new Date(T0 + N * STEP));
  };
  add('Level', 'Double', value);
  add('Text', 'String', (i) => `批次 ${i % 7}`);
  own.addVariable({ componentOf: space.rootFolder.objects.server, browseName: 'Plain', nodeId: 's=Plain', dataType: 'Double' }).setValueFromSource({ dataType: DataType.Double, value: 1 });
  await server.start();
  serve = await startServe(tempDir());
  api = await signIn(serve);
  await api.post('/channels', { code: 'UA', name: 'UA', spec: { driver: 'opcua', options: { endpoint: `opc.tcp://127.0.0.1:${port}`, security: 'none', backfill: false } } });
  await api.post('/devices', { code: 'PLC', name: 'PLC', spec: { channel: 'UA' } });
  for (const [code, node] of [['Level', 'Level'], ['Mean', 'Level'], ['High', 'Level'], ['Text', 'Text'], ['Plain', 'Plain']]) {
    await api.post('/points', { code, name: code, spec: { device: 'PLC', address: `ns=1;s=${node}`, scale: code === 'Mean' ? 2 : 1 } });
  }
  await until(async () => (await api.get('/channels:status')).items[0]?.state === 'up', 'the channel');
});

test('discovery: the endpoints of a server, as options of a channel; nobody there is told', async () => {
  const ask = (endpoint) => api.call('POST', '/channels:discover', { spec: { driver: 'opcua', options: { endpoint } } }, [200, 400, 503, 504]);
  const { items } = await ask(`opc.tcp://127.0.0.1:${port}`);
  equal(items.map((i) => i.options), [{ endpoint: `opc.tcp://127.0.0.1:${port}`, security: 'none' }, { endpoint: `opc.tcp://127.0.0.1:${port}`, security: 'basic256sha256' }]);
  ok(items.every((i) => i.name && i.description.includes('anonymous')), JSON.stringify(items));
  const r = await ask(`opc.tcp://127.0.0.1:${await freePort()}`);
  ok(r.code && r.detail, 'a reason');
  equal((await api.call('POST', '/channels:discover', { spec: { driver: 'hj212', options: {} } }, [400, 409, 422, 501])).where, 'spec.driver');
});

const iso = (t) => new Date(t).toISOString();
async function fetchHistory(params, state = 'done') {
  const { id } = await api.post('/jobs', { type: 'device.history', params }, [200, 201, 202]);
  return until(async () => { const j = await api.get(`/jobs/${id}`); if (['done', 'failed', 'cancelled'].includes(j.state)) { equal(j.state, state, JSON.stringify(j.error)); return j; } return false; }, 'the job', 30000);
}
async function recorded(code) {
  const { series } = await api.get(`/history/recorded?points=${code}&from=${iso(T0 - 1)}&to=${iso(T0 + N * STEP)}&limit=100000`);
  return series[0];
}

test('as recorded: every value with its time and quality, texts too', async () => {
  const job = await fetchHistory({ filter: "code='Level' or code='Text'", from: iso(T0), to: iso(T0 + N * STEP) });
  equal([job.result.points, job.result.failed, job.result.without_history], [2, 0, 0]);
  const level = await recorded('Level'), text = await recorded('Text');
  equal([level.t.length, text.t.length], [N, N]);
  for (let i = 0; i < N; i++) {
    equal([level.t[i], level.v[i], text.v[i]], [T0 + i * STEP, value(i), `批次 ${i % 7}`], `sample ${i}`);
    equal(level.q[i] === 0, quality(i) === StatusCodes.Good, `quality of ${i}`);
  }
});

test('aggregates: what the server computes, scaled as the point says', async () => {
  await fetchHistory({ filter: "code='Mean'", from: iso(T0), to: iso(T0 + N * STEP), aggregate: 'average', interval: '10s' });
  await fetchHistory({ filter: "code='High'", from: iso(T0), to: iso(T0 + N * STEP), aggregate: 'maximum', interval: '1m' });
  const mean = await recorded('Mean'), high = await recorded('High');
  equal([mean.t.length, high.t.length], [N / 10, N / 60]); /* the subscribed value, at the end of the range, is not in it */
  for (const k of [0, 1, 99, 200]) {
    const of = Array.from({ length: 10 }, (_, i) => 10 * k + i).filter((i) => quality(i) === StatusCodes.Good).map(value);
    if (of.length === 10) near(mean.v[k], (2 * of.reduce((a, b) => a + b)) / 10, 1e-9, `mean ${k}`);
  }
  near(high.v[3], Math.max(...Array.from({ length: 60 }, (_, i) => value(180 + i))), 1e-9);
});

test('what cannot be fetched is told: a node without history, a wrong time, a wrong interval, an unknown aggregate', async () => {
  const job = await fetchHistory({ filter: "code='Plain'", from: iso(T0), to: iso(T0 + STEP) }, 'failed');
  ok(job.error, 'a reason');
  ok((await fetchHistory({ filter: "code='Level'", from: 'yesterday-ish' }, 'failed')).error.where.startsWith('from'), 'the place');
  ok((await fetchHistory({ filter: "code='Level'", from: iso(T0 + STEP), to: iso(T0) }, 'failed')).error.where.startsWith('to'), 'the place');
  const r = await api.call('POST', '/jobs', { type: 'device.history', params: { filter: "code='Level'", aggregate: 'mode' } }, 400);
  equal(r.where, 'params.aggregate');
});

await run();
