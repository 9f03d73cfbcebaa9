/* Trends: the plot, its tools, the pens. State lives in the URL (state.ts), movement in the engine. */
import { useEffect, useMemo, useRef, useState, type DragEvent, type KeyboardEvent } from 'react';
import { Alert, Button, Drawer, Tag } from 'antd';
import { PlusOutlined } from '@ant-design/icons';
import { useTranslation } from 'react-i18next';
import { useSettings } from '@/app/settings';
import { EmptyState } from '@/components/states';
import { asError } from '@/lib/api';
import { useResource } from '@/lib/resources';
import { formatDuration, formatTime, isLive, zoneLabel } from '@/lib/time';
import type { Resource } from '@/lib/types';
import { Chart, type ChartHandle } from './Chart';
import { ExportMenu } from './ExportMenu';
import { lowerBound } from './line';
import { limitsOf, visible } from './model';
import { PenTable } from './PenTable';
import { DRAG_TYPE, PointPicker } from './PointPicker';
import { Readout, type ReadoutHandle } from './Readout';
import { SavedTrends, TrendList } from './SavedTrends';
import { addPens, fromSpec, removePen, type Pen } from './state';
import { Tools } from './Tools';
import { useNarrow } from '@/lib/useNarrow';
import { useEngine, usePens, useSummary, useTrendState } from './useTrend';
import './trends.css';

/* ?trend=… without pens: a link to a saved trend. */
function useOpenSaved(id: string | null, empty: boolean, open: (r: Resource) => void): unknown {
  const { data, error } = useResource('trends', id && empty ? id : undefined);
  const opened = useRef<string | null>(null);
  useEffect(() => {
    if (!data || opened.current === data.id) return;
    opened.current = data.id;
    queueMicrotask(() => open(data));
  });
  return error;
}

export function TrendsPage() {
  const { t } = useTranslation();
  const { theme, lang } = useSettings();
  const narrow = useNarrow();
  const [state, change] = useTrendState();
  const infos = usePens(state.pens);
  const chart = useRef<ChartHandle>(null);
  const readout = useRef<ReadoutHandle>(null);
  const hovered = useRef<number | null>(null);
  const settle = useRef(0);
  const { engine } = useEngine(state, change, infos, chart);
  const [picker, setPicker] = useState(!narrow);
  const [over, setOver] = useState(false);
  const live = isLive(state.range);
  const shownCodes = infos.filter((i) => i.point && !i.pen.hidden).map((i) => i.pen.code);
  const summary = useSummary(infos.filter((i) => i.point).map((i) => i.pen.code), engine.model.view, live);

  const openSaved = (r: Resource) => change(() => fromSpec(r.id, r.spec), true);
  const saved = useResource('trends', state.trend ?? undefined).data;
  const openError = useOpenSaved(state.trend, state.pens.length === 0, openSaved);
  const toggle = (code: string) => change((s) => (s.pens.some((p) => p.code === code) ? removePen(s, code) : addPens(s, [code])));
  const setPen = (code: string, c: Partial<Pen>) => change((s) => ({ ...s, pens: s.pens.map((p) => (p.code === code ? { ...p, ...c } : p)) }));

  const setCursor = (i: 0 | 1, at: number) => {
    const round = (v: number | null) => (v === null ? null : Math.round(v));
    const [a, b] = engine.setCursor(i, at);
    clearTimeout(settle.current);
    settle.current = window.setTimeout(() => change((s) => ({ ...s, cursors: [round(a), round(b)] })), 120);
  };
  const click = (at: number) => {
    const [a, b] = engine.model.cursors;
    if (a === null) setCursor(0, at);
    else if (b === null) setCursor(1, at);
    else setCursor(Math.abs(at - a) <= Math.abs(at - b) ? 0 : 1, at);
  };
  const clearCursors = () => {
    clearTimeout(settle.current);
    change((s) => ({ ...s, cursors: [null, null] }));
  };
  useEffect(() => () => clearTimeout(settle.current), []);

  /* A tall box zooms the scales of the pens too (as fixed scales, taken back with "auto"). */
  const box = (from: number, to: number, y0: number, y1: number, tall: boolean) => {
    const m = engine.model;
    const pens = visible(m);
    if (tall && m.axes !== 'stacked') {
      const part = new Map(pens.map((p, i) => {
        const [lo, hi] = limitsOf(m, p, i, pens.length);
        return [p.code, { lo: +(hi - y1 * (hi - lo)).toPrecision(6), hi: +(hi - y0 * (hi - lo)).toPrecision(6) }];
      }));
      change((s) => ({ ...s, pens: s.pens.map((p) => ({ ...p, ...part.get(p.code) })) }));
    }
    engine.move(from, to);
  };
  const goLive = () => {
    const span = formatDuration(engine.model.view.to - engine.model.view.from).replaceAll(' ', '');
    change((s) => ({ ...s, range: { from: `now-${span}`, to: 'now' } }));
  };
  const pause = () => engine.move(engine.model.view.from, engine.model.view.to);
  const zoom = (factor: number, at?: number) => {
    const { from, to } = engine.model.view;
    const middle = at ?? (from + to) / 2;
    engine.move(middle - (middle - from) * factor, middle + (to - middle) * factor);
  };
  const autoScales = () => change((s) => ({ ...s, pens: s.pens.map(({ lo: _lo, hi: _hi, ...p }) => p) }));

  const onKey = (e: KeyboardEvent) => {
    if ((e.target as HTMLElement).closest('input,textarea,button,a,[role="menu"]') || e.ctrlKey || e.metaKey || e.altKey) return;
    const span = engine.model.view.to - engine.model.view.from;
    const nudge = (d: number) => {
      const c = engine.model.cursors[engine.model.active];
      if (c !== null) setCursor(engine.model.active, c + (d * span) / engine.model.px);
    };
    const middle = hovered.current ?? (engine.model.view.from + engine.model.view.to) / 2;
    const keys: Record<string, () => void> = {
      ArrowLeft: () => engine.shift(e.shiftKey ? -0.5 : -0.1), ArrowRight: () => engine.shift(e.shiftKey ? 0.5 : 0.1),
      ArrowUp: () => zoom(0.7), ArrowDown: () => zoom(1 / 0.7), '+': () => zoom(0.7), '=': () => zoom(0.7), '-': () => zoom(1 / 0.7),
      'a': () => setCursor(0, middle), 'b': () => setCursor(1, middle), '[': () => nudge(-1), ']': () => nudge(1),
      'l': goLive, 'y': autoScales, 'Escape': clearCursors, 'Home': goLive, ' ': () => (live ? pause() : goLive()),
    };
    const run = keys[e.key] ?? keys[e.key.toLowerCase()];
    if (!run) return;
    e.preventDefault();
    run();
  };
  const drop = (e: DragEvent) => {
    setOver(false);
    const code = e.dataTransfer.getData(DRAG_TYPE);
    if (!code) return;
    e.preventDefault();
    change((s) => addPens(s, [code]));
  };
  const shape = useMemo(() => JSON.stringify([theme, lang, state.axes, state.focus, infos.filter((i) => i.point && !i.pen.hidden).map((i) => [i.pen.code, i.color, i.point?.spec.unit, i.pen.lo !== undefined])]), [theme, lang, state.axes, state.focus, infos]);
  const { from, to } = engine.model.view;
  const nothing = shownCodes.length > 0 && !engine.loader.state.loading && !engine.loader.state.error && shownCodes.every((c) => {
    const line = engine.model.lines.get(c);
    return !line || line.t.length === 0 || line.t[Math.max(0, lowerBound(line.t, to) - 1)] < from;
  });
  const picking = <PointPicker chosen={state.pens.map((p) => p.code)} onPick={toggle} />;
  const fault = engine.loader.state.error;
  return (
    <div className="page fixed trends">
      <Tools state={state} live={live} pickerOpen={picker} change={change} onPicker={() => setPicker(!picker)} onLive={goLive} onPause={pause} onZoom={zoom} onAuto={autoScales}
        saved={<SavedTrends state={state} onOpen={openSaved} onSaved={(id) => change((s) => ({ ...s, trend: id }))} onGone={(id) => change((s) => (s.trend === id ? { ...s, trend: null } : s))} />}
        out={state.pens.length > 0 && <ExportMenu engine={engine} title={saved?.name || t('trends.title')} canvas={() => chart.current?.canvas() ?? null} />} />
      <div className="trend-body">
        {picker && !narrow && <aside className="panel trend-side" aria-label={t('trends.pick.title')}>{picking}</aside>}
        <Drawer open={picker && narrow} onClose={() => setPicker(false)} placement="bottom" size="75%" title={t('trends.pick.title')}>{picking}</Drawer>
        <div className="trend-main">
          {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
          <section className={`panel trend-stage${over ? ' over' : ''}`} tabIndex={0} onKeyDown={onKey} aria-label={t('trends.keys')}
            onDragOver={(e) => { if (e.dataTransfer.types.includes(DRAG_TYPE)) { e.preventDefault(); setOver(true); } }} onDragLeave={() => setOver(false)} onDrop={drop}>
            {state.pens.length === 0
              ? (
                <div className="trend-empty">
                  {openError ? <Alert type="error" showIcon title={asError(openError).message} /> : null}
                  <EmptyState title={t('trends.empty')} help={t('trends.emptyHelp')} action={<Button type="primary" icon={<PlusOutlined />} onClick={() => setPicker(true)}>{t('trends.pick.open')}</Button>} />
                  <div className="panel trend-empty-list"><div className="panel-head">{t('trends.saved.title')}</div><div className="panel-body"><TrendList current={null} onOpen={openSaved} /></div></div>
                </div>
              )
              : (
                <>
                  {engine.loader.state.loading && <div className="trend-busy" role="progressbar" aria-label={t('trends.loading')} />}
                  <Chart ref={chart} model={engine.model} shape={shape} label={t('trends.chartLabel', { n: shownCodes.length, from: formatTime(from), to: formatTime(to) })} on={{
                    view: (a, b) => engine.move(a, b), click, cursor: setCursor, box, size: (px) => engine.setSize(px),
                    hover: (at) => { hovered.current = at; readout.current?.at(at); },
                  }} />
                  <Readout ref={readout} engine={engine} />
                  {fault ? <Alert className="trend-note" type="error" showIcon title={asError(fault).message} action={<Button size="small" onClick={() => engine.loader.refresh()}>{t('action.retry')}</Button>} /> : null}
                  {nothing && <div className="trend-note quiet">{t('trends.noData')}</div>}
                  {engine.loader.state.truncated && <div className="trend-note quiet">{t('trends.truncated')}</div>}
                  <div className="trend-foot small muted"><span className="num">{formatTime(from)} – {formatTime(to)}</span><span>{zoneLabel()}</span>{!live && <Tag>{t('trends.paused')}</Tag>}</div>
                </>
              )}
          </section>
          {state.pens.length > 0 && <PenTable engine={engine} infos={infos} summary={summary.data} cursors={state.cursors} focus={state.focus} onPen={setPen}
            onRemove={(code) => change((s) => removePen(s, code))} onFocus={(code) => change((s) => ({ ...s, focus: code }))} onClearCursors={clearCursors} />}
        </div>
      </div>
    </div>
  );
}
