/* Broken places that were found: the samples there are missing from answers, nothing wrong is given. */
import { useTranslation } from 'react-i18next';
import { DataTable, type DataColumn } from '@/components/DataTable';
import { EmptyState, ErrorState } from '@/components/states';
import { useApi } from '@/lib/resources';
import { formatTime } from '@/lib/time';
import { formatBytes, formatCount } from '@/lib/units';
import type { DamageAnswer, DamageRow } from './types';

export function DamageTable() {
  const { t } = useTranslation();
  const list = useApi<DamageAnswer>('/storage/damage', undefined, { every: 30000, keep: true });
  if (list.error && !list.data) return <ErrorState error={list.error} retry={() => void list.refetch()} />;
  const columns: DataColumn<DamageRow>[] = [
    { key: 'found_at', title: t('storage.found'), width: 170, render: (_v, r) => formatTime(r.found_at) },
    { key: 'code', title: t('storage.byOf.point'), width: 180, render: (_v, r) => <span className="mono">{r.code || '—'}</span> },
    { key: 'from', title: t('storage.from'), width: 170, render: (_v, r) => (r.from ? formatTime(r.from) : '—') },
    { key: 'to', title: t('storage.to'), width: 170, render: (_v, r) => (r.to ? formatTime(r.to) : '—') },
    { key: 'samples', title: t('storage.samples'), width: 110, align: 'right', render: (_v, r) => (r.samples > 0 ? formatCount(r.samples) : '—') },
    { key: 'bytes', title: t('storage.bytes'), width: 100, align: 'right', render: (_v, r) => formatBytes(r.bytes) },
    { key: 'file', title: t('storage.file'), width: 380, render: (_v, r) => <span className="mono">{`${r.file} @ ${r.offset}`}</span> },
  ];
  return (
    <DataTable id="damage" columns={columns} rows={list.data?.items ?? []} rowKey={(r) => `${r.file}@${r.offset}`} loading={list.isPending}
      empty={<EmptyState title={t('storage.noDamage')} help={t('storage.noDamageHelp')} />} />
  );
}
