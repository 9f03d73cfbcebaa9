/* The samples of one pen as parallel arrays, oldest first: what the server's plot query gave and what the
 * live stream appended. Pure functions; appending and trimming change the arrays in place, so that an hour
 * of live data costs no copies. */
import type { LiveValue } from '@/lib/frame';
import type { Series } from '@/lib/types';

export type Value = number | string | null;

export interface Line {
  t: number[];
  v: Value[];
  q: number[];
  r: number[];
  step: boolean;
  tail: number;      /* how many of the newest came from the stream */
}

export interface Reading {
  v: Value;
  q: number;
  r: number;
}

export function lineOf(s: Series): Line {
  return { t: s.t, v: s.v, q: s.q, r: s.r ?? [], step: s.step, tail: 0 };
}

/* First index whose time is >= t. */
export function lowerBound(t: number[], at: number): number {
  let [lo, hi] = [0, t.length];
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (t[mid] < at) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/* A live value at the end; the same time again replaces, an older one is left to the next query. */
export function append(line: Line, s: LiveValue): boolean {
  const n = line.t.length;
  const v = typeof s.v === 'boolean' ? Number(s.v) : s.v;
  if (n > 0 && s.t < line.t[n - 1]) return false;
  const at = n > 0 && s.t === line.t[n - 1] ? n - 1 : n;
  if (at < n && line.v[at] === v && line.q[at] === s.q) return false;
  line.t[at] = s.t;
  line.v[at] = v;
  line.q[at] = s.q;
  line.r[at] = s.r;
  if (at === n) line.tail++;
  return true;
}

/* What is older than `from` goes, but for one sample that the line enters from; in steps, not each time. */
export function trim(line: Line, from: number, slack = 256): void {
  const n = lowerBound(line.t, from) - 1;
  if (n < slack) return;
  for (const a of [line.t, line.v, line.q, line.r]) a.splice(0, n);
  line.tail = Math.min(line.tail, line.t.length);
}

/* A fresh answer, followed by what the stream brought meanwhile. */
export function renew(fresh: Line, old: Line | undefined): Line {
  if (!old || old.tail === 0) return fresh;
  const last = fresh.t.at(-1) ?? -Infinity;
  for (let i = old.t.length - old.tail; i < old.t.length; i++) {
    if (old.t[i] > last) append(fresh, { t: old.t[i], v: old.v[i], q: old.q[i], r: old.r[i] });
  }
  return fresh;
}

export function usable(line: Line, i: number): boolean {
  return typeof line.v[i] === 'number' && line.q[i] !== 2;
}

/* The value in force at a time: held for step lines, on the straight line otherwise; null in a gap. */
export function readingAt(line: Line, at: number, gapMs: number): Reading | null {
  const next = lowerBound(line.t, at);
  if (line.t[next] === at) return { v: line.v[next], q: line.q[next], r: line.r[next] };
  const i = next - 1;
  if (i < 0) return null;
  const here: Reading = { v: line.v[i], q: line.q[i], r: line.r[i] };
  const last = next === line.t.length;
  if (at - line.t[i] > gapMs && (last || line.t[next] - line.t[i] > gapMs)) return null;
  if (line.step || last || !usable(line, i)) return here;
  if (!usable(line, next)) return { ...here, q: Math.max(1, here.q) };
  const [a, b] = [line.v[i] as number, line.v[next] as number];
  const share = (at - line.t[i]) / (line.t[next] - line.t[i]);
  return { v: a + (b - a) * share, q: Math.max(line.q[i], line.q[next]), r: line.q[next] > here.q ? line.r[next] : here.r };
}

/* Smallest and greatest number within a window, the sample before it included (the line enters from it). */
export function extent(line: Line, from: number, to: number): [number, number] | null {
  let [min, max] = [Infinity, -Infinity];
  for (let i = Math.max(0, lowerBound(line.t, from) - 1); i < line.t.length && line.t[i] <= to; i++) {
    const v = line.v[i];
    if (typeof v !== 'number') continue;
    if (v < min) min = v;
    if (v > max) max = v;
  }
  return min <= max ? [min, max] : null;
}

/* How far apart two samples may stand before the line breaks: three times what the point promises, and
 * never less than three pixels of a reduced answer. Points written by hand have no promise. */
export function gapOf(spec: { device?: unknown; period?: number | null; deadband?: unknown; maxInterval?: number | null }, msPerPx: number): number {
  if (!spec.device) return Infinity;
  const expected = spec.deadband === undefined || spec.deadband === null ? (spec.period ?? 1000) : Math.max(spec.maxInterval ?? Infinity, spec.period ?? 1000);
  return expected === Infinity ? Infinity : Math.max(3 * expected, 3 * msPerPx);
}
