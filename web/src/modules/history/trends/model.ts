/* What the chart paints from: one mutable object, changed by the page's engine, read by the canvas. It is
 * not React state, because live values and panning change it many times a second. */
import type { Line } from './line';
import { extent } from './line';
import { laneScale, penScales, type PenScale } from './scales';
import type { AxesMode, CursorPair } from './state';

export interface ModelPen {
  code: string;
  name: string;
  unit: string;
  decimals: number | undefined;
  color: string;
  hidden: boolean;
  step: boolean;
  bool: boolean;
  gap: (msPerPx: number) => number;
  range: [number, number] | null;
  fixed: [number, number] | null;
  limits: [string, number][];
}

export interface ChartModel {
  pens: ModelPen[];
  view: { from: number; to: number };
  px: number;
  now: number;
  axes: AxesMode;
  cursors: CursorPair;
  active: 0 | 1;
  focus: string | null;
  lines: Map<string, Line>;
  scales: Map<string, PenScale>;
  settled: Map<string, [number, number]>;
}

export function newModel(lines: Map<string, Line>): ChartModel {
  return { pens: [], view: { from: Date.now() - 3600000, to: Date.now() }, px: 800, now: Date.now(), axes: 'own', cursors: [null, null], active: 0, focus: null, lines, scales: new Map(), settled: new Map() };
}

export function visible(m: ChartModel): ModelPen[] {
  return m.pens.filter((p) => !p.hidden);
}

export function msPerPx(m: ChartModel): number {
  return (m.view.to - m.view.from) / Math.max(1, m.px);
}

export function rescale(m: ChartModel): void {
  const pens = visible(m);
  m.scales = penScales(pens.map((p) => {
    const line = m.lines.get(p.code);
    return { code: p.code, unit: p.unit, extent: line ? extent(line, m.view.from, m.view.to) : null, fixed: p.fixed, fallback: p.range, bool: p.bool };
  }), m.axes, m.settled);
}

/* Whole-height limits of a pen: those of its scale, or stretched so that they fill its lane. */
export function limitsOf(m: ChartModel, p: ModelPen, index: number, count: number): [number, number] {
  const s = m.scales.get(p.code) ?? { lo: 0, hi: 1 };
  return m.axes === 'stacked' ? laneScale(s.lo, s.hi, index, count) : [s.lo, s.hi];
}
