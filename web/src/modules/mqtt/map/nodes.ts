/* What a message holds, as places that can be clicked: JSON by its members, CSV by its columns, bytes by offset. Pure. */

export type Form = 'json' | 'csv' | 'text' | 'bytes';

export interface Node {
  place: string;        /* as a row names it */
  label: string;
  key: string;          /* proposed key of a value */
  depth: number;
  value?: string;       /* of a leaf */
  list?: boolean;       /* an array whose elements could be the records */
  outer?: boolean;      /* around the record: for times and devices */
}

const MOST = 300;
const PLAIN = /^[A-Za-z_][A-Za-z0-9_]*$/;
const member = (name: string) => (PLAIN.test(name) ? `.${name}` : `['${name.replace(/[\\']/g, '\\$&')}']`);
const text = (v: unknown) => (typeof v === 'string' ? v : JSON.stringify(v));

function walk(v: unknown, place: string, label: string, key: string, depth: number, out: Node[]): void {
  if (out.length >= MOST) return;
  if (v === null || typeof v !== 'object') {
    out.push({ place, label, key, depth, value: text(v) });
    return;
  }
  if (label !== '$') out.push({ place, label, key, depth, list: Array.isArray(v) && v.length > 0 });
  const next = label === '$' ? depth : depth + 1;
  if (Array.isArray(v)) v.slice(0, 20).forEach((x, i) => walk(x, `${place}[${i}]`, `[${i}]`, `${key ? `${key}.` : ''}${i}`, next, out));
  else for (const [name, x] of Object.entries(v)) walk(x, place + member(name), name, name, next, out);
}

/* The first of what a path of members, numbers and * finds. */
export function firstOf(root: unknown, path: string): unknown {
  const steps = path.replace(/^\$/, '').match(/\.\*|\[\*\]|\.[^.[\]]+|\[\d+\]|\['(?:[^'\\]|\\.)*'\]/g) ?? [];
  let v = root;
  for (const s of steps) {
    if (v === null || typeof v !== 'object') return undefined;
    if (s === '.*' || s === '[*]') v = Object.values(v)[0];
    else v = (v as Record<string, unknown>)[s.startsWith("['") ? s.slice(2, -2).replace(/\\(.)/g, '$1') : s.replace(/^[.[]|\]$/g, '')];
  }
  return v;
}

/* Leaves of the whole message that are in no record. */
function around(root: unknown, each: string): Node[] {
  const all: Node[] = [];
  const list = each.replace(/(\[\*\]|\.\*)$/, '');
  walk(root, '$', '$', 'value', 0, all);
  return all.filter((n) => n.value !== undefined && !n.place.startsWith(`${list}[`) && !n.place.startsWith(`${list}.`)).map((n) => ({ ...n, label: n.place, depth: 0, outer: true }));
}

function ofJson(payload: string, each: string): Node[] | null {
  try {
    const root: unknown = JSON.parse(payload);
    const record = each ? firstOf(root, each) : root;
    const out: Node[] = [];
    walk(record, '$', '$', 'value', 0, out);
    if (each) out.push(...around(root, each));
    if (Array.isArray(root) && !each) out.unshift({ place: '$', label: '$', key: '', depth: 0, list: true });
    return out;
  } catch {
    return null;
  }
}

function ofCsv(payload: string, header: boolean): Node[] {
  const [first = '', second = ''] = payload.split(/\r?\n/);
  const sep = [',', ';', '\t'].reduce((a, b) => (first.split(b).length > first.split(a).length ? b : a));
  const names = first.split(sep).map((s) => s.trim().replace(/^"|"$/g, ''));
  const values = (header ? second : first).split(sep);
  return names.slice(0, MOST).map((n, i) => ({ place: header ? n : String(i + 1), label: header ? n : String(i + 1), key: header ? n : `c${i + 1}`, depth: 0, value: values[i] ?? '' }));
}

function ofBytes(hex: string): Node[] {
  return (hex.match(/../g) ?? []).slice(0, 64).map((b, i) => ({ place: `${i}:u8`, label: String(i), key: `b${i}`, depth: 0, value: `0x${b} ${parseInt(b, 16)}` }));
}

/* null: the message is not of this form. */
export function nodesOf(form: Form, payload: string | null, hex: string | null, o: { each?: string; header?: boolean }): Node[] | null {
  if (form === 'bytes') return ofBytes(hex ?? [...new TextEncoder().encode(payload ?? '')].map((b) => b.toString(16).padStart(2, '0')).join(''));
  if (payload === null) return null;
  if (form === 'json') return ofJson(payload, o.each ?? '');
  if (form === 'csv') return ofCsv(payload, o.header !== false);
  return [{ place: '', label: 'text', key: 'value', depth: 0, value: payload }];
}

/* What the form of a message seems to be. */
export function guessForm(payload: string | null): Form {
  if (payload === null) return 'bytes';
  const s = payload.trim();
  if (/^[{[]/.test(s)) return 'json';
  return /\n./.test(s) && /[,;\t]/.test(s) ? 'csv' : 'text';
}
