/* The embedded engine and those behind archive classes: do they answer, what waits for them. */
import { Alert } from 'antd';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { DataTable, type DataColumn } from '@/components/DataTable';
import { EmptyState, ErrorState } from '@/components/states';
import { useApi } from '@/lib/resources';
import { formatDuration } from '@/lib/time';
import { formatBytes, formatCount } from '@/lib/units';
import type { EngineRow, EnginesAnswer } from './types';

export function EngineTable() {
  const { t, i18n } = useTranslation();
  const list = useApi<EnginesAnswer>('/ts-engines:status', undefined, { every: 5000, keep: true });
  if (list.error && !list.data) return <ErrorState error={list.error} retry={() => void list.refetch()} />;
  const columns: DataColumn<EngineRow>[] = [
    { key: 'code', title: t('storage.engine'), width: 180, render: (_v, r) => <Link to={`/r/ts-engines/${encodeURIComponent(r.code)}`}>{r.code}</Link> },
    { key: 'engine', title: t('storage.kind'), width: 150, render: (_v, r) => r.engine },
    { key: 'state', title: t('storage.state'), width: 100, render: (_v, r) => <span className={r.state === 'up' ? 'quality good' : 'quality bad'}>{t(`storage.states.${r.state}`)}</span> },
    { key: 'pending', title: t('storage.pending'), width: 160, align: 'right', render: (_v, r) => `${formatCount(r.pending)} (${formatBytes(r.pending_bytes)})` },
    { key: 'lag', title: t('storage.behind'), width: 110, align: 'right', render: (_v, r) => (r.pending > 0 ? formatDuration(r.lag_s * 1000) : '—') },
    { key: 'sent', title: t('storage.sent'), width: 140, align: 'right', render: (_v, r) => formatCount(r.sent) },
    { key: 'failed', title: t('storage.failed'), width: 110, align: 'right', render: (_v, r) => formatCount(r.failed) },
    { key: 'dropped', title: t('storage.dropped'), width: 110, align: 'right', render: (_v, r) => (r.dropped > 0 ? <span className="quality bad">{formatCount(r.dropped)}</span> : '0') },
    { key: 'error', title: t('storage.error'), width: 320, render: (_v, r) => (i18n.language === 'en' ? r.error : r.error_zh ?? r.error) ?? '' },
  ];
  return (
    <>
      <Alert type="info" showIcon title={t('storage.embedded')} description={t('storage.embeddedHelp')} />
      <DataTable id="ts-engines" columns={columns} rows={list.data?.items ?? []} rowKey={(r) => r.code} loading={list.isPending} tools={<Link to="/r/ts-engines">{t('storage.manageEngines')}</Link>}
        empty={<EmptyState title={t('storage.noEngines')} help={t('storage.noEnginesHelp')} />} />
    </>
  );
}
