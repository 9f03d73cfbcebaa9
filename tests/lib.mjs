// lib.mjs - what the black-box tests share: a tiny runner (test, check*, closing line), the binary as a
// child process on a free port with a data directory of its own, an API client, waiting for a condition.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import net from 'node:net';

export const BIN = process.env.BORNITE ?? new URL('../build/release/bornite', import.meta.url).pathname;

// ---- runner ----
const cases = [];
let failures = [];
const cleanups = [];
export const test = (name, fn) => cases.push({ name, fn });
export const cleanup = (fn) => cleanups.push(fn);
export function fail(text) {
  throw new Error(text);
}
export function ok(cond, text = 'condition does not hold') {
  if (!cond) fail(text);
}
export function equal(got, want, text = '') {
  const g = JSON.stringify(got), w = JSON.stringify(want);
  if (g !== w) fail(`${text} got ${g}, want ${w}`);
}
export function near(got, want, tolerance, text = '') {
  if (!(Math.abs(got - want) <= tolerance)) fail(`${text} got ${got}, want ${want} ± ${tolerance}`);
}

export async function run() {
  let passed = 0, failed = 0;
  const only = process.argv[2];
  for (const c of cases) {
    if (only && !new RegExp(only).test(c.name)) continue;
    const start = Date.now();
    try {
      await c.fn();
      passed++;
      console.log(`ok   ${c.name} (${Date.now() - start} ms)`);
    } catch (e) {
      failed++;
      console.log(`FAIL ${c.name}: ${e.stack ?? e}`);
    }
  }
  for (const fn of cleanups.reverse()) await Promise.resolve(fn()).catch(() => {});
  for (const text of failures) console.log(text);
  failed += failures.length;
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed || !passed ? 1 : 0);
}

export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
// Poll until fn gives something true; the only way that these tests wait.
export async function until(fn, what, ms = 20000, step = 50) {
  const end = Date.now() + ms;
  let last;
  while (Date.now() < end) {
    try {
      last = await fn();
      if (last) return last;
    } catch (e) {
      last = e;
    }
    await sleep(step);
  }
  fail(`waited ${ms} ms for ${what}; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const s = net.createServer();
    s.on('error', reject);
    s.listen(0, '127.0.0.1', () => {
      const { port } = s.address();
      s.close(() => resolve(port));
    });
  });
}

export function tempDir() {
  const dir = mkdtempSync(join(tmpdir(), 'bornite-test-'));
  cleanup(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

// ---- processes ----
function watch(child, name) {
  child.log = '';
  const add = (d) => {
    child.log = (child.log + d).slice(-200000);
  };
  child.stdout.on('data', add);
  child.stderr.on('data', add);
  child.exited = new Promise((resolve) => child.on('exit', (code, signal) => resolve({ code, signal })));
  child.exited.then(({ code, signal }) => {
    if (/Sanitizer|runtime error:/.test(child.log)) failures.push(`FAIL ${name}: sanitizer report\n${child.log.slice(-6000)}`);
    else if (!child.expected && code !== 0) failures.push(`FAIL ${name}: ended by itself (${code ?? signal})\n${child.log.slice(-3000)}`);
  });
  cleanup(() => stop(child));
  return child;
}

export async function stop(child, signal = 'SIGTERM') {
  child.expected = true;
  if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  return child.exited;
}

export async function startServe(dir, args = []) {
  const child = watch(spawn(BIN, ['serve', '--data', dir, '--port', '0', ...args], { stdio: ['ignore', 'pipe', 'pipe'] }), 'serve');
  const line = await until(() => {
    if (child.exitCode !== null) throw new Error(child.log.slice(-2000));
    return child.log.match(/bornite: (https?:\/\/\S+:(\d+))\/(setup#(\S+))?/);
  }, 'the link of serve', 30000, 10);
  child.base = line[1];
  child.port = Number(line[2]);
  child.link = line[4];
  return child;
}

// It takes some twenty ports in a row; where none is asked for, others are tried until all are free.
// It takes some twenty ports in a row: below the range that the system gives out, tried until they are free.
export async function startSim(args = []) {
  const at = args.indexOf('--port');
  for (let tries = 0; ; tries++) {
    const port = at < 0 ? 10000 + Math.floor(Math.random() * 550) * 40 : Number(args[at + 1]);
    const rest = args.filter((_, i) => at < 0 || (i !== at && i !== at + 1));
    const child = watch(spawn(BIN, ['sim', '--port', String(port), ...rest], { stdio: ['ignore', 'pipe', 'pipe'] }), 'sim');
    const up = until(() => child.log.includes('Modbus TCP servers on ports'), 'sim to listen', 20000, 10).then(() => true, () => false);
    child.expected = true; // a port that is taken is no failure
    const listening = await Promise.race([up, child.exited.then(() => false)]);
    child.expected = false;
    if (listening) return Object.assign(child, { port });
    if (at >= 0 || tries === 20) fail(`sim does not start: ${child.log}`);
  }
}

// ---- API client ----
export class Api {
  constructor(base, headers = {}) {
    this.base = base;
    this.headers = headers;
  }
  async raw(method, path, body, headers = {}) {
    const h = { 'X-Bornite': '1', ...this.headers, ...headers };
    if (body !== undefined && typeof body !== 'string') {
      h['Content-Type'] ??= 'application/json';
      body = JSON.stringify(body);
    }
    const url = path.startsWith('/api') || path.startsWith('/healthz') || path.startsWith('/metrics') ? path : `/api/v1${path}`;
    return fetch(this.base + url, { method, headers: h, body });
  }
  async call(method, path, body, want = [200, 201, 204], headers = {}) {
    const res = await this.raw(method, path, body, headers);
    const text = await res.text();
    if (![want].flat().includes(res.status)) fail(`${method} ${path}: ${res.status} ${text.slice(0, 600)}`);
    const type = res.headers.get('content-type') ?? '';
    return type.includes('json') && text ? JSON.parse(text) : text;
  }
  get(path, want) {
    return this.call('GET', path, undefined, want);
  }
  post(path, body, want) {
    return this.call('POST', path, body ?? {}, want);
  }
  csv(path, text, want) {
    return this.call('POST', path, text, want, { 'Content-Type': 'text/csv' });
  }
}

export async function signIn(serve, body) {
  const api = new Api(serve.base);
  const res = await api.raw('POST', '/session', body ?? { link: serve.link });
  if (res.status !== 200 && res.status !== 201) fail(`sign in: ${res.status} ${await res.text()}`);
  api.headers.Cookie = res.headers.getSetCookie().map((c) => c.split(';')[0]).join('; ');
  api.session = await res.json();
  return api;
}
