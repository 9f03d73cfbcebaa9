/* One resource of any kind: its life, its content, who uses it, its files, its history, its JSON.
 * /r/{plural}/new makes one. */
import { CopyOutlined, DeleteOutlined, QuestionCircleOutlined } from '@ant-design/icons';
import { Alert, Button, Tabs } from 'antd';
import { lazy, Suspense, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useNavigate, useParams, useSearchParams } from 'react-router';
import { ConfirmDelete } from '@/components/ConfirmDelete';
import { PageHeader } from '@/components/PageHeader';
import { RelativeTime } from '@/components/RelativeTime';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { PasswordDialog } from '@/modules/core/login/PasswordDialog';
import { headsOf, pathOf, tabsOf } from '@/app/modules';
import { textOf, useKind, useKinds, useRemove, useResource } from '@/lib/resources';
import { coded, labelOf, nameOf } from '@/lib/names';
import { useCan } from '@/lib/session';
import { useHotkeys } from '@/lib/useHotkeys';
import { useUndo } from './list/BulkDelete';
import type { KindDoc, Resource } from '@/lib/types';
import { OrgCell, StateBadge } from './cells';
import { LifeBar } from './detail/LifeBar';
import { Neighbours } from './detail/Neighbours';
import { ReadView } from './detail/ReadView';
import { History } from './History';
import { ResourceForm } from './ResourceForm';
import type { Values } from './form/formModel';
import type { KeyRow } from './Shortcuts';
import './resource.css';

const WhereUsed = lazy(async () => ({ default: (await import('./detail/WhereUsed')).WhereUsed }));
const Attachments = lazy(async () => ({ default: (await import('./detail/Attachments')).Attachments }));
const Shortcuts = lazy(async () => ({ default: (await import('./Shortcuts')).Shortcuts }));

/* What some kinds show beside their form, from what is being typed. */
const ASIDES: Record<string, React.LazyExoticComponent<React.ComponentType<{ resource?: Resource; values?: Values }>>> = {
  code_rule: lazy(async () => ({ default: (await import('./design/RulePreview')).RulePreview })),
};

const KEYS: KeyRow[] = [['Ctrl+S', 'keys.save'], ['Alt+↑', 'keys.previous'], ['Alt+↓', 'keys.next'], ['Esc', 'keys.list'], ['?', 'keys.help']];

function Actions({ kind, resource, onHelp }: { kind: KindDoc; resource: Resource; onHelp: () => void }) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const can = useCan();
  const remove = useRemove(kind.plural);
  const undo = useUndo(kind);
  const [dialog, setDialog] = useState<'delete' | 'password' | null>(null);
  const label = labelOf(resource, i18n.language);
  const fixed = kind.lifecycle?.states.find((s) => s.state === resource.state)?.delete === false;
  const run = async () => {
    await remove.mutateAsync({ id: resource.id, rev: resource.rev });
    undo([resource.id], t('detail.deleted', { what: label }));
    void navigate(`/r/${kind.plural}`);
  };
  return (
    <>
      {!kind.single && can(kind.kind, 'write') && <Button icon={<CopyOutlined />} onClick={() => void navigate(`/r/${kind.plural}/new?copy=${resource.id}`)}>{t('action.copy')}</Button>}
      {kind.kind === 'user' && can('user', 'admin') && <Button onClick={() => setDialog('password')}>{t('user.setPassword')}</Button>}
      {!kind.single && can(kind.kind, 'delete') && <Button danger icon={<DeleteOutlined />} disabled={fixed} title={fixed ? t('detail.stateKeeps') : undefined} onClick={() => setDialog('delete')}>{t('action.delete')}</Button>}
      <Button type="text" icon={<QuestionCircleOutlined />} title={t('keys.title')} aria-label={t('keys.title')} className="hide-small" onClick={onHelp} />
      <ConfirmDelete open={dialog === 'delete'} what={`${textOf(kind.title, i18n.language)} ${label}`} type={label} onDelete={run} onClose={() => setDialog(null)} />
      {dialog === 'password' && <PasswordDialog open user={resource} onClose={() => setDialog(null)} />}
    </>
  );
}

function Facts({ kind, resource }: { kind: KindDoc; resource: Resource }) {
  const { t } = useTranslation();
  return (
    <div className="row wrap small soft">
      {kind.lifecycle && <StateBadge kind={kind} state={resource.state} />}
      {resource.num ? <span>{t('envelope.num')} {resource.num}</span> : null}
      {resource.org && <span>{t('envelope.org')} <OrgCell resource={resource} /></span>}
      <span>{t('envelope.rev')} {resource.rev}</span>
      <span>{t('detail.changed')} <RelativeTime at={resource.updated_at} /> {resource.updated_by}</span>
      <span>{t('detail.created')} <RelativeTime at={resource.created_at} /> {resource.created_by}</span>
    </div>
  );
}

function WithAside({ kind, resource, children }: { kind: KindDoc; resource?: Resource; children: (onValues: (v: Values) => void) => React.ReactNode }) {
  const [values, setValues] = useState<Values>();
  const Aside = ASIDES[kind.kind];
  if (!Aside) return <>{children(() => {})}</>;
  return <div className="with-aside"><div>{children(setValues)}</div><aside><Suspense fallback={<Loading rows={3} />}><Aside resource={resource} values={values} /></Suspense></aside></div>;
}

export function Existing({ kind, id }: { kind: KindDoc; id: string }) {
  const { t, i18n } = useTranslation();
  const can = useCan();
  const navigate = useNavigate();
  const [params, setParams] = useSearchParams();
  const [dirty, setDirty] = useState(false);
  const [keys, setKeys] = useState(false);
  const query = useResource(kind.plural, id);
  const resource = query.data;
  useHotkeys({ '?': () => setKeys(true), 'Escape': () => void navigate(-1) });
  if (query.error && !resource) return <ErrorState error={query.error} retry={() => void query.refetch()} />;
  if (!resource) return <Loading rows={10} />;
  const tab = params.get('tab') ?? 'form';
  const titles = textOf(kind.titles ?? kind.title, i18n.language);
  const locked = kind.lifecycle?.states.find((s) => s.state === resource.state)?.edit === false;
  const readOnly = !can(kind.kind, 'write') || locked;
  const content = readOnly ? <ReadView kind={kind} resource={resource} />
    : <WithAside kind={kind} resource={resource}>{(onValues) => <ResourceForm kind={kind} resource={resource} onDirty={setDirty} onValues={onValues} />}</WithAside>;
  return (
    <div className="page">
      <PageHeader title={kind.single ? titles : labelOf(resource, i18n.language)}
        sub={<>{kind.single ? textOf(kind.help, i18n.language) : <><Link to={`/r/${kind.plural}`}>{titles}</Link> {coded(resource) ? nameOf(resource, i18n.language) : ''}</>}</>}
        extra={<><Neighbours kind={kind} id={resource.id} /><Actions kind={kind} resource={resource} onHelp={() => setKeys(true)} /></>} />
      <Facts kind={kind} resource={resource} />
      {headsOf(kind.kind).map((h, i) => <Suspense key={i} fallback={null}><h.component resource={resource} /></Suspense>)}
      {kind.lifecycle && <LifeBar kind={kind} resource={resource} dirty={dirty} />}
      {locked && can(kind.kind, 'write') && <Alert type="info" showIcon title={t('life.locked')} />}
      <Tabs activeKey={tab} onChange={(key) => setParams(key === 'form' ? {} : { tab: key }, { replace: true })} items={[
        { key: 'form', label: t('detail.form'), children: content },
        ...tabsOf(kind.kind).filter((x) => !x.need || can(x.need[0], x.need[1])).map((x) => (
          { key: x.key, label: t(x.title), children: tab === x.key && <Suspense fallback={<Loading />}><x.component resource={resource} /></Suspense> })),
        ...(kind.single ? [] : [
          { key: 'used', label: t('used.title'), children: tab === 'used' && <Suspense fallback={<Loading />}><WhereUsed kind={kind} resource={resource} /></Suspense> },
          { key: 'files', label: t('attach.title'), children: tab === 'files' && <Suspense fallback={<Loading />}><Attachments kind={kind} resource={resource} readOnly={readOnly} /></Suspense> },
        ]),
        { key: 'history', label: t('detail.history'), children: tab === 'history' && <History kind={kind} resource={resource} /> },
        { key: 'json', label: 'JSON', children: <pre className="panel panel-body mono json-view">{JSON.stringify(resource, null, 2)}</pre> },
      ]} />
      {keys && <Suspense fallback={null}><Shortcuts rows={KEYS} onClose={() => setKeys(false)} /></Suspense>}
    </div>
  );
}

/* ?spec.parent=… fills fields of the new one. */
function presetOf(params: URLSearchParams): Resource | undefined {
  const fields = [...params].filter(([k]) => k.startsWith('spec.')).map(([k, v]) => [k.slice(5), v]);
  return fields.length > 0 ? ({ spec: Object.fromEntries(fields) } as Resource) : undefined;
}

function Fresh({ kind }: { kind: KindDoc }) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const [params] = useSearchParams();
  const copy = params.get('copy') ?? undefined;
  const source = useResource(kind.plural, copy);
  const preset = useMemo(() => presetOf(params), [params]);
  if (copy && !source.data) return source.error ? <ErrorState error={source.error} /> : <Loading />;
  return (
    <div className="page">
      <PageHeader title={t('detail.new', { what: textOf(kind.title, i18n.language) })} sub={<Link to={`/r/${kind.plural}`}>{textOf(kind.titles ?? kind.title, i18n.language)}</Link>} />
      {kind.help && <div className="soft">{textOf(kind.help, i18n.language)}</div>}
      <WithAside kind={kind}>{(onValues) => <ResourceForm kind={kind} copyOf={source.data ?? preset} onValues={onValues} onSaved={(r) => void navigate(pathOf(kind.kind, kind.plural, r.id), { replace: true })} />}</WithAside>
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
