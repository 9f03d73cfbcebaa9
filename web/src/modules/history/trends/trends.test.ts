/* The logic below the plot: state in the URL, samples, scales, the loader, the engine's live tail. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Series } from '@/lib/types';
import { columnsOf, runsOf } from './draw';
import { Engine } from './engine';
import { stepFor } from './ExportMenu';
import { zoomed } from './gestures';
import { append, extent, gapOf, lineOf, readingAt, renew, trim, type Line } from './line';
import { PlotLoader, TAIL_MAX } from './loader';
import { laneScale, padded, penScales, rangeText, settle, ticks, tickText } from './scales';
import { timeSplits, timeTicks } from './timeAxis';
import { addPens, EMPTY, fromSpec, parseState, removePen, toSpec, writeState, type TrendState } from './state';

const series = (code: string, t: number[], v: (number | null)[], q: number[] = t.map(() => 0), step = false): Series => ({ point: 1, code, name: '', unit: '', step, t, v, q, r: t.map(() => 0), truncated: false });
const line = (t: number[], v: (number | null)[], q?: number[], step = false): Line => lineOf(series('p', t, v, q, step));
const live = (t: number, v: number) => ({ t, v, q: 0, r: 0 });

describe('state', () => {
  const full: TrendState = {
    pens: [{ code: 'A.1', color: '3' }, { code: 'B', color: '#aa00ff', lo: -5, hi: 10.5 }, { code: 'C', hidden: true }],
    range: { from: 'now-8h', to: 'now' }, axes: 'stacked', limits: true, cursors: [1700000000000, null], focus: 'B', trend: 't1',
  };
  it('goes through the URL unchanged', () => {
    expect(parseState(new URLSearchParams(writeState(full).toString()))).toEqual(full);
  });
  it('takes what is not understood as absent', () => {
    const s = parseState(new URLSearchParams('points=A,A,,B&axes=x&s=0:5:1;9:1:2&c=0:zz&a=q&pen=Z'));
    expect(s.pens).toEqual([{ code: 'A' }, { code: 'B' }]);
    expect([s.axes, s.focus, s.cursors]).toEqual(['own', null, [null, null]]);
  });
  it('saves and opens, with times in the words of the server', () => {
    const spec = toSpec(full);
    expect([spec.from, spec.to, spec.live]).toEqual(['*-8h', '*', true]);
    const back = fromSpec('t1', spec);
    expect(back.range).toEqual(full.range);
    expect(back.pens[1]).toEqual({ code: 'B', color: '#aa00ff', lo: -5, hi: 10.5, hidden: false });
  });
  it('gives new pens free colours and keeps colours when one goes', () => {
    const s = addPens(EMPTY, ['A', 'B', 'C', 'A']);
    expect(s.pens.map((p) => p.color)).toEqual(['1', '2', '3']);
    const less = removePen(s, 'A');
    expect(less.pens.map((p) => p.color)).toEqual(['2', '3']);
    expect(addPens(less, ['D']).pens[2].color).toBe('1');
  });
});

describe('line', () => {
  it('appends, replaces the same time, refuses what is older', () => {
    const l = line([10, 20], [1, 2]);
    expect(append(l, live(30, 3))).toBe(true);
    expect(append(l, live(30, 4))).toBe(true);
    expect(append(l, live(30, 4))).toBe(false);
    expect(append(l, live(25, 9))).toBe(false);
    expect([l.t, l.v, l.tail]).toEqual([[10, 20, 30], [1, 2, 4], 1]);
  });
  it('keeps what the stream brought after a fresh answer', () => {
    const old = line([10], [1]);
    append(old, live(20, 2));
    append(old, live(30, 3));
    const fresh = renew(line([5, 10, 20], [0, 1, 2.5]), old);
    expect([fresh.t, fresh.v, fresh.tail]).toEqual([[5, 10, 20, 30], [0, 1, 2.5, 3], 1]);
  });
  it('trims in steps and leaves the sample that the line enters from', () => {
    const l = line([0, 1, 2, 3, 4], [0, 1, 2, 3, 4]);
    trim(l, 3, 4);
    expect(l.t).toEqual([0, 1, 2, 3, 4]);
    trim(l, 3, 1);
    expect(l.t).toEqual([2, 3, 4]);
  });
  it('reads between samples: straight, held, nothing in a gap', () => {
    const l = line([0, 10, 100], [0, 10, 20]);
    expect(readingAt(l, 5, 50)?.v).toBe(5);
    expect(readingAt(l, 10, 50)?.v).toBe(10);
    expect(readingAt(l, 80, 50)).toBeNull();
    expect(readingAt(l, -1, 50)).toBeNull();
    expect(readingAt(line([0, 10], [0, 1], [0, 0], true), 9, 50)?.v).toBe(0);
    expect(readingAt(line([0, 10], [4, null], [0, 2]), 5, 50)).toEqual({ v: 4, q: 1, r: 0 });
  });
  it('knows the extent of a window with the sample before it', () => {
    expect(extent(line([0, 10, 20, 30], [9, 1, 2, 50]), 12, 25)).toEqual([1, 2]);
    expect(extent(line([], []), 0, 1)).toBeNull();
  });
  it('derives the gap from what the point promises', () => {
    expect(gapOf({ device: 'd', period: 1000 }, 10)).toBe(3000);
    expect(gapOf({ device: 'd', period: 1000 }, 5000)).toBe(15000);
    expect(gapOf({ device: 'd', period: 1000, deadband: 1, maxInterval: 600000 }, 10)).toBe(1800000);
    expect(gapOf({}, 10)).toBe(Infinity);
  });
});

describe('runs', () => {
  it('break at gaps and nulls', () => {
    const l = line([0, 1, 2, 50, 51], [1, null, 2, 3, 4], [0, 2, 0, 0, 0]);
    expect(runsOf(l, 0, 5, 10)).toEqual([{ style: 'good', from: 0, to: 0 }, { style: 'good', from: 2, to: 2 }, { style: 'good', from: 3, to: 4 }]);
  });
  it('draw the stretch between two qualities as the worse one', () => {
    const l = line([0, 1, 2, 3, 4], [1, 2, 3, 4, 5], [0, 0, 2, 2, 0]);
    expect(runsOf(l, 0, 5, 10)).toEqual([{ style: 'good', from: 0, to: 1 }, { style: 'bad', from: 1, to: 4 }, { style: 'good', from: 4, to: 4 }]);
  });
  it('let a held value keep its own quality until the next', () => {
    const l = line([0, 1, 2], [1, 2, 3], [0, 2, 0], true);
    expect(runsOf(l, 0, 3, 10)).toEqual([{ style: 'good', from: 0, to: 1 }, { style: 'bad', from: 1, to: 2 }, { style: 'good', from: 2, to: 2 }]);
  });
});

describe('columns of a dense line', () => {
  it('cover what the line covers, with its way from the column before', () => {
    const l = line([0, 0.2, 0.4, 1.1, 1.9, 4.5], [5, 9, 1, 2, 3, 8]);
    const s = { x: (t: number) => t, y: (v: number) => 10 - v };
    expect(columnsOf(l, { style: 'good', from: 0, to: 5 }, s, 1)).toEqual([
      { x: 0, top: 1, bottom: 9 }, { x: 1, top: 7, bottom: 9 }, { x: 4, top: 2, bottom: 7 },
    ]);
  });
});

describe('scales', () => {
  const pen = (code: string, unit: string, lo: number, hi: number) => ({ code, unit, extent: [lo, hi] as [number, number], fixed: null, fallback: null, bool: false });
  it('are shared by unit, own, or fixed', () => {
    const pens = [pen('a', 't/h', 0, 10), pen('b', 't/h', 90, 100), pen('c', 'Cel', 20, 30)];
    const unit = penScales(pens, 'unit', new Map());
    expect(unit.get('a')).toEqual(unit.get('b'));
    expect(unit.get('a')?.hi).toBeGreaterThan(100);
    expect(unit.get('c')?.hi).toBeLessThan(40);
    const own = penScales([{ ...pens[0], fixed: [0, 50] }, pens[1]], 'unit', new Map());
    expect(own.get('a')).toEqual({ key: 'pen a', lo: 0, hi: 50 });
    expect(own.get('b')?.lo).toBeGreaterThan(80);
  });
  it('do not jitter while live', () => {
    expect(settle([0, 10], [1, 9])).toEqual([0, 10]);
    expect(settle([0, 10], [1, 12])).toEqual([1, 12]);
    expect(settle([0, 100], [1, 9])).toEqual([1, 9]);
    expect(padded([5, 5])).toEqual([4.75, 5.25]);
  });
  it('fill lanes from the top', () => {
    const [lo, hi] = laneScale(0, 88, 0, 2);
    expect((88 - lo) / (hi - lo)).toBeCloseTo(0.97, 2);
    expect((0 - lo) / (hi - lo)).toBeCloseTo(0.53, 2);
  });
  it('have round ticks', () => {
    expect(ticks(0.3, 9.7, 5)).toEqual([2, 4, 6, 8]);
    expect(tickText([2, 4])).toEqual(['2', '4']);
    expect(tickText([0.25, 0.5])).toEqual(['0.25', '0.50']);
    expect(ticks(1, 1, 4)).toEqual([]);
    expect([rangeText(99.8571, 99.8634), rangeText(0, 800), rangeText(3202.12, 4223.2)]).toEqual(['99.85710 – 99.86340', '0 – 800', '3202 – 4223']);
  });
  it('mark time on the wall clock, the date once a day', () => {
    const day = new Date(2026, 0, 5).getTime();
    const splits = timeSplits(day - 1000, day + 3 * 3600000, 3600000);
    expect(splits).toEqual([0, 1, 2, 3].map((h) => day + h * 3600000));
    expect(timeTicks(splits, 3600000)).toEqual(['00:00\n01-05', '01:00', '02:00', '03:00']);
    expect(timeTicks(timeSplits(day, day + 2 * 86400000, 86400000), 86400000)).toEqual(['01-05', '01-06', '01-07']);
  });
  it('zoom at a point and stay within bounds', () => {
    expect(zoomed(0, 100000, 50000, 0.5)).toEqual([25000, 75000]);
    expect(zoomed(0, 2000, 0, 0.1)).toEqual([0, 1000]);
  });
  it('choose an export step', () => {
    expect([stepFor(3600000), stepFor(86400000 * 30)]).toEqual(['5s', '30m']);
  });
});

describe('loader and engine', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.setSystemTime(1_000_000_000);
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const fetcher = () => vi.fn(async (codes: string[], from: number, _to: number, _px: number, _s: AbortSignal) => codes.map((c) => series(c, [from, from + 1000], [1, 2])));

  it('asks once for a window and again only when it is left', async () => {
    const ask = fetcher();
    const l = new PlotLoader(ask, () => {});
    const now = Date.now();
    l.want(['A'], { from: now - 1000000, to: now - 500000, px: 1000, live: false });
    await vi.advanceTimersByTimeAsync(10);
    l.want(['A'], { from: now - 1050000, to: now - 550000, px: 1000, live: false });
    await vi.advanceTimersByTimeAsync(1000);
    expect(ask).toHaveBeenCalledTimes(1);
    expect(ask.mock.calls[0].slice(0, 4)).toEqual([['A'], now - 1125000, now - 375000, 1500]);
    l.want(['A'], { from: now - 2000000, to: now - 1500000, px: 1000, live: false });
    await vi.advanceTimersByTimeAsync(1000);
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it('asks only for a new pen, and cancels what is superseded', async () => {
    const signals: AbortSignal[] = [];
    const ask = vi.fn((codes: string[], from: number, _to: number, _px: number, s: AbortSignal) => new Promise<Series[]>((resolve) => {
      signals.push(s);
      setTimeout(() => resolve(codes.map((c) => series(c, [from], [1]))), 5000);
    }));
    const l = new PlotLoader(ask, () => {});
    const w = { from: 0, to: 1000000, px: 500, live: false };
    l.want(['A'], w);
    await vi.advanceTimersByTimeAsync(200);
    l.want(['A'], { ...w, from: 5000000, to: 6000000 });
    await vi.advanceTimersByTimeAsync(6000);
    expect(signals[0].aborted).toBe(true);
    l.want(['A', 'B'], { ...w, from: 5000000, to: 6000000 });
    await vi.advanceTimersByTimeAsync(6000);
    expect(ask.mock.calls.map((c) => c[0])).toEqual([['A'], ['A'], ['B']]);
  });

  it('waits before it repeats a question that failed', async () => {
    const ask = vi.fn(() => Promise.reject(new Error('no')));
    const l = new PlotLoader(ask, () => {});
    for (let i = 0; i < 12; i++) {
      l.want(['A'], { from: Date.now() - 60000, to: Date.now(), px: 600, live: true });
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(ask.mock.calls.length).toBeLessThanOrEqual(3);
    expect((l.state.error as Error).message).toBe('no');
  });

  it('follows the live tail, stops when the user pans, and keeps memory flat', async () => {
    const ask = fetcher();
    const e = new Engine(ask);
    const commit = vi.fn();
    e.connect({ repaint: () => {}, commit });
    e.start();
    e.setSize(600);
    e.setRange({ from: 'now-1m', to: 'now' });
    e.setPens(['A'], new Map([[7, 'A']]));
    await vi.advanceTimersByTimeAsync(50);
    const before = e.model.view.to;
    for (let i = 0; i < 2 * TAIL_MAX; i++) {
      await vi.advanceTimersByTimeAsync(1000);
      e.take([[7, live(Date.now(), i)], [8, live(Date.now(), 1)]]);
    }
    expect(e.model.view.to - before).toBeGreaterThan(2 * TAIL_MAX * 1000 - 2000);
    expect(e.model.lines.get('A')?.v.at(-1)).toBe(2 * TAIL_MAX - 1);
    expect(e.model.lines.get('A')?.t.length).toBeLessThan(500);
    e.move(e.model.view.from - 30000, e.model.view.to - 30000);
    const rest = { ...e.model.view };
    await vi.advanceTimersByTimeAsync(5000);
    expect([e.live, e.model.view]).toEqual([false, rest]);
    expect(commit).toHaveBeenCalledTimes(1);
    e.stop();
  });
});
