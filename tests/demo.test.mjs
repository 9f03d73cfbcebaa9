// The demo copper group from the wire to the trend: `bornite sim` and `bornite serve --demo` as a user
// starts them. Figures that the product promises are checked on the release binary. preset: release
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { equal, ok, run, signIn, startServe, startSim, stop, tempDir, test, until } from './lib.mjs';

const dir = tempDir();
let sim, serve, api, started, points;

// What the demo has beside Modbus.
const PROTOCOLS = { 'LT-SUB': 'iec104', 'ENV-212': 'hj212', 'LT-WEATHER': 'http_client', 'HX-WEIGH': 'tcp_udp', 'EXT-EPB': 'hj212', 'EXT-GRID': 'iec104', 'EXT-MES': 'opcua', 'EXT-WALL': 'websocket', 'EXT-CLOUD': 'mqtt_client', 'EXT-SPB': 'sparkplug_host' };
const FORWARDS = { 'SCADA-MB': 'modbus_server', 'MES-UA': 'opcua_server', 'GRID-104': 'iec104_server', 'EPB-212': 'hj212_sender', 'WALL-WS': 'websocket_server', 'CLOUD-MQTT': 'mqtt_publisher', 'CLOUD-SPB': 'sparkplug_edge', 'GATE-TCP': 'tcp_udp_out' };
const start = () => startServe(dir, ['--demo', '--sim-port', String(sim.port)]);
const stateOf = async (path) => (await api.get(path)).items.map((c) => [c.code, c.state, c.reason]);
const allUp = (path, ms) => until(async () => (await stateOf(path)).every(([, s]) => s === 'up') || Promise.reject(new Error(JSON.stringify((await stateOf(path)).filter(([, s]) => s !== 'up')))), `all of ${path} up`, ms, 200);

const rss = (child) => Number(readFileSync(`/proc/${child.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) / 1024;

test('first start: everything is set up and answers', async () => {
  sim = await startSim();
  started = Date.now();
  serve = await start();
  api = await signIn(serve);
  const { total } = await api.get('/points?size=1');
  ok(total > 3600 && total < 4000, `${total} points`);
  points = total;
  await allUp('/channels:status', 20000);
});

test('every protocol is there, and every forwarding runs', async () => {
  await allUp('/forwards:status', 20000);
  console.log(`     ${Date.now() - started} ms from start to all channels and forwardings`);
  const channels = Object.fromEntries((await api.get('/channels?size=100')).items.map((c) => [c.code, c.spec.driver]));
  for (const [code, driver] of Object.entries(PROTOCOLS)) equal(channels[code], driver, code);
  const forwards = Object.fromEntries((await api.get('/forwards:status')).items.map((f) => [f.code, f]));
  equal(Object.fromEntries(Object.entries(forwards).map(([code, f]) => [code, f.outlet])), FORWARDS);
  for (const f of Object.values(forwards)) ok(f.points > 0 && f.faults === 0, `${f.code}: ${f.points} points, ${f.faults} faults`);
});

test('values flow at once; none is bad', async () => {
  const areas = await until(async () => {
    const { items } = await api.get('/areas');
    return items.length && items.every((a) => a.bad === 0) && items;
  }, 'good values', 30000);
  console.log(`     ${Date.now() - started} ms from start to all values`);
  equal(areas.map((a) => a.path).sort(), ['EXT', 'HX', 'JM', 'LT']);
  ok(areas.every((a) => a.key.length > 0), 'key values to show');
});

test('what went out comes back the same', async () => {
  const { items } = await api.get('/points?size=200&filter=' + encodeURIComponent("code~'EXT-'"));
  const sent = items.map((p) => p.code).filter((c) => /^EXT-(GRID|MES|WALL|CLOUD|SPB)\.[A-Z]+-/.test(c));
  ok(sent.length > 15, `${sent.length} points`);
  const value = async (codes) => Object.fromEntries((await api.get(`/current?points=${codes.join(',')}`)).items.map((v) => [v.code, v]));
  await until(async () => {
    const got = await value(sent), own = await value(sent.map((c) => c.slice(c.indexOf('.') + 1)));
    const wrong = sent.filter((c) => { const a = got[c], b = own[c.slice(c.indexOf('.') + 1)]; return a.q !== 'good' || !(Math.abs(Number(a.v) - Number(b.v)) <= 0.05 * Math.abs(Number(b.v)) + 0.5); });
    if (wrong.length) throw new Error(wrong.map((c) => `${c} ${got[c].v} ${got[c].q}`).join('; '));
    return true;
  }, 'the same values at both ends');
});

test('a trend of any of them moves', async () => {
  const moved = await until(async () => {
    const s = (await api.get('/history/recorded?points=LT-GRD-SAG01.JI&from=*-5m')).series[0];
    return new Set(s.v).size > 3 && s;
  }, 'changing values', 60000);
  ok(moved.v.every((v) => v > 0 && v < 12000), 'within its range');
  equal(moved.unit.length > 0, true);
  const plot = (await api.get('/history/plot?points=LT-GRD-SAG01.JI,HX-FSF-FSF01.T_MAT&from=*-10y&px=1200')).series;
  ok(plot.length === 2 && plot[0].v.length > 0, 'ten years in one plot');
});

test('a broken server shows as bad with a reason, and heals by itself', async () => {
  await stop(sim);
  const status = await until(async () => {
    const { items } = await api.get('/channels:status');
    const of = items.filter((c) => !c.code.startsWith('EXT-'));
    return of.every((c) => c.state !== 'up') && of;
  }, 'channels down', 30000);
  ok(status.every((c) => c.reason.length > 0), 'reasons');
  const at = sim.port;
  sim = await startSim(['--port', String(at)]);
  await allUp('/channels:status', 90000);
});

test('a port that somebody else has is told, and nothing else suffers', async () => {
  equal((await stop(serve)).code, 0, 'exit code');
  const squatter = net.createServer().listen(sim.port + 26, '127.0.0.1');
  await new Promise((r) => squatter.once('listening', r));
  serve = await start();
  api = await signIn(serve);
  const [code, , reason] = await until(async () => (await stateOf('/forwards:status')).find(([c, s, r]) => c === 'SCADA-MB' && s === 'down' && r), 'the state of the forwarding');
  ok(/26|in use|占用/.test(JSON.stringify(reason)), `${code}: ${JSON.stringify(reason)}`);
  await allUp('/channels:status', 30000);
  squatter.close();
  await allUp('/forwards:status', 90000);
});

test('memory and a second start', async () => {
  console.log(`     RSS ${rss(serve).toFixed(0)} MB`);
  ok(rss(serve) <= 150, `RSS ${rss(serve)} MB`);
  equal((await stop(serve)).code, 0, 'exit code');
  const at = Date.now();
  serve = await start();
  console.log(`     second start ${Date.now() - at} ms`);
  const again = await signIn(serve);
  equal((await again.get('/points?size=1')).total, points, 'nothing is made twice:');
  equal((await again.get('/forwards?size=1')).total, Object.keys(FORWARDS).length, 'nothing is made twice:');
  const s = (await again.get('/history/recorded?points=LT-GRD-SAG01.JI&from=*-1h')).series[0];
  ok(s.v.length > 3, 'the history of before is there');
  equal((await stop(serve)).code, 0, 'exit code');
  equal((await stop(sim)).code, 0, 'exit code of sim');
});

await run();
