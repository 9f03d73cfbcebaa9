/* Painting of pens on uPlot's canvas: lines of any number of samples each with its own times, broken at
 * gaps, dashed grey where the quality is bad, dotted with marks where it is uncertain; limit lines; the
 * two cursors; a strip at the bottom where a pen has bad values. All sizes in canvas pixels. */
import { lowerBound, type Line } from './line';

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface PaintPen {
  code: string;
  title: string;
  color: string;
  line: Line | undefined;
  gapMs: number;
  strong: boolean;
  limits: [name: string, value: number][];
  lo: number;       /* limits of the whole-height scale */
  hi: number;
  lane: Box | null; /* stacked: where this pen's lane is */
  holdTo: number;   /* step lines go on to this time */
}

export interface Paint {
  ctx: CanvasRenderingContext2D;
  box: Box;
  ratio: number;
  from: number;
  to: number;
  off: string;
  text: string;
  panel: string;
  font: string;
}

type Style = 'good' | 'uncertain' | 'bad';

interface Scaled {
  x: (t: number) => number;
  y: (v: number) => number;
}

function scaleOf(p: Paint, pen: PaintPen): Scaled {
  const kx = p.box.width / (p.to - p.from);
  const ky = p.box.height / (pen.hi - pen.lo);
  return { x: (t) => p.box.left + (t - p.from) * kx, y: (v) => p.box.top + p.box.height - (v - pen.lo) * ky };
}

/* Splits the visible samples into runs of one quality; a run ends at a gap or where no number is. */
export interface Run {
  style: Style;
  from: number;   /* indices, both included */
  to: number;
}

export function runsOf(line: Line, first: number, end: number, gapMs: number): Run[] {
  const runs: Run[] = [];
  let run: Run | null = null;
  for (let i = first; i < end; i++) {
    if (typeof line.v[i] !== 'number') {
      run = null;
      continue;
    }
    const style: Style = line.q[i] === 0 ? 'good' : line.q[i] === 1 ? 'uncertain' : 'bad';
    const joined: boolean = run !== null && line.t[i] - line.t[i - 1] <= gapMs;
    if (run && joined && run.style === style) {
      run.to = i;
      continue;
    }
    /* the stretch between two qualities is drawn as the worse of both; a held value as its own */
    const worse = run !== null && rank(style) > rank(run.style) && !line.step;
    if (run && joined && !worse) run.to = i;
    const start: number = joined && worse ? i - 1 : i;
    run = { style, from: start, to: i };
    runs.push(run);
  }
  return runs;
}

function rank(s: Style): number {
  return s === 'good' ? 0 : s === 'uncertain' ? 1 : 2;
}

/* What is bad is held, not drawn towards the next value: nobody measured that way. */
function tracePath(line: Line, run: Run, s: Scaled): Path2D {
  const path = new Path2D();
  const held = line.step || run.style === 'bad';
  let y = s.y(line.v[run.from] as number);
  path.moveTo(s.x(line.t[run.from]), y);
  for (let i = run.from + 1; i <= run.to; i++) {
    const x = s.x(line.t[i]);
    if (held) path.lineTo(x, y);
    if (run.style === 'bad' && line.q[i] !== 2 && i === run.to) break;
    y = s.y(line.v[i] as number);
    path.lineTo(x, y);
  }
  return path;
}

function marks(p: Paint, line: Line, run: Run, s: Scaled, color: string): void {
  const r = 2.6 * p.ratio;
  let lastX = -Infinity;
  p.ctx.fillStyle = p.panel;
  p.ctx.strokeStyle = color;
  p.ctx.lineWidth = p.ratio;
  for (let i = run.from; i <= run.to; i++) {
    if (line.q[i] !== 1) continue;
    const x = s.x(line.t[i]);
    if (x - lastX < 9 * p.ratio) continue;
    lastX = x;
    const y = s.y(line.v[i] as number);
    p.ctx.beginPath();
    p.ctx.moveTo(x, y - r * 1.2);
    p.ctx.lineTo(x + r, y + r * 0.8);
    p.ctx.lineTo(x - r, y + r * 0.8);
    p.ctx.closePath();
    p.ctx.fill();
    p.ctx.stroke();
  }
}

function dot(p: Paint, x: number, y: number, color: string): void {
  p.ctx.fillStyle = color;
  p.ctx.beginPath();
  p.ctx.arc(x, y, 1.8 * p.ratio, 0, 7);
  p.ctx.fill();
}

/* Many samples to a pixel: what a line through them covers of each column, which is far cheaper than stroking it. */
export interface Column {
  x: number;
  top: number;
  bottom: number;
}

export function columnsOf(line: Line, run: Run, s: Scaled, width: number): Column[] {
  const out: Column[] = [];
  let at: Column | null = null;
  let y = 0;
  for (let i = run.from; i <= run.to; i++) {
    const x = Math.floor(s.x(line.t[i]) / width) * width;
    const before = y;
    y = s.y(line.v[i] as number);
    if (at === null || x > at.x) {
      /* the line comes here from the column before */
      at = at === null ? { x, top: y, bottom: y } : { x, top: Math.min(before, y), bottom: Math.max(before, y) };
      out.push(at);
    } else if (y < at.top) at.top = y;
    else if (y > at.bottom) at.bottom = y;
  }
  return out;
}

function paintDense(p: Paint, pen: PaintPen, line: Line, run: Run, s: Scaled): void {
  const thick = (pen.strong ? 2.4 : 1.5) * p.ratio;
  const width = Math.max(1, Math.round(p.ratio));
  p.ctx.fillStyle = pen.color;
  const columns = columnsOf(line, run, s, width);
  columns.forEach((c, i) => {
    const end = i + 1 < columns.length ? columns[i + 1].x : c.x + width;
    /* through columns without a sample of their own, and as wide as a line is */
    p.ctx.fillRect(c.x, c.top - thick / 2, end - c.x + width, c.bottom - c.top + thick);
  });
}

/* A line of good samples with more than so many in a pixel is painted by columns. */
const DENSE = 2;

function dense(p: Paint, line: Line, run: Run, s: Scaled): boolean {
  return run.style === 'good' && run.to - run.from > 200 && (run.to - run.from) * p.ratio > DENSE * (s.x(line.t[run.to]) - s.x(line.t[run.from]));
}

function paintRun(p: Paint, pen: PaintPen, line: Line, run: Run, s: Scaled): void {
  const { ctx, ratio } = p;
  const color = run.style === 'bad' ? p.off : pen.color;
  if (run.from === run.to && !line.step) {
    dot(p, s.x(line.t[run.from]), s.y(line.v[run.from] as number), color);
    return;
  }
  if (dense(p, line, run, s)) {
    paintDense(p, pen, line, run, s);
    return;
  }
  ctx.strokeStyle = color;
  ctx.lineWidth = (pen.strong ? 2.4 : 1.5) * ratio;
  ctx.setLineDash(run.style === 'bad' ? [5 * ratio, 4 * ratio] : run.style === 'uncertain' ? [2 * ratio, 3 * ratio] : []);
  ctx.stroke(tracePath(line, run, s));
  ctx.setLineDash([]);
  if (run.style === 'uncertain') marks(p, line, run, s, pen.color);
}

/* A step value holds until the next sample or, at the end, until now. */
function paintHold(p: Paint, pen: PaintPen, line: Line, s: Scaled): void {
  const i = line.t.length - 1;
  const v = line.v[i];
  if (!line.step || typeof v !== 'number' || line.q[i] === 2) return;
  const to = Math.min(pen.holdTo, p.to);
  if (to <= line.t[i]) return;
  p.ctx.strokeStyle = pen.color;
  p.ctx.lineWidth = (pen.strong ? 2.4 : 1.5) * p.ratio;
  p.ctx.beginPath();
  p.ctx.moveTo(s.x(line.t[i]), s.y(v));
  p.ctx.lineTo(s.x(to), s.y(v));
  p.ctx.stroke();
}

/* Where the pen's values are bad: a thin hatched strip at the bottom, one row a pen. */
function paintStrip(p: Paint, pen: PaintPen, line: Line, first: number, end: number, row: number, s: Scaled): void {
  const h = 3 * p.ratio;
  const area = pen.lane ?? p.box;
  const y = area.top + area.height - h * (pen.lane ? 1 : row + 1) - p.ratio;
  p.ctx.fillStyle = pen.color;
  for (let i = first; i < end; i++) {
    if (line.q[i] !== 2) continue;
    const start = i;
    while (i + 1 < end && line.q[i + 1] === 2) i++;
    const x0 = Math.max(p.box.left, s.x(line.t[start]));
    const x1 = Math.max(x0 + p.ratio, s.x(i + 1 < line.t.length ? line.t[i + 1] : Math.min(pen.holdTo, p.to)));
    for (let x = x0; x < x1; x += 5 * p.ratio) p.ctx.fillRect(x, y, Math.min(3 * p.ratio, x1 - x), h);
  }
}

function paintLimits(p: Paint, pen: PaintPen, s: Scaled): void {
  const area = pen.lane ?? p.box;
  p.ctx.font = p.font;
  p.ctx.textBaseline = 'bottom';
  p.ctx.textAlign = 'right';
  for (const [name, value] of pen.limits) {
    const y = Math.round(s.y(value)) + 0.5;
    if (y < area.top || y > area.top + area.height) continue;
    const outer = name.length === 2;
    p.ctx.strokeStyle = pen.color;
    p.ctx.globalAlpha = outer ? 0.95 : 0.65;
    p.ctx.lineWidth = (outer ? 1.4 : 1) * p.ratio;
    p.ctx.setLineDash(outer ? [10 * p.ratio, 4 * p.ratio] : [3 * p.ratio, 4 * p.ratio]);
    p.ctx.beginPath();
    p.ctx.moveTo(p.box.left, y);
    p.ctx.lineTo(p.box.left + p.box.width, y);
    p.ctx.stroke();
    p.ctx.setLineDash([]);
    p.ctx.globalAlpha = 1;
    p.ctx.fillStyle = pen.color;
    p.ctx.fillText(`${name.toUpperCase()} ${value}`, p.box.left + p.box.width - 4 * p.ratio, y - p.ratio);
  }
}

function paintLaneTitle(p: Paint, pen: PaintPen): void {
  const lane = pen.lane;
  if (!lane) return;
  p.ctx.strokeStyle = p.off;
  p.ctx.globalAlpha = 0.5;
  p.ctx.lineWidth = 1;
  p.ctx.strokeRect(lane.left, Math.round(lane.top) + 0.5, lane.width, Math.round(lane.height));
  p.ctx.globalAlpha = 1;
  p.ctx.font = p.font;
  p.ctx.textAlign = 'left';
  p.ctx.textBaseline = 'top';
  const width = p.ctx.measureText(pen.title).width;
  p.ctx.fillStyle = p.panel;
  p.ctx.globalAlpha = 0.8;
  p.ctx.fillRect(lane.left + 2 * p.ratio, lane.top + 2 * p.ratio, width + 6 * p.ratio, 15 * p.ratio);
  p.ctx.globalAlpha = 1;
  p.ctx.fillStyle = pen.color;
  p.ctx.fillText(pen.title, lane.left + 5 * p.ratio, lane.top + 3 * p.ratio);
}

export function paintPens(p: Paint, pens: PaintPen[]): void {
  const { ctx, box } = p;
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top, box.width, box.height);
  ctx.clip();
  ctx.lineJoin = 'round';
  pens.forEach((pen, row) => {
    const s = scaleOf(p, pen);
    paintLaneTitle(p, pen);
    ctx.save();
    if (pen.lane) {
      ctx.beginPath();
      ctx.rect(pen.lane.left, pen.lane.top, pen.lane.width, pen.lane.height);
      ctx.clip();
    }
    paintLimits(p, pen, s);
    const line = pen.line;
    if (line && line.t.length > 0) {
      const first = Math.max(0, lowerBound(line.t, p.from) - 1);
      const end = Math.min(line.t.length, lowerBound(line.t, p.to) + 1);
      for (const run of runsOf(line, first, end, pen.gapMs)) paintRun(p, pen, line, run, s);
      paintHold(p, pen, line, s);
      paintStrip(p, pen, line, first, end, row, s);
    }
    ctx.restore();
  });
  ctx.restore();
}

export function paintCursors(p: Paint, cursors: [number | null, number | null], active: number): void {
  const { ctx, box, ratio } = p;
  cursors.forEach((t, i) => {
    if (t === null || t < p.from || t > p.to) return;
    const x = Math.round(box.left + ((t - p.from) / (p.to - p.from)) * box.width) + 0.5;
    ctx.strokeStyle = p.text;
    ctx.lineWidth = (active === i ? 1.6 : 1) * ratio;
    ctx.setLineDash(i === 0 ? [] : [6 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x, box.top);
    ctx.lineTo(x, box.top + box.height);
    ctx.stroke();
    ctx.setLineDash([]);
    const [w, h] = [16 * ratio, 15 * ratio];
    const left = Math.min(box.left + box.width - w, Math.max(box.left, x - w / 2));
    ctx.fillStyle = p.text;
    ctx.fillRect(left, box.top, w, h);
    ctx.fillStyle = p.panel;
    ctx.font = p.font;
    ctx.textAlign = 'center';
    ctx.textBaseline = 'middle';
    ctx.fillText(i === 0 ? 'A' : 'B', left + w / 2, box.top + h / 2 + ratio);
  });
}
