// process.mjs - what the drivers of benchmarks share: processes with their CPU and memory, HTTP, questions asked often.
import { execFile, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const TICKS = 100;

export function freePort() {
  return new Promise((resolve, reject) => {
    const s = net.createServer().on('error', reject);
    s.listen(0, '127.0.0.1', () => {
      const { port } = s.address();
      s.close(() => resolve(port));
    });
  });
}

const running = new Set();
process.on('exit', () => running.forEach((c) => c.kill('SIGKILL')));
export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  child.log = '';
  for (const s of [child.stdout, child.stderr]) s.on('data', (d) => (child.log = (child.log + d).slice(-20000)));
  running.add(child);
  child.ended = new Promise((r) => child.on('exit', r)).finally(() => running.delete(child));
  return child;
}
export async function stop(child) {
  if (child.exitCode === null) child.kill('SIGTERM');
  await Promise.race([child.ended, sleep(30000).then(() => child.kill('SIGKILL'))]);
}

// CPU seconds of a process with all that it has started.
export function cpu(pid) {
  let total = 0;
  for (const task of [pid, ...children(pid)]) {
    try {
      const f = readFileSync(`/proc/${task}/stat`, 'utf8').replace(/.*\) /, '').split(' ');
      total += Number(f[11]) + Number(f[12]);
    } catch {
      /* it has ended */
    }
  }
  return total / TICKS;
}
function children(pid) {
  const all = [];
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      for (const c of readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim().split(' ').filter(Boolean)) all.push(Number(c), ...children(Number(c)));
    } catch {
      /* it has ended */
    }
  }
  return all;
}
export function rssMb(pid) {
  return [pid, ...children(pid)].reduce((n, p) => n + Number(readFileSync(`/proc/${p}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)?.[1] ?? 0) / 1024, 0);
}
export function bytesUnder(path) {
  const s = statSync(path);
  return s.isDirectory() ? readdirSync(path).reduce((n, f) => n + bytesUnder(join(path, f)), 0) : s.size;
}

// One keep-alive connection.
export class Http {
  constructor(port, headers = {}) {
    this.options = { host: '127.0.0.1', port, agent: new http.Agent({ keepAlive: true, maxSockets: 1 }), headers };
  }
  ask(method, path, body, headers = {}) {
    return new Promise((resolve, reject) => {
      const length = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) };
      const req = http.request({ ...this.options, method, path, timeout: 120000, headers: { ...this.options.headers, ...length, ...headers } }, (res) => {
        const parts = [];
        res.on('data', (d) => parts.push(d));
        res.on('end', () => {
          const answer = Buffer.concat(parts);
          if (res.statusCode < 300) resolve(answer);
          else reject(new Error(`${method} ${path.slice(0, 120)}: ${res.statusCode} ${answer.toString().slice(0, 400)}`));
        });
      });
      req.on('error', reject);
      req.on('timeout', () => req.destroy(new Error(`${method} ${path.slice(0, 120)}: no answer within two minutes`)));
      req.end(body);
    });
  }
}
export async function waitFor(fn, what, ms = 30000) {
  let last;
  for (const end = Date.now() + ms; Date.now() < end; await sleep(100)) {
    try {
      const got = await fn();
      if (got) return got;
    } catch (e) {
      last = e;
    }
  }
  throw new Error(`waited for ${what}: ${last?.message ?? ''}`);
}

// The bodies of a file that bench_tsgen wrote, over `connections` connections, each in order.
export async function feed(file, connections, connect, path, headers) {
  const bodies = readFileSync(`${file}.idx`, 'utf8').trim().split('\n').map((l) => l.split(' ').map(Number));
  const fd = openSync(file, 'r');
  await Promise.all(
    Array.from({ length: connections }, async (_, k) => {
      const h = connect();
      for (let i = k; i < bodies.length; i += connections) {
        const [at, n] = bodies[i];
        const body = Buffer.allocUnsafe(n);
        readSync(fd, body, 0, n, at);
        await h.ask('POST', path, body, headers);
      }
    }),
  );
  closeSync(fd);
  return bodies.reduce((n, b) => n + b[2], 0);
}

export async function settle(pid, limit = 90) {
  let quiet = 0;
  for (let i = 0, last = cpu(pid); i < limit && quiet < 3; i++) {
    await sleep(1000);
    const now = cpu(pid);
    quiet = now - last < 0.08 ? quiet + 1 : 0;
    last = now;
  }
}

// One request as it goes over the wire.
function wire(headers, method, path, body, more = {}) {
  const all = { Host: '127.0.0.1', ...headers, ...more, ...(body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) }) };
  const lines = Object.entries(all).map(([k, v]) => `${k}: ${v}\r\n`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body ?? ''}`);
}

// The same questions again and again by bench_http_peer: {p50_ms, p99_ms, cpu_ms, bytes} a request; cpu_ms is that of
// the server. `requests` are arguments of Http.ask.
export async function askMany(client, file, { port, headers, pid }, requests, { repeats = 1000, seconds = 4 } = {}) {
  const wires = requests.map((r) => wire(headers, ...r));
  let at = 0;
  writeFileSync(file, Buffer.concat(wires));
  writeFileSync(`${file}.idx`, wires.map((w) => `${(at += w.length) - w.length} ${w.length}\n`).join(''));
  const args = [port, file, repeats, seconds, pid, ...children(pid)];
  return JSON.parse((await promisify(execFile)(client, args.map(String))).stdout);
}
