/* What was sent outside, by which channel, and how it went; what failed can be sent again. */
import { Button, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSearchParams } from 'react-router';
import { DataTable, type DataColumn } from '@/components/DataTable';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState } from '@/components/states';
import { post, seg } from '@/lib/api';
import { useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { formatTime } from '@/lib/time';
import type { DeliveriesAnswer, Delivery } from './types';

const STATES = ['collecting', 'queued', 'sent', 'failed'];

export function DeliveriesPage() {
  const { t } = useTranslation();
  const [params, setParams] = useSearchParams();
  const notify = useNotify();
  const may = useCan()('message_channel', 'write');
  const [busy, setBusy] = useState('');
  const page = Number(params.get('page') ?? 1);
  const size = Number(params.get('size') ?? 50);
  const state = params.get('state') ?? '';
  const list = useApi<DeliveriesAnswer>('/deliveries', { state, page, size }, { keep: true, every: 10000 });
  const retry = async (d: Delivery) => {
    setBusy(d.id);
    try {
      await post(`/deliveries/${seg(d.id)}:retry`);
      await list.refetch();
      notify.done(t('notice.queued'));
    } catch (e) {
      notify.failed(e);
    } finally {
      setBusy('');
    }
  };
  const columns: DataColumn<Delivery>[] = [
    { key: 'at', title: t('notice.at'), width: 170, render: (_v, d) => formatTime(d.at) },
    { key: 'channel', title: t('notice.channel'), width: 160, dataIndex: 'channel_code' },
    { key: 'title', title: t('notice.message'), width: 300, dataIndex: 'title' },
    { key: 'count', title: t('notice.count'), width: 90, align: 'right', dataIndex: 'count' },
    { key: 'state', title: t('notice.state'), width: 110, render: (_v, d) => <span className={d.state === 'failed' ? 'quality bad' : ''}>{t(`notice.states.${d.state}`)}</span> },
    { key: 'tries', title: t('notice.tries'), width: 80, align: 'right', dataIndex: 'tries' },
    { key: 'error', title: t('notice.error'), width: 300, dataIndex: 'error' },
    { key: 'x', title: '', width: 100, render: (_v, d) => (may && d.state === 'failed' ? <Button size="small" loading={busy === d.id} onClick={() => void retry(d)}>{t('action.retry')}</Button> : null) },
  ];
  return (
    <div className="page fixed">
      <PageHeader title={t('notice.deliveries')} />
      {list.error && !list.data ? <ErrorState error={list.error} retry={() => void list.refetch()} /> : (
        <DataTable id="deliveries" columns={columns} rows={list.data?.items ?? []} rowKey={(d) => d.id} loading={list.isPending}
          tools={<Select allowClear style={{ minWidth: 120 }} value={state || undefined} placeholder={t('notice.state')} aria-label={t('notice.state')}
            onChange={(v?: string) => setParams((p) => { if (v) p.set('state', v); else p.delete('state'); p.delete('page'); return p; }, { replace: true })}
            options={STATES.map((s) => ({ value: s, label: t(`notice.states.${s}`) }))} />}
          empty={<EmptyState title={t('notice.noDeliveries')} help={t('notice.noDeliveriesHelp')} />} total={list.data?.total} page={page} size={size}
          onPage={(p, s) => setParams((q) => { q.set('page', String(p)); q.set('size', String(s)); return q; }, { replace: true })} />
      )}
    </div>
  );
}
