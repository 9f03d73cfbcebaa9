// field.mjs BINARY [points] [seconds] [devices] - see collect.sh. Plays `bornite sim --big`, collects with `bornite serve`, history
// and alarms on, then counts: what the simulator served as different (point, second), what the bus took, what history holds,
// whether every stored value is the one that the device showed in that second, and how evenly the samples are spaced.
import { statfsSync } from 'node:fs';
import { allUp, command, dir, done, importField, percentile, serve, simulator, sleep, usage } from './common.mjs';

const [bin, pointsArg, secondsArg, devicesArg] = process.argv.slice(2);
const points = Number(pointsArg ?? 100000), seconds = Number(secondsArg ?? 600), devices = Number(devicesArg ?? 1000);
const sim = simulator(bin, points);
const { child, api, metric } = await serve(bin);
await importField(api, points, devices, ',""timeout"":""30s""');

// Warm up until every channel is up and a whole second of samples flows.
console.log(`${devices} channels up after ${(await allUp(api)).toFixed(1)} s`);
await sleep(3000);
const first = { ...usage(child.pid), stored: await metric('bornite_history_stored_total'), received: await metric('bornite_bus_received_total'), t: Date.now() };
const simFirst = usage(sim.pid).cpu;
let peak = 0;
while (Date.now() - first.t < seconds * 1000) {
  await sleep(1000);
  peak = Math.max(peak, usage(child.pid).rss);
}
const last = { ...usage(child.pid), stored: await metric('bornite_history_stored_total'), received: await metric('bornite_bus_received_total'), t: Date.now() };
const span = (last.t - first.t) / 1000;
console.log(`collected ${last.received - first.received} samples in ${span.toFixed(1)} s: ${((last.received - first.received) / span).toFixed(0)} samples/s (wanted ${points}/s)`);
console.log(`serve: ${((last.cpu - first.cpu) / span * 100).toFixed(1)} % of a core, ${((last.cpu - first.cpu) / (last.received - first.received) * 1e6).toFixed(2)} µs a sample, RSS ${last.rss.toFixed(0)} MB (peak ${peak.toFixed(0)}); sim: ${((usage(sim.pid).cpu - simFirst) / span * 100).toFixed(1)} % of a core`);

// Nothing lost: the devices fall silent (what they have answered is counted and on its way), everything drains before a
// request times out, then the counts of both ends must agree.
await command('break all freeze');
await sleep(5000);
const counters = (await command('counters')).trim();
const storage = await api('GET', '/api/v1/storage');
const served = Number(counters.match(/values=(\d+)/)[1]);
const polls = (await api('GET', '/api/v1/channels:status')).items.reduce((a, c) => ({ polls: a.polls + c.polls, late: a.late + c.late, errors: a.errors + c.errors + c.timeouts, held: a.held + c.held }), { polls: 0, late: 0, errors: 0, held: 0 });
console.log('path:', JSON.stringify(storage.path));
console.log('sim:', counters.split('\n').slice(-2).join(' | '));
console.log('channels:', JSON.stringify(polls));

// And right: sampled points, read back and compared with what the device must have shown in that second.
let compared = 0, wrong = 0, fewest = Infinity, most = 0;
const jitter = [];
for (let k = 0; k < 50; k++) {
  const n = Math.floor((k + 0.5) * points / 50);
  const h = await api('GET', `/api/v1/history/recorded?points=BIG.${n}&from=${first.t}&to=${last.t}&limit=1000000`);
  const { t, v, q } = h.series[0];
  for (let i = 0; i < v.length; i++) {
    const second = Math.floor(t[i] / 1000);
    const near = [second - 1, second, second + 1].some((s) => ((n * 7919 + s) & 0xffff) === v[i]); // the sim's second begins when it begins
    compared++;
    if (!near || q[i] !== 0) wrong++;
    if (i) jitter.push(Math.abs(t[i] - t[i - 1] - 1000));
  }
  fewest = Math.min(fewest, v.length);
  most = Math.max(most, v.length);
}
jitter.sort((a, b) => a - b);
console.log(`spacing of the samples: |Δt - 1 s| median ${percentile(jitter, 0.5)} ms, p99 ${percentile(jitter, 0.99)} ms, most ${jitter.at(-1)} ms`);
console.log(`read back ${compared} samples of 50 points: ${wrong} wrong; ${fewest} to ${most} samples a point in ${span.toFixed(0)} s`);
const stats = statfsSync(dir);
console.log(`history: ${storage.engine.bytes_blocks} bytes in ${storage.engine.segments} segments, ${(storage.engine.bytes_blocks / Math.max(1, storage.engine.samples_appended - storage.engine.samples_head)).toFixed(2)} bytes a sample; disk free ${(stats.bavail * stats.bsize / 2 ** 30).toFixed(0)} GiB`);
const lost = served - storage.path.stored;
done(wrong || lost || storage.path.dropped ? 1 : 0, `values served by the devices ${served}, stored ${storage.path.stored}: lost ${lost}`);
