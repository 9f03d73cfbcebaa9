/* A pushing device: where to send, its token (shown once), what came last and what is wrong with it. */
import { CopyOutlined } from '@ant-design/icons';
import { Alert, Button, Modal, Table } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { RelativeTime } from '@/components/RelativeTime';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { BASE, post, seg } from '@/lib/api';
import type { GetPushDevicesIdLatestAnswer as Latest } from '@/lib/api.gen';
import { copyText } from '@/lib/browser';
import { useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import type { Resource } from '@/lib/types';

type Key = Latest['items'][number];

export function PushPanel({ resource }: { resource: Resource }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const may = useCan()('push_device', 'write');
  const [modal, holder] = Modal.useModal();
  const [token, setToken] = useState('');
  const { data, error, refetch } = useApi<Latest>(`/push-devices/${seg(resource.id)}/latest`, undefined, { every: 5000, keep: true });
  if (error && !data) return <ErrorState error={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  const make = async () => {
    try {
      setToken((await post<{ token: string }>(`/push-devices/${seg(resource.id)}:token`)).token);
    } catch (e) {
      notify.failed(e);
    }
  };
  const ask = () => void (data.has_token ? modal.confirm({ title: t('push.token'), content: t('push.tokenAsk'), okText: t('action.done'), cancelText: t('action.cancel'), onOk: make }) : make());
  const url = `${location.origin}${BASE}/${token || '<token>'}/telemetry`;
  return (
    <div className="col">
      {holder}
      <div className="panel panel-body col">
        <div><span className="soft">{t('push.url')}</span> <code className="mono">POST {url}</code></div>
        {token && <Alert type="warning" showIcon title={t('push.tokenOnce')} description={<div className="token-box"><code className="mono grow">{token}</code><Button icon={<CopyOutlined />} onClick={() => void copyText(token).then((ok) => ok && notify.done(t('tokens.copied')))}>{t('action.copyText')}</Button></div>} />}
        {may && <div><Button onClick={ask}>{t('push.token')}</Button></div>}
      </div>
      {data.items.length === 0 ? <EmptyState title={t('push.empty')} help={t('push.emptyHelp')} /> : (
        <Table<Key> size="small" pagination={false} rowKey="key" dataSource={data.items} scroll={{ x: 640 }} columns={[
          { title: t('push.key'), dataIndex: 'key', width: 180 },
          { title: t('push.value'), key: 'v', width: 160, render: (_v, k) => k.value },
          { title: t('push.at'), key: 't', width: 130, render: (_v, k) => <RelativeTime at={k.t} /> },
          { title: t('push.point'), key: 'point', width: 180, render: (_v, k) => k.point ?? '—' },
          { title: t('push.problem'), key: 'problem', width: 220, render: (_v, k) => k.problem },
        ]} />
      )}
    </div>
  );
}
