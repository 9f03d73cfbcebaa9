// outage.mjs BINARY [points] [seconds] [receiver] [speed] [live seconds] - a receiver is away for `seconds` of what `points` values
// a second make; when it is back, what waits on disk is back-filled beside the live values. How many times real time, how old live
// values are when they arrive (p99), what a sample takes on disk and of a core, and whether both ends hold the same.
//
//   receiver  bornite: another `bornite serve`, line protocol over HTTP; its answer means durable in its history (the default)
//             count:   a process that reads the bodies, counts the lines and says 200: what the sender alone can do
//             mqtt, mqtt-values: mosquitto, QoS 1, a message a batch, or one a value; nobody subscribes
//   speed     the field runs so many times faster during the outage (10: periods of 100 ms), so that an hour's samples are
//             there in six minutes; they go the same way (device, bus, gates, journal on disk). 1: in real time.
// While the back-fill runs the field is at `points` a second again. Away means that nobody listens at the receiver's port.
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { allUp, dir, done, importField, percentile, serve, simulator, sleep, start, stop, usage } from './common.mjs';

const [bin, pointsArg, secondsArg, receiver = 'bornite', speedArg, liveArg] = process.argv.slice(2);
const points = Number(pointsArg ?? 10000), away = Number(secondsArg ?? 3600), speed = Number(speedArg ?? 10), live = Number(liveArg ?? 30);

if (process.env.BENCH_OUTAGE_COUNT) {
  let lines = 0;
  http.createServer((q, r) => {
    q.on('data', (d) => {
      for (let i = d.indexOf(10); i >= 0; i = d.indexOf(10, i + 1)) lines++;
    });
    q.on('end', () => r.writeHead(200).end());
  }).listen(Number(process.env.BENCH_OUTAGE_COUNT), '127.0.0.1', () => process.send('ready'));
  process.on('message', () => process.send(lines));
  await new Promise(() => {});
}

async function freePort() {
  const s = net.createServer();
  await new Promise((r) => s.listen(0, '127.0.0.1', r));
  const { port } = s.address();
  await new Promise((r) => s.close(r));
  return port;
}
// The receivers, away at first: options of the forwarding, and back(), which starts them.
async function anotherBornite() {
  const port = await freePort(), b = await serve(bin, 'receiver', [], port), rows = ['code,name'];
  for (let n = 0; n < points; n++) rows.push(`BIG.${n},point ${n}`);
  await b.api('POST', '/api/v1/points:import', rows.join('\n'), 'text/csv');
  const { token } = await b.api('POST', '/api/v1/tokens', { name: 'forward', roles: ['administrator'] });
  await stop(b.child);
  return {
    api: b.api,
    options: { url: b.base, path: '/api/v2/write?bucket=up', form: 'lines', auth: 'bearer', token },
    back: async () => ({ pid: (await b.again()).pid, received: () => b.metric('bornite_line_protocol_samples_total') }),
  };
}
async function counter() {
  const port = await freePort();
  return {
    options: { url: `http://127.0.0.1:${port}`, path: '/in', form: 'lines' },
    back: async () => {
      const c = fork(new URL(import.meta.url), [bin], { env: { ...process.env, BENCH_OUTAGE_COUNT: String(port) } });
      process.on('exit', () => c.kill());
      const told = () => new Promise((r) => c.once('message', r));
      await told();
      return { pid: c.pid, received: () => (c.send('?'), told()) };
    },
  };
}
async function mosquitto() {
  const port = await freePort(), conf = join(dir, 'mosquitto.conf');
  writeFileSync(conf, `listener ${port} 127.0.0.1\nallow_anonymous true\n`);
  return {
    outlet: 'mqtt_publisher',
    options: { host: '127.0.0.1', port, qos: 1, form: 'json', ...(receiver === 'mqtt' ? { group: 'topic', topic: 'up' } : {}) },
    back: async () => ({ pid: start('mosquitto', ['-c', conf]).pid, received: async () => (await status()).buffer.sent }),
  };
}
const receivers = { bornite: anotherBornite, count: counter, mqtt: mosquitto, 'mqtt-values': mosquitto };
if (!receivers[receiver]) done(1, `receivers: ${Object.keys(receivers).join(', ')}`);

const channels = Math.ceil(points / 100);
const sim = simulator(bin, points);
const { child, api } = await serve(bin, 'sender');
const r = await receivers[receiver]();
const period = (ms) => importField(api, points, channels, '', `${ms}ms`);
await period(1000 / speed);
await allUp(api);

const status = async () => (await api('GET', '/api/v1/forwards:status')).items[0];
const spec = { outlet: r.outlet ?? 'http_push', filter: '*', unchanged: true, buffer_hours: 72, buffer_mb: 16384, options: r.options };
const u0 = usage(child.pid), begin = Date.now();
await api('POST', '/api/v1/forwards', { code: 'UP', name: 'UP', spec });
await sleep(away / speed * 1000);
if (speed > 1) await period(1000);
let s = await status();
const taken = (Date.now() - begin) / 1000, u1 = usage(child.pid);
const perSample = s.buffer.bytes / (points * away);
console.log(`away: ${s.buffer.records} records wait after ${taken.toFixed(0)} s, ${(s.buffer.bytes / 2 ** 20).toFixed(0)} MB on disk, ${perSample.toFixed(1)} bytes a sample; serve ${((u1.cpu - u0.cpu) / taken * 100).toFixed(0)} % of a core at ${points * speed}/s, RSS ${u1.rss.toFixed(0)} MB; why: ${s.reason}`);

// Back. Live: samples that were made after the receiver has answered for the first time.
const backAt = Date.now(), far = await r.back(), ready = Date.now();
while (!(await far.received())) await sleep(20);
const firstAt = Date.now(), u2 = usage(child.pid), f2 = usage(far.pid);
console.log(`the receiver was ready after ${((ready - backAt) / 1000).toFixed(1)} s, was noticed ${((firstAt - ready) / 1000).toFixed(1)} s later`);
const ages = [], seen = new Map();
let watching = r.api !== undefined;
const codes = Array.from({ length: 100 }, (_, k) => `BIG.${Math.floor((k + 0.5) * points / 100)}`);
const watch = (async () => {
  for (; watching; await sleep(50)) {
    const { items } = await r.api('POST', '/api/v1/current', { points: codes }), now = Date.now();
    for (const i of items) {
      if (!i.t || i.t === seen.get(i.code)) continue;
      seen.set(i.code, i.t);
      const t = Date.parse(i.t);
      if (t > firstAt + 1000) ages.push(now - t);
    }
  }
})();
do {
  await sleep(100);
  s = await status();
} while (s.buffer.backlog > 0 && Date.now() - firstAt < away * 1000 + 120000);
const drained = Date.now(), took = (drained - firstAt) / 1000, u3 = usage(child.pid), f3 = usage(far.pid), got = await far.received();
const share = (a, b) => `${((b.cpu - a.cpu) / took * 100).toFixed(0)} % of a core, ${((b.cpu - a.cpu) / got * 1e6).toFixed(2)} µs a sample, RSS ${b.rss.toFixed(0)} MB`;
console.log(`back-filled in ${took.toFixed(1)} s: ${(away / took).toFixed(1)} times real time (goal 20; ${(away / ((drained - ready) / 1000)).toFixed(1)} from when the receiver was ready), ${(got / took).toFixed(0)} samples/s received; sender ${share(u2, u3)}; receiver ${share(f2, f3)}; ${s.requests} requests, answered after ${s.rtt_ms.toFixed(0)} ms`);
const during = ages.length;
await sleep(live * 1000);
watching = false;
await watch;
const aged = (list) => {
  const l = list.toSorted((x, y) => x - y);
  return l.length ? `p50 ${percentile(l, 0.5)} ms, p99 ${percentile(l, 0.99)} ms, most ${l.at(-1)} ms of ${l.length}` : 'none';
};
if (r.api) console.log(`age of live values at the receiver, looked at every 50 ms: during the back-fill ${aged(ages.slice(0, during))} (goal p99 2000 ms); after it ${aged(ages.slice(during))}`);
s = await status();
console.log(`sent ${s.buffer.sent}, refused ${s.buffer.refused}, lost ${s.buffer.lost}, disk fault ${s.buffer.fault || 'none'}`);
if (!r.api) done(s.buffer.lost || s.buffer.refused ? 1 : 0, `received ${await far.received()}`);

// Both ends: count, least, greatest and mean of every point; every 20th point sample by sample.
sim.kill('SIGSTOP');
await sleep(5000);
const from = begin + 2000, to = Date.now() - 8000, hash = () => createHash('sha256');
async function digest(ask) {
  const all = hash(), some = hash();
  let samples = 0, compared = 0;
  for (let at = 0; at < points; at += 1000) {
    const list = Array.from({ length: Math.min(1000, points - at) }, (_, k) => `BIG.${at + k}`);
    const { series } = await ask('POST', '/api/v1/history/summary', { points: list, from, to });
    for (const x of series) {
      const w = x.rows[0];
      all.update(JSON.stringify([x.code, w?.good, w?.min, w?.min_t, w?.max, w?.max_t, w?.mean, w?.first, w?.last]));
      samples += w?.good ?? 0;
    }
  }
  for (let n = 0; n < points; n += 20) {
    const { series: [x] } = await ask('GET', `/api/v1/history/recorded?points=BIG.${n}&from=${from}&to=${to}&limit=1000000`);
    const rows = x.t.map((t, i) => `${t} ${x.v[i]}`).filter((_, i) => x.q[i] === 0);
    compared += rows.length;
    some.update(`${n} ${rows.join(',')}`);
  }
  return { samples, compared, all: all.digest('hex').slice(0, 16), some: some.digest('hex').slice(0, 16) };
}
const here = await digest(api), there = await digest(r.api);
sim.kill('SIGCONT');
console.log(`sender   ${JSON.stringify(here)}`);
console.log(`receiver ${JSON.stringify(there)}`);
const same = JSON.stringify(here) === JSON.stringify(there);
done(!same || s.buffer.lost || s.buffer.refused ? 1 : 0, same ? 'both ends hold the same' : 'the ENDS DIFFER');
