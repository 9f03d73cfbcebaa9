/* The one time range control: presets, shifts, absolute, shift by half, zoom out, live/pause. The range
 * lives in the URL (useRange). */
import { ArrowLeftOutlined, ArrowRightOutlined, ClockCircleOutlined, ZoomOutOutlined } from '@ant-design/icons';
import { Button, DatePicker, Popover, Space } from 'antd';
import dayjs from 'dayjs';
import { useCallback, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSearchParams } from 'react-router';
import { compactDuration, formatTime, isLive, rangeOf, resolveRange, shiftStart, zoneLabel, type Range } from '@/lib/time';

const PRESETS = ['15m', '1h', '8h', '24h', '7d', '30d', '1y', '10y'];

export function useRange(fallback: Range): [Range, (r: Range) => void] {
  const [params, setParams] = useSearchParams();
  const range = rangeOf(params, fallback);
  const set = useCallback((r: Range) => {
    setParams((p) => {
      p.set('from', r.from);
      p.set('to', r.to);
      return p;
    }, { replace: true });
  }, [setParams]);
  return [range, set];
}

type T = (key: string, opts?: Record<string, unknown>) => string;

/* "5m" -> "5 分钟"; what is not one duration stays. */
export function spanText(span: string, t: T): string {
  const m = /^(\d+)(m|h|d|w|mo|y)$/.exec(span) ?? /^(\d+)(ms|s|m|h|d)$/.exec(compactDuration(span));
  return m ? t(`range.unit.${m[2]}`, { n: m[1] }) : span;
}

export function rangeText(r: Range, t: T): string {
  const m = /^now-(.+)$/.exec(r.from);
  if (m && r.to === 'now') return t('range.last', { span: spanText(m[1], t) });
  const abs = resolveRange(r);
  return `${formatTime(abs.from)} – ${formatTime(abs.to)}`;
}

function named(): [string, Range][] {
  const now = Date.now();
  const day = dayjs(now).startOf('day');
  const ms = (n: number) => String(n);
  return [
    ['range.thisShift', { from: ms(shiftStart(now)), to: 'now' }],
    ['range.lastShift', { from: ms(shiftStart(now, 1)), to: ms(shiftStart(now)) }],
    ['range.today', { from: ms(day.valueOf()), to: 'now' }],
    ['range.yesterday', { from: ms(day.subtract(1, 'day').valueOf()), to: ms(day.valueOf()) }],
    ['range.thisMonth', { from: ms(dayjs(now).startOf('month').valueOf()), to: 'now' }],
  ];
}

export function TimeRange({ value, onChange }: { value: Range; onChange: (r: Range) => void }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const abs = resolveRange(value);
  const span = abs.to - abs.from;
  const pick = (r: Range) => {
    setOpen(false);
    onChange(r);
  };
  const move = (by: number) => onChange({ from: String(Math.round(abs.from + by * span)), to: String(Math.round(abs.to + by * span)) });
  const wider = () => onChange(isLive(value)
    ? { from: `now-${Math.round((span * 2) / 1000)}s`, to: 'now' }
    : { from: String(Math.round(abs.from - span / 2)), to: String(Math.round(abs.to + span / 2)) });
  const content = (
    <div className="col range-pop">
      <Space wrap>{PRESETS.map((p) => <Button key={p} size="small" onClick={() => pick({ from: `now-${p}`, to: 'now' })}>{spanText(p, t)}</Button>)}</Space>
      <Space wrap>{named().map(([key, r]) => <Button key={key} size="small" onClick={() => pick(r)}>{t(key)}</Button>)}</Space>
      <DatePicker.RangePicker showTime value={[dayjs(abs.from), dayjs(abs.to)]} allowClear={false}
        onChange={(v) => v?.[0] && v[1] && pick({ from: String(v[0].valueOf()), to: String(v[1].valueOf()) })} />
      <span className="muted small">{t('range.zone', { zone: zoneLabel() })}</span>
    </div>
  );
  return (
    <Space.Compact>
      <Button icon={<ArrowLeftOutlined />} aria-label={t('range.back')} title={t('range.back')} onClick={() => move(-0.5)} />
      <Popover content={content} trigger="click" open={open} onOpenChange={setOpen} placement="bottom">
        <Button icon={<ClockCircleOutlined />}>{rangeText(value, t)}</Button>
      </Popover>
      <Button icon={<ArrowRightOutlined />} aria-label={t('range.forward')} title={t('range.forward')} disabled={isLive(value)} onClick={() => move(0.5)} />
      <Button icon={<ZoomOutOutlined />} aria-label={t('range.wider')} title={t('range.wider')} onClick={wider} />
    </Space.Compact>
  );
}
