/* All attachments that one may see, newest first, with what they belong to. */
import { useTranslation } from 'react-i18next';
import { Link, useSearchParams } from 'react-router';
import { DataTable, type DataColumn } from '@/components/DataTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState } from '@/components/states';
import type { GetAttachmentsAnswer } from '@/lib/api.gen';
import { attachmentUrl, textOf, useApi, useKinds } from '@/lib/resources';
import { formatTime } from '@/lib/time';
import { formatBytes } from '@/lib/units';

type Row = GetAttachmentsAnswer['items'][number];

export function AttachmentsPage() {
  const { t, i18n } = useTranslation();
  const [params, setParams] = useSearchParams();
  const { data: kinds } = useKinds();
  const page = Number(params.get('page') ?? 1);
  const size = Number(params.get('size') ?? 50);
  const list = useApi<GetAttachmentsAnswer>('/attachments', { page, size }, { keep: true });
  const owner = (r: Row) => {
    const kind = kinds?.find((k) => k.kind === r.kind);
    return <Link to={`/r/${kind?.plural ?? r.kind}/${r.resource}?tab=files`}>{textOf(kind?.title, i18n.language, r.kind)}</Link>;
  };
  const columns: DataColumn<Row>[] = [
    { key: 'name', title: t('files.name'), width: 280, render: (_v, r) => <a href={attachmentUrl(r.id)} target="_blank" rel="noreferrer">{r.name}</a> },
    { key: 'owner', title: t('files.owner'), width: 180, render: (_v, r) => owner(r) },
    { key: 'type', title: t('files.type'), width: 180, dataIndex: 'type' },
    { key: 'size', title: t('files.size'), width: 110, align: 'right', render: (_v, r) => formatBytes(r.size) },
    { key: 'by', title: t('files.by'), width: 130, dataIndex: 'by' },
    { key: 'at', title: t('files.at'), width: 170, render: (_v, r) => formatTime(r.at) },
    { key: 'sha256', title: 'SHA-256', width: 300, hidden: true, render: (_v, r) => <span className="mono">{r.sha256}</span> },
  ];
  return (
    <div className="page fixed">
      <PageHeader title={t('files.title')} />
      {list.error && !list.data ? <ErrorState error={list.error} retry={() => void list.refetch()} /> : (
        <DataTable id="attachments" columns={columns} rows={list.data?.items ?? []} rowKey={(r) => r.id} loading={list.isPending}
          empty={<EmptyState title={t('files.empty')} help={t('files.emptyHelp')} />} total={list.data?.total} page={page} size={size}
          onPage={(p, s) => setParams((q) => { q.set('page', String(p)); q.set('size', String(s)); return q; }, { replace: true })} />
      )}
    </div>
  );
}
