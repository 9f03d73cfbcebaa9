/* One resource of any kind: its form, its history, its JSON. /r/{plural}/new makes one. */
import { DeleteOutlined } from '@ant-design/icons';
import { Button, Tabs } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useNavigate, useParams, useSearchParams } from 'react-router';
import { ConfirmDelete } from '@/components/ConfirmDelete';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { RelativeTime } from '@/components/RelativeTime';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { PasswordDialog } from '@/modules/core/login/PasswordDialog';
import { pathOf } from '@/app/modules';
import { textOf, useKind, useKinds, useRemove, useResource } from '@/lib/resources';
import { coded, labelOf, nameOf } from '@/lib/names';
import { useCan } from '@/lib/session';
import type { KindDoc, Resource } from '@/lib/types';
import { History } from './History';
import { ResourceForm } from './ResourceForm';

function Actions({ kind, resource }: { kind: KindDoc; resource: Resource }) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const notify = useNotify();
  const can = useCan();
  const remove = useRemove(kind.plural);
  const [dialog, setDialog] = useState<'delete' | 'password' | null>(null);
  const label = labelOf(resource, i18n.language);
  const run = async () => {
    await remove.mutateAsync({ id: resource.id, rev: resource.rev });
    notify.done(t('detail.deleted', { what: label }));
    void navigate(`/r/${kind.plural}`);
  };
  return (
    <>
      <Button onClick={() => void navigate(`/r/${kind.plural}/new?copy=${resource.id}`)}>{t('action.copy')}</Button>
      {kind.kind === 'user' && can('user', 'admin') && <Button onClick={() => setDialog('password')}>{t('user.setPassword')}</Button>}
      {can(kind.kind, 'delete') && <Button danger icon={<DeleteOutlined />} onClick={() => setDialog('delete')}>{t('action.delete')}</Button>}
      <ConfirmDelete open={dialog === 'delete'} what={`${textOf(kind.title, i18n.language)} ${label}`} type={label} onDelete={run} onClose={() => setDialog(null)} />
      {dialog === 'password' && <PasswordDialog open user={resource} onClose={() => setDialog(null)} />}
    </>
  );
}

function Facts({ resource }: { resource: Resource }) {
  const { t } = useTranslation();
  return (
    <div className="row wrap small soft">
      {resource.num ? <span>{t('envelope.num')} {resource.num}</span> : null}
      {resource.state && <span>{t('envelope.state')} {resource.state}</span>}
      <span>{t('envelope.rev')} {resource.rev}</span>
      <span>{t('detail.changed')} <RelativeTime at={resource.updated_at} /> {resource.updated_by}</span>
      <span>{t('detail.created')} <RelativeTime at={resource.created_at} /> {resource.created_by}</span>
    </div>
  );
}

function Existing({ kind, id }: { kind: KindDoc; id: string }) {
  const { t, i18n } = useTranslation();
  const can = useCan();
  const [params, setParams] = useSearchParams();
  const query = useResource(kind.plural, id);
  const resource = query.data;
  if (query.error && !resource) return <ErrorState error={query.error} retry={() => void query.refetch()} />;
  if (!resource) return <Loading rows={10} />;
  const tab = params.get('tab') ?? 'form';
  const titles = textOf(kind.titles ?? kind.title, i18n.language);
  return (
    <div className="page">
      <PageHeader title={labelOf(resource, i18n.language)} sub={<><Link to={`/r/${kind.plural}`}>{titles}</Link> {coded(resource) ? nameOf(resource, i18n.language) : ''}</>} extra={<Actions kind={kind} resource={resource} />} />
      <Facts resource={resource} />
      <Tabs activeKey={tab} onChange={(key) => setParams(key === 'form' ? {} : { tab: key }, { replace: true })} items={[
        { key: 'form', label: t('detail.form'), children: <ResourceForm kind={kind} resource={resource} readOnly={!can(kind.kind, 'write')} /> },
        { key: 'history', label: t('detail.history'), children: <History kind={kind} resource={resource} /> },
        { key: 'json', label: 'JSON', children: <pre className="panel panel-body mono json-view">{JSON.stringify(resource, null, 2)}</pre> },
      ]} />
    </div>
  );
}

function Fresh({ kind }: { kind: KindDoc }) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const [params] = useSearchParams();
  const copy = params.get('copy') ?? undefined;
  const source = useResource(kind.plural, copy);
  if (copy && !source.data) return source.error ? <ErrorState error={source.error} /> : <Loading />;
  return (
    <div className="page">
      <PageHeader title={t('detail.new', { what: textOf(kind.title, i18n.language) })} sub={<Link to={`/r/${kind.plural}`}>{textOf(kind.titles ?? kind.title, i18n.language)}</Link>} />
      {kind.help && <div className="soft">{textOf(kind.help, i18n.language)}</div>}
      <ResourceForm kind={kind} copyOf={source.data} onSaved={(r) => void navigate(pathOf(kind.kind, kind.plural, r.id), { replace: true })} />
    </div>
  );
}

export function DetailPage() {
  const { plural, id } = useParams();
  const kinds = useKinds();
  const kind = useKind(plural);
  const { t } = useTranslation();
  if (kinds.isPending) return <Loading />;
  if (kinds.error) return <ErrorState error={kinds.error} retry={() => void kinds.refetch()} />;
  if (!kind) return <EmptyState title={t('state.notFound')} help={plural} />;
  return id === undefined ? <Fresh kind={kind} /> : <Existing key={id} kind={kind} id={id} />;
}
