import { Button, Tag } from 'antd';
import { useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { DataTable, type DataColumn } from '@/components/DataTable';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { RelativeTime } from '@/components/RelativeTime';
import { EmptyState, ErrorState } from '@/components/states';
import { del, seg } from '@/lib/api';
import { useApi } from '@/lib/resources';
import { formatTime } from '@/lib/time';
import type { SessionRow, SessionsAnswer } from '@/lib/types';

export function SessionsPage() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const notify = useNotify();
  const list = useApi<SessionsAnswer>('/sessions');
  const end = async (id: string) => {
    try {
      await del(`/sessions/${seg(id)}`);
      await client.invalidateQueries({ queryKey: ['/sessions'] });
      notify.done(t('sessions.ended'));
    } catch (e) {
      notify.failed(e);
    }
  };
  const columns: DataColumn<SessionRow>[] = [
    { key: 'login', title: t('sessions.user'), width: 160, render: (_v, r) => <>{r.login} {r.current && <Tag>{t('sessions.current')}</Tag>}</> },
    { key: 'address', title: t('sessions.address'), width: 160, render: (_v, r) => r.peer ?? '—' },
    { key: 'agent', title: t('sessions.agent'), dataIndex: 'agent', width: 260 },
    { key: 'created_at', title: t('sessions.since'), width: 170, render: (_v, r) => formatTime(r.created_at) },
    { key: 'seen_at', title: t('sessions.lastSeen'), width: 130, render: (_v, r) => <RelativeTime at={r.seen_at} /> },
    { key: 'expires_at', title: t('tokens.expires'), width: 170, render: (_v, r) => formatTime(r.expires_at) },
    { key: 'x', title: '', width: 90, render: (_v, r) => <Button size="small" danger disabled={r.current} onClick={() => void end(r.id)}>{t('sessions.end')}</Button> },
  ];
  return (
    <div className="page fixed">
      <PageHeader title={t('sessions.title')} />
      {list.error && !list.data ? <ErrorState error={list.error} retry={() => void list.refetch()} />
        : <DataTable id="sessions" columns={columns} rows={list.data?.items ?? []} rowKey={(r) => r.id} loading={list.isPending} empty={<EmptyState title={t('sessions.empty')} />} />}
    </div>
  );
}
