/* Trends: the plot, its tools, the pens. State lives in the URL (state.ts), movement in the engine. */
import { useEffect, useMemo, useRef, useState, type DragEvent, type KeyboardEvent } from 'react';
import { Alert, Button, Drawer } from 'antd';
import { PlusOutlined } from '@ant-design/icons';
import { useTranslation } from 'react-i18next';
import { useSettings } from '@/app/settings';
import { EmptyState } from '@/components/states';
import { asError } from '@/lib/api';
import { useResource } from '@/lib/resources';
import { formatDuration, isLive } from '@/lib/time';
import type { Resource } from '@/lib/types';
import { Chart, type ChartHandle } from './Chart';
import { ExportMenu } from './ExportMenu';
import { limitsOf, visible } from './model';
import { PenTable, type PenActions } from './PenTable';
import { DRAG_TYPE, PointPicker } from './PointPicker';
import { Readout, type ReadoutHandle } from './Readout';
import { SavedTrends, TrendList } from './SavedTrends';
import { addPens, fromSpec, removePen } from './state';
import { StageState } from './StageState';
import { Tools } from './Tools';
import { useNarrow } from '@/lib/useNarrow';
import { useEngine, usePens, useTrendState } from './useTrend';
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
  const engine = useEngine(state, change, infos, chart);
  const [picker, setPicker] = useState(!narrow);
  const [over, setOver] = useState(false);
  const live = isLive(state.range);
  const shownCodes = infos.filter((i) => i.point && !i.pen.hidden).map((i) => i.pen.code);

  const openSaved = (r: Resource) => change(() => fromSpec(r.id, r.spec), true);
  const saved = useResource('trends', state.trend ?? undefined).data;
  const openError = useOpenSaved(state.trend, state.pens.length === 0, openSaved);
  const toggle = (code: string) => change((s) => (s.pens.some((p) => p.code === code) ? removePen(s, code) : addPens(s, [code])));
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
  const actions = useMemo<PenActions>(() => ({
    pen: (code, c) => change((s) => ({ ...s, pens: s.pens.map((p) => (p.code === code ? { ...p, ...c } : p)) })),
    remove: (code) => change((s) => removePen(s, code)),
    focus: (code) => change((s) => ({ ...s, focus: s.focus === code ? null : code })),
    clearCursors: () => {
      clearTimeout(settle.current);
      change((s) => ({ ...s, cursors: [null, null] }));
    },
  }), [change]);
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
      'l': goLive, 'y': autoScales, 'Escape': actions.clearCursors, 'Home': goLive, ' ': () => (live ? pause() : goLive()),
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
  const picking = <PointPicker chosen={state.pens.map((p) => p.code)} onPick={toggle} />;
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
                  <Chart ref={chart} model={engine.model} shape={shape} label={t('trends.chartLabel', { n: shownCodes.length })} on={{
                    view: (a, b) => engine.move(a, b), click, cursor: setCursor, box, size: (px) => engine.setSize(px),
                    hover: (at) => { hovered.current = at; readout.current?.at(at); },
                  }} />
                  <Readout ref={readout} engine={engine} />
                  <StageState engine={engine} codes={shownCodes} live={live} />
                </>
              )}
          </section>
          {state.pens.length > 0 && <PenTable engine={engine} infos={infos} live={live} cursors={state.cursors} focus={state.focus} actions={actions} />}
        </div>
      </div>
    </div>
  );
}
