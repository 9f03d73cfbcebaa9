// common.mjs - what the benchmarks of collecting share: processes, an API client, CPU and memory, the simulated field.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
export const simPort = Number(process.env.BENCH_PORT ?? 24000), control = simPort + 999; // another base where two run at a time
const children = [];
export const dir = mkdtempSync(join(tmpdir(), 'bornite-bench-'));

export function start(bin, args) {
  const c = spawn(bin, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  c.log = '';
  for (const s of [c.stdout, c.stderr]) s.on('data', (d) => (c.log = (c.log + d).slice(-100000)));
  children.push(c);
  return c;
}
export function done(code, text) {
  if (text) console.log(text);
  for (const c of children) c.kill('SIGTERM');
  rmSync(dir, { recursive: true, force: true });
  process.exit(code);
}
process.on('uncaughtException', (e) => done(1, `failed: ${e.stack}`));
process.on('unhandledRejection', (e) => done(1, `failed: ${e.stack}`));

// CPU in seconds, of all threads as the scheduler counts it (the ticks of /proc/PID/stat miss short bursts); RSS in MB.
export function usage(pid) {
  const ns = readdirSync(`/proc/${pid}/task`).map((t) => Number(readFileSync(`/proc/${pid}/task/${t}/schedstat`, 'utf8').split(' ')[0]));
  const rss = readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1] / 1024;
  return { cpu: ns.reduce((x, y) => x + y, 0) / 1e9, rss };
}

// Ends it and waits until it has.
export async function stop(child) {
  const gone = new Promise((r) => child.once('exit', r));
  child.kill('SIGTERM');
  await gone;
}

// A running `bornite serve` with a signed-in client. again(): the same on its data and port after `stop`, same client.
export async function serve(bin, name = 'data', args = [], port = 0) {
  const begin = () => start(bin, ['serve', '--data', join(dir, name), '--port', String(port), '--log', 'warn', ...args]);
  const child = begin();
  let m;
  for (let i = 0; i < 300 && !m; i++) {
    await sleep(100);
    m = child.log.match(/bornite: (\S+)\/setup#(\S+)/);
  }
  if (!m) done(1, `serve does not start: ${child.log}`);
  const [, base, link] = m;
  const headers = { 'X-Bornite': '1' };
  const signed = await fetch(`${base}/api/v1/session`, { method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' }, body: JSON.stringify({ link }) });
  headers.Cookie = signed.headers.getSetCookie()[0].split(';')[0];
  const api = async (method, path, body, type = 'application/json') => {
    const r = await fetch(base + path, { method, headers: { ...headers, ...(body ? { 'Content-Type': type } : {}) }, body: body && typeof body !== 'string' ? JSON.stringify(body) : body });
    const text = await r.text();
    if (!r.ok) throw new Error(`${method} ${path}: ${r.status} ${text.slice(0, 500)}`);
    return (r.headers.get('content-type') ?? '').includes('json') ? JSON.parse(text) : text;
  };
  const metric = async (n) => Number((await api('GET', '/metrics')).match(new RegExp(`^${n} (\\d+)`, 'm'))?.[1] ?? NaN);
  const again = async () => {
    const c = begin();
    while (c.exitCode === null && !(await fetch(`${base}/healthz`).catch(() => null))?.ok) await sleep(50);
    if (c.exitCode !== null) done(1, `serve does not start again: ${c.log}`);
    return c;
  };
  return { child, base, api, metric, again };
}

export function simulator(bin, points) {
  const sim = start(bin, ['sim', '--port', String(simPort), '--big', String(points), '--control', String(control)]);
  sim.on('exit', (code) => code && done(1, `the simulated field does not run: ${sim.log}`));
  return sim;
}
export function command(line) {
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

// The simulated field (10 stations of 1,000 registers a port) as `devices` channels with a connection each.
export async function importField(api, points, devices, extra = '', period = '1s') {
  const each = Math.ceil(points / devices);
  const channels = ['code,name,driver,options'], list = ['code,name,channel,options'], rows = ['code,name,device,address,type,period'];
  for (let d = 0; d < devices; d++) {
    const first = d * each, port = Math.floor(first / 10000), unit = Math.floor((first % 10000) / 1000) + 1;
    if (first >= points) break;
    channels.push(`BIG-${d},device ${d},modbus_tcp,"{""host"":""127.0.0.1"",""port"":${simPort + port}${extra}}"`);
    list.push(`BIG-${d},device ${d},BIG-${d},"{""unit"":${unit}}"`);
    for (let n = first; n < first + each && n < points; n++) rows.push(`BIG.${n},point ${n},BIG-${d},${400001 + (n % 1000)},uint16,${period}`);
  }
  const at = Date.now();
  await api('POST', '/api/v1/channels:import', channels.join('\n'), 'text/csv');
  await api('POST', '/api/v1/devices:import', list.join('\n'), 'text/csv');
  const report = await api('POST', '/api/v1/points:import', rows.join('\n'), 'text/csv');
  const taken = report.created + report.updated;
  console.log(`import of ${taken} points in one request: ${((Date.now() - at) / 1000).toFixed(1)} s`);
  if (taken !== points) done(1, `only ${taken} points`);
}
export async function allUp(api, seconds = 120) {
  const begin = Date.now();
  for (let told = begin; ; await sleep(100)) {
    const { items } = await api('GET', '/api/v1/channels:status');
    const left = items.filter((c) => c.state !== 'up' || c.good < c.points);
    const text = () => `${left.length} of ${items.length} channels are not up with good values yet, such as ${left.slice(0, 3).map((c) => `${c.code}: ${c.state}, ${c.good} of ${c.points} good ${c.reason}`).join('; ')}`;
    if (items.length && !left.length) return (Date.now() - begin) / 1000;
    if (Date.now() - begin > seconds * 1000) done(1, text());
    if (Date.now() - told < 5000) continue;
    told = Date.now();
    console.log(text());
  }
}
export const percentile = (sorted, p) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))];
