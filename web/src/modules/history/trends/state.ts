/* What a trend page shows, and its three forms: the URL (holds all of it, so a link can be sent), a saved
 * trend (kind trend) and this object. Times are "now-1h", "now" or epoch milliseconds as text. */
import { rangeOf, type Range } from '@/lib/time';
import type { Spec } from '@/lib/types';

export type AxesMode = 'own' | 'unit' | 'stacked';
export type CursorPair = [number | null, number | null];

export interface Pen {
  code: string;
  color?: string;    /* "1".."8" of the theme's pens, or "#rrggbb" */
  lo?: number;       /* fixed scale */
  hi?: number;
  hidden?: boolean;
}

export interface TrendState {
  pens: Pen[];
  range: Range;
  axes: AxesMode;
  limits: boolean;
  cursors: CursorPair;
  focus: string | null;
  trend: string | null;   /* id of the saved trend that this began as */
}

export const MAX_PENS = 64;
export const PALETTE = 8;
export const EMPTY: TrendState = { pens: [], range: { from: 'now-1h', to: 'now' }, axes: 'own', limits: false, cursors: [null, null], focus: null, trend: null };

const AXES: AxesMode[] = ['own', 'unit', 'stacked'];

function pairs(text: string | null): [number, string[]][] {
  return (text ?? '').split(';').filter(Boolean).map((part) => {
    const [index, ...rest] = part.split(':');
    return [Number(index), rest];
  });
}

function numberOf(text: string | null | undefined): number | undefined {
  if (text === null || text === undefined || text === '') return undefined;
  const n = Number(text);
  return Number.isFinite(n) ? n : undefined;
}

export function parseState(params: URLSearchParams): TrendState {
  const codes = [...new Set((params.get('points') ?? '').split(',').map((c) => c.trim()).filter(Boolean))];
  const pens: Pen[] = codes.slice(0, MAX_PENS).map((code) => ({ code }));
  for (const [i, [color]] of pairs(params.get('c'))) if (pens[i] && /^([1-8]|[0-9a-f]{6})$/i.test(color ?? '')) pens[i].color = color.length === 1 ? color : `#${color}`;
  for (const [i, [lo, hi]] of pairs(params.get('s'))) {
    const [from, to] = [numberOf(lo), numberOf(hi)];
    if (pens[i] && from !== undefined && to !== undefined && from < to) Object.assign(pens[i], { lo: from, hi: to });
  }
  for (const i of (params.get('hide') ?? '').split('.').filter(Boolean)) if (pens[Number(i)]) pens[Number(i)].hidden = true;
  const axes = params.get('axes') as AxesMode;
  const focus = params.get('pen');
  return {
    pens,
    range: rangeOf(params, EMPTY.range),
    axes: AXES.includes(axes) ? axes : 'own',
    limits: params.get('limits') === '1',
    cursors: [numberOf(params.get('a')) ?? null, numberOf(params.get('b')) ?? null],
    focus: codes.includes(focus ?? '') ? focus : null,
    trend: params.get('trend'),
  };
}

export function writeState(s: TrendState): URLSearchParams {
  const out = new URLSearchParams();
  const put = (key: string, value: string) => {
    if (value) out.set(key, value);
  };
  const each = (fn: (p: Pen, i: number) => string, sep: string) => s.pens.map((p, i) => (fn(p, i) ? `${i}${fn(p, i)}` : '')).filter(Boolean).join(sep);
  put('points', s.pens.map((p) => p.code).join(','));
  put('from', s.range.from);
  put('to', s.range.to);
  put('c', each((p, i) => (p.color && p.color !== String((i % PALETTE) + 1) ? `:${p.color.replace('#', '')}` : ''), ';'));
  put('s', each((p) => (p.lo !== undefined && p.hi !== undefined ? `:${p.lo}:${p.hi}` : ''), ';'));
  put('hide', s.pens.map((p, i) => (p.hidden ? String(i) : '')).filter(Boolean).join('.'));
  put('axes', s.axes === 'own' ? '' : s.axes);
  put('limits', s.limits ? '1' : '');
  put('a', s.cursors[0] === null ? '' : String(s.cursors[0]));
  put('b', s.cursors[1] === null ? '' : String(s.cursors[1]));
  put('pen', s.focus ?? '');
  put('trend', s.trend ?? '');
  return out;
}

/* The first of the theme's pens that no pen has yet. */
export function freeColor(pens: Pen[]): string {
  const used = new Map<string, number>();
  pens.forEach((p, i) => {
    const color = p.color ?? String((i % PALETTE) + 1);
    used.set(color, (used.get(color) ?? 0) + 1);
  });
  let best = '1';
  for (let i = 1; i <= PALETTE; i++) if ((used.get(String(i)) ?? 0) < (used.get(best) ?? 0)) best = String(i);
  return best;
}

export function addPens(s: TrendState, codes: string[]): TrendState {
  const pens = [...s.pens];
  for (const code of codes) {
    if (pens.length < MAX_PENS && !pens.some((p) => p.code === code)) pens.push({ code, color: freeColor(pens) });
  }
  return { ...s, pens };
}

export function removePen(s: TrendState, code: string): TrendState {
  const colored = s.pens.map((p, i) => ({ ...p, color: p.color ?? String((i % PALETTE) + 1) }));
  return { ...s, pens: colored.filter((p) => p.code !== code), focus: s.focus === code ? null : s.focus };
}

/* ---- the kind trend: its times are PI's words ---- */

export function toWords(text: string): string {
  return text.replace(/^now/, '*');
}

export function fromWords(text: string): string {
  return text.replace(/^\*/, 'now');
}

export function toSpec(s: TrendState): Spec {
  return {
    from: toWords(s.range.from),
    to: toWords(s.range.to),
    live: s.range.to === 'now',
    axes: s.axes,
    pens: s.pens.map((p) => ({
      point: p.code,
      ...(p.color?.startsWith('#') ? { color: p.color } : {}),
      ...(p.lo !== undefined && p.hi !== undefined ? { lo: p.lo, hi: p.hi } : {}),
      hidden: Boolean(p.hidden),
    })),
  };
}

export function fromSpec(id: string, spec: Spec): TrendState {
  const pens = Array.isArray(spec.pens) ? (spec.pens as Record<string, unknown>[]) : [];
  const num = (v: unknown) => (typeof v === 'number' ? v : undefined);
  return {
    ...EMPTY,
    trend: id,
    range: { from: fromWords(String(spec.from ?? '*-1h')), to: fromWords(String(spec.to ?? '*')) },
    axes: AXES.includes(spec.axes as AxesMode) ? (spec.axes as AxesMode) : 'own',
    pens: pens.slice(0, MAX_PENS).map((p, i) => ({
      code: String(p.point ?? ''),
      color: typeof p.color === 'string' && p.color ? p.color : String((i % PALETTE) + 1),
      lo: num(p.lo), hi: num(p.hi), hidden: p.hidden === true,
    })).filter((p) => p.code),
  };
}
