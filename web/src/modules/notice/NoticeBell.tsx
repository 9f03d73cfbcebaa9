/* In the top bar: unread notices, the newest in a drawer. */
import { BellOutlined } from '@ant-design/icons';
import { Badge, Button, Drawer } from 'antd';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { useNotify } from '@/components/notify';
import { EmptyState, ErrorState } from '@/components/states';
import { post } from '@/lib/api';
import { staleKind, useApi } from '@/lib/resources';
import { NoticeLine } from './NoticeLine';
import type { Notice, NoticesAnswer } from './types';

export function useMarkRead() {
  const client = useQueryClient();
  const notify = useNotify();
  return async (body: { ids: string[] } | { all: true }) => {
    try {
      await post('/notices:read', body);
      await staleKind(client, 'notices');
    } catch (e) {
      notify.failed(e);
    }
  };
}

export function NoticeBell() {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const markRead = useMarkRead();
  const list = useApi<NoticesAnswer>('/notices', { size: 20 }, { every: 60000, keep: true });
  const items = list.data?.items ?? [];
  const unread = list.data?.unread ?? 0;
  const follow = (n: Notice) => {
    setOpen(false);
    if (!n.read) void markRead({ ids: [n.id] });
  };
  return (
    <>
      <Badge count={unread} size="small" overflowCount={99}>
        <Button type="text" icon={<BellOutlined />} onClick={() => setOpen(true)} aria-label={t('notice.bell', { n: unread })} title={t('notice.bell', { n: unread })} />
      </Badge>
      <Drawer open={open} onClose={() => setOpen(false)} title={t('notice.title')} size={420} styles={{ body: { padding: 0, display: 'flex', flexDirection: 'column' } }}
        extra={<Button size="small" disabled={unread === 0} onClick={() => void markRead({ all: true })}>{t('notice.readAll')}</Button>}
        footer={<Link to="/notices" onClick={() => setOpen(false)}>{t('notice.all')}</Link>}>
        {list.error && !list.data ? <ErrorState error={list.error} retry={() => void list.refetch()} /> : (
          <div className="notice-list">
            {items.length === 0 && <EmptyState title={t('notice.empty')} />}
            {items.map((n) => <NoticeLine key={n.id} notice={n} onOpen={() => follow(n)} />)}
          </div>
        )}
      </Drawer>
    </>
  );
}
