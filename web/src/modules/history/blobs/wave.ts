/* Pure: curves of a waveform and of its spectrum as SVG points, and what lies under the pointer. */
export interface Curve { x: number[]; y: (number | null)[] }
export interface Frame { x0: number; x1: number; y0: number; y1: number }

/* What holds the whole curve, with a little air above and below. */
export function frameOf(c: Curve, zero = false): Frame {
  const ys = c.y.filter((v): v is number => v !== null && Number.isFinite(v));
  const lo = Math.min(...ys, zero ? 0 : Infinity);
  const hi = Math.max(...ys, zero ? 0 : -Infinity);
  if (ys.length === 0) return { x0: c.x[0] ?? 0, x1: c.x.at(-1) ?? 1, y0: 0, y1: 1 };
  const air = (hi - lo || Math.abs(hi) || 1) * 0.05;
  return { x0: c.x[0], x1: Math.max(c.x[c.x.length - 1], c.x[0] + Number.EPSILON), y0: zero ? lo : lo - air, y1: hi + air };
}

/* Stretches of numbers as the points of polylines. */
export function polylines(c: Curve, f: Frame, width: number, height: number): string[] {
  const out: string[] = [];
  let now: string[] = [];
  const end = () => {
    if (now.length > 0) out.push(now.join(' '));
    now = [];
  };
  c.x.forEach((x, i) => {
    const y = c.y[i];
    if (y === null || !Number.isFinite(y)) end();
    else now.push(`${(((x - f.x0) / (f.x1 - f.x0)) * width).toFixed(1)},${(height - ((y - f.y0) / (f.y1 - f.y0)) * height).toFixed(1)}`);
  });
  end();
  return out;
}

export function nearest(c: Curve, x: number): number {
  let lo = 0;
  let hi = c.x.length - 1;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (c.x[mid] < x) lo = mid + 1;
    else hi = mid;
  }
  return lo > 0 && x - c.x[lo - 1] < c.x[lo] - x ? lo - 1 : lo;
}

/* The highest lines that are higher than both neighbours. */
export function peaks(a: number[], dfHz: number, n: number): { hz: number; a: number }[] {
  const found: { hz: number; a: number }[] = [];
  for (let i = 1; i + 1 < a.length; i++) if (a[i] > a[i - 1] && a[i] >= a[i + 1]) found.push({ hz: i * dfHz, a: a[i] });
  return found.sort((p, q) => q.a - p.a).slice(0, n);
}
