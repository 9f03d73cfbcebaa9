// outage.mjs BINARY [points] [seconds] [live seconds] - a receiver is away while `points` values a second are collected and
// forwarded (http_push); when it returns, what waits on disk is back-filled beside the live values. How many times real time,
// how old live values are on arrival (p99), and whether count, sum, least and greatest of each point agree with history.
import { createHash } from 'node:crypto';
import http from 'node:http';
import { allUp, done, importField, percentile, serve, simulator, sleep, usage } from './common.mjs';

const [bin, pointsArg, secondsArg, liveArg] = process.argv.slice(2);
const points = Number(pointsArg ?? 10000), away = Number(secondsArg ?? 3600), live = Number(liveArg ?? 30);
const sim = simulator(bin, points);
const { child, api } = await serve(bin);
await importField(api, points, Math.ceil(points / 100));
await allUp(api);

let open = false, received = 0, repeats = 0, liveFrom = Infinity;
const ages = [], byPoint = Array.from({ length: points }, () => ({ n: 0, sum: 0, min: Infinity, max: -Infinity, seen: new Set() }));
const server = http.createServer((q, r) => {
  const parts = [];
  q.on('data', (d) => parts.push(d));
  q.on('end', () => {
    if (!open) return r.writeHead(503, { 'Retry-After': '1' }).end();
    const now = Date.now();
    for (const line of Buffer.concat(parts).toString().split('\n')) {
      const [code, time, value] = line.split(',');
      if (!code?.startsWith('BIG.') || value === '') continue;
      const p = byPoint[Number(code.slice(4))], t = Date.parse(time), v = Number(value);
      if (p.seen.has(t)) {
        repeats++;
        continue;
      }
      p.seen.add(t);
      p.n++;
      p.sum += v;
      p.min = Math.min(p.min, v);
      p.max = Math.max(p.max, v);
      received++;
      if (t >= liveFrom) ages.push(now - t);
    }
    r.writeHead(200).end();
  });
});
await new Promise((r) => server.listen(0, '127.0.0.1', r));
const begin = Date.now();
await api('POST', '/api/v1/forwards', { code: 'UP', name: 'UP', spec: { outlet: 'http_push', filter: '*', buffer_hours: 72, buffer_mb: 16384, options: { url: `http://127.0.0.1:${server.address().port}/in`, form: 'csv' } } });
const status = async () => (await api('GET', '/api/v1/forwards:status')).items[0];
await sleep(away * 1000);
let s = await status();
const waiting = s.buffer.records, u0 = usage(child.pid);
console.log(`away ${away} s: ${waiting} records wait, ${(s.buffer.bytes / 2 ** 20).toFixed(0)} MB on disk`);

liveFrom = Date.now() + 1000;
open = true;
const back = Date.now();
do {
  await sleep(200);
  s = await status();
} while (s.buffer.backlog > 0 && Date.now() - back < away * 1000 + 120000);
const took = (Date.now() - back) / 1000, u1 = usage(child.pid);
console.log(`back-filled in ${took.toFixed(1)} s: ${(away / took).toFixed(1)} times real time (goal 20), ${(received / took).toFixed(0)} samples/s received, ${((u1.cpu - u0.cpu) / took * 100).toFixed(0)} % of a core of serve, ${repeats} repeats`);
await sleep(live * 1000);
ages.sort((x, y) => x - y);
console.log(`live values meanwhile and after: age on arrival p50 ${percentile(ages, 0.5)} ms, p99 ${percentile(ages, 0.99)} ms (goal 2000 ms), ${ages.length} of them`);

// Both ends from the first whole minute to the last: count, sum, least, greatest of each point.
const { items: all } = await api('GET', '/api/v1/channels?size=1000');
await api('POST', '/api/v1/channels:bulk', { items: all.map((c) => ({ op: 'patch', id: c.id, spec: { enabled: false } })) });
await sleep(8000);
sim.kill('SIGTERM');
const from = begin + 5000, to = Date.now() - 10000;
const hash = (rows) => createHash('sha256').update(rows.join('\n')).digest('hex').slice(0, 16);
const want = [], have = [];
let lost = 0;
for (let k = 0; k < 200; k++) {
  const n = Math.floor((k + 0.5) * points / 200);
  const h = (await api('GET', `/api/v1/history/recorded?points=BIG.${n}&from=${from}&to=${to}&limit=10000000`)).series[0];
  const good = h.t.filter((_, i) => h.q[i] === 0);
  want.push(`${n} ${good.join(',')}`);
  have.push(`${n} ${[...byPoint[n].seen].filter((t) => t >= from && t < to).sort((x, y) => x - y).join(',')}`);
  lost += good.filter((t) => !byPoint[n].seen.has(t)).length;
}
done(lost || hash(want) !== hash(have) ? 1 : 0, `200 points compared sample by sample: history ${hash(want)}, receiver ${hash(have)}, ${lost} lost`);
