/* API tokens: created with roles and an end, shown once. */
import { CopyOutlined, PlusOutlined } from '@ant-design/icons';
import { Alert, Button, DatePicker, Form, Input, Modal, Tag } from 'antd';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { Dayjs } from 'dayjs';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ConfirmDelete } from '@/components/ConfirmDelete';
import { DataTable, type DataColumn } from '@/components/DataTable';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { RelativeTime } from '@/components/RelativeTime';
import { OrgSelect } from '@/components/OrgSelect';
import { RefSelect } from '@/components/schema/RefSelect';
import { EmptyState, ErrorState, FaultList } from '@/components/states';
import { asError, del, post, seg, type ApiError } from '@/lib/api';
import { copyText } from '@/lib/browser';
import { useRoleName } from '@/lib/names';
import { useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { formatTime } from '@/lib/time';
import type { NewToken, Token, TokensAnswer } from '@/lib/types';

function Created({ token, onClose }: { token: string; onClose: () => void }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const copy = async () => {
    if (await copyText(token)) notify.done(t('tokens.copied'));
  };
  return (
    <Modal open title={t('tokens.created')} onCancel={onClose} mask={{ closable: false }} footer={<Button type="primary" onClick={onClose}>{t('action.done')}</Button>}>
      <div className="col">
        <Alert type="warning" showIcon title={t('tokens.once')} />
        <div className="token-box"><code className="mono grow">{token}</code><Button icon={<CopyOutlined />} onClick={() => void copy()}>{t('action.copyText')}</Button></div>
        <div className="soft small">{t('tokens.use')} <code className="mono">Authorization: Bearer bn_…</code></div>
      </div>
    </Modal>
  );
}

interface Values {
  name: string;
  roles: string[];
  orgs?: string[];
  user?: string;
  expires_at?: Dayjs;
}

function Create({ onClose, onToken }: { onClose: () => void; onToken: (token: string) => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const admin = useCan()('user', 'admin');
  const [form] = Form.useForm<Values>();
  const create = useMutation<NewToken, ApiError, Values>({
    mutationFn: (v) => post('/tokens', { name: v.name, roles: v.roles, orgs: v.orgs?.length ? v.orgs : undefined, user: v.user ?? undefined, expires_at: v.expires_at?.toISOString() }),
    onSuccess: (answer) => {
      void client.invalidateQueries({ queryKey: ['/tokens'] });
      onToken(answer.token);
    },
  });
  return (
    <Modal open title={t('tokens.new')} okText={t('action.create')} cancelText={t('action.cancel')} onCancel={onClose} onOk={() => form.submit()} confirmLoading={create.isPending}>
      {create.error && <Alert type="error" showIcon title={asError(create.error).message} description={<FaultList error={create.error} />} />}
      <Form form={form} layout="vertical" onFinish={(v) => create.mutate(v)}>
        <Form.Item name="name" label={t('envelope.name')} extra={t('tokens.nameHelp')} rules={[{ required: true, message: t('form.required') }]}><Input autoFocus /></Form.Item>
        <Form.Item name="roles" label={t('tokens.roles')} rules={[{ required: true, message: t('form.required') }]}><RefSelect kind="role" by="code" multiple /></Form.Item>
        <Form.Item name="orgs" label={t('tokens.orgs')} extra={t('tokens.orgsHelp')}><OrgSelect multiple /></Form.Item>
        {admin && <Form.Item name="user" label={t('tokens.user')} extra={t('tokens.userHelp')}><RefSelect kind="user" filter="service=true" /></Form.Item>}
        <Form.Item name="expires_at" label={t('tokens.expires')} extra={t('tokens.expiresHelp')}><DatePicker showTime style={{ width: '100%' }} /></Form.Item>
      </Form>
    </Modal>
  );
}

export function TokensPage() {
  const { t } = useTranslation();
  const roleName = useRoleName();
  const client = useQueryClient();
  const list = useApi<TokensAnswer>('/tokens');
  const [dialog, setDialog] = useState<'new' | null>(null);
  const [token, setToken] = useState('');
  const [doomed, setDoomed] = useState<Token | null>(null);
  const columns: DataColumn<Token>[] = [
    { key: 'name', title: t('envelope.name'), dataIndex: 'name', width: 200 },
    { key: 'roles', title: t('tokens.roles'), width: 200, render: (_v, r) => (r.roles ?? []).map((x) => <Tag key={x}>{roleName(x)}</Tag>) },
    { key: 'orgs', title: t('tokens.orgs'), width: 160, hidden: true, render: (_v, r) => (r.orgs?.length ? r.orgs.join(', ') : t('access.wholePlatform')) },
    { key: 'created_by', title: t('envelope.created_by'), dataIndex: 'login', width: 120 },
    { key: 'created_at', title: t('envelope.created_at'), width: 130, render: (_v, r) => <RelativeTime at={r.created_at} /> },
    { key: 'expires_at', title: t('tokens.expires'), width: 170, render: (_v, r) => (r.expires_at ? formatTime(r.expires_at) : t('tokens.never')) },
    { key: 'used_at', title: t('tokens.lastUsed'), width: 130, render: (_v, r) => <RelativeTime at={r.used_at} /> },
    { key: 'x', title: '', width: 90, render: (_v, r) => <Button size="small" danger onClick={() => setDoomed(r)}>{t('tokens.revoke')}</Button> },
  ];
  const button = <Button type="primary" icon={<PlusOutlined />} onClick={() => setDialog('new')}>{t('tokens.new')}</Button>;
  return (
    <div className="page fixed">
      <PageHeader title={t('tokens.title')} extra={button} />
      {list.error && !list.data ? <ErrorState error={list.error} retry={() => void list.refetch()} /> : (
        <DataTable id="tokens" columns={columns} rows={list.data?.items ?? []} rowKey={(r) => r.id} loading={list.isPending}
          empty={<EmptyState title={t('tokens.empty')} help={t('tokens.emptyHelp')} action={button} />} />
      )}
      {dialog === 'new' && <Create onClose={() => setDialog(null)} onToken={(x) => { setDialog(null); setToken(x); }} />}
      {token && <Created token={token} onClose={() => setToken('')} />}
      <ConfirmDelete open={doomed !== null} what={doomed?.name ?? ''} type={doomed?.name ?? ''} onClose={() => setDoomed(null)}
        onDelete={async () => { await del(`/tokens/${seg(doomed?.id ?? '')}`); await client.invalidateQueries({ queryKey: ['/tokens'] }); }} />
    </div>
  );
}
