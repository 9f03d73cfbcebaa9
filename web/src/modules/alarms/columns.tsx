/* Columns of the alarm lists. */
import { Link } from 'react-router';
import type { TFunction } from 'i18next';
import type { DataColumn } from '@/components/DataTable';
import { RelativeTime } from '@/components/RelativeTime';
import { formatTime } from '@/lib/time';
import { AlarmMark, PriorityMark } from './AlarmMark';
import type { Alarm, JournalRow } from './types';

const valueText = (v: number | null | undefined, unit: string | undefined) => (v === null || v === undefined ? '—' : `${+v.toPrecision(7)}${unit ? ` ${unit}` : ''}`);

/* Around the moment it was raised. */
export function trendLink(code: string, at: string | null | undefined, until?: string | null): string {
  const start = at ? Date.parse(at) : Date.now();
  return `/trends?points=${encodeURIComponent(code)}&from=${start - 1800000}&to=${until ? Date.parse(until) + 600000 : 'now'}`;
}

export function alarmColumns(t: TFunction): DataColumn<Alarm>[] {
  return [
    { key: 'priority', title: t('alarms.priority'), width: 110, render: (_v, a) => <AlarmMark alarm={a} /> },
    { key: 'raised_at', title: t('alarms.raised'), width: 170, render: (_v, a) => formatTime(a.raised_at) },
    { key: 'age', title: t('alarms.age'), width: 120, hidden: true, render: (_v, a) => <RelativeTime at={a.raised_at} /> },
    { key: 'code', title: t('alarms.point'), width: 180, render: (_v, a) => <Link to={trendLink(a.code ?? '', a.raised_at, a.cleared_at)} className="mono" title={t('alarms.trend')}>{a.code}</Link> },
    { key: 'name', title: t('envelope.name'), width: 220, dataIndex: 'name' },
    { key: 'condition', title: t('alarms.condition'), width: 120, render: (_v, a) => t(`alarms.conditions.${a.condition}`) },
    { key: 'value', title: t('alarms.value'), width: 130, align: 'right', render: (_v, a) => <span className="alarm-value">{valueText(a.value, a.unit)}</span> },
    { key: 'limit', title: t('alarms.limit'), width: 110, align: 'right', render: (_v, a) => <span className="alarm-value">{valueText(a.limit, a.unit)}</span> },
    { key: 'state', title: t('alarms.state'), width: 170, render: (_v, a) => (a.shelved_until ? t('alarms.shelvedUntil', { at: formatTime(a.shelved_until) }) : t(`alarms.states.${a.state}`)) },
    { key: 'area', title: t('alarms.area'), width: 140, dataIndex: 'area' },
    { key: 'cleared_at', title: t('alarms.cleared'), width: 170, hidden: true, render: (_v, a) => formatTime(a.cleared_at) },
    { key: 'acked', title: t('alarms.ackedBy'), width: 200, render: (_v, a) => (a.acked_by ? <span title={formatTime(a.acked_at)}>{a.acked_by}{a.comment ? `: ${a.comment}` : ''}</span> : '') },
  ];
}

/* Of the journal: what happened, one line an event. */
export function journalColumns(t: TFunction): DataColumn<JournalRow>[] {
  return [
    { key: 'at', title: t('alarms.at'), width: 190, render: (_v, r) => formatTime(r.at, true) },
    { key: 'event', title: t('alarms.event'), width: 130, render: (_v, r) => t(`alarms.events.${r.event}`) },
    { key: 'priority', title: t('alarms.priority'), width: 110, render: (_v, r) => <PriorityMark priority={r.priority} /> },
    { key: 'code', title: t('alarms.point'), width: 180, render: (_v, r) => <Link to={trendLink(r.code, r.at)} className="mono" title={t('alarms.trend')}>{r.code}</Link> },
    { key: 'name', title: t('envelope.name'), width: 220, dataIndex: 'name' },
    { key: 'condition', title: t('alarms.condition'), width: 120, render: (_v, r) => t(`alarms.conditions.${r.condition}`) },
    { key: 'value', title: t('alarms.value'), width: 120, align: 'right', render: (_v, r) => <span className="alarm-value">{valueText(r.value, '')}</span> },
    { key: 'limit', title: t('alarms.limit'), width: 110, align: 'right', render: (_v, r) => <span className="alarm-value">{valueText(r.limit, '')}</span> },
    { key: 'by', title: t('alarms.by'), width: 130, dataIndex: 'by' },
    { key: 'comment', title: t('alarms.comment'), width: 260, dataIndex: 'comment' },
  ];
}
