/* What is asked on the page of queries, as it stands in the URL, and the table that an answer makes. Pure. */
import type { Query } from '@/lib/api';
import type * as api from '@/lib/api.gen';
import { parseDuration } from '@/lib/time';

export type Mode = 'recorded' | 'interpolated' | 'aggregate' | 'calc';
export const MODES: Mode[] = ['recorded', 'interpolated', 'aggregate', 'calc'];
export const CALENDARS = ['hour', 'shift', 'day', 'week', 'month', 'quarter', 'year'] as const;

export interface Asked {
  mode: Mode;
  points: string[];
  fns: string[];
  interval: string;      /* "" with a calendar */
  calendar: string;
  expr: string;
  quality: string;
  where: string;
}

export function readAsked(p: URLSearchParams): Asked {
  const list = (v: string | null) => (v ?? '').split(',').map((x) => x.trim()).filter(Boolean);
  const mode = p.get('mode') as Mode | null;
  return {
    mode: mode && MODES.includes(mode) ? mode : 'aggregate',
    points: list(p.get('points')),
    fns: p.has('fn') ? list(p.get('fn')) : ['average', 'minimum', 'maximum'],
    interval: p.get('interval') ?? '1h',
    calendar: p.get('calendar') ?? '',
    expr: p.get('expr') ?? '',
    quality: p.get('quality') ?? 'all',
    where: p.get('where') ?? '',
  };
}

/* Windows begin at round times of the day here, as a person would have them. */
export function roundStart(from: number, interval: string, offsetMinutes = new Date(from).getTimezoneOffset()): number {
  const step = parseDuration(interval);
  if (!step || step > 86400000) return Math.round(from);
  const local = offsetMinutes * 60000;
  return Math.floor((from - local) / step) * step + local;
}

/* The route and its query, or null while something is missing. */
export function requestOf(a: Asked, from: number, to: number, tz: string): { path: string; query: Query } | null {
  const begin = a.mode === 'recorded' || a.calendar ? Math.round(from) : roundStart(from, a.interval);
  const range = { from: begin, to: Math.round(to), tz };
  const step: Query = a.calendar ? { calendar: a.calendar } : { interval: a.interval };
  if (a.mode === 'calc') return a.expr.trim() ? { path: '/history/calc', query: { expr: a.expr, ...range, interval: a.interval || '1h' } } : null;
  if (a.points.length === 0) return null;
  const points = a.points.join(',');
  if (a.mode === 'recorded') return { path: '/history/recorded', query: { points, ...range, quality: a.quality, where: a.where, limit: 5000 } };
  if (a.mode === 'interpolated') return { path: '/history/interpolated', query: { points, ...range, interval: a.interval || '1m' } };
  return a.fns.length > 0 ? { path: '/history/aggregate', query: { points, ...range, ...step, fn: a.fns.join(',') } } : null;
}

export type Cell = number | string | null;
export interface Sheet {
  columns: { key: string; title: string; unit: string }[];
  rows: { key: string; t: number; cells: Cell[]; bad: boolean[] }[];
  truncated: boolean;
}

type Recorded = api.GetHistoryRecordedAnswer['series'][number];
type Aggregated = api.GetHistoryAggregateAnswer['series'][number];
export type SampleSeries = Pick<Recorded, 'code' | 'name' | 'unit' | 't' | 'v' | 'q' | 'truncated'>;
export type AggregateSeries = Pick<Aggregated, 'code' | 'name' | 'unit' | 't' | 'values' | 'status'>;
export type CalcAnswer = Pick<api.GetHistoryCalcAnswer, 't' | 'v' | 'q'>;

/* One row a time; the columns are points, or points by functions. */
export function sheetOf(columns: Sheet['columns'], parts: { t: number[]; v: Cell[]; bad: boolean[] }[], truncated = false): Sheet {
  const rows = new Map<number, Sheet['rows'][number]>();
  parts.forEach((p, c) => p.t.forEach((time, i) => {
    let row = rows.get(time);
    if (!row) {
      row = { key: String(time), t: time, cells: Array<Cell>(columns.length).fill(null), bad: Array<boolean>(columns.length).fill(false) };
      rows.set(time, row);
    }
    row.cells[c] = p.v[i];
    row.bad[c] = p.bad[i];
  }));
  return { columns, rows: [...rows.values()].sort((a, b) => a.t - b.t), truncated };
}

export function ofSamples(series: SampleSeries[]): Sheet {
  return sheetOf(series.map((s) => ({ key: s.code, title: s.code, unit: s.unit })),
    series.map((s) => ({ t: s.t, v: s.v, bad: s.q.map((q) => q === 2) })), series.some((s) => s.truncated));
}

export function ofAggregates(series: AggregateSeries[], fns: string[], titleOf: (fn: string) => string): Sheet {
  const columns = series.flatMap((s) => fns.map((f) => ({ key: `${s.code}/${f}`, title: series.length > 1 ? `${s.code} ${titleOf(f)}` : titleOf(f), unit: s.unit })));
  return sheetOf(columns, series.flatMap((s) => fns.map((f) => ({ t: s.t, v: s.values[f] ?? [], bad: (s.status[f] ?? []).map((x) => x.startsWith('Bad')) }))));
}

export function ofCalc(a: CalcAnswer, title: string): Sheet {
  return sheetOf([{ key: 'v', title, unit: '' }], [{ t: a.t, v: a.v, bad: a.q.map((q) => q === 2) }]);
}
