/* Vertical scales of the pens: own, shared by unit, fixed, or one lane each (stacked). */
import type { AxesMode } from './state';

export interface ScaleInput {
  code: string;
  unit: string;
  extent: [number, number] | null;
  fixed: [number, number] | null;
  fallback: [number, number] | null;   /* the point's range, for when nothing has come yet */
  bool: boolean;
}

export interface PenScale {
  key: string;
  lo: number;
  hi: number;
}

/* Room above and below; a flat line lies in the middle. */
export function padded([lo, hi]: [number, number]): [number, number] {
  const size = Math.max(Math.abs(lo), Math.abs(hi));
  if (hi - lo > Math.max(1e-12, size * 1e-9)) return [lo - (hi - lo) * 0.06, hi + (hi - lo) * 0.06];
  const half = size < 1e-9 ? 1 : size * 0.05;
  return [lo - half, hi + half];
}

/* While live, the scale stays as it is until the data leaves it or fills less than a third of it. */
export function settle(prev: [number, number] | undefined, next: [number, number]): [number, number] {
  if (!prev) return next;
  const inside = next[0] >= prev[0] - (prev[1] - prev[0]) * 0.02 && next[1] <= prev[1] + (prev[1] - prev[0]) * 0.02;
  return inside && next[1] - next[0] > (prev[1] - prev[0]) / 3 ? prev : next;
}

function natural(p: ScaleInput): [number, number] | null {
  if (p.fixed) return p.fixed;
  if (p.bool) return [-0.15, 1.15];
  return p.extent ? padded(p.extent) : p.fallback;
}

export function penScales(pens: ScaleInput[], mode: AxesMode, prev: Map<string, [number, number]>): Map<string, PenScale> {
  const out = new Map<string, PenScale>();
  const groups = new Map<string, ScaleInput[]>();
  for (const p of pens) {
    const key = mode === 'unit' && !p.fixed && !p.bool ? `unit ${p.unit}` : `pen ${p.code}`;
    groups.set(key, [...(groups.get(key) ?? []), p]);
  }
  for (const [key, group] of groups) {
    const ranges = group.map(natural).filter((r): r is [number, number] => r !== null);
    const next: [number, number] = ranges.length > 0 ? [Math.min(...ranges.map((r) => r[0])), Math.max(...ranges.map((r) => r[1]))] : [0, 1];
    const free = !group[0].fixed && !group[0].bool;
    const [lo, hi] = free ? settle(prev.get(key), next) : next;
    if (free && group.some((p) => p.extent)) prev.set(key, [lo, hi]); /* the fallback is not settled on */
    for (const p of group) out.set(p.code, { key, lo, hi });
  }
  return out;
}

/* Lane i of n, 0 at the top: the limits of a whole-height scale so that lo..hi fills the lane. */
export function laneScale(lo: number, hi: number, i: number, n: number): [number, number] {
  const air = 0.06;
  const span = (hi - lo) / (1 - 2 * air);
  const bottom = lo - span * air;
  return [bottom - (n - 1 - i) * span, bottom + (i + 1) * span];
}

/* Round numbers within lo..hi, about `count` of them. */
export function ticks(lo: number, hi: number, count: number): number[] {
  const raw = (hi - lo) / Math.max(1, count);
  if (!(raw > 0) || !Number.isFinite(raw)) return [];
  const mag = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * mag).find((s) => s >= raw * 0.999) ?? 10 * mag;
  const out: number[] = [];
  for (let k = Math.ceil(lo / step - 1e-9); k * step <= hi + step * 1e-9; k++) out.push(Number((k * step).toPrecision(12)));
  return out;
}

export function tickText(values: number[]): string[] {
  if (values.length === 0) return [];
  const step = values.length > 1 ? Math.abs(values[1] - values[0]) : Math.abs(values[0]) || 1;
  const max = Math.max(...values.map(Math.abs));
  if (max >= 1e7 || (max > 0 && max < 1e-4)) return values.map((v) => v.toExponential(1));
  const decimals = Math.min(6, Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (/^(25|2\.5)/.test(String(step).replace(/^0\.0*/, '')) ? 1 : 0)));
  return values.map((v) => v.toFixed(decimals));
}

/* "99.8571 – 99.8634": as many digits as tell the two ends apart. */
export function rangeText(lo: number, hi: number): string {
  const span = hi - lo;
  const decimals = span > 0 ? Math.min(8, Math.max(0, 2 - Math.floor(Math.log10(span)))) : 2;
  const max = Math.max(Math.abs(lo), Math.abs(hi));
  const text = (v: number) => (max >= 1e9 || (max > 0 && max < 1e-4) ? v.toExponential(3) : v.toFixed(Math.min(decimals, max >= 1000 && span > 10 ? 0 : decimals)));
  return `${text(lo)} – ${text(hi)}`;
}
