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
import type { Page } from '@/lib/types';

type AuditRow = Record<string, unknown>;

const first = (r: AuditRow, ...keys: string[]) => {
  const value = keys.map((k) => r[k]).find((v) => v !== undefined && v !== null && v !== '');
  return value === undefined ? '—' : typeof value === 'object' ? JSON.stringify(value) : String(value);
};

export function AuditPage() {
  const { t } = useTranslation();
  const [range, setRange] = useRange({ from: 'now-24h', to: 'now' });
  const [params, setParams] = useSearchParams();
  const [open, setOpen] = useState<AuditRow | null>(null);
  const page = Number(params.get('page') ?? 1);
  const size = Number(params.get('size') ?? 50);
  // "now" is pinned per range: a moving end would be a new query every render
  const abs = useMemo(() => resolveRange(range), [range.from, range.to]); // eslint-disable-line react/exhaustive-deps
  const list = useApi<Page<AuditRow>>('/audit', { from: Math.round(abs.from), to: Math.round(abs.to), page, size }, { keep: true });
  const columns: DataColumn<AuditRow>[] = [
    { key: 'at', title: t('audit.at'), width: 170, render: (_v, r) => formatTime((r.at ?? r.t ?? r.time) as string) },
    { key: 'by', title: t('audit.by'), width: 120, render: (_v, r) => first(r, 'login', 'by', 'user') },
    { key: 'action', title: t('audit.action'), width: 200, render: (_v, r) => first(r, 'action', 'op', 'method') },
    { key: 'target', title: t('audit.target'), width: 280, render: (_v, r) => <span className="mono">{first(r, 'target', 'path', 'code', 'id')}</span> },
    { key: 'outcome', title: t('audit.outcome'), width: 120, render: (_v, r) => first(r, 'outcome', 'status', 'result') },
    { key: 'address', title: t('sessions.address'), width: 150, render: (_v, r) => first(r, 'address', 'ip', 'from') },
    { key: 'detail', title: t('audit.detail'), width: 260, render: (_v, r) => first(r, 'detail', 'reason', 'what') },
  ];
  return (
    <div className="page fixed">
      <PageHeader title={t('audit.title')} extra={<TimeRange value={range} onChange={setRange} />} />
      {list.error && !list.data ? <ErrorState error={list.error} retry={() => void list.refetch()} /> : (
        <DataTable id="audit" columns={columns} rows={list.data?.items ?? []} rowKey={(r) => first(r, 'id', 'seq', 'at')} loading={list.isPending}
          empty={<EmptyState title={t('audit.empty')} help={t('audit.emptyHelp')} />} onOpen={setOpen} total={list.data?.total} page={page} size={size}
          onPage={(p, s) => setParams((q) => { q.set('page', String(p)); q.set('size', String(s)); return q; }, { replace: true })} />
      )}
      <Modal open={open !== null} width={640} footer={null} title={t('audit.record')} onCancel={() => setOpen(null)}><pre className="mono json-view">{JSON.stringify(open, null, 2)}</pre></Modal>
    </div>
  );
}
