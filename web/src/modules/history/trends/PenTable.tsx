/* The pens as rows (cards on a phone): colour, visibility, scale, value now and at the cursors, and the
 * figures of the window. */
import { CloseOutlined, EyeInvisibleOutlined, EyeOutlined } from '@ant-design/icons';
import { Button, ColorPicker, InputNumber, Popover, Segmented, Space } from 'antd';
import { memo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { LiveValue } from '@/components/LiveValue';
import { QualityBadge } from '@/components/QualityBadge';
import { formatDuration, formatTime } from '@/lib/time';
import type { SummaryRow } from '@/lib/types';
import { formatNumber, formatValue, unitText } from '@/lib/units';
import type { Engine } from './engine';
import { readingAt, type Reading } from './line';
import { msPerPx } from './model';
import { rangeText } from './scales';
import type { Pen } from './state';
import { useEngineView, useSummary, useTitleOf, type PenInfo } from './useTrend';

export interface PenActions {
  pen: (code: string, change: Partial<Pen>) => void;
  remove: (code: string) => void;
  focus: (code: string) => void;
  clearCursors: () => void;
}

interface Props {
  engine: Engine;
  infos: PenInfo[];
  live: boolean;
  cursors: [number | null, number | null];
  focus: string | null;
  actions: PenActions;
}

function readingOf(engine: Engine, code: string, t: number | null): Reading | null {
  if (t === null) return null;
  const line = engine.model.lines.get(code);
  const pen = engine.model.pens.find((p) => p.code === code);
  return line && pen ? readingAt(line, t, pen.gap(msPerPx(engine.model))) : null;
}

function ReadingCell({ reading, decimals }: { reading: Reading | null; decimals: number | undefined }) {
  if (!reading || reading.v === null) return <span className="muted">—</span>;
  return (
    <span className="row pen-reading">
      {reading.q !== 0 && <QualityBadge q={reading.q} r={reading.r} compact />}
      <span>{formatValue(reading.v, decimals)}</span>
    </span>
  );
}

function ScaleEditor({ pen, range, current, onChange }: { pen: Pen; range: [number, number] | null; current: { lo: number; hi: number } | undefined; onChange: (c: Partial<Pen>) => void }) {
  const { t } = useTranslation();
  const fixed = pen.lo !== undefined && pen.hi !== undefined;
  const isRange = fixed && range !== null && pen.lo === range[0] && pen.hi === range[1];
  const [lo, setLo] = useState<number | null>(pen.lo ?? current?.lo ?? 0);
  const [hi, setHi] = useState<number | null>(pen.hi ?? current?.hi ?? 100);
  const ok = lo !== null && hi !== null && lo < hi;
  const pick = (v: string) => {
    if (v === 'auto') onChange({ lo: undefined, hi: undefined });
    else if (v === 'range' && range) onChange({ lo: range[0], hi: range[1] });
    else if (ok) onChange({ lo, hi });
  };
  return (
    <div className="col">
      <Segmented value={isRange ? 'range' : fixed ? 'fixed' : 'auto'} onChange={pick} options={[
        { value: 'auto', label: t('trends.scale.auto') }, { value: 'range', label: t('trends.scale.range'), disabled: range === null }, { value: 'fixed', label: t('trends.scale.fixed') },
      ]} />
      <Space.Compact>
        <InputNumber value={lo} onChange={setLo} aria-label={t('trends.scale.lo')} onPressEnter={() => pick('fixed')} />
        <InputNumber value={hi} onChange={setHi} aria-label={t('trends.scale.hi')} onPressEnter={() => pick('fixed')} />
        <Button type="primary" disabled={!ok} onClick={() => pick('fixed')}>{t('trends.scale.apply')}</Button>
      </Space.Compact>
    </div>
  );
}

interface ScaleView {
  lo: number;
  hi: number;
  text: string;
  kind: 'own' | 'shared' | 'fixed';
  range: [number, number] | null;
}

function scaleOf(engine: Engine, pen: Pen): ScaleView {
  const scale = engine.model.scales.get(pen.code);
  const model = engine.model.pens.find((p) => p.code === pen.code);
  const fixed = pen.lo !== undefined;
  const kind = fixed ? 'fixed' : engine.model.axes === 'unit' && !model?.bool ? 'shared' : 'own';
  const text = !scale ? '—' : model?.bool && !fixed ? '0 – 1' : rangeText(scale.lo, scale.hi);
  return { lo: scale?.lo ?? 0, hi: scale?.hi ?? 100, text, kind, range: model?.range ?? null };
}

function ScaleCell({ pen, scale, onChange }: { pen: Pen; scale: ScaleView; onChange: (c: Partial<Pen>) => void }) {
  const { t } = useTranslation();
  return (
    <Popover trigger="click" destroyOnHidden content={<ScaleEditor pen={pen} range={scale.range} current={scale} onChange={onChange} />}>
      <button type="button" className="link-button pen-scale" title={t('trends.scale.title')}><span className="num">{scale.text}</span> <span className="muted small">{t(`trends.scale.${scale.kind}`)}</span></button>
    </Popover>
  );
}

interface RowProps {
  info: PenInfo;
  scale: ScaleView;
  a: Reading | null;
  b: Reading | null;
  cursors: 0 | 1 | 2;
  summary: SummaryRow | undefined;
  focused: boolean;
  actions: PenActions;
}

/* Rendered again only when what it shows differs: the table is told of every step of a pan. */
const Row = memo(function Row({ info, scale, a, b, cursors, summary: s, focused, actions }: RowProps) {
  const { t } = useTranslation();
  const title = useTitleOf();
  const { pen, point } = info;
  const decimals = typeof point?.spec.decimals === 'number' ? point.spec.decimals : undefined;
  const delta = typeof a?.v === 'number' && typeof b?.v === 'number' ? b.v - a.v : null;
  const figure = (v: number | null | undefined, more = 0) => (v === null || v === undefined ? <span className="muted">—</span> : formatNumber(v, decimals === undefined ? undefined : decimals + more).replace(/^-(0(?:\.0*)?)$/, '$1'));
  const missing = info.error !== null && !info.error.offline;
  return (
    <tr className={`${focused ? 'focus' : ''}${pen.hidden ? ' hidden-pen' : ''}`}>
      <td className="pen-head">
        <span className="row">
          <ColorPicker size="small" value={info.color} disabledAlpha onChangeComplete={(c) => actions.pen(pen.code, { color: c.toHexString().slice(0, 7) })} aria-label={t('trends.pen.color')} />
          <Button type="text" size="small" icon={pen.hidden ? <EyeInvisibleOutlined /> : <EyeOutlined />} aria-pressed={!pen.hidden} aria-label={t('trends.pen.show')} title={t('trends.pen.show')} onClick={() => actions.pen(pen.code, { hidden: !pen.hidden })} />
          <button type="button" className="pen-name" onClick={() => actions.focus(pen.code)} aria-pressed={focused} title={t('trends.pen.focus')}>
            <span className="mono">{pen.code}</span>
            <span className="small soft">{missing ? <span className="quality bad">{t('trends.pen.missing')}</span> : title(info)}</span>
          </button>
          <span className="grow only-small" />
          <Button className="only-small" type="text" size="small" icon={<CloseOutlined />} aria-label={t('trends.pen.remove')} onClick={() => actions.remove(pen.code)} />
        </span>
      </td>
      <td data-label={t('trends.col.unit')}>{unitText(point?.spec.unit as string | undefined) || <span className="muted">—</span>}</td>
      <td data-label={t('trends.col.scale')}><ScaleCell pen={pen} scale={scale} onChange={(c) => actions.pen(pen.code, c)} /></td>
      <td className="num" data-label={t('trends.col.now')}><LiveValue num={point?.num} decimals={decimals} age /></td>
      {cursors > 0 && <td className="num" data-label="A"><ReadingCell reading={a} decimals={decimals} /></td>}
      {cursors > 1 && <td className="num" data-label="B"><ReadingCell reading={b} decimals={decimals} /></td>}
      {cursors > 1 && <td className="num" data-label="Δ">{figure(delta)}</td>}
      <td className="num" data-label={t('trends.col.min')}>{figure(s?.min)}</td>
      <td className="num" data-label={t('trends.col.avg')}>{figure(s?.twa ?? s?.mean, point?.spec.type === 'bool' ? 2 : 1)}</td>
      <td className="num" data-label={t('trends.col.max')}>{figure(s?.max)}</td>
      <td className="num" data-label={t('trends.col.good')}>{s?.percent_good === null || s?.percent_good === undefined ? <span className="muted">—</span> : `${+s.percent_good.toFixed(1)} %`}</td>
      <td className="hide-small"><Button type="text" size="small" icon={<CloseOutlined />} aria-label={t('trends.pen.remove')} title={t('trends.pen.remove')} onClick={() => actions.remove(pen.code)} /></td>
    </tr>
  );
}, (was, now) => was.info === now.info && was.focused === now.focused && was.cursors === now.cursors && was.summary === now.summary && was.actions === now.actions
  && was.scale.text === now.scale.text && was.scale.kind === now.scale.kind && sameReading(was.a, now.a) && sameReading(was.b, now.b));

function sameReading(a: Reading | null, b: Reading | null): boolean {
  return a === b || (a !== null && b !== null && a.v === b.v && a.q === b.q && a.r === b.r);
}

function CursorBar({ cursors, onClear }: { cursors: [number | null, number | null]; onClear: () => void }) {
  const { t } = useTranslation();
  const [a, b] = cursors;
  if (a === null && b === null) return null;
  return (
    <div className="row wrap cursor-bar">
      {a !== null && <span><b className="cursor-flag">A</b> <span className="num">{formatTime(a, true)}</span></span>}
      {b !== null && <span><b className="cursor-flag b">B</b> <span className="num">{formatTime(b, true)}</span></span>}
      {a !== null && b !== null && <span>Δt <b>{formatDuration(Math.abs(b - a))}</b></span>}
      <Button size="small" type="text" onClick={onClear}>{t('trends.cursor.clear')}</Button>
    </div>
  );
}

export function PenTable({ engine, infos, live, cursors, focus, actions }: Props) {
  const { t } = useTranslation();
  const view = useEngineView(engine);
  const summary = useSummary(infos.filter((i) => i.point).map((i) => i.pen.code), view, live);
  const count = cursors[1] !== null ? 2 : cursors[0] !== null ? 1 : 0;
  return (
    <div className="panel pen-panel">
      <CursorBar cursors={engine.model.cursors} onClear={actions.clearCursors} />
      <div className="pen-scroll">
        <table className="pen-table">
          <thead>
            <tr>
              <th>{t('trends.col.pen')}</th><th>{t('trends.col.unit')}</th><th>{t('trends.col.scale')}</th><th className="num">{t('trends.col.now')}</th>
              {count > 0 && <th className="num">A</th>}
              {count > 1 && <th className="num">B</th>}
              {count > 1 && <th className="num">Δ</th>}
              <th className="num">{t('trends.col.min')}</th><th className="num" title={t('trends.col.avgHelp')}>{t('trends.col.avg')}</th><th className="num">{t('trends.col.max')}</th><th className="num">{t('trends.col.good')}</th><th aria-label={t('trends.pen.remove')} />
            </tr>
          </thead>
          <tbody>
            {infos.map((info) => (
              <Row key={info.pen.code} info={info} scale={scaleOf(engine, info.pen)} a={readingOf(engine, info.pen.code, engine.model.cursors[0])} b={readingOf(engine, info.pen.code, engine.model.cursors[1])} cursors={count}
                summary={summary.data?.get(info.pen.code)} focused={focus === info.pen.code} actions={actions} />
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
