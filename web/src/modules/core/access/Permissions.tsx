/* What one user may do in the end, and by which role of his own or of a group; and the question "may he …?". */
import { CheckCircleOutlined, CloseCircleOutlined } from '@ant-design/icons';
import { Button, Input, Select, Space, Table, Tag } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { OrgSelect } from '@/components/OrgSelect';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { post, seg } from '@/lib/api';
import { useRoleName } from '@/lib/names';
import { textOf, useApi, useKinds } from '@/lib/resources';
import type { Resource } from '@/lib/types';
import { ACTIONS, type CheckAnswer, type OrgRef, type PermissionRow, type PermissionsAnswer } from './types';

function Orgs({ orgs }: { orgs: 'all' | OrgRef[] }) {
  const { t } = useTranslation();
  if (orgs === 'all') return <Tag>{t('access.wholePlatform')}</Tag>;
  const some = orgs.slice(0, 4);
  return <>{some.map((o) => <Tag key={o.id} title={o.code}>{o.name || o.code}</Tag>)}{orgs.length > 4 && <span className="muted" title={orgs.map((o) => o.name || o.code).join('\n')}>+{orgs.length - 4}</span>}</>;
}

function Check({ user }: { user: string }) {
  const { t, i18n } = useTranslation();
  const notify = useNotify();
  const { data: kinds } = useKinds();
  const [ask, setAsk] = useState<{ kind?: string; action: string; org?: string; field?: string }>({ action: 'read' });
  const [answer, setAnswer] = useState<CheckAnswer | null>(null);
  const roleName = useRoleName();
  const run = async () => {
    try {
      setAnswer(await post<CheckAnswer>('/permissions:check', { user, kind: ask.kind, action: ask.action, org: ask.org ?? null, field: ask.field || null }));
    } catch (e) {
      notify.failed(e);
    }
  };
  const change = (c: Partial<typeof ask>) => {
    setAnswer(null);
    setAsk({ ...ask, ...c });
  };
  return (
    <section className="panel panel-body col">
      <strong>{t('access.mayHe')}</strong>
      <Space wrap>
        <Select showSearch={{ optionFilterProp: 'label' }} style={{ minWidth: 180 }} value={ask.kind} onChange={(kind: string) => change({ kind })} placeholder={t('access.kindColumn')} aria-label={t('access.kindColumn')}
          options={[...(kinds ?? []).map((k) => ({ value: k.kind, label: textOf(k.titles ?? k.title, i18n.language, k.kind) })), ...['alarm', 'audit'].map((k) => ({ value: k, label: t(`access.kind.${k}`, k) }))]} />
        <Select style={{ minWidth: 140 }} value={ask.action} onChange={(action: string) => change({ action })} aria-label={t('access.action')} options={ACTIONS.map((a) => ({ value: a, label: t(`access.${a}`) }))} />
        <span style={{ display: 'inline-block', minWidth: 200 }}><OrgSelect value={ask.org} onChange={(v) => change({ org: (v as string) ?? undefined })} placeholder={t('access.anyOrg')} /></span>
        <Input style={{ width: 160 }} value={ask.field} onChange={(e) => change({ field: e.target.value })} placeholder={t('access.field')} aria-label={t('access.field')} />
        <Button type="primary" disabled={!ask.kind} onClick={() => void run()}>{t('access.check')}</Button>
        {answer && (answer.allowed
          ? <span className="row"><CheckCircleOutlined className="quality good" /> {t('access.yes')} {answer.because.map((b, i) => <Tag key={i}>{roleName(b.role)}{b.via !== 'user' ? ` · ${b.via}` : ''}</Tag>)}</span>
          : <span className="row quality bad"><CloseCircleOutlined /> {t('access.no')}</span>)}
      </Space>
    </section>
  );
}

export function Permissions({ resource }: { resource: Resource }) {
  const { t, i18n } = useTranslation();
  const roleName = useRoleName();
  const { data: kinds } = useKinds();
  const { data, error, refetch } = useApi<PermissionsAnswer>(`/users/${seg(resource.id)}/permissions`);
  if (error && !data) return <ErrorState error={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  const title = (kind: string) => (kind === '*' ? t('access.everyKind') : textOf(kinds?.find((k) => k.kind === kind)?.titles, i18n.language, t(`access.kind.${kind}`, kind)));
  return (
    <div className="col">
      <Check user={resource.id} />
      {data.groups.length > 0 && <div className="row wrap"><span className="soft">{t('access.groups')}</span>{data.groups.map((g) => <Tag key={g}>{g}</Tag>)}</div>}
      {data.rows.length === 0 ? <EmptyState title={t('access.nothing')} help={t('access.nothingHelp')} /> : (
        <Table<PermissionRow> size="small" pagination={false} rowKey={(r) => `${r.kind}|${r.actions.join()}|${JSON.stringify(r.orgs)}|${JSON.stringify(r.fields)}`} dataSource={data.rows} scroll={{ x: 760 }} columns={[
          { title: t('access.kindColumn'), key: 'kind', width: 180, render: (_v, r) => <>{title(r.kind)} <span className="muted mono">{r.kind}</span></> },
          { title: t('access.actions'), key: 'actions', width: 240, render: (_v, r) => r.actions.map((a) => t(`access.${a}`)).join(t('access.comma')) },
          { title: t('access.where'), key: 'orgs', width: 200, render: (_v, r) => <Orgs orgs={r.orgs} /> },
          { title: t('access.fields'), key: 'fields', width: 140, render: (_v, r) => (r.fields ? r.fields.join(', ') : <span className="muted">{t('access.allFields')}</span>) },
          { title: t('access.from'), key: 'from', width: 200, render: (_v, r) => r.from.map((f, i) => <Tag key={i}>{roleName(f.role)}{f.via !== 'user' ? ` · ${f.via}` : ''}</Tag>) },
        ]} />
      )}
    </div>
  );
}
