// opcua.mjs BINARY [items] [seconds] [none | secure] - OPC UA at both ends: one Bornite collects the simulated field and
// offers it by its OPC UA server, another subscribes to every point; beside it node-opcua's client subscribes to the same.
// CPU and memory of each, and whether each value arrived: samples stored by the one and by the other, by source time and
// value. secure: both clients sign and encrypt (Basic256Sha256).
import { createRequire } from 'node:module';
import { fork } from 'node:child_process';
import { allUp, dir, done, importField, serve, simPort, simulator, sleep, usage } from './common.mjs';

const [bin, itemsArg, secondsArg, how = 'none'] = process.argv.slice(2);
const items = Number(itemsArg ?? 20000), seconds = Number(secondsArg ?? 60), port = simPort + 840, secure = how === 'secure';

if (process.env.BENCH_OPCUA_PEER) {
  const require = createRequire(new URL('../../tests/package.json', import.meta.url));
  const { OPCUAClient, AttributeIds, TimestampsToReturn, ClientSubscription, ClientMonitoredItemGroup, MessageSecurityMode, SecurityPolicy } = require('node-opcua-client');
  const { OPCUACertificateManager } = require('node-opcua-certificate-manager');
  const manager = new OPCUACertificateManager({ rootFolder: process.env.BENCH_OPCUA_PEER, automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  const client = OPCUAClient.create({
    endpointMustExist: false, clientCertificateManager: manager,
    ...(secure ? { securityMode: MessageSecurityMode.SignAndEncrypt, securityPolicy: SecurityPolicy.Basic256Sha256 } : {}),
  });
  await client.connect(`opc.tcp://127.0.0.1:${port}`);
  const session = await client.createSession();
  const sub = ClientSubscription.create(session, { requestedPublishingInterval: 500, maxNotificationsPerPublish: 0, publishingEnabled: true, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 10, priority: 0 });
  let got = 0;
  for (let at = 0; at < items; at += 1000) {
    const nodes = Array.from({ length: Math.min(1000, items - at) }, (_, i) => ({ nodeId: `ns=2;s=BIG.${at + i}`, attributeId: AttributeIds.Value }));
    const group = ClientMonitoredItemGroup.create(sub, nodes, { samplingInterval: 0, discardOldest: true, queueSize: 10 }, TimestampsToReturn.Source);
    group.on('changed', () => got++);
    await new Promise((r) => group.on('initialized', r));
  }
  process.on('message', () => process.send({ got }));
  process.send('ready');
  await new Promise(() => {});
}

const say = (text) => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);
const sim = simulator(bin, items);
const a = await serve(bin, 'a');
say(`collecting ${items} points`);
await importField(a.api, items, Math.ceil(items / 1000));
say(`the field is up after ${(await allUp(a.api)).toFixed(1)} s`);
await a.api('POST', '/api/v1/forwards', { code: 'UA', name: 'UA', spec: { outlet: 'opcua_server', filter: '*', options: { address: '127.0.0.1', port, none: !secure, trust: 'any' } } });
for (let i = 0; ; i++) {
  const f = (await a.api('GET', '/api/v1/forwards:status')).items[0];
  if (f?.state === 'up' && f.points === items) break;
  if (i % 50 === 49) say(`the OPC UA server: ${f?.state}, ${f?.points} points ${f?.reason}`);
  if (i > 300) done(1, `the OPC UA server does not come up: ${JSON.stringify(f)}`);
  await sleep(100);
}
say('the OPC UA server is up');
const b = await serve(bin, 'b');
const options = { endpoint: `opc.tcp://127.0.0.1:${port}`, security: secure ? 'basic256sha256' : 'none', trust: 'any' };
await b.api('POST', '/api/v1/channels', { code: 'UA', name: 'UA', spec: { driver: 'opcua', options } });
await b.api('POST', '/api/v1/devices', { code: 'UA', name: 'UA', spec: { channel: 'UA' } });
const rows = ['code,name,device,address,type,period'];
for (let i = 0; i < items; i++) rows.push(`BIG.${i},point ${i},UA,ns=2;s=BIG.${i},auto,500ms`);
const report = await b.api('POST', '/api/v1/points:import', rows.join('\n'), 'text/csv');
if (report.created !== items) done(1, `only ${report.created} points`);
say(`the subscriber has all ${items} items with good values after ${(await allUp(b.api)).toFixed(1)} s`);

const peer = fork(new URL(import.meta.url), [bin, String(items), String(seconds), how], { env: { ...process.env, BENCH_OPCUA_PEER: `${dir}/peer` } });
peer.on('exit', (code) => code && done(1, `node-opcua's client ended: ${code}`));
await new Promise((r) => peer.once('message', r));
say("node-opcua's client has its items");
const peerGot = () => new Promise((r) => { peer.once('message', (m) => r(m.got)); peer.send('?'); });

await sleep(3000);
const count = async () => ({ a: await a.metric('bornite_bus_received_total'), b: await b.metric('bornite_bus_received_total'), n: await peerGot(), ua: usage(a.child.pid), ub: usage(b.child.pid), un: usage(peer.pid), t: Date.now() });
const first = await count();
say(`counting for ${seconds} s (processes: field and server ${a.child.pid}, subscriber ${b.child.pid}, node-opcua ${peer.pid})`);
await sleep(seconds * 1000);
const last = await count();
const span = (last.t - first.t) / 1000, share = (k) => ((last[k].cpu - first[k].cpu) / span * 100).toFixed(1);
say(`in ${span.toFixed(0)} s: field ${last.a - first.a} samples, subscriber ${last.b - first.b} (${((last.b - first.b) / span).toFixed(0)}/s), node-opcua ${last.n - first.n}`);
say(`CPU: subscriber ${share('ub')} % of a core (goal 50 %), node-opcua client ${share('un')} % (ratio ${((last.un.cpu - first.un.cpu) / (last.ub.cpu - first.ub.cpu)).toFixed(1)}), server with its own collecting ${share('ua')} %; RSS ${last.ub.rss.toFixed(0)} MB, ${last.un.rss.toFixed(0)} MB, ${last.ua.rss.toFixed(0)} MB`);
peer.removeAllListeners('exit');
peer.kill();

// Nothing lost: stop the field, let it drain, then every change of a point stands at both ends (a value that was read twice
// is no change: a server does not tell it).
const { items: channels } = await a.api('GET', '/api/v1/channels?size=1000');
const stop = Date.now();
sim.kill('SIGSTOP');
await sleep(5000);
let lost = 0, seen = 0, empty = 0;
const step = Math.max(1, Math.floor(items / 1000));
for (let n = 0, k = 0; n < items; n += step, k++) {
  const range = `from=${first.t + 2000}&to=${stop - 2000}&limit=1000000`;
  const [x, y] = await Promise.all([a, b].map(async (s) => (await s.api('GET', `/api/v1/history/recorded?points=BIG.${n}&${range}`)).series[0]));
  const have = new Set(y.t.map((t, i) => `${t} ${y.v[i]}`));
  const changes = x.t.map((t, i) => i).filter((i) => i && x.v[i] !== x.v[i - 1]);
  seen += changes.length;
  empty += changes.length === 0;
  const gone = changes.filter((i) => !have.has(`${x.t[i]} ${x.v[i]}`));
  if (gone.length && lost < 5) say(`lost of BIG.${n}: ${gone.slice(0, 3).map((i) => `${x.v[i]} at ${x.t[i]} (after ${x.v[i - 1]} at ${x.t[i - 1]})`).join(', ')}`);
  lost += gone.length;
  if (k % 250 === 249) say(`${k + 1} points compared`);
}
sim.kill('SIGCONT');
const points = Math.ceil(items / step);
done(lost || empty ? 1 : 0, `of ${points} points ${seen} changes compared by source time and value: ${lost} lost, ${empty} points without any (${channels.length} channels)`);
