// The demo copper group from the wire to the trend: `bornite sim` and `bornite serve --demo` as a user
// starts them. Figures that the product promises are checked on the release binary. preset: release
import { readFileSync } from 'node:fs';
import { equal, ok, run, signIn, startServe, startSim, stop, tempDir, test, until } from './lib.mjs';

const dir = tempDir();
let sim, serve, api, started;

const rss = (child) => Number(readFileSync(`/proc/${child.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) / 1024;

test('first start: everything is set up and answers', async () => {
  sim = await startSim();
  started = Date.now();
  serve = await startServe(dir, ['--demo', '--sim-port', String(sim.port)]);
  api = await signIn(serve);
  const { total } = await api.get('/points?size=1');
  ok(total > 3400 && total < 3900, `${total} points`);
  await until(async () => (await api.get('/channels:status')).items.every((c) => c.state === 'up'), 'all channels up');
});

test('values flow at once; none is bad', async () => {
  const areas = await until(async () => {
    const { items } = await api.get('/areas');
    return items.length && items.every((a) => a.bad === 0) && items;
  }, 'good values', 30000);
  console.log(`     ${Date.now() - started} ms from start to all values`);
  equal(areas.map((a) => a.path).sort(), ['HX', 'JM', 'LT']);
  ok(areas.every((a) => a.key.length > 0), 'key values to show');
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
    return items.every((c) => c.state !== 'up') && items;
  }, 'channels down', 30000);
  ok(status.every((c) => c.reason.length > 0), 'reasons');
  const at = sim.port;
  sim = await startSim(['--port', String(at)]);
  await until(async () => (await api.get('/channels:status')).items.every((c) => c.state === 'up'), 'channels up again', 90000, 500);
});

test('memory and a second start', async () => {
  console.log(`     RSS ${rss(serve).toFixed(0)} MB`);
  ok(rss(serve) <= 150, `RSS ${rss(serve)} MB`);
  equal((await stop(serve)).code, 0, 'exit code');
  const at = Date.now();
  serve = await startServe(dir, ['--demo', '--sim-port', String(sim.port)]);
  console.log(`     second start ${Date.now() - at} ms`);
  const again = await signIn(serve);
  equal((await again.get('/points?size=1')).total > 3400, true);
  const s = (await again.get('/history/recorded?points=LT-GRD-SAG01.JI&from=*-1h')).series[0];
  ok(s.v.length > 3, 'the history of before is there');
  equal((await stop(serve)).code, 0, 'exit code');
  equal((await stop(sim)).code, 0, 'exit code of sim');
});

await run();
