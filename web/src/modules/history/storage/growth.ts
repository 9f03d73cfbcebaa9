/* The line of growth and where it goes: days as x, bytes as y, in the box of a chart. Pure. */
export interface Day { day: string; bytes: number }
export interface Shape {
  line: string;         /* points of a polyline */
  area: string;         /* the same, closed along the bottom */
  forecast: string;     /* from the last day on; empty without a slope */
  top: number;          /* bytes at the upper edge */
  dots: { x: number; y: number; day: string; bytes: number }[];
}

/* A round number at or above v, so that the scale reads well. */
export function ceilRound(v: number): number {
  if (v <= 0) return 1;
  const unit = 1024 ** Math.floor(Math.log(v) / Math.log(1024));
  const n = v / unit;
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1024];
  return (steps.find((s) => s >= n) ?? 1024) * unit;
}

const DAY_MS = 86400000;
const AHEAD = 0.25; /* of the width is for the forecast */

export function shapeOf(days: Day[], perDay: number | null, width: number, height: number): Shape {
  if (days.length === 0) return { line: '', area: '', forecast: '', top: 1, dots: [] };
  const t = days.map((d) => Date.parse(d.day));
  const span = Math.max(DAY_MS, t[t.length - 1] - t[0]);
  const ahead = (span * AHEAD) / (1 - AHEAD);
  const last = days[days.length - 1].bytes;
  const end = perDay ? Math.max(0, last + (perDay * ahead) / DAY_MS) : last;
  const top = ceilRound(Math.max(end, ...days.map((d) => d.bytes)));
  const x = (at: number) => ((at - t[0]) / (span + ahead)) * width;
  const y = (b: number) => height - (b / top) * height;
  const dots = days.map((d, i) => ({ x: x(t[i]), y: y(d.bytes), day: d.day, bytes: d.bytes }));
  const line = dots.map((d) => `${d.x.toFixed(1)},${d.y.toFixed(1)}`).join(' ');
  const lastX = dots[dots.length - 1].x;
  const area = `0,${height} ${line} ${lastX.toFixed(1)},${height}`;
  const forecast = perDay ? `${lastX.toFixed(1)},${y(last).toFixed(1)} ${width},${y(end).toFixed(1)}` : '';
  return { line, area, forecast, top, dots };
}
