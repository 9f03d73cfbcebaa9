/* uPlot in React: it draws the axes, keeps the canvas and the pointer line; the pens are painted by
 * draw.ts, because each has its own times. The plot is made anew only when its axes change. */
import { forwardRef, useEffect, useImperativeHandle, useLayoutEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { paintCursors, paintPens, type Paint, type PaintPen } from './draw';
import { attachGestures, type Handlers } from './gestures';
import { limitsOf, msPerPx, rescale, visible, type ChartModel, type ModelPen } from './model';
import { tickText, ticks } from './scales';
import { timeSplits, timeTicks } from './timeAxis';
import { unitText } from '@/lib/units';

export interface ChartHandle {
  repaint: () => void;
  canvas: () => HTMLCanvasElement | null;
}

interface Props {
  model: ChartModel;
  shape: string;          /* changes when axes, colours or theme change */
  on: Omit<Handlers, 'shade'> & { hover: (t: number | null) => void; size: (px: number) => void };
  label: string;
}

export function cssColor(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || '#888888';
}

const FONT = '12px "Inter Variable", Inter, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif';

const scaleKey = (code: string) => `p ${code}`;

/* Read once for each plot: asking the document for them in each frame makes it work out all styles again. */
interface Colors {
  grid: string;
  soft: string;
  off: string;
  text: string;
  panel: string;
}

function themeColors(): Colors {
  return { grid: cssColor('--line-2'), soft: cssColor('--fg-2'), off: cssColor('--off'), text: cssColor('--fg'), panel: cssColor('--panel') };
}

function axisCount(width: number): number {
  return width < 560 ? 1 : width < 900 ? 2 : width < 1400 ? 3 : 4;
}

/* The pens whose scale gets an axis: the one in focus first, states last, one of each shared scale. */
function axisPens(m: ChartModel, width: number): ModelPen[] {
  const rank = (p: ModelPen) => (p.code === m.focus ? 0 : p.bool ? 2 : 1);
  const order = [...visible(m)].sort((a, b) => rank(a) - rank(b));
  const keys = new Set<string>();
  const out: ModelPen[] = [];
  for (const p of order) {
    const key = m.scales.get(p.code)?.key ?? p.code;
    if (keys.has(key)) continue;
    keys.add(key);
    out.push(p);
  }
  return out.slice(0, axisCount(width));
}

function yAxis(m: ChartModel, p: ModelPen, first: boolean, { grid, soft }: Colors): uPlot.Axis {
  const shared = m.axes === 'unit' && !p.fixed && !p.bool;
  return {
    scale: scaleKey(p.code),
    stroke: shared ? soft : p.color,
    label: [shared ? '' : p.code, unitText(p.unit)].filter(Boolean).join('  '),
    labelSize: 18, labelGap: 0, labelFont: FONT, font: FONT, size: 52, gap: 3,
    grid: { show: first, stroke: grid, width: 1 },
    ticks: { show: true, stroke: grid, size: 4 },
    splits: (u) => {
      const s = m.scales.get(p.code);
      return p.bool ? [0, 1] : s ? ticks(s.lo, s.hi, u.bbox.height / uPlot.pxRatio / 44) : [];
    },
    values: (_u, splits) => tickText(splits),
  };
}

/* Stacked: one axis over all lanes, on a scale from 0 (bottom) to 1 (top). */
function laneAxis(m: ChartModel, { grid, soft }: Colors): uPlot.Axis {
  let texts: string[] = [];
  return {
    scale: 'lanes', stroke: soft, font: FONT, size: 58, gap: 3,
    grid: { show: true, stroke: grid, width: 1 }, ticks: { show: true, stroke: grid, size: 4 },
    splits: (u) => {
      const pens = visible(m);
      const at: number[] = [];
      texts = [];
      pens.forEach((p, i) => {
        const s = m.scales.get(p.code);
        if (!s) return;
        const [lo, hi] = limitsOf(m, p, i, pens.length);
        const values = p.bool ? [0, 1] : ticks(s.lo, s.hi, Math.max(1.5, u.bbox.height / uPlot.pxRatio / pens.length / 34));
        const names = tickText(values);
        values.forEach((v, k) => {
          at.push((v - lo) / (hi - lo));
          texts.push(names[k]);
        });
      });
      return at;
    },
    values: () => texts,
  };
}

function paintOf(u: uPlot, m: ChartModel, c: Colors): Paint {
  return {
    ctx: u.ctx, box: u.bbox, ratio: uPlot.pxRatio, from: m.view.from, to: m.view.to,
    off: c.off, text: c.text, panel: c.panel,
    font: FONT.replace('12px', `${11 * uPlot.pxRatio}px`),
  };
}

function paintPensOf(u: uPlot, m: ChartModel): PaintPen[] {
  const pens = visible(m);
  const per = msPerPx(m);
  return pens.map((p, i) => {
    const [lo, hi] = limitsOf(m, p, i, pens.length);
    const height = u.bbox.height / pens.length;
    return {
      code: p.code, title: `${p.code}  ${p.name}${p.unit ? `  ${unitText(p.unit)}` : ''}`, color: p.color, line: m.lines.get(p.code), gapMs: p.gap(per), strong: p.code === m.focus,
      limits: p.limits, lo, hi, holdTo: m.now,
      lane: m.axes === 'stacked' ? { left: u.bbox.left, top: u.bbox.top + i * height, width: u.bbox.width, height } : null,
    };
  });
}

function optionsOf(m: ChartModel, width: number, height: number, hover: (u: uPlot) => void): uPlot.Options {
  const colors = themeColors();
  const pens = axisPens(m, width);
  const scales: uPlot.Scales = { x: { time: true, auto: false }, lanes: { auto: false, range: [0, 1] } };
  for (const p of visible(m)) scales[scaleKey(p.code)] = { auto: false, range: () => { const s = m.scales.get(p.code); return [s?.lo ?? 0, s?.hi ?? 1]; } };
  const x: uPlot.Axis = {
    stroke: colors.soft, font: FONT, size: 40, gap: 4, grid: { stroke: colors.grid, width: 1 }, ticks: { stroke: colors.grid, size: 5 }, space: width < 560 ? 70 : 90,
    splits: (_u, _i, min, max, incr) => timeSplits(min, max, incr),
    values: (_u, splits, _i, _s, incr) => timeTicks(splits, incr),
  };
  const y = m.axes === 'stacked' || pens.length === 0 ? [laneAxis(m, colors)] : pens.map((p, i) => yAxis(m, p, i === 0, colors));
  return {
    width, height, ms: 1, legend: { show: false }, scales, padding: [10, 14, 0, 4],
    axes: [x, ...y],
    series: [{}, { scale: 'lanes' }, ...visible(m).map((p) => ({ scale: scaleKey(p.code), show: true }))],
    cursor: { x: true, y: false, points: { show: false }, drag: { x: false, y: false, setScale: false }, bind: { dblclick: () => () => null } },
    hooks: {
      setCursor: [hover],
      draw: [(u) => {
        const paint = paintOf(u, m, colors);
        paintPens(paint, paintPensOf(u, m));
        paintCursors(paint, m.cursors, m.active);
      }],
    },
  };
}

function blank(m: ChartModel): uPlot.AlignedData {
  return [[m.view.from, m.view.to], [null, null], ...visible(m).map(() => [null, null])] as uPlot.AlignedData;
}

function show(u: uPlot, m: ChartModel): void {
  rescale(m);
  const pens = visible(m);
  u.batch(() => {
    u.setScale('x', { min: m.view.from, max: m.view.to });
    u.setScale('lanes', { min: 0, max: 1 });
    pens.forEach((p, i) => {
      const [min, max] = limitsOf(m, p, i, pens.length);
      if (u.scales[scaleKey(p.code)]) u.setScale(scaleKey(p.code), { min, max });
    });
    u.redraw(false, true);
  });
}

export const Chart = forwardRef<ChartHandle, Props>(function Chart({ model, shape, on, label }, ref) {
  const box = useRef<HTMLDivElement>(null);
  const shade = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const frame = useRef(0);
  const handlers = useRef(on);
  useLayoutEffect(() => {
    handlers.current = on;
  });

  useImperativeHandle(ref, () => ({
    repaint: () => {
      frame.current ||= requestAnimationFrame(() => {
        frame.current = 0;
        if (plot.current) show(plot.current, model);
      });
    },
    canvas: () => plot.current?.ctx.canvas ?? null,
  }), [model]);

  useEffect(() => {
    const el = box.current;
    if (!el) return undefined;
    rescale(model);
    const hover = (u: uPlot) => {
      const left = u.cursor.left ?? -1;
      handlers.current.hover(left >= 0 ? u.posToVal(left, 'x') : null);
    };
    const u = new uPlot(optionsOf(model, Math.max(200, el.clientWidth), Math.max(160, el.clientHeight), hover), blank(model), el);
    plot.current = u;
    const tellSize = () => handlers.current.size(Math.max(50, Math.round(u.bbox.width / uPlot.pxRatio)));
    show(u, model);
    tellSize();
    const detach = attachGestures({ el: u.over, view: () => model.view, cursors: () => model.cursors }, {
      view: (from, to) => handlers.current.view(from, to),
      click: (t) => handlers.current.click(t),
      cursor: (i, t) => handlers.current.cursor(i, t),
      box: (from, to, y0, y1, tall) => handlers.current.box(from, to, y0, y1, tall),
      shade: (b) => {
        const s = shade.current;
        if (!s) return;
        s.hidden = b === null;
        const over = u.over.getBoundingClientRect();
        const outer = el.getBoundingClientRect();
        if (b) Object.assign(s.style, { left: `${b.left + over.left - outer.left}px`, top: `${b.top + over.top - outer.top}px`, width: `${b.width}px`, height: `${b.height}px` });
      },
    });
    const observer = new ResizeObserver(() => {
      const [w, h] = [el.clientWidth, el.clientHeight];
      if (w < 50 || h < 50 || (w === u.width && h === u.height)) return;
      u.setSize({ width: w, height: h });
      show(u, model);
      tellSize();
    });
    observer.observe(el);
    return () => {
      observer.disconnect();
      detach();
      cancelAnimationFrame(frame.current);
      frame.current = 0;
      u.destroy();
      plot.current = null;
    };
  }, [model, shape]);

  return (
    <div className="trend-chart" role="img" aria-label={label}>
      <div ref={box} className="trend-plot" />
      <div ref={shade} className="trend-shade" hidden />
    </div>
  );
});
