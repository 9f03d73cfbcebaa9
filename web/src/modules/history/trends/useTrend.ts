/* The page's state: the URL as truth, the pens' points, the engine behind the chart. */
import { useQueries, useQuery, keepPreviousData } from '@tanstack/react-query';
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, useSyncExternalStore, type RefObject } from 'react';
import { useTranslation } from 'react-i18next';
import { useSearchParams } from 'react-router';
import { useSettings } from '@/app/settings';
import { get, seg, type ApiError } from '@/lib/api';
import { useNet } from '@/lib/net';
import { useLive } from '@/lib/stream';
import { tapTags } from '@/lib/tagStore';
import { parseDuration } from '@/lib/time';
import type { HistoryAnswer, Resource, Spec, SummaryAnswer } from '@/lib/types';
import { cssColor, type ChartHandle } from './Chart';
import { Engine } from './engine';
import { gapOf } from './line';
import type { ModelPen } from './model';
import { PALETTE, parseState, writeState, type Pen, type TrendState } from './state';

export type Change = (fn: (s: TrendState) => TrendState, push?: boolean) => void;

export function useTrendState(): [TrendState, Change] {
  const [params, setParams] = useSearchParams();
  const state = useMemo(() => parseState(params), [params]);
  const latest = useRef(state);
  useLayoutEffect(() => {
    latest.current = state;
  }, [state]);
  const change = useCallback<Change>((fn, push = false) => {
    latest.current = fn(latest.current);
    /* at once: as a transition it would wait behind the live values, and a pan would jump back */
    setParams(writeState(latest.current), { replace: !push, flushSync: true });
  }, [setParams]);
  return [state, change];
}

export interface PenInfo {
  pen: Pen;
  point: Resource | undefined;
  error: ApiError | null;
  color: string;
}

export function penColor(pen: Pen, index: number): string {
  const color = pen.color ?? String((index % PALETTE) + 1);
  return color.startsWith('#') ? color : cssColor(`--pen-${color}`);
}

function gather(results: { data?: Resource; error: unknown }[]): { point: Resource | undefined; error: ApiError | null }[] {
  return results.map((r) => ({ point: r.data, error: r.error as ApiError | null }));
}

export function usePens(pens: Pen[]): PenInfo[] {
  const { theme } = useSettings();
  const found = useQueries({
    queries: pens.map((p) => ({
      queryKey: [`/points/${seg(p.code)}`, null],
      queryFn: ({ signal }: { signal: AbortSignal }) => get<Resource>(`/points/${seg(p.code)}`, undefined, signal),
      staleTime: 60000,
      retry: (count: number, e: unknown) => (e as ApiError).status === 0 && count < 5,
    })),
    combine: gather,
  });
  const [colors, setColors] = useState<string[]>([]);
  /* the theme's colours are known once the document carries it */
  useEffect(() => {
    const frame = requestAnimationFrame(() => setColors(pens.map(penColor)));
    return () => cancelAnimationFrame(frame);
  }, [pens, theme]);
  return useMemo(() => pens.map((pen, i) => ({ pen, point: found[i]?.point, error: found[i]?.error ?? null, color: colors[i] ?? penColor(pen, i) })), [pens, found, colors]);
}

const LIMITS = ['ll', 'l', 'h', 'hh'];

function durationOf(spec: Spec, key: string): number | null {
  return typeof spec[key] === 'string' ? parseDuration(spec[key] as string) : null;
}

function numbers(spec: Spec, a: string, b: string): [number, number] | null {
  const [lo, hi] = [spec[a], spec[b]];
  return typeof lo === 'number' && typeof hi === 'number' && lo < hi ? [lo, hi] : null;
}

function nameIn(lang: string, point: Resource | undefined): string {
  const en = point?.spec.name_en;
  return lang === 'en' && typeof en === 'string' && en ? en : (point?.name ?? '');
}

export function modelPen(info: PenInfo, withLimits: boolean, lang: string): ModelPen {
  const { pen, point } = info;
  const spec = point?.spec ?? {};
  const bool = spec.type === 'bool';
  return {
    code: pen.code, name: nameIn(lang, point), color: info.color, hidden: Boolean(pen.hidden),
    unit: typeof spec.unit === 'string' ? spec.unit : '', decimals: typeof spec.decimals === 'number' ? spec.decimals : undefined,
    step: spec.step === true || bool || spec.type === 'string', bool,
    range: numbers(spec, 'lo', 'hi'), fixed: pen.lo !== undefined && pen.hi !== undefined ? [pen.lo, pen.hi] : null,
    limits: withLimits ? LIMITS.filter((k) => typeof spec[k] === 'number').map((k) => [k, spec[k] as number]) : [],
    gap: (msPerPx) => gapOf({ device: spec.device, period: durationOf(spec, 'period'), deadband: spec.deadband, maxInterval: durationOf(spec, 'max_interval') }, msPerPx),
  };
}

function fetchPlot(codes: string[], from: number, to: number, px: number, signal: AbortSignal) {
  return get<HistoryAnswer>('/history/plot', { points: codes.join(','), from, to, px }, signal).then((a) => a.series);
}

export function useEngine(state: TrendState, change: Change, infos: PenInfo[], chart: RefObject<ChartHandle | null>) {
  const { lang } = useSettings();
  const engine = useMemo(() => new Engine(fetchPlot), []);
  const good = infos.filter((i) => i.point && !i.error);
  const key = good.map((i) => `${i.pen.code}=${i.point?.num}`).join(',');
  useLive(good.map((i) => i.point?.num ?? 0).filter(Boolean));

  useEffect(() => {
    engine.connect({
      repaint: () => chart.current?.repaint(),
      commit: (range) => change((s) => ({ ...s, range })),
    });
    engine.start();
    const untap = tapTags((batch) => engine.take(batch));
    return () => {
      untap();
      engine.stop();
    };
  }, [engine, change, chart]);

  const models = useMemo(() => infos.filter((i) => i.point).map((i) => modelPen(i, state.limits, lang)), [infos, state.limits, lang]);
  useLayoutEffect(() => {
    engine.look(models, state.axes, state.cursors, state.focus);
  }, [engine, models, state.axes, state.cursors, state.focus]);

  useEffect(() => {
    const list = key ? key.split(',').map((k) => k.split('=')) : [];
    engine.setPens(list.map(([code]) => code), new Map(list.map(([code, num]) => [Number(num), code])));
  }, [engine, key]);

  useEffect(() => {
    engine.setRange({ from: state.range.from, to: state.range.to });
  }, [engine, state.range.from, state.range.to]);

  /* a stream that was lost left a hole that only the server can fill */
  const stream = useNet((n) => n.stream);
  const lost = useRef(false);
  useEffect(() => {
    if (stream === 'waiting') lost.current = true;
    if (stream === 'open' && lost.current) {
      lost.current = false;
      engine.loader.refresh();
    }
  }, [engine, stream]);
  return engine;
}

/* Renders again when what React shows of the engine changed. */
export function useEngineView(engine: Engine): { from: number; to: number } {
  useSyncExternalStore(engine.subscribe, engine.snapshot);
  return engine.model.view;
}

/* Figures of the window, asked once it rests; while live every tenth of a minute or of the window. */
export function useSummary(codes: string[], view: { from: number; to: number }, live: boolean) {
  const span = view.to - view.from;
  const step = live ? Math.max(10000, span / 60) : 1000;
  const from = Math.round(Math.floor(view.from / step) * step);
  const to = Math.max(from + 1000, Math.round(Math.floor(view.to / step) * step));
  const [asked, setAsked] = useState({ from, to });
  useEffect(() => {
    const timer = setTimeout(() => setAsked({ from, to }), 500);
    return () => clearTimeout(timer);
  }, [from, to]);
  return useQuery({
    queryKey: ['/history/summary', { points: codes.join(','), ...asked }],
    queryFn: async ({ signal }) => {
      const a = await get<SummaryAnswer>('/history/summary', { points: codes.join(','), ...asked }, signal);
      return new Map((a.series ?? []).map((s) => [s.code, s.rows[0]]));
    },
    enabled: codes.length > 0,
    placeholderData: keepPreviousData,
    gcTime: 30000,
  });
}

export function useTitleOf(): (info: PenInfo) => string {
  const { i18n } = useTranslation();
  return (info) => {
    const name = nameIn(i18n.language, info.point);
    return name === info.pen.code ? '' : name;
  };
}
