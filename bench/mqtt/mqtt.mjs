// mqtt.mjs BINARY LOAD [messages] [rounds] - see bench/mqtt.sh. Reads back what it stored before it reports.
import { execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [bin, load, messagesArg, roundsArg] = process.argv.slice(2);
const messages = Number(messagesArg ?? 2000000), rounds = Number(roundsArg ?? 3), connections = 100;
const dir = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'bornite-mqtt-'));
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const children = [];
function done(code, text) {
  if (text) console.log(text);
  for (const c of children) c.kill('SIGTERM');
  setTimeout(() => { rmSync(dir, { recursive: true, force: true }); process.exit(code); }, 500);
}
process.on('uncaughtException', (e) => done(1, `failed: ${e.stack}`));
const freePort = () => new Promise((r) => { const s = net.createServer().listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => r(port)); }); });
function usage(pid) {
  const f = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /, '').split(' ');
  return { cpu: (Number(f[11]) + Number(f[12])) / 100, rss: Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) / 1024 };
}
const run = (args) => new Promise((resolve, reject) => execFile(load, args, { maxBuffer: 1 << 20 }, (e, out, err) => (e ? reject(new Error(`${e.message} ${err}`)) : resolve(JSON.parse(out)))));

// ---- bornite ----
const serve = spawn(bin, ['serve', '--data', join(dir, 'data'), '--port', '0', '--log', 'warn'], { stdio: ['ignore', 'pipe', 'pipe'] });
children.push(serve);
let log = '';
for (const s of [serve.stdout, serve.stderr]) s.on('data', (d) => { log = (log + d).slice(-10000); });
let m;
for (let i = 0; i < 300 && !m; i++) { await sleep(100); m = log.match(/bornite: (\S+)\/setup#(\S+)/); }
if (!m) throw new Error(`serve does not start: ${log}`);
const [, base, link] = m;
let cookie = '';
async function api(method, path, body, type = 'application/json') {
  const r = await fetch(`${base}/api/v1${path}`, { method, headers: { 'X-Bornite': '1', Cookie: cookie, 'Content-Type': type }, body: body === undefined ? undefined : JSON.stringify(body) });
  if (!r.ok) throw new Error(`${method} ${path}: ${r.status} ${await r.text()}`);
  if (path === '/session') cookie = r.headers.getSetCookie().map((c) => c.split(';')[0]).join('; ');
  return r.status === 204 ? undefined : r.json();
}
await api('POST', '/session', { link });
await api('PATCH', '/mqtt-listeners/default', { spec: { port: 0 } }, 'application/merge-patch+json');
const tokens = [];
for (let i = 0; i < connections; i++) {
  const code = `L${String(i).padStart(3, '0')}`;
  await api('POST', '/push-devices', { code, name: code, spec: { create: true, rate: 600000 } });
  tokens.push((await api('POST', `/push-devices/${code}:token`, {})).token);
}
const users = join(dir, 'users');
writeFileSync(users, tokens.join('\n') + '\n');
let port = 0;
for (let i = 0; i < 100 && !port; i++) { await sleep(50); port = (await api('GET', '/mqtt/status')).listeners[0].port; }
const common = (p) => ['-p', String(p), '-c', String(connections), '-w', '20'];
await run(['publish', ...common(port), '-n', String(connections * 20), '-u', users]); // points are made

// ---- mosquitto ----
const peer = existsSync('/usr/sbin/mosquitto');
async function startPeer() {
  const at = await freePort(), conf = join(dir, `mosquitto-${at}.conf`);
  writeFileSync(conf, `listener ${at} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\npersistence false\n`);
  const child = spawn('/usr/sbin/mosquitto', ['-c', conf], { stdio: 'ignore' });
  children.push(child);
  await sleep(500);
  return { pid: child.pid, port: at };
}
const mosquitto = peer ? await startPeer() : null;
async function measure(pid, p, more) {
  const before = usage(pid).cpu;
  const r = await run(['publish', ...common(p), '-n', String(messages), ...more]);
  await sleep(300);
  const cpu = usage(pid).cpu - before;
  return { ...r, cpu, per: r.acked / cpu };
}
const say = (name, r) => console.log(`  ${name.padEnd(34)} ${Math.round(r.acked / r.seconds).toLocaleString('en')}/s, ${r.cpu.toFixed(2)} CPU-s, ${Math.round(r.per / 1000)} k messages per CPU-second`);
const version = peer ? (spawnSync('/usr/sbin/mosquitto', ['-h'], { encoding: 'utf8' }).stdout.match(/version (\S+)/)?.[1] ?? '') : '';
console.log(`${messages.toLocaleString('en')} messages of 100 bytes (3 values), QoS 1, ${connections} connections, window 20, one message a write; data on ${statfsSync(dir).type === 0x01021994 ? 'tmpfs' : 'disk'}, every acknowledgement after fsync`);
const ratios = [];
let sent = 20;
for (let i = 0; i < rounds; i++) {
  const a = await measure(serve.pid, port, ['-u', users]);
  say('bornite, stored in history', a);
  sent = messages / connections;
  if (!peer) continue;
  const b = await measure(mosquitto.pid, mosquitto.port, ['-s', '']);
  say(`mosquitto ${version}, one subscriber`, b);
  if (b.received < b.acked) console.log(`    its subscriber got ${b.received}`);
  ratios.push(a.per / b.per);
}
const status = await api('GET', '/mqtt/status');
console.log(`  ${status.commits} durable writes, ${Math.round(status.ingested / status.commits)} messages each; ${status.ingested_slowly} took the long way`);

// ---- what was acknowledged is there: each point has one value a message (times are the messages' own) ----
let missing = 0;
for (const code of ['L000.temperature', 'L050.pressure', 'L099.running']) {
  const to = Date.now(), from = to - 3 * 3600e3;
  const r = await api('GET', `/history/aggregate?points=${code}&from=${from}&to=${to}&fn=count`);
  const n = r.series[0].values.count.reduce((x, y) => x + (y ?? 0), 0);
  if (n < sent) { missing++; console.log(`  ${code} holds ${n} values, ${sent} were acknowledged`); }
}
if (!missing) console.log(`  read back: all values of three points are in history`);
if (ratios.length) console.log(`ratio to mosquitto with one subscriber, per CPU-second: ${ratios.map((x) => x.toFixed(2)).join(', ')} (goal 3)`);

// ---- idle connections ----
const n = 10000;
async function idle(pid, p, more) {
  await sleep(3000);
  const before = usage(pid).rss;
  const c = spawn(load, ['idle', '-p', String(p), '-c', String(n), ...more], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(c);
  await new Promise((r) => c.stdout.once('data', r));
  await sleep(4000);
  const after = usage(pid).rss;
  c.stdin.end();
  await new Promise((r) => c.on('exit', r));
  return { mb: after - before, each: ((after - before) * 1024) / n };
}
const a = await idle(serve.pid, port, ['-u', users]);
console.log(`${n.toLocaleString('en')} idle connections: bornite +${a.mb.toFixed(1)} MB RSS, ${a.each.toFixed(2)} KiB each (goal 20 MB)`);
if (peer) {
  const fresh = await startPeer(); // what the load has left behind would hide it
  const b = await idle(fresh.pid, fresh.port, []);
  console.log(`  mosquitto +${b.mb.toFixed(1)} MB, ${b.each.toFixed(2)} KiB each`);
}
done(missing ? 1 : 0);
