/* Who uses the disk: by point, class or place, the greatest first. */
import { ReloadOutlined } from '@ant-design/icons';
import { useQueryClient } from '@tanstack/react-query';
import { Button, Input, Segmented } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useSearchParams } from 'react-router';
import { DataTable, type DataColumn } from '@/components/DataTable';
import { useNotify } from '@/components/notify';
import { EmptyState, ErrorState } from '@/components/states';
import { get } from '@/lib/api';
import { useApi } from '@/lib/resources';
import { formatTime } from '@/lib/time';
import { formatBytes, formatCount } from '@/lib/units';
import { useDebounced } from '@/lib/useDebounced';
import type { UsageAnswer, UsageRow } from './types';

/* The figures are gathered each hour; this gathers them now. */
function Recount({ busy }: { busy: boolean }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const client = useQueryClient();
  const [waiting, setWaiting] = useState(false);
  const run = async () => {
    setWaiting(true);
    try {
      await get<UsageAnswer>('/storage/usage', { refresh: 1, size: 1 });
      await client.invalidateQueries({ queryKey: ['/storage/usage'] });
    } catch (e) {
      notify.failed(e);
    } finally {
      setWaiting(false);
    }
  };
  return <Button icon={<ReloadOutlined />} loading={waiting || busy} onClick={() => void run()}>{t('storage.recount')}</Button>;
}

type By = 'point' | 'class' | 'place';

export function UsageTable() {
  const { t } = useTranslation();
  const [params, setParams] = useSearchParams();
  const by = (params.get('by') ?? 'point') as By;
  const page = Number(params.get('page') ?? 1);
  const size = Number(params.get('size') ?? 50);
  const sort = params.get('sort') ?? '-bytes';
  const [text, setText] = useState('');
  const q = useDebounced(text.trim(), 250);
  const list = useApi<UsageAnswer>('/storage/usage', { by, q, sort, page, size }, { keep: true, every: 15000 });
  const set = (change: Record<string, string>) => setParams((p) => {
    for (const [k, v] of Object.entries(change)) p.set(k, v);
    return p;
  }, { replace: true });
  const name = (r: UsageRow) => {
    if (by === 'place') return t(`storage.placeOf.${r.key}`);
    if (by === 'class') return <Link to={`/r/archive-classes/${encodeURIComponent(r.key)}`}>{r.name || r.key}</Link>;
    return <Link to={`/r/points/${encodeURIComponent(r.key)}?tab=advice`} title={t('storage.toAdvice')}>{r.name || r.key}</Link>;
  };
  const columns: DataColumn<UsageRow>[] = [
    { key: 'key', title: t(`storage.byOf.${by}`), width: 200, sorter: true, render: (_v, r) => <span className="mono">{by === 'point' ? r.key : name(r)}</span> },
    ...(by === 'point' ? [{ key: 'name', title: t('storage.name'), width: 220, render: (_v: unknown, r: UsageRow) => name(r) }] : []),
    ...(by === 'point' ? [{ key: 'class', title: t('storage.class'), width: 140, render: (_v: unknown, r: UsageRow) => r.class }] : []),
    { key: 'bytes', title: t('storage.bytes'), width: 110, align: 'right', sorter: true, render: (_v, r) => formatBytes(r.bytes) },
    { key: 'samples', title: t('storage.samples'), width: 140, align: 'right', sorter: true, render: (_v, r) => formatCount(r.samples) },
    { key: 'bytes_per_sample', title: t('storage.bytesSample'), width: 120, align: 'right', sorter: true, render: (_v, r) => r.bytes_per_sample.toFixed(2) },
    { key: 'oldest', title: t('storage.oldest'), width: 170, render: (_v, r) => formatTime(r.oldest) },
    { key: 'newest', title: t('storage.newest'), width: 170, render: (_v, r) => formatTime(r.newest) },
  ];
  const tools = (
    <>
      <Segmented<By> value={by} onChange={(v) => set({ by: v, page: '1' })} options={(['point', 'class', 'place'] as const).map((v) => ({ value: v, label: t(`storage.byOf.${v}`) }))} />
      <Input.Search allowClear value={text} onChange={(e) => setText(e.target.value)} placeholder={t('storage.find')} aria-label={t('storage.find')} style={{ width: 200 }} />
      <Recount busy={list.data?.refreshing === true} />
      {list.data?.at && <span className="muted small">{t('storage.asOf', { at: formatTime(list.data.at) })}</span>}
    </>
  );
  if (list.error && !list.data) return <ErrorState error={list.error} retry={() => void list.refetch()} />;
  return (
    <DataTable id={`usage-${by}`} columns={columns} rows={list.data?.items ?? []} rowKey={(r) => `${r.key}/${r.class}/${r.place}`} loading={list.isPending} tools={tools}
      empty={<EmptyState title={t('storage.noUsage')} help={t('storage.noUsageHelp')} />} total={list.data?.total} page={page} size={size}
      onPage={(p, s) => set({ page: String(p), size: String(s) })} sort={sort} onSort={(s) => set({ sort: s || '-bytes', page: '1' })} />
  );
}
