/* A kind made by its users: basics, fields, life cycle, list and form, JSON, with the form as it will be beside
 * it. Saving shows first what happens to what is stored. */
import { DeleteOutlined, UnorderedListOutlined } from '@ant-design/icons';
import { Alert, Button, Form, Input, Switch, Tabs } from 'antd';
import { useQueryClient } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useNavigate, useParams } from 'react-router';
import { ConfirmDelete } from '@/components/ConfirmDelete';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { toForm } from '@/components/schema/convert';
import { KindFields } from '@/components/schema/SchemaForm';
import { ErrorState, Loading } from '@/components/states';
import { UnsavedGuard } from '@/components/UnsavedGuard';
import { asError, call, post, seg, type FieldFault } from '@/lib/api';
import { staleKind, textOf, useKinds, useList, useResource } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { useHotkeys } from '@/lib/useHotkeys';
import { useNarrow } from '@/lib/useNarrow';
import { formatCount } from '@/lib/units';
import type { KindPlan } from '@/lib/pending';
import type { KindDoc, Resource } from '@/lib/types';
import { BiText } from './BiText';
import { FieldList } from './FieldList';
import { JsonEditor } from './JsonEditor';
import { LayoutEditor } from './LayoutEditor';
import { LifeEditor } from './LifeEditor';
import { emptyDesign, faultsOf, fromDocument, pluralOf, removeField, renameField, renamesOf, toDocument, withFields, type Design } from './model';
import { PlanDialog } from './PlanDialog';
import '../resource.css';

type Stored = Resource<{ document: KindDoc }>;

/* The same renderer as the real form; nothing that is typed is kept. */
function Preview({ design }: { design: Design }) {
  const { t, i18n } = useTranslation();
  const doc = useMemo(() => toDocument(design), [design]);
  const key = JSON.stringify(doc.fields.map((f) => [f.name, f.type, f.default, f.items?.type]));
  return (
    <section className="design-preview" aria-label={t('design.preview')}>
      <div className="soft small">{t('design.preview')}</div>
      <h2>{t('detail.new', { what: textOf(doc.title, i18n.language, doc.kind) })}</h2>
      <Form key={key} layout="vertical" initialValues={{ spec: toForm(doc.fields, {}, true) }}>
        <section className="form-group"><div className="form-grid">
          <Form.Item label={t('envelope.code')} required={doc.code?.required}><Input /></Form.Item>
          <Form.Item label={t('envelope.name')}><Input /></Form.Item>
        </div></section>
        <KindFields kind={doc} creating />
        {doc.fields.length === 0 && <span className="muted">{t('design.noFields')}</span>}
      </Form>
    </section>
  );
}

function Basics({ design, stored, fault, onChange }: { design: Design; stored: boolean; fault: (w: string) => string | undefined; onChange: (d: Design) => void }) {
  const { t } = useTranslation();
  const help = (w: string) => ({ validateStatus: fault(w) ? 'error' as const : undefined, help: fault(w) });
  return (
    <Form layout="vertical" component="div">
      <div className="form-grid">
        <Form.Item label={t('design.title')} required {...help('title')}><BiText label={t('design.title')} value={design.title} onChange={(title) => onChange({ ...design, title })} /></Form.Item>
        <Form.Item label={t('design.titles')}><BiText label={t('design.titles')} value={design.titles} onChange={(titles) => onChange({ ...design, titles })} /></Form.Item>
        <Form.Item label={t('design.kindName')} required {...help('kind')} extra={stored ? undefined : t('design.kindHelp')}>
          <Input className="mono" value={design.kind} disabled={stored} aria-label={t('design.kindName')} onChange={(e) => onChange({ ...design, kind: e.target.value, plural: design.plural === '' || design.plural === pluralOf(design.kind) ? pluralOf(e.target.value) : design.plural })} />
        </Form.Item>
        <Form.Item label={t('design.plural')} extra={t('design.pluralHelp', { path: `/r/${design.plural}` })}><Input className="mono" value={design.plural} disabled={stored} aria-label={t('design.plural')} onChange={(e) => onChange({ ...design, plural: e.target.value })} /></Form.Item>
        <Form.Item className="wide" label={t('design.help')}><BiText label={t('design.help')} value={design.help} onChange={(h) => onChange({ ...design, help: h })} /></Form.Item>
        <Form.Item label={t('design.codeRequired')} extra={t('design.codeHelp')}><Switch checked={Boolean(design.code?.required)} onChange={(required) => onChange({ ...design, code: { ...design.code, required } })} /></Form.Item>
        <Form.Item label={t('design.codeLifelong')}><Switch checked={Boolean(design.code?.lifelong)} onChange={(lifelong) => onChange({ ...design, code: { ...design.code, lifelong: lifelong || undefined } })} /></Form.Item>
        <Form.Item label={t('design.codePattern')} extra={<Link to="/r/code-rules">{t('design.codeRules')}</Link>}><Input className="mono" value={design.code?.pattern ?? ''} placeholder="[A-Z]{2}-[0-9]+" onChange={(e) => onChange({ ...design, code: { ...design.code, pattern: e.target.value || undefined } })} /></Form.Item>
        <Form.Item label={t('design.numbered')}><Switch checked={Boolean(design.numbered)} onChange={(numbered) => onChange({ ...design, numbered: numbered || undefined })} /></Form.Item>
      </div>
    </Form>
  );
}

function useSaveKind(stored: Stored | undefined) {
  const client = useQueryClient();
  return async (design: Design, drop: boolean): Promise<Stored> => {
    const document = toDocument(design);
    const renames = renamesOf(design);
    const body = { code: document.kind, name: document.title.zh || document.title.en, labels: stored?.labels ?? {}, spec: { document, ...(Object.keys(renames).length ? { renames } : {}), on_loss: drop ? 'drop' : 'refuse' } };
    const answer = stored ? await call<Stored>('PUT', `/user-kinds/${seg(stored.id)}`, { body, ifMatch: stored.rev }) : await call<Stored>('POST', '/user-kinds', { body });
    await client.invalidateQueries({ queryKey: ['/kinds'] });
    await staleKind(client, 'user-kinds');
    await staleKind(client, document.plural);
    return answer.data;
  };
}

function Designer({ stored }: { stored?: Stored }) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const notify = useNotify();
  const can = useCan();
  const narrow = useNarrow();
  const client = useQueryClient();
  const first = useMemo(() => (stored ? fromDocument(stored.spec.document, true) : emptyDesign()), [stored]);
  const [design, setDesign] = useState<Design>(first);
  const [shown, setShown] = useState(first);
  const [tab, setTab] = useState(stored ? 'fields' : 'basics');
  const [tried, setTried] = useState(false);
  const [plan, setPlan] = useState<KindPlan | null>(null);
  const [busy, setBusy] = useState(false);
  const [faults, setFaults] = useState<FieldFault[]>([]);
  const [deleting, setDeleting] = useState(false);
  const dirty = design !== shown;
  const rows = useList(stored?.spec.document.plural ?? null, { size: 1 });
  const save = useSaveKind(stored);
  if (stored && shown !== first && !dirty) { // what was stored meanwhile
    setShown(first);
    setDesign(first);
  }
  const own = tried ? faultsOf(design) : [];
  const fault = (where: string) => {
    const mine = own.find((f) => f.where === where);
    if (mine) return t(`design.fault.${mine.code}`);
    return faults.find((f) => f.where?.replace(/^spec\.document\./, '') === where)?.detail;
  };
  const run = async (drop: boolean) => {
    setBusy(true);
    try {
      const saved = await save(design, drop);
      setPlan(null);
      setFaults([]);
      setShown(design);
      notify.done(t('detail.saved'));
      if (!stored) setTimeout(() => void navigate(`/r/user-kinds/${saved.id}`, { replace: true }), 0);
    } catch (e) {
      setPlan(null);
      setFaults(asError(e).faults());
    } finally {
      setBusy(false);
    }
  };
  const start = async () => {
    setTried(true);
    setFaults([]);
    const wrong = faultsOf(design);
    if (wrong.length > 0) {
      setTab(wrong[0].where.startsWith('fields') ? 'fields' : wrong[0].where.startsWith('lifecycle') ? 'life' : 'basics');
      return;
    }
    setBusy(true);
    try {
      const p = await post<KindPlan>('/user-kinds:plan', { document: toDocument(design), renames: renamesOf(design) });
      if (p.rows > 0 || p.loses || p.blocks) setPlan(p);
      else await run(false);
    } catch (e) {
      setFaults(asError(e).faults());
    } finally {
      setBusy(false);
    }
  };
  const readOnly = !can('user_kind', 'write');
  useHotkeys({ 'Ctrl+s': () => { if (!readOnly && dirty && !busy) void start(); } }, { typing: ['Ctrl+s'] });
  const drop = async () => {
    await post(`/user-kinds/${seg(stored?.id ?? '')}:drop`, { confirm: stored?.code });
    await client.invalidateQueries({ queryKey: ['/kinds'] });
    await staleKind(client, 'user-kinds');
    setDesign(shown);
    void navigate('/r/user-kinds');
  };
  const count = (where: string) => own.filter((f) => (where === 'basics' ? !/^(fields|lifecycle)/.test(f.where) : f.where.startsWith(where))).length;
  const label = (text: string, where: string) => (count(where) > 0 ? <span>{text} <span className="quality bad">({count(where)})</span></span> : text);
  const items = [
    { key: 'basics', label: label(t('design.basics'), 'basics'), children: <Basics design={design} stored={Boolean(stored)} fault={fault} onChange={setDesign} /> },
    { key: 'fields', label: label(t('design.fields', { n: design.fields.length }), 'fields'), children: (
      <FieldList fields={design.fields} depth={0} fault={(w) => fault(`fields${w}`)} onChange={(fields) => setDesign(withFields(design, fields))} onName={(i, name) => setDesign(renameField(design, i, name))} onRemove={(i) => setDesign(removeField(design, i))} />
    ) },
    { key: 'life', label: label(t('life.title'), 'lifecycle'), children: <LifeEditor life={design.lifecycle} fields={design.fields} fault={fault} onChange={(lifecycle) => setDesign({ ...design, lifecycle })} /> },
    { key: 'layout', label: t('design.layout'), children: <LayoutEditor design={design} onChange={setDesign} /> },
    { key: 'json', label: 'JSON', children: <JsonEditor design={design} onChange={setDesign} /> },
    ...(narrow ? [{ key: 'preview', label: t('design.preview'), children: <Preview design={design} /> }] : []),
  ];
  const title = textOf(design.title, i18n.language, design.kind) || t('design.newKind');
  return (
    <div className="page">
      <UnsavedGuard dirty={dirty && !busy} />
      <PageHeader title={stored ? title : t('design.newKind')} sub={<><Link to="/r/user-kinds">{t('design.kinds')}</Link>{stored && <span className="mono"> {stored.code}</span>}</>} extra={(
        <>
          {stored && <Button icon={<UnorderedListOutlined />} onClick={() => void navigate(`/r/${stored.spec.document.plural}`)}>{t('design.openList', { n: formatCount(rows.data?.total) })}</Button>}
          {stored && can('user_kind', 'delete') && <Button danger icon={<DeleteOutlined />} onClick={() => setDeleting(true)}>{t('action.delete')}</Button>}
          {!readOnly && <Button type="primary" loading={busy} disabled={!dirty} title="Ctrl+S" onClick={() => void start()}>{t('action.save')}</Button>}
        </>
      )} />
      {faults.length > 0 && <Alert type="error" showIcon title={t('detail.notSaved')} description={<ul>{faults.slice(0, 12).map((f, i) => <li key={i}>{f.where && <span className="mono">{f.where.replace(/^spec\.document\./, '')}: </span>}{f.detail}</li>)}</ul>} />}
      <div className={narrow ? '' : `designer${tab === 'life' ? ' wide' : ''}`}>
        <div className="panel panel-pad"><Tabs activeKey={tab} onChange={setTab} items={items} /></div>
        {!narrow && <Preview design={design} />}
      </div>
      {plan && <PlanDialog plan={plan} busy={busy} onRun={(d) => void run(d)} onClose={() => setPlan(null)} />}
      <ConfirmDelete open={deleting} what={t('design.deleteWhat', { what: title, n: formatCount(rows.data?.total ?? 0) })} type={stored?.code ?? ''} onDelete={drop} onClose={() => setDeleting(false)} />
    </div>
  );
}

function StoredDesigner({ id }: { id: string }) {
  const query = useResource<{ document: KindDoc }>('user-kinds', id);
  if (query.error && !query.data) return <ErrorState error={query.error} retry={() => void query.refetch()} />;
  if (!query.data) return <Loading rows={10} />;
  return <Designer stored={query.data} />;
}

export function DesignerPage() {
  const { id } = useParams();
  const kinds = useKinds();
  if (kinds.isPending) return <Loading />;
  return id === undefined ? <Designer key="new" /> : <StoredDesigner key={id} id={id} />;
}
