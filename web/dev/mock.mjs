// A stand-in for `bornite serve`: docs/api.md over generated data, for developing and testing the UI
// without a backend. Serves web/dist too, with the server's security headers.
//   node dev/mock.mjs [port]        sign in: any login with password "bornite", or /setup#demo
import { createServer } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { all, create, find, kindOf, kinds, list, need, patch, Problem, remove, rollback, watch } from './mock-store.mjs';
import { areaName, dyn, seed, valueAt, write } from './mock-plant.mjs';
import { more } from './mock-more.mjs';
import { accept, reader, send } from './mock-ws.mjs';

const port = Number(process.argv[2] ?? process.env.PORT ?? 8090);
const dist = process.env.MOCK_DIST ?? fileURLToPath(new URL('../dist/', import.meta.url)); // ends with a slash
const CSP = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; media-src 'self' blob: data:; font-src 'self'; connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const QN = ['good', 'uncertain', 'bad'];
const state = { mustSetPassword: true, tokens: [], audit: [] };
seed();

const json = (res, status, body, headers = {}) => {
  res.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers });
  res.end(JSON.stringify(body));
};
const problem = (res, e) => {
  const status = e instanceof Problem ? e.status : 500;
  res.writeHead(status, { 'Content-Type': 'application/problem+json' });
  res.end(JSON.stringify({ type: 'about:blank', title: status === 412 ? '版本冲突' : status === 404 ? '未找到' : '请求有误', status, code: e.code ?? 'internal', detail: e.message, errors: e.errors ?? [] }));
};
const rawOf = async (req) => {
  const parts = [];
  for await (const p of req) parts.push(p);
  return Buffer.concat(parts);
};
const bodyOf = async (req) => (await rawOf(req)).toString('utf8');
const time = (text, fallback) => {
  if (!text) return fallback;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  const m = /^\*(?:-(\d+)([smhd]))?$/.exec(text);
  if (m) return Date.now() - (m[1] ? Number(m[1]) * { s: 1e3, m: 6e4, h: 36e5, d: 864e5 }[m[2]] : 0);
  return Date.parse(text);
};
const pointsOf = (text) => (text ?? '').split(',').filter(Boolean).map((p) => need('point', p).now);
const session = () => ({ user: { id: find('user', 'admin').now.id, login: 'admin', name: '管理员', roles: ['admin'] }, permissions: [{ kind: '*', actions: ['read', 'write', 'delete', 'approve', 'control', 'sensitive', 'admin'] }], must_set_password: state.mustSetPassword, expires_at: new Date(Date.now() + 864e5).toISOString() });
const page = (rows, q) => {
  const size = Math.min(1000, Number(q.get('size') ?? 50));
  const at = Number(q.get('page') ?? 1);
  return { items: rows.slice((at - 1) * size, at * size), total: rows.length, page: at, size, next: null };
};

function series(q, stepMs) {
  const from = time(q.get('from'), Date.now() - 36e5);
  const to = time(q.get('to'), Date.now());
  const end = Math.min(to, Date.now());
  const rows = pointsOf(q.get('points')).map((p) => {
    const out = { point: p.id, code: p.code, name: p.name, unit: p.spec.unit, step: p.spec.step, t: [], v: [], q: [], r: [] };
    for (let t = Math.ceil(from / stepMs) * stepMs; t < end && out.t.length < 10000; t += stepMs) {
      const s = valueAt(p.num, t);
      out.t.push(t); out.v.push(s.v); out.q.push(s.q); out.r.push(s.r);
    }
    return out;
  });
  return { from: new Date(from).toISOString(), to: new Date(to).toISOString(), series: rows };
}

function summary(q) {
  const from = time(q.get('from'), Date.now() - 36e5);
  const to = time(q.get('to'), Date.now());
  return { series: pointsOf(q.get('points')).map((p) => {
    let [count, good, sum, min, max, minT, maxT] = [0, 0, 0, Infinity, -Infinity, 0, 0];
    const step = Math.max(1000, (to - from) / 500);
    for (let t = from; t < Math.min(to, Date.now()); t += step) {
      const s = valueAt(p.num, t);
      count++;
      if (s.q === 0) good++;
      if (typeof s.v !== 'number') continue;
      sum += s.v;
      if (s.v < min) { min = s.v; minT = t; }
      if (s.v > max) { max = s.v; maxT = t; }
    }
    const mean = count ? sum / count : null;
    return { point: p.id, code: p.code, rows: [{ from, to, count, good, min: Number.isFinite(min) ? min : null, min_t: minT, max: Number.isFinite(max) ? max : null, max_t: maxT, mean, twa: mean, integral: mean, percent_good: count ? 100 * good / count : 0, first: null, last: null }] };
  }) };
}

const qualityCount = (points) => {
  const now = Date.now();
  const n = { good: 0, uncertain: 0, bad: 0 };
  for (const p of points) n[QN[valueAt(p.num, now).q]]++;
  return n;
};

function channelStatus() {
  const devices = new Map(all('device').map((d) => [d.id, d.spec.channel]));
  return all('channel').map((c, i) => {
    const points = all('point').filter((p) => devices.get(p.spec.device) === c.id);
    const n = qualityCount(points);
    const st = i === 3 ? 'down' : i === 2 ? 'degraded' : 'up';
    return { id: c.id, code: c.code, name: c.name, driver: c.spec.driver, state: st, reason: st === 'down' ? '连接被拒绝：127.0.0.1:1505 没有程序在监听' : st === 'degraded' ? '站 3 无应答' : '', since: new Date(Date.now() - 36e5 * (i + 1)).toISOString(), rtt_ms: st === 'down' ? null : 1.2 + i, requests: 123456 + Math.floor(Date.now() / 1000), errors: i * 17, timeouts: i * 3, reconnects: i, points: points.length, good: n.good, bad: n.bad, samples_per_s: points.length, history: Array.from({ length: 50 }, (_, k) => (i === 3 ? 'down' : (k + i * 7) % 19 === 0 && i > 0 ? 'degraded' : 'up')) };
  });
}

function tree(parent) {
  const depth = parent ? parent.split('/').length : 0;
  const groups = new Map();
  for (const p of all('point')) {
    const a = p.spec.area ?? '';
    if (parent && !a.startsWith(`${parent}/`)) continue;
    const path = a.split('/').slice(0, depth + 1).join('/');
    if (!path) continue;
    const g = groups.get(path) ?? { path, name: areaName(path), points: 0, bad: 0, children: false };
    g.points++;
    if (valueAt(p.num, Date.now()).q === 2) g.bad++;
    if (a.split('/').length > depth + 1) g.children = true;
    groups.set(path, g);
  }
  return [...groups.values()];
}

function areas() {
  return tree('').map((g) => {
    const points = all('point').filter((p) => p.spec.area.startsWith(`${g.path}/`));
    return { path: g.path, name: g.name, points: points.length, ...qualityCount(points), stale: 0, key: points.filter((p) => p.spec.key).slice(0, 4).map((p) => ({ code: p.code, name: p.name, num: p.num, unit: p.spec.unit })) };
  });
}

function csvRows(text) {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/).filter((l) => l.trim());
  const cells = (l) => [...l.matchAll(/("(?:[^"]|"")*"|[^,]*)(,|$)/g)].map((m) => m[1].replace(/^"|"$/g, '').replaceAll('""', '"')).slice(0, l.split(',').length);
  const head = cells(lines[0] ?? '');
  return lines.slice(1).map((l, i) => ({ line: i + 2, row: Object.fromEntries(cells(l).map((c, k) => [head[k], c])) }));
}

function fromCsv(k, row) {
  const input = { spec: {}, labels: {} };
  for (const [key, text] of Object.entries(row)) {
    if (text === '' || !key) continue;
    const f = k.fields.find((x) => x.name === key || x.title?.zh === key || x.title?.en === key);
    if (key.startsWith('labels.')) input.labels[key.slice(7)] = text;
    else if (['code', 'name', 'org'].includes(key)) input[key] = text;
    else if (f?.type === 'ref') input.spec[f.name] = find(f.kind, text)?.now.id ?? text;
    else if (f && ['number', 'integer'].includes(f.type)) input.spec[f.name] = Number.isNaN(Number(text)) ? text : Number(text);
    else if (f?.type === 'boolean') input.spec[f.name] = text === 'true';
    else input.spec[f?.name ?? key] = text;
  }
  return input;
}

function bulk(k, items, dry) {
  const report = { created: 0, updated: 0, unchanged: 0, deleted: 0, failed: 0, rows: [] };
  for (const it of items) {
    const row = { line: it.line, code: it.code ?? it.id, status: 'unchanged' };
    try {
      const there = find(k.kind, it.id ?? it.code);
      if (it.op === 'delete') { remove(k.kind, it.id, 'admin', dry); row.status = 'deleted'; }
      else if (it.op === 'create' || (it.op === 'upsert' && !there)) { create(k.kind, it, 'admin', dry); row.status = 'created'; }
      else row.status = patch(k.kind, it.id ?? it.code, it, it.rev, 'admin', dry).changed ? 'updated' : 'unchanged';
      row.code = there?.now.code ?? row.code;
    } catch (e) {
      row.status = 'failed';
      row.errors = e.errors?.length ? e.errors : [{ where: '', detail: e.message }];
    }
    report[row.status]++;
    report.rows.push(row);
  }
  return report;
}

const drivers = () => JSON.parse(readFileSync(new URL('./mock-drivers.json', import.meta.url), 'utf8'));

async function fixed(req, res, path, q) {
  const key = `${req.method} ${path}`;
  switch (key) {
    case 'GET /kinds': return json(res, 200, { items: kinds });
    case 'GET /session': return json(res, 200, session());
    case 'POST /session': {
      const b = JSON.parse(await bodyOf(req));
      if (b.link ? b.link !== 'demo' : b.password !== 'bornite') return problem(res, new Problem(401, 'unauthorized', b.link ? '链接已失效' : '用户名或密码不正确'));
      return json(res, 200, session(), { 'Set-Cookie': 'bornite_session=mock; HttpOnly; SameSite=Strict; Path=/' });
    }
    case 'DELETE /session': return json(res, 200, null, { 'Set-Cookie': 'bornite_session=; Max-Age=0; Path=/' });
    case 'POST /session/password': state.mustSetPassword = false; return json(res, 200, null);
    case 'GET /sessions': return json(res, 200, { items: [{ id: 's1', login: 'admin', peer: '127.0.0.1', agent: req.headers['user-agent'], created_at: new Date().toISOString(), seen_at: new Date().toISOString(), expires_at: session().expires_at, current: true }] });
    case 'GET /tokens': return json(res, 200, { items: state.tokens });
    case 'POST /tokens': {
      const b = JSON.parse(await bodyOf(req));
      const t = { id: `t${state.tokens.length + 1}`, ...b, login: 'admin', created_at: new Date().toISOString() };
      state.tokens.push(t);
      return json(res, 201, { id: t.id, token: `bn_${'0123456789abcdef'.repeat(3)}` });
    }
    case 'GET /audit': return json(res, 200, page([...state.audit].reverse(), q));
    case 'GET /drivers': return json(res, 200, drivers());
    case 'GET /channels:status': return json(res, 200, { items: channelStatus() });
    case 'POST /channels:test': await bodyOf(req); return json(res, 200, { ok: true, ms: 4, detail: '已连接' });
    case 'POST /channels:read': {
      const b = JSON.parse(await bodyOf(req));
      return json(res, 200, { items: b.points.map((p) => (/\s|^$/.test(p.address) ? { address: p.address, value: null, quality: 'bad', reason: '地址无法理解', raw: '', ms: 0 } : { address: p.address, value: Math.round(Math.random() * 1000) / 10, quality: 'good', reason: '', raw: '41b80000', ms: 3 })) });
    }
    case 'GET /points:tree': return json(res, 200, { items: tree(q.get('parent') ?? '') });
    case 'GET /areas': return json(res, 200, { items: areas() });
    case 'GET /current': case 'POST /current': {
      const b = req.method === 'POST' ? JSON.parse(await bodyOf(req)) : {};
      const points = b.filter !== undefined ? list('point', new URLSearchParams({ filter: b.filter })) : (b.points ?? (q.get('points') ?? '').split(',').filter(Boolean)).map((p) => need('point', p).now);
      return json(res, 200, { items: points.slice(0, 5000).map((p) => { const s = valueAt(p.num, Date.now()); return { point: p.id, code: p.code, t: new Date().toISOString(), v: s.v, q: QN[s.q], reason: s.r ? '通讯故障' : '', age_ms: 300 }; }) });
    }
    case 'GET /history/plot': {
      const span = time(q.get('to'), Date.now()) - time(q.get('from'), Date.now() - 36e5);
      return json(res, 200, series(q, Math.max(1000, span / Number(q.get('px') ?? 1200))));
    }
    case 'GET /history/recorded': return json(res, 200, series(q, 1000));
    case 'GET /history/interpolated': return json(res, 200, series(q, 10000));
    case 'GET /history/summary': return json(res, 200, summary(q));
    case 'GET /history/export': {
      const s = series(q, 10000).series;
      res.writeHead(200, { 'Content-Type': 'text/csv' });
      return res.end(`time,${s.map((x) => x.code).join()}\n${(s[0]?.t ?? []).map((t, i) => `${new Date(t).toISOString()},${s.map((x) => x.v[i]).join()}`).join('\n')}\n`);
    }
    case 'GET /storage': return json(res, 200, { samples: 123456789, bytes: 345678901, disk_free: 1e11 });
    case 'GET /version': return json(res, 200, { version: '0.1.0-mock' });
    case 'GET /watch': {
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
      res.write(': hello\n\n');
      const stop = watch((c) => res.write(`event: change\ndata: ${JSON.stringify(c)}\n\n`));
      return req.on('close', stop);
    }
    default: return false;
  }
}

async function resources(req, res, path, q, text) {
  const m = /^\/([a-z0-9-]+)(?:\/([^/:]+))?(?:\/history(?:\/(\d+))?)?(?::([a-z]+))?$/.exec(path);
  const k = m && kindOf(m[1]);
  if (!k) throw new Problem(404, 'not_found', `没有 ${path}`);
  const [, , rawId, rev, verb] = m;
  const id = rawId && decodeURIComponent(rawId);
  const body = () => JSON.parse(text || '{}');
  const ifMatch = req.headers['if-match'] ? Number(req.headers['if-match'].replaceAll('"', '')) : undefined;
  if (path.includes('/history')) {
    const h = need(k.kind, id).history;
    if (rev) return json(res, 200, h.find((x) => x.rev === Number(rev)).r);
    return json(res, 200, page([...h].reverse().map(({ r: _r, ...e }) => e), q));
  }
  if (verb === 'rollback') return json(res, 200, rollback(k.kind, id, body().rev, 'admin'));
  if (verb === 'write') {
    const p = need('point', id).now;
    const b = body();
    if (b.value < p.spec.write_lo || b.value > p.spec.write_hi) return json(res, 200, { command: 'c1', outcome: 'refused', detail: `应在 ${p.spec.write_lo} 与 ${p.spec.write_hi} 之间`, before: null, readback: null, ms: 0 });
    const before = write(p.num, b.value);
    return json(res, 200, { command: 'c1', outcome: 'done', detail: '', before, readback: b.value, ms: 42 });
  }
  if (verb === 'diagnostics' || path.endsWith('/diagnostics')) return null;
  if (verb === 'test') return json(res, 200, { ok: false, ms: 2001, detail: '连接超时：127.0.0.1:1502 在 2 s 内没有应答' });
  if (verb === 'password') return json(res, 200, null);
  if (verb === 'bulk') return json(res, 200, bulk(k, body().items, body().dry_run));
  if (verb === 'import') return json(res, 200, bulk(k, csvRows(text).map(({ line, row }) => ({ line, op: 'upsert', ...fromCsv(k, row) })), q.get('dry_run') === '1'));
  if (verb === 'export') {
    const names = k.fields.map((f) => f.name);
    res.writeHead(200, { 'Content-Type': 'text/csv' });
    return res.end(`code,name,${names.join()}\n${list(k.kind, q).map((r) => [r.code, r.name, ...names.map((n) => r.spec[n] ?? '')].join()).join('\n')}\n`);
  }
  if (!id) return req.method === 'POST' ? json(res, 201, create(k.kind, body(), 'admin')) : json(res, 200, page(list(k.kind, q), q));
  if (req.method === 'PATCH' || req.method === 'PUT') return json(res, 200, patch(k.kind, id, body(), ifMatch, 'admin').r);
  if (req.method === 'DELETE') return json(res, 200, remove(k.kind, id, 'admin') ?? null);
  const r = need(k.kind, id).now;
  return json(res, 200, r, { ETag: `"${r.rev}"` });
}

function diagnostics(res, id) {
  const c = channelStatus().find((x) => x.id === id || x.code === id);
  const frames = Array.from({ length: 12 }, (_, i) => ({ t: new Date(Date.now() - i * 500).toISOString(), dir: i % 2 ? 'tx' : 'rx', hex: i % 2 ? '00 01 00 00 00 06 01 03 00 00 00 7d' : '00 01 00 00 00 03 01 83 02', words: { zh: i % 2 ? '读保持寄存器 站 1 自 0 起 125 个' : '异常 02：地址无效', en: i % 2 ? 'read holding registers, station 1, 125 from 0' : 'exception 02: illegal address' }, ok: i % 2 === 1 }));
  const devices = all('device').filter((d) => d.spec.channel === c.id).map((d) => ({ code: d.code, state: c.state, reason: c.reason, points: 100, bad: c.state === 'up' ? 0 : 7, last_ok: new Date().toISOString() }));
  json(res, 200, { ...c, frames, last_error: { t: frames[0].t, detail: '异常 02：地址无效' }, devices, connections: 1 });
}

const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json', '.woff2': 'font/woff2' };
function files(req, res, path) {
  let file = join(dist, normalize(path));
  if (!file.startsWith(dist) || !extname(path) || !existsSync(file)) file = join(dist, 'index.html');
  if (!existsSync(file)) return problem(res, new Problem(404, 'not_found', 'web/dist is not built'));
  const gz = existsSync(`${file}.gz`);
  res.writeHead(200, { 'Content-Type': types[extname(file)] ?? 'application/octet-stream', 'Content-Security-Policy': CSP, 'Cache-Control': file.endsWith('.html') ? 'no-cache' : 'max-age=31536000, immutable', ...(gz ? { 'Content-Encoding': 'gzip' } : {}) });
  res.end(readFileSync(gz ? `${file}.gz` : file));
}

const server = createServer(async (req, res) => {
  const url = new URL(req.url, 'http://mock');
  try {
    if (url.pathname === '/healthz') return json(res, 200, { status: 'ok', checks: [] });
    if (!url.pathname.startsWith('/api/v1')) return files(req, res, decodeURIComponent(url.pathname));
    const path = url.pathname.slice(7);
    if (!(path === '/session' && req.method === 'POST') && !(req.headers.cookie ?? '').includes('bornite_session=')) throw new Problem(401, 'unauthorized', '请先登录');
    if (req.method !== 'GET') state.audit.push({ seq: state.audit.length + 1, at: new Date().toISOString(), class: path.includes('session') ? 'security' : path.endsWith(':write') ? 'control' : 'change', user_id: '', login: 'admin', peer: '127.0.0.1', action: req.method, kind: '', resource: path, outcome: 'done', status: 200 });
    if ((await fixed(req, res, path, url.searchParams)) !== false) return undefined;
    const diag = /^\/channels\/([^/]+)\/diagnostics$/.exec(path);
    if (diag) return diagnostics(res, decodeURIComponent(diag[1]));
    if (path.startsWith('/tokens/')) { state.tokens = state.tokens.filter((t) => !path.endsWith(t.id)); return json(res, 200, null); }
    const raw = ['POST', 'PUT', 'PATCH'].includes(req.method) ? await rawOf(req) : Buffer.alloc(0);
    if (req.method !== 'GET' && req.headers['x-bornite'] !== '1') throw new Problem(403, 'forbidden', 'X-Bornite 缺失');
    const answered = await more({ method: req.method, path, q: url.searchParams, raw, text: () => raw.toString('utf8'), by: 'admin', bulk, json: (status, body) => { json(res, status, body); return true; } });
    if (answered?.content !== undefined) return res.writeHead(200, { 'Content-Type': answered.type }).end(answered.content);
    if (answered) return undefined;
    return await resources(req, res, path, url.searchParams, raw.toString('utf8'));
  } catch (e) {
    if (!(e instanceof Problem)) console.error(req.method, req.url, e);
    return problem(res, e);
  }
});

server.on('upgrade', (req, socket) => {
  accept(req, socket);
  let nums = [];
  let last = new Map();
  const push = () => {
    const now = Date.now();
    const changed = nums.map((n) => [n, valueAt(n, now)]).filter(([n, s]) => dyn.has(n) && last.get(n) !== `${s.v}/${s.q}`);
    if (changed.length === 0) return;
    const b = Buffer.alloc(16 + 24 * changed.length);
    b.writeUInt32LE(0x31534e42, 0);
    b.writeUInt32LE(changed.length, 4);
    b.writeBigInt64LE(BigInt(now) * 1000n, 8);
    changed.forEach(([n, s], i) => {
      const at = 16 + i * 24;
      last.set(n, `${s.v}/${s.q}`);
      b.writeBigInt64LE(BigInt(now) * 1000n, at);
      b.writeUInt32LE(n, at + 8);
      b[at + 12] = s.v === null ? 0 : dyn.get(n).bool ? 3 : 1;
      b[at + 13] = s.q;
      b.writeUInt16LE(s.r, at + 14);
      if (dyn.get(n).bool) b.writeBigInt64LE(BigInt(s.v ?? 0), at + 16);
      else b.writeDoubleLE(s.v ?? 0, at + 16);
    });
    send(socket, b);
  };
  const timer = setInterval(push, 1000);
  const stop = () => { clearInterval(timer); socket.destroy(); };
  socket.on('data', reader((text) => {
    const m = JSON.parse(text);
    if (m.op === 'set') { nums = m.points; last = new Map(); push(); }
    if (m.op === 'ping') send(socket, '{"op":"pong"}');
  }, stop));
  socket.on('close', stop).on('error', stop);
});

server.listen(port, '127.0.0.1', () => console.log(`mock on http://127.0.0.1:${server.address().port}/  (${all('point').length} points)  sign in with /setup#demo`));
