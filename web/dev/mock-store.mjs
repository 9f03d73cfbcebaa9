// The resources of the mock server: kinds from the repository's own kind files, envelopes in memory, the
// filter language in a small form, revisions and history. Nothing is kept after the process ends.
import { readdirSync, readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { more, sparePart } from './mock-kinds.mjs';

const src = fileURLToPath(new URL('../../src/', import.meta.url));

function kindFiles(dir) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true }).filter((n) => /(^|\/)kinds\/[^/]+\.json$/.test(n)).map((n) => join(dir, n));
}

export const kinds = kindFiles(src).map((f) => JSON.parse(readFileSync(f, 'utf8'))).filter((k) => k.kind && k.plural);
kinds.push(...[...more, sparePart].filter((k) => !kinds.some((o) => o.kind === k.kind)));
const tables = new Map(kinds.map((k) => [k.kind, new Map()]));
const codes = new Map(kinds.map((k) => [k.kind, new Map()]));
const watchers = new Set();
let counter = 1;
let seq = 1;
const nums = new Map();

export class Problem extends Error {
  constructor(status, code, detail, errors = []) {
    super(detail);
    Object.assign(this, { status, code, errors });
  }
}

export const kindOf = (name) => kinds.find((k) => k.kind === name || k.plural === name);
export const watch = (fn) => { watchers.add(fn); return () => watchers.delete(fn); };
export const all = (kind) => [...(tables.get(kind)?.values() ?? [])].filter((x) => !x.deleted).map((x) => x.now);

const newId = () => `0193${(counter++).toString(16).padStart(4, '0')}-0000-7000-8000-${Math.floor(Math.random() * 2 ** 47).toString(16).padStart(12, '0')}`;
const clone = (x) => JSON.parse(JSON.stringify(x));
export const publicOf = (r) => r;

export function find(kind, idOrCode) {
  const table = tables.get(kind);
  const slot = table?.get(idOrCode) ?? table?.get(codes.get(kind)?.get(idOrCode));
  return slot && !slot.deleted ? slot : undefined;
}

export function need(kind, idOrCode) {
  const slot = find(kind, idOrCode);
  if (!slot) throw new Problem(404, 'not_found', `没有 ${kind} “${idOrCode}”`);
  return slot;
}

function merge(target, patch) {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch;
  const out = target && typeof target === 'object' && !Array.isArray(target) ? { ...target } : {};
  for (const [k, v] of Object.entries(patch)) {
    if (v === null) delete out[k];
    else out[k] = merge(out[k], v);
  }
  return out;
}

function checkField(f, value, where, errors) {
  if (value === undefined || value === null || value === '') {
    if (f.required) errors.push({ where, detail: '必填' });
    return;
  }
  if ((f.type === 'number' || f.type === 'integer') && typeof value !== 'number') errors.push({ where, detail: `应为数值，而不是 ${JSON.stringify(value)}` });
  if (f.type === 'enum' && !f.values.some((v) => v.value === value)) errors.push({ where, detail: `应为 ${f.values.map((v) => v.value).join('、')} 之一` });
  if (f.type === 'ref' && !find(f.kind, value)) errors.push({ where, detail: `没有 ${f.kind} “${value}”` });
  if (f.type === 'string' && f.name === 'address' && /\s/.test(value)) errors.push({ where, detail: '地址中不能有空格，例如 1!400001' });
}

function validate(k, r) {
  const errors = [];
  if (k.code?.required && !r.code) errors.push({ where: 'code', detail: '必填' });
  if (k.code?.pattern && r.code && !new RegExp(`^(?:${k.code.pattern})$`).test(r.code)) errors.push({ where: 'code', detail: `应符合 ${k.code.pattern}` });
  for (const f of k.fields) {
    if (f.default !== undefined && r.spec[f.name] === undefined) r.spec[f.name] = f.default;
    checkField(f, r.spec[f.name], `spec.${f.name}`, errors);
  }
  for (const name of Object.keys(r.spec)) if (!k.fields.some((f) => f.name === name)) errors.push({ where: `spec.${name}`, detail: '未知字段' });
  const other = codes.get(k.kind).get(r.code);
  if (r.code && other && other !== r.id && !tables.get(k.kind).get(other).deleted) errors.push({ where: 'code', detail: `编码 ${r.code} 已存在` });
  if (errors.length) throw new Problem(400, 'invalid', errors[0].detail, errors);
}

function diff(a, b, path = '') {
  const obj = (x) => x && typeof x === 'object' && !Array.isArray(x);
  if (obj(a) && obj(b)) return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((k) => diff(a[k], b[k], path ? `${path}.${k}` : k));
  return JSON.stringify(a) === JSON.stringify(b) ? [] : [{ path, before: a, after: b }];
}
const content = (r) => ({ code: r.code, name: r.name, labels: r.labels, spec: r.spec });

function commit(k, slot, op, by, dry, more = {}) {
  if (dry) return;
  const r = slot.now;
  tables.get(k.kind).set(r.id, slot);
  if (r.code) codes.get(k.kind).set(r.code, r.id);
  const before = slot.history.at(-1)?.r;
  slot.history.push({ rev: r.rev, at: r.updated_at, by, op, ...more, r: clone(r), diff: diff(before ? content(before) : {}, op === 'delete' ? {} : content(r)) });
  const change = { seq: seq++, op, kind: k.kind, id: r.id, code: r.code, rev: r.rev };
  for (const fn of watchers) fn(change);
}

export function create(kind, input, by = 'system', dry = false) {
  const k = kindOf(kind);
  const now = new Date().toISOString();
  const num = k.numbered ? (nums.get(kind) ?? 0) + 1 : 0;
  const r = {
    kind, id: newId(), num, code: input.code ?? '', name: input.name ?? '', org: input.org ?? '', labels: merge({}, input.labels ?? {}), spec: merge({}, input.spec ?? {}),
    state: k.lifecycle?.initial ?? 'active', rev: 1, origin: '', created_by: by, created_at: now, updated_by: by, updated_at: now,
  };
  validate(k, r);
  if (!dry && num) nums.set(kind, num);
  commit(k, { now: r, history: [] }, 'create', by, dry);
  return r;
}

export function patch(kind, idOrCode, input, rev, by = 'system', dry = false) {
  const k = kindOf(kind);
  const slot = need(kind, idOrCode);
  if (rev !== undefined && rev !== slot.now.rev) throw new Problem(412, 'conflict', `版本 ${rev} 已过时：${slot.now.updated_by} 已存为版本 ${slot.now.rev}`);
  const r = clone(slot.now);
  for (const m of ['code', 'name', 'org']) if (input[m] !== undefined) r[m] = input[m] ?? '';
  r.labels = merge(r.labels, input.labels ?? {});
  r.spec = merge(r.spec, input.spec ?? {});
  validate(k, r);
  if (JSON.stringify(content(r)) === JSON.stringify(content(slot.now))) return { r: slot.now, changed: false };
  if (dry) return { r, changed: true };
  Object.assign(r, { rev: r.rev + 1, updated_by: by, updated_at: new Date().toISOString() });
  slot.now = r;
  commit(k, slot, 'update', by, false);
  return { r, changed: true };
}

export function remove(kind, idOrCode, by = 'system', dry = false) {
  const slot = need(kind, idOrCode);
  if (dry) return;
  for (const k of kinds) {
    for (const f of k.fields.filter((x) => x.type === 'ref' && x.kind === kind)) {
      const user = all(k.kind).find((r) => r.spec[f.name] === slot.now.id);
      if (user) throw new Problem(409, 'referenced', `${k.title.zh} ${user.code} 仍在引用它`);
    }
  }
  slot.deleted = true;
  codes.get(kind).delete(slot.now.code);
  slot.now = { ...slot.now, rev: slot.now.rev + 1 };
  commit(kindOf(kind), slot, 'delete', by, false);
}

export function rollback(kind, id, rev, by) {
  const slot = need(kind, id);
  const then = slot.history.find((h) => h.rev === rev);
  if (!then) throw new Problem(404, 'not_found', `没有版本 ${rev}`);
  const r = { ...clone(then.r), rev: slot.now.rev + 1, updated_by: by, updated_at: new Date().toISOString() };
  slot.now = r;
  commit(kindOf(kind), slot, 'update', by, false);
  return r;
}

// filter: (a='x' and b~'y') or c<5
function parseFilter(text) {
  const tokens = [...text.matchAll(/\s*('(?:[^']|'')*'|[(),]|<=|>=|!=|[=<>~]|[^\s(),=<>~!']+)/gy)].map((m) => m[1]);
  let at = 0;
  const value = (t) => (t?.startsWith("'") ? t.slice(1, -1).replaceAll("''", "'") : /^-?\d+(\.\d+)?$/.test(t) ? Number(t) : t === 'true' ? true : t === 'false' ? false : t);
  const values = () => {
    const out = [];
    for (at++; tokens[at] !== ')' && at < tokens.length; at++) if (tokens[at] !== ',') out.push(String(value(tokens[at])));
    at++;
    return out;
  };
  const term = () => {
    if (tokens[at] === 'not' && tokens[at + 1] !== undefined) {
      at++;
      const inner = term();
      return (r) => !inner(r);
    }
    const isIn = tokens[at + 1] === 'in';
    if (isIn || (tokens[at + 1] === 'not' && tokens[at + 2] === 'in')) {
      const left = tokens[at].replace(/^spec\./, '');
      at += isIn ? 2 : 3;
      const wanted = values();
      return (r) => wanted.includes(String(left in r ? r[left] : left.split('.').reduce((v, k) => v?.[k], r.spec))) === isIn;
    }
    if (tokens[at] === '(') {
      at++;
      const inner = or();
      at++;
      return inner;
    }
    const [name, op, raw] = [tokens[at]?.replace(/^spec\./, ''), tokens[at + 1], tokens[at + 2]];
    if (raw === undefined || !['=', '!=', '<', '>', '<=', '>=', '~'].includes(op)) throw new Problem(400, 'invalid', `筛选条件在“${name ?? ''}”处无法理解，例如 device='BM01'`, [{ where: 'filter', detail: `第 ${text.indexOf(name ?? '') + 1} 个字符处：语法错误` }]);
    at += 3;
    const want = value(raw);
    return (r) => {
      let have = name.startsWith('labels.') ? r.labels[name.slice(7)] : name !== 'kind' && name in r ? r[name] : name.split('.').reduce((v, k) => v?.[k], r.spec);
      if (have !== undefined && op === '=' && typeof want === 'string' && String(have).startsWith('0193') && !want.startsWith('0193')) {
        have = [...tables.values()].map((t) => t.get(have)).find(Boolean)?.now.code;
      }
      switch (op) {
        case '=': if (want === 'null') return have === undefined || have === ''; return String(have) === String(want);
        case '!=': if (want === 'null') return have !== undefined && have !== ''; return String(have) !== String(want);
        case '~': return String(have ?? '').toLowerCase().includes(String(want).toLowerCase());
        case '<': return have < want;
        case '>': return have > want;
        case '<=': return have <= want;
        default: return have >= want;
      }
    };
  };
  const and = () => {
    let left = term();
    while (tokens[at] === 'and') {
      at++;
      const [a, b] = [left, term()];
      left = (r) => a(r) && b(r);
    }
    return left;
  };
  const or = () => {
    let left = and();
    while (tokens[at] === 'or') {
      at++;
      const [a, b] = [left, and()];
      left = (r) => a(r) || b(r);
    }
    return left;
  };
  return or();
}

export function list(kind, query) {
  let rows = all(kind);
  const q = (query.get('q') ?? '').toLowerCase();
  if (q) rows = rows.filter((r) => r.code.toLowerCase().includes(q) || r.name.toLowerCase().includes(q));
  const filter = query.get('filter');
  if (filter) rows = rows.filter(parseFilter(filter));
  const sort = (query.get('sort') || 'code').split(',')[0];
  const key = sort.replace(/^-/, '');
  const get = (r) => (key in r ? r[key] : r.spec[key]) ?? '';
  rows.sort((a, b) => (get(a) < get(b) ? -1 : get(a) > get(b) ? 1 : 0) * (sort.startsWith('-') ? -1 : 1));
  return rows;
}

export const bin = (kind) => [...(tables.get(kind)?.values() ?? [])].filter((x) => x.deleted).map((x) => ({ ...x.now, deleted: true }));

function replace(kind, slot, change, op, by, more) {
  slot.now = { ...clone(slot.now), ...change, rev: slot.now.rev + 1, updated_by: by, updated_at: new Date().toISOString() };
  commit(kindOf(kind), slot, op, by, false, more);
  return slot.now;
}

export const setState = (kind, id, state, by, more) => replace(kind, need(kind, id), { state }, 'update', by, more);

export function restore(kind, id, by) {
  const slot = tables.get(kind).get(id);
  if (!slot?.deleted) throw new Problem(404, 'not_found', '回收站中没有它');
  slot.deleted = false;
  return replace(kind, slot, {}, 'update', by);
}

export function copy(kind, id, input, by) {
  const from = need(kind, id).now;
  return create(kind, { ...clone(from), code: input.code ?? `${from.code}-COPY`, name: input.name ?? from.name }, by);
}

export function addKind(k) {
  const at = kinds.findIndex((o) => o.kind === k.kind);
  if (at < 0) kinds.push(k);
  else kinds[at] = k;
  for (const map of [tables, codes]) if (!map.has(k.kind)) map.set(k.kind, new Map());
}

export function removeKind(kind) {
  const at = kinds.findIndex((o) => o.kind === kind);
  if (at >= 0) kinds.splice(at, 1);
  const rule = find('user_kind', kind);
  if (rule) rule.deleted = true;
}
