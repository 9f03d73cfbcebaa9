/* Who did what, when, from where, and how it ended. */
import { Modal } from 'antd';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSearchParams } from 'react-router';
import { DataTable, type DataColumn } from '@/components/DataTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState } from '@/components/states';
import { TimeRange, useRange } from '@/components/TimeRange';
import { useApi } from '@/lib/resources';
import { formatTime, resolveRange } from '@/lib/time';
import type { AuditAnswer, AuditRow } from '@/lib/types';

const words = (v: unknown) => (v === undefined || v === null ? '' : typeof v === 'string' ? v : JSON.stringify(v));

export function AuditPage() {
  const { t } = useTranslation();
  const [range, setRange] = useRange({ from: 'now-24h', to: 'now' });
  const [params, setParams] = useSearchParams();
  const [open, setOpen] = useState<AuditRow | null>(null);
  const page = Number(params.get('page') ?? 1);
  const size = Number(params.get('size') ?? 50);
  // "now" is pinned per range: a moving end would be a new query every render
  const abs = useMemo(() => resolveRange(range), [range.from, range.to]); // eslint-disable-line react/exhaustive-deps
  const list = useApi<AuditAnswer>('/audit', { from: Math.round(abs.from), to: Math.round(abs.to), page, size }, { keep: true });
  const columns: DataColumn<AuditRow>[] = [
    { key: 'at', title: t('audit.at'), width: 170, render: (_v, r) => formatTime(r.at) },
    { key: 'login', title: t('audit.by'), width: 120, dataIndex: 'login' },
    { key: 'class', title: t('audit.class'), width: 90, render: (_v, r) => t(`audit.classes.${r.class}`, r.class) },
    { key: 'action', title: t('audit.action'), width: 200, dataIndex: 'action' },
    { key: 'resource', title: t('audit.target'), width: 240, render: (_v, r) => <span className="mono">{[r.kind, r.resource].filter(Boolean).join(' ')}</span> },
    { key: 'outcome', title: t('audit.outcome'), width: 110, render: (_v, r) => <span className={r.status >= 400 ? 'quality bad' : ''}>{r.outcome}{r.status >= 400 ? ` (${r.status})` : ''}</span> },
    { key: 'peer', title: t('sessions.address'), width: 150, dataIndex: 'peer' },
    { key: 'detail', title: t('audit.detail'), width: 300, render: (_v, r) => <span className="mono">{words(r.detail)}</span> },
  ];
  return (
    <div className="page fixed">
      <PageHeader title={t('audit.title')} extra={<TimeRange value={range} onChange={setRange} />} />
      {list.error && !list.data ? <ErrorState error={list.error} retry={() => void list.refetch()} /> : (
        <DataTable id="audit" columns={columns} rows={list.data?.items ?? []} rowKey={(r) => String(r.seq)} loading={list.isPending}
          empty={<EmptyState title={t('audit.empty')} help={t('audit.emptyHelp')} />} onOpen={setOpen} total={list.data?.total} page={page} size={size}
          onPage={(p, s) => setParams((q) => { q.set('page', String(p)); q.set('size', String(s)); return q; }, { replace: true })} />
      )}
      <Modal open={open !== null} width={640} footer={null} title={t('audit.record')} onCancel={() => setOpen(null)}><pre className="mono json-view">{JSON.stringify(open, null, 2)}</pre></Modal>
    </div>
  );
}
