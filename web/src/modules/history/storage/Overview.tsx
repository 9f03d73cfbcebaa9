/* The figures at a glance, the growth with its forecast, places and classes. */
import { Alert, Progress, Table, Tag, Tooltip } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { useApi } from '@/lib/resources';
import { formatDuration, formatTime } from '@/lib/time';
import { formatBytes, formatCount } from '@/lib/units';
import { GrowthChart } from './GrowthChart';
import type { ClassRow, GrowthAnswer, PlaceRow, StorageAnswer } from './types';

const RAW_BYTES = 24; /* of a sample as it travels: what compression is measured against */

function Figure({ title, value, sub }: { title: string; value: ReactNode; sub?: ReactNode }) {
  return (
    <div className="panel panel-body storage-figure">
      <div className="soft small">{title}</div>
      <div className="storage-value">{value}</div>
      {sub && <div className="muted small">{sub}</div>}
    </div>
  );
}

const perSample = (bytes: number, samples: number) => (samples > 0 ? bytes / samples : 0);
const ratio = (bytes: number, samples: number) => (bytes > 0 ? `${(RAW_BYTES / perSample(bytes, samples)).toFixed(0)} : 1` : '—');

function Figures({ s, growth }: { s: StorageAnswer; growth: GrowthAnswer | undefined }) {
  const { t } = useTranslation();
  const bytes = s.classes.reduce((n, c) => n + c.bytes, 0);
  const samples = s.classes.reduce((n, c) => n + c.samples, 0);
  const full = growth?.full_at ? formatTime(growth.full_at).slice(0, 10) : null;
  return (
    <div className="storage-figures">
      <Figure title={t('storage.stored')} value={formatBytes(bytes)} sub={t('storage.samplesOf', { n: formatCount(samples), head: formatCount(s.engine.samples_head) })} />
      <Figure title={t('storage.compression')} value={ratio(bytes, samples)} sub={t('storage.bytesPer', { n: samples > 0 ? perSample(bytes, samples).toFixed(2) : '—' })} />
      <Figure title={t('storage.growth')} value={growth?.per_day_bytes ? t('storage.perDay', { n: formatBytes(growth.per_day_bytes) }) : '—'} sub={full ? t('storage.fullAt', { at: full }) : t('storage.noForecast')} />
      <Figure title={t('storage.disk')} value={formatBytes(s.disk_free)} sub={<Progress percent={Math.round(100 - (100 * s.disk_free) / Math.max(1, s.disk_total))} size="small" status={s.disk_free < s.disk_total * 0.1 ? 'exception' : 'normal'} />} />
      <Figure title={t('storage.range')} value={s.engine.oldest ? formatTime(s.engine.oldest).slice(0, 10) : '—'} sub={t('storage.until', { at: formatTime(s.engine.newest) })} />
      <Figure title={t('storage.path')} value={t('storage.lag', { s: (s.path.lag_ms / 1000).toFixed(1) })} sub={t('storage.filtered', { n: formatCount(s.path.filtered + s.path.door), p: s.path.received > 0 ? ((100 * (s.path.filtered + s.path.door)) / s.path.received).toFixed(0) : '0' })} />
    </div>
  );
}

const STATE_TAG = { ok: 'success', away: 'error', none: 'default' } as const;

function Places({ places, at }: { places: PlaceRow[]; at: string | null }) {
  const { t, i18n } = useTranslation();
  const why = (p: PlaceRow) => (i18n.language.startsWith('zh') ? p.why_zh : p.why);
  return (
    <section className="panel">
      <div className="panel-head">{t('storage.places')}{at && <span className="muted small"> {t('storage.asOf', { at: formatTime(at) })}</span>}</div>
      <Table<PlaceRow> size="small" pagination={false} rowKey="name" dataSource={places} scroll={{ x: 'max-content' }} columns={[
        { title: t('storage.place'), dataIndex: 'name', render: (p: string) => t(`storage.placeOf.${p}`) },
        { title: t('storage.state'), dataIndex: 'state', render: (_v, p) => <Tooltip title={why(p)}><Tag color={STATE_TAG[p.state]}>{t(`storage.placeState.${p.state}`)}</Tag></Tooltip> },
        { title: t('storage.at'), dataIndex: 'at', render: (v: string | null, p) => <>{v ?? '—'}{p.state === 'away' && <div className="soft small">{why(p)}</div>}</> },
        { title: t('storage.files'), dataIndex: 'files', align: 'right', render: formatCount },
        { title: t('storage.bytes'), dataIndex: 'bytes', align: 'right', render: formatBytes },
        { title: t('storage.samples'), dataIndex: 'samples', align: 'right', render: formatCount },
        { title: t('storage.free'), dataIndex: 'free', align: 'right', render: (v: number | null) => (v === null ? '—' : formatBytes(v)) },
      ]} />
    </section>
  );
}

function Classes({ classes }: { classes: ClassRow[] }) {
  const { t } = useTranslation();
  const keep = (s: number) => (s > 0 ? formatDuration(s * 1000) : t('storage.forever'));
  return (
    <section className="panel">
      <div className="panel-head">{t('storage.classes')}</div>
      <Table<ClassRow> size="small" pagination={false} rowKey="code" dataSource={classes} scroll={{ x: 'max-content' }} columns={[
        { title: t('storage.class'), dataIndex: 'name', render: (_v, c) => <Link to={`/r/archive-classes/${encodeURIComponent(c.code)}`}>{c.name || c.code}</Link> },
        { title: t('storage.keep'), dataIndex: 'max_age_s', render: keep },
        { title: t('storage.limit'), dataIndex: 'max_bytes', align: 'right', render: (v: number) => (v > 0 ? formatBytes(v) : '—') },
        { title: t('storage.bytes'), dataIndex: 'bytes', align: 'right', render: formatBytes },
        { title: t('storage.samples'), dataIndex: 'samples', align: 'right', render: formatCount },
        { title: t('storage.bytesSample'), key: 'per', align: 'right', render: (_v, c) => (c.samples > 0 ? perSample(c.bytes, c.samples).toFixed(2) : '—') },
        { title: t('storage.compression'), key: 'ratio', align: 'right', render: (_v, c) => ratio(c.bytes, c.samples) },
        { title: t('storage.oldest'), dataIndex: 'oldest', render: (v: string | null) => formatTime(v) },
      ]} />
    </section>
  );
}

export function Overview({ storage }: { storage: StorageAnswer }) {
  const { t } = useTranslation();
  const growth = useApi<GrowthAnswer>('/storage/growth', { days: 90 }, { stale: 60000 });
  return (
    <div className="storage-scroll">
      {storage.engine.read_only && <Alert type="error" showIcon title={t('storage.readOnly')} description={storage.engine.read_only_why} />}
      <Figures s={storage} growth={growth.data} />
      <section className="panel">
        <div className="panel-head">{t('storage.growthTitle')}</div>
        <GrowthChart answer={growth.data} free={storage.disk_free} />
      </section>
      {storage.places.length > 0 && <Places places={storage.places} at={storage.places_at} />}
      <Classes classes={storage.classes} />
    </div>
  );
}
