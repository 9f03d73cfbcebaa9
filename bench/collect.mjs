// collect.mjs BINARY [points] [seconds] - see collect.sh. Plays `bornite sim --big`, collects with
// `bornite serve`, then counts: what the simulator served as different (point, second), what the bus took,
// what history holds, and whether every stored value is the one that the device showed in that second.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [bin, pointsArg, secondsArg] = process.argv.slice(2);
const points = Number(pointsArg ?? 100000), seconds = Number(secondsArg ?? 600);
const dir = mkdtempSync(join(tmpdir(), 'bornite-bench-'));
const simPort = 24000, control = 24999;
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const children = [];
function start(args) {
  const c = spawn(bin, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  c.log = '';
  for (const s of [c.stdout, c.stderr]) s.on('data', (d) => (c.log = (c.log + d).slice(-100000)));
  children.push(c);
  return c;
}
function done(code, text) {
  if (text) console.log(text);
  for (const c of children) c.kill('SIGTERM');
  rmSync(dir, { recursive: true, force: true });
  process.exit(code);
}
process.on('uncaughtException', (e) => done(1, `failed: ${e.stack}`));

// utime + stime in seconds, RSS in MB, voluntary and involuntary switches aside.
function usage(pid) {
  const f = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /, '').split(' ');
  const rss = readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1] / 1024;
  return { cpu: (Number(f[11]) + Number(f[12])) / 100, rss };
}
function command(line) {
  return new Promise((resolve, reject) => {
    const s = net.connect(control, '127.0.0.1', () => s.write(`${line}\n`));
    let got = '';
    s.on('data', (d) => {
      got += d;
      if (/^(ok|error.*)$/m.test(got)) s.end();
    });
    s.on('close', () => resolve(got));
    s.on('error', reject);
  });
}

const sim = start(['sim', '--port', String(simPort), '--big', String(points), '--control', String(control)]);
const serve = start(['serve', '--data', dir, '--port', '0', '--log', 'warn']);
let m;
for (let i = 0; i < 300 && !m; i++) {
  await sleep(100);
  m = serve.log.match(/bornite: (\S+)\/setup#(\S+)/);
}
if (!m) done(1, `serve does not start: ${serve.log}`);
const [, base, link] = m;
const headers = { 'X-Bornite': '1' };
const signed = await fetch(`${base}/api/v1/session`, { method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' }, body: JSON.stringify({ link }) });
headers.Cookie = signed.headers.getSetCookie()[0].split(';')[0];
async function api(method, path, body, type = 'application/json') {
  const r = await fetch(base + path, { method, headers: { ...headers, ...(body ? { 'Content-Type': type } : {}) }, body });
  const text = await r.text();
  if (!r.ok) throw new Error(`${method} ${path}: ${r.status} ${text.slice(0, 500)}`);
  return (r.headers.get('content-type') ?? '').includes('json') ? JSON.parse(text) : text;
}
const metric = async (name) => Number((await api('GET', '/metrics')).match(new RegExp(`^${name} (\\d+)`, 'm'))?.[1] ?? NaN);

// The field as resources: a port of 10 stations is a channel, a station of 1,000 registers a device.
const ports = Math.ceil(points / 10000);
const channels = ['code,name,driver,options'], devices = ['code,name,channel,options'], rows = ['code,name,device,address,type,period'];
for (let p = 0; p < ports; p++) {
  channels.push(`BIG-${p},port ${p},modbus_tcp,"{""host"":""127.0.0.1"",""port"":${simPort + p}}"`);
  for (let u = 0; u < 10 && p * 10000 + u * 1000 < points; u++) {
    devices.push(`BIG-${p}-${u},station ${u + 1},BIG-${p},"{""unit"":${u + 1}}"`);
    for (let r = 0; r < 1000 && p * 10000 + u * 1000 + r < points; r++) {
      const n = p * 10000 + u * 1000 + r;
      rows.push(`BIG.${n},point ${n},BIG-${p}-${u},${400001 + r},uint16,1s`);
    }
  }
}
let at = Date.now();
await api('POST', '/api/v1/channels:import', channels.join('\n'), 'text/csv');
await api('POST', '/api/v1/devices:import', devices.join('\n'), 'text/csv');
const report = await api('POST', '/api/v1/points:import', rows.join('\n'), 'text/csv');
console.log(`import of ${report.created} points in one request: ${((Date.now() - at) / 1000).toFixed(1)} s`);
if (report.created !== points) done(1, `only ${report.created} points`);

// Warm up until every channel is up and a whole second of samples flows.
for (let i = 0; ; i++) {
  await sleep(1000);
  const { items } = await api('GET', '/api/v1/channels:status');
  if (items.every((c) => c.state === 'up' && c.good >= c.points)) break;
  if (i > 120) done(1, 'the channels do not come up');
}
await sleep(3000);
const first = { ...usage(serve.pid), stored: await metric('bornite_history_stored_total'), received: await metric('bornite_bus_received_total'), t: Date.now() };
const simFirst = usage(sim.pid).cpu;
let peak = 0;
while (Date.now() - first.t < seconds * 1000) {
  await sleep(1000);
  peak = Math.max(peak, usage(serve.pid).rss);
}
const last = { ...usage(serve.pid), stored: await metric('bornite_history_stored_total'), received: await metric('bornite_bus_received_total'), t: Date.now() };
const span = (last.t - first.t) / 1000;
console.log(`collected ${last.received - first.received} samples in ${span.toFixed(1)} s: ${((last.received - first.received) / span).toFixed(0)} samples/s (wanted ${points}/s)`);
console.log(`serve: ${((last.cpu - first.cpu) / span * 100).toFixed(1)} % of a core, ${((last.cpu - first.cpu) / (last.received - first.received) * 1e6).toFixed(2)} µs a sample, RSS ${last.rss.toFixed(0)} MB (peak ${peak.toFixed(0)}); sim: ${((usage(sim.pid).cpu - simFirst) / span * 100).toFixed(1)} % of a core`);

// Nothing lost: stop collecting, let everything drain, then the counts of both ends must agree.
const { items: all } = await api('GET', '/api/v1/channels?size=1000');
await api('POST', '/api/v1/channels:bulk', JSON.stringify({ items: all.map((c) => ({ op: 'patch', id: c.id, spec: { enabled: false } })) }));
const polls = (await api('GET', '/api/v1/channels:status')).items.reduce((a, c) => ({ polls: a.polls + c.polls, late: a.late + c.late, errors: a.errors + c.errors + c.timeouts, held: a.held + c.held }), { polls: 0, late: 0, errors: 0, held: 0 });
await sleep(5000);
const storage = await api('GET', '/api/v1/storage');
const counters = (await command('counters')).trim();
const served = Number(counters.match(/values=(\d+)/)[1]);
console.log('path:', JSON.stringify(storage.path));
console.log('sim:', counters.split('\n').slice(-2).join(' | '));
console.log('channels:', JSON.stringify(polls));

// And right: sampled points, read back and compared with what the device must have shown in that second.
let compared = 0, wrong = 0, fewest = Infinity, most = 0;
for (let k = 0; k < 50; k++) {
  const n = Math.floor((k + 0.5) * points / 50);
  const h = await api('GET', `/api/v1/history/recorded?points=BIG.${n}&from=${first.t}&to=${last.t}&limit=1000000`);
  const { t, v, q } = h.series[0];
  for (let i = 0; i < v.length; i++) {
    const second = Math.floor(t[i] / 1000);
    const near = [second - 1, second, second + 1].some((s) => ((n * 7919 + s) & 0xffff) === v[i]); // the sim's second begins when it begins
    compared++;
    if (!near || q[i] !== 0) wrong++;
  }
  fewest = Math.min(fewest, v.length);
  most = Math.max(most, v.length);
}
console.log(`read back ${compared} samples of 50 points: ${wrong} wrong; ${fewest} to ${most} samples a point in ${span.toFixed(0)} s`);
const stats = statfsSync(dir);
console.log(`history: ${storage.engine.bytes_blocks} bytes in ${storage.engine.segments} segments, ${(storage.engine.bytes_blocks / Math.max(1, storage.engine.samples_appended - storage.engine.samples_head)).toFixed(2)} bytes a sample; disk free ${(stats.bavail * stats.bsize / 2 ** 30).toFixed(0)} GiB`);
const lost = served - storage.path.stored;
done(wrong || lost || storage.path.dropped ? 1 : 0, `values served by the devices ${served}, stored ${storage.path.stored}: lost ${lost}`);
