/* Deleting a channel: while devices stand behind it, they are shown and it stays; else the code is typed. */
import { Modal, Skeleton } from 'antd';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { ConfirmDelete } from '@/components/ConfirmDelete';
import { quote } from '@/lib/filter';
import { useApi, useRemove } from '@/lib/resources';
import type { ChannelStatus, Page, Resource } from '@/lib/types';

export function DeleteChannel({ channel, onClose, onGone }: { channel: ChannelStatus; onClose: () => void; onGone: () => void }) {
  const { t } = useTranslation();
  const remove = useRemove('channels');
  const users = useApi<Page<Resource>>('/devices', { filter: `channel=${quote(channel.id)}`, sort: 'code', size: 20 });
  const erase = async () => {
    await remove.mutateAsync({ id: channel.id });
    onGone();
  };
  /* who uses it cannot be read: the server decides */
  if (users.error || users.data?.total === 0) return <ConfirmDelete open what={channel.code} type={channel.code} onClose={onClose} onDelete={erase} />;
  return (
    <Modal open title={t('connections.delete.title', { code: channel.code })} onCancel={onClose} onOk={onClose} okText={t('action.close')} cancelButtonProps={{ hidden: true }}>
      {users.data ? (
        <div className="col">
          <div>{t('connections.delete.used', { n: users.data.total, points: channel.points })}</div>
          <ul className="used-by">
            {users.data.items.map((d) => <li key={d.id}><Link to={`/r/devices/${encodeURIComponent(d.id)}`} onClick={onClose}><span className="mono">{d.code}</span> {d.name !== d.code && d.name}</Link></li>)}
            {users.data.total > users.data.items.length && <li className="muted">… {users.data.total - users.data.items.length}</li>}
          </ul>
          <div className="soft">{t('connections.delete.how')}</div>
        </div>
      ) : <Skeleton active />}
    </Modal>
  );
}
