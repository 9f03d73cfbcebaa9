/* The pens as rows (cards on a phone): colour, visibility, scale, value now and at the cursors, and the
 * figures of the window. */
import { CloseOutlined, EyeInvisibleOutlined, EyeOutlined } from '@ant-design/icons';
import { Button, ColorPicker, InputNumber, Popover, Segmented, Space } from 'antd';
import { useState } from 'react';
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
import { useTitleOf, type PenInfo } from './useTrend';

interface Props {
  engine: Engine;
  infos: PenInfo[];
  summary: Map<string, SummaryRow | undefined> | undefined;
  cursors: [number | null, number | null];
  focus: string | null;
  onPen: (code: string, change: Partial<Pen>) => void;
  onRemove: (code: string) => void;
  onFocus: (code: string | null) => void;
  onClearCursors: () => void;
}

function useReading(engine: Engine, code: string, t: number | null): Reading | null {
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

function ScaleCell({ engine, info, onChange }: { engine: Engine; info: PenInfo; onChange: (c: Partial<Pen>) => void }) {
  const { t } = useTranslation();
  const scale = engine.model.scales.get(info.pen.code);
  const model = engine.model.pens.find((p) => p.code === info.pen.code);
  const fixed = info.pen.lo !== undefined;
  const shared = !fixed && engine.model.axes === 'unit' && !model?.bool;
  const text = scale && model?.bool && !fixed ? '0 – 1' : scale ? rangeText(scale.lo, scale.hi) : '—';
  const kind = t(fixed ? 'trends.scale.fixed' : shared ? 'trends.scale.shared' : 'trends.scale.own');
  return (
    <Popover trigger="click" destroyOnHidden content={<ScaleEditor pen={info.pen} range={model?.range ?? null} current={scale} onChange={onChange} />}>
      <button type="button" className="link-button pen-scale" title={t('trends.scale.title')}><span className="num">{text}</span> <span className="muted small">{kind}</span></button>
    </Popover>
  );
}

function Row({ info, ...p }: Props & { info: PenInfo }) {
  const { t } = useTranslation();
  const title = useTitleOf();
  const { pen, point } = info;
  const decimals = typeof point?.spec.decimals === 'number' ? point.spec.decimals : undefined;
  const [a, b] = [useReading(p.engine, pen.code, p.cursors[0]), useReading(p.engine, pen.code, p.cursors[1])];
  const delta = typeof a?.v === 'number' && typeof b?.v === 'number' ? b.v - a.v : null;
  const s = p.summary?.get(pen.code);
  const figure = (v: number | null | undefined, more = 0) => (v === null || v === undefined ? <span className="muted">—</span> : formatNumber(v, decimals === undefined ? undefined : decimals + more).replace(/^-(0(?:\.0*)?)$/, '$1'));
  const missing = info.error !== null && !info.error.offline;
  return (
    <tr className={`${p.focus === pen.code ? 'focus' : ''}${pen.hidden ? ' hidden-pen' : ''}`}>
      <td className="pen-head">
        <span className="row">
          <ColorPicker size="small" value={info.color} disabledAlpha onChangeComplete={(c) => p.onPen(pen.code, { color: c.toHexString().slice(0, 7) })} aria-label={t('trends.pen.color')} />
          <Button type="text" size="small" icon={pen.hidden ? <EyeInvisibleOutlined /> : <EyeOutlined />} aria-pressed={!pen.hidden} aria-label={t('trends.pen.show')} title={t('trends.pen.show')} onClick={() => p.onPen(pen.code, { hidden: !pen.hidden })} />
          <button type="button" className="pen-name" onClick={() => p.onFocus(p.focus === pen.code ? null : pen.code)} aria-pressed={p.focus === pen.code} title={t('trends.pen.focus')}>
            <span className="mono">{pen.code}</span>
            <span className="small soft">{missing ? <span className="quality bad">{t('trends.pen.missing')}</span> : title(info)}</span>
          </button>
          <span className="grow only-small" />
          <Button className="only-small" type="text" size="small" icon={<CloseOutlined />} aria-label={t('trends.pen.remove')} onClick={() => p.onRemove(pen.code)} />
        </span>
      </td>
      <td data-label={t('trends.col.unit')}>{unitText(point?.spec.unit as string | undefined) || <span className="muted">—</span>}</td>
      <td data-label={t('trends.col.scale')}><ScaleCell engine={p.engine} info={info} onChange={(c) => p.onPen(pen.code, c)} /></td>
      <td className="num" data-label={t('trends.col.now')}><LiveValue num={point?.num} decimals={decimals} /></td>
      {p.cursors[0] !== null && <td className="num" data-label="A"><ReadingCell reading={a} decimals={decimals} /></td>}
      {p.cursors[1] !== null && <td className="num" data-label="B"><ReadingCell reading={b} decimals={decimals} /></td>}
      {p.cursors[1] !== null && <td className="num" data-label="Δ">{figure(delta)}</td>}
      <td className="num" data-label={t('trends.col.min')}>{figure(s?.min)}</td>
      <td className="num" data-label={t('trends.col.avg')}>{figure(s?.twa ?? s?.mean, point?.spec.type === 'bool' ? 2 : 1)}</td>
      <td className="num" data-label={t('trends.col.max')}>{figure(s?.max)}</td>
      <td className="num" data-label={t('trends.col.good')}>{s?.percent_good === null || s?.percent_good === undefined ? <span className="muted">—</span> : `${+s.percent_good.toFixed(1)} %`}</td>
      <td className="hide-small"><Button type="text" size="small" icon={<CloseOutlined />} aria-label={t('trends.pen.remove')} title={t('trends.pen.remove')} onClick={() => p.onRemove(pen.code)} /></td>
    </tr>
  );
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

export function PenTable(props: Props) {
  const { t } = useTranslation();
  return (
    <div className="panel pen-panel">
      <CursorBar cursors={props.cursors} onClear={props.onClearCursors} />
      <div className="pen-scroll">
        <table className="pen-table">
          <thead>
            <tr>
              <th>{t('trends.col.pen')}</th><th>{t('trends.col.unit')}</th><th>{t('trends.col.scale')}</th><th className="num">{t('trends.col.now')}</th>
              {props.cursors[0] !== null && <th className="num">A</th>}
              {props.cursors[1] !== null && <th className="num">B</th>}
              {props.cursors[1] !== null && <th className="num">Δ</th>}
              <th className="num">{t('trends.col.min')}</th><th className="num" title={t('trends.col.avgHelp')}>{t('trends.col.avg')}</th><th className="num">{t('trends.col.max')}</th><th className="num">{t('trends.col.good')}</th><th aria-label={t('trends.pen.remove')} />
            </tr>
          </thead>
          <tbody>{props.infos.map((info) => <Row key={info.pen.code} info={info} {...props} />)}</tbody>
        </table>
      </div>
    </div>
  );
}
