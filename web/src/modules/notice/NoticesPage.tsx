/* All notices of the person who is signed in. */
import { Button, Pagination, Segmented } from 'antd';
import { useTranslation } from 'react-i18next';
import { useSearchParams } from 'react-router';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { useApi } from '@/lib/resources';
import { useMarkRead } from './NoticeBell';
import { NoticeLine } from './NoticeLine';
import type { NoticesAnswer } from './types';

export function NoticesPage() {
  const { t } = useTranslation();
  const [params, setParams] = useSearchParams();
  const unread = params.get('unread') === '1';
  const page = Number(params.get('page') ?? 1);
  const markRead = useMarkRead();
  const list = useApi<NoticesAnswer>('/notices', { unread: unread ? 1 : '', page, size: 50 }, { keep: true });
  const set = (key: string, value: string) => setParams((p) => {
    if (value) p.set(key, value); else p.delete(key);
    if (key !== 'page') p.delete('page');
    return p;
  }, { replace: true });
  const body = () => {
    if (list.error && !list.data) return <ErrorState error={list.error} retry={() => void list.refetch()} />;
    if (list.isPending) return <Loading />;
    if (list.data?.items.length === 0) return <EmptyState title={t('notice.empty')} help={t('notice.emptyHelp')} />;
    return list.data?.items.map((n) => <NoticeLine key={n.id} notice={n} onOpen={() => { if (!n.read) void markRead({ ids: [n.id] }); }} />);
  };
  return (
    <div className="page">
      <PageHeader title={t('notice.title')} extra={(
        <>
          <Segmented value={unread ? '1' : ''} onChange={(v) => set('unread', String(v))} options={[{ value: '', label: t('notice.every') }, { value: '1', label: t('notice.unread', { n: list.data?.unread ?? 0 }) }]} />
          <Button disabled={(list.data?.unread ?? 0) === 0} onClick={() => void markRead({ all: true })}>{t('notice.readAll')}</Button>
        </>
      )} />
      <div className="panel">{body()}</div>
      {(list.data?.total ?? 0) > 50 && <Pagination size="small" current={page} pageSize={50} total={list.data?.total} showSizeChanger={false} onChange={(p) => set('page', String(p))} />}
    </div>
  );
}
