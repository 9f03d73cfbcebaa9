/* Create or change one resource: code, name, organisation, the kind's fields, labels; faults of the server on
 * their fields; a lost race (412) settled field by field; files that become attachments with the save; Ctrl+S. */
import { Alert, Button, Form, Input, Modal } from 'antd';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { editorOf } from '@/app/modules';
import { useNotify } from '@/components/notify';
import { OrgSelect } from '@/components/OrgSelect';
import { knownPath, pathOfWhere } from '@/components/schema/convert';
import { QuickCreateContext, type QuickCreate } from '@/components/schema/quick';
import { KindFields } from '@/components/schema/SchemaForm';
import { UnsavedGuard } from '@/components/UnsavedGuard';
import { asError, type ApiError, type FieldFault } from '@/lib/api';
import { getResource, textOf, useKind, useSave } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { useHotkeys } from '@/lib/useHotkeys';
import type { KindDoc, Resource, ResourceInput, Spec } from '@/lib/types';
import { Conflict } from './Conflict';
import { initialOf, inputOf, maskedKind, neededFor, type Values } from './form/formModel';
import { LabelsEditor } from './LabelsEditor';
import './resource.css';

interface Props {
  kind: KindDoc;
  resource?: Resource;
  copyOf?: Resource;
  readOnly?: boolean;
  name?: string;                          /* of a new one */
  small?: boolean;                        /* in a dialog */
  onSaved?: (r: Resource) => void;
  onDirty?: (dirty: boolean) => void;
  onValues?: (values: Values) => void;    /* what is being typed, for previews beside the form */
}

/* A reference that lacks its target: a small form for it on top. */
function useQuickCreate() {
  const { t, i18n } = useTranslation();
  const [making, setMaking] = useState<{ kind: KindDoc; text: string; done: (r: Resource) => void } | null>(null);
  const quick = useCallback<QuickCreate>((kind, text, done) => setMaking({ kind, text, done }), []);
  const dialog = making && (
    <Modal open width={760} footer={null} title={t('detail.new', { what: textOf(making.kind.title, i18n.language) })} onCancel={() => setMaking(null)} mask={{ closable: false }}>
      <ResourceForm small kind={making.kind} name={making.text} onSaved={(r) => { making.done(r); setMaking(null); }} />
    </Modal>
  );
  return { quick, dialog };
}

export function ResourceForm({ kind: given, resource, copyOf, readOnly, name, small, onSaved, onDirty, onValues }: Props) {
  const { t, i18n } = useTranslation();
  const notify = useNotify();
  const can = useCan();
  const kind = useMemo(() => maskedKind(given, can(given.kind, 'sensitive')), [given, can]);
  const withOrg = useKind('org') !== undefined && !kind.org_from && !kind.single && kind.kind !== 'org';
  const [form] = Form.useForm<Values>();
  const save = useSave(kind.plural);
  const [dirty, setDirtyState] = useState(false);
  const [faults, setFaults] = useState<FieldFault[]>([]);
  const [base, setBase] = useState(resource); // what the form was filled from, not what the server has by now
  const [conflict, setConflict] = useState<{ mine: ResourceInput; stored: Resource } | null>(null);
  const { quick, dialog } = useQuickCreate();
  const creating = !resource;
  const initial = useMemo(() => ({ ...initialOf(kind, resource ?? copyOf, creating), ...(name ? { name } : {}) }), [kind, resource, copyOf, creating, name]);
  const editors = useMemo(() => (field: string) => editorOf(kind.kind, field), [kind]);
  const notes = useMemo(() => neededFor(kind, resource?.state, i18n.language, (names) => t('life.neededFor', { names })), [kind, resource?.state, i18n.language, t]);
  const setDirty = (d: boolean) => {
    setDirtyState(d);
    onDirty?.(d);
  };

  useEffect(() => {
    if (!dirty) {
      setBase(resource);
      form.resetFields();
      form.setFieldsValue(initial);
    }
    // a newer version from the server fills a form that nobody is editing
  }, [initial]); // eslint-disable-line react/exhaustive-deps
  useHotkeys({ 'Ctrl+s': () => { if (!readOnly && !save.isPending && (dirty || creating)) form.submit(); } }, { typing: ['Ctrl+s'] });

  const reset = (values: Values) => {
    form.resetFields();
    form.setFieldsValue(values);
    setDirty(false);
    setFaults([]);
  };
  const showFaults = (e: ApiError) => {
    const all = e.faults();
    const placed = all.filter((f) => f.where && knownPath(pathOfWhere(f.where), kind.fields));
    form.setFields(placed.map((f) => ({ name: pathOfWhere(f.where as string) as never, errors: [f.detail] })));
    setFaults(all.filter((f) => !placed.includes(f)));
    if (placed[0]?.where) form.scrollToField(pathOfWhere(placed[0].where) as never, { block: 'center' });
  };
  /* New files stand in their fields as uploads, which the server makes attachments with the change. */
  const store = (input: ResourceInput, rev: number | undefined): Promise<Resource> =>
    resource ? save.mutateAsync({ id: resource.id, rev, input }) : save.mutateAsync({ input });
  const send = async (input: ResourceInput, rev: number | undefined) => {
    setFaults([]);
    try {
      const saved = await store(input, rev);
      setConflict(null);
      setDirty(false);
      notify.done(t('detail.saved'));
      if (onSaved) setTimeout(() => onSaved(saved), 0);
      else {
        setBase(saved);
        reset(initialOf(kind, saved, false));
      }
    } catch (e) {
      const error = asError(e);
      if (error.status === 412 && resource) setConflict({ mine: input, stored: await getResource(kind.plural, resource.id) });
      else showFaults(error);
    }
  };
  const submit = (values: Values) => void send(inputOf(kind, values, form.getFieldsValue(true).spec as Spec, base, withOrg), base?.rev);
  return (
    <QuickCreateContext value={readOnly || small ? null : quick}>
      <Form<Values> form={form} layout="vertical" initialValues={initial} disabled={readOnly} onFinish={submit} scrollToFirstError={{ block: 'center' }}
        onValuesChange={(_c, values) => { setDirty(true); onValues?.(values as Values); }} autoComplete="off" className="resource-form" name={small ? `quick-${kind.kind}` : undefined}>
        {!small && <UnsavedGuard dirty={dirty} />}
        {faults.length > 0 && (
          <Alert type="error" showIcon title={t('detail.notSaved')} description={<ul>{faults.map((f, i) => <li key={i}>{f.where && <span className="mono">{f.where}: </span>}{f.detail}</li>)}</ul>} />
        )}
        {!kind.single && (
          <section className="form-group">
            <div className="form-grid">
              <Form.Item name="code" label={t('envelope.code')} rules={[{ required: kind.code?.required, message: t('form.required') }]} extra={creating ? t(kind.code?.required ? 'detail.codeHelp' : 'detail.codeAuto') : undefined}>
                <Input autoFocus={creating} className="mono" disabled={!creating && kind.code?.lifelong ? true : undefined} />
              </Form.Item>
              <Form.Item name="name" label={t('envelope.name')}><Input /></Form.Item>
              {withOrg && <Form.Item name="org" label={t('envelope.org')}><OrgSelect placeholder={t('detail.wholePlatform')} /></Form.Item>}
            </div>
          </section>
        )}
        <KindFields kind={kind} disabled={readOnly} creating={creating} editors={editors as never} notes={notes} />
        {!small && !kind.single && <LabelsEditor plural={kind.plural} disabled={readOnly} />}
        {!readOnly && (
          <div className={`form-foot row${small ? ' small-foot' : ''}`}>
            <Button type="primary" htmlType="submit" loading={save.isPending} disabled={!dirty && !creating && !copyOf} title="Ctrl+S">{t('action.save')}</Button>
            {dirty && !small && <Button onClick={() => { setBase(resource); reset(initial); }}>{t('action.discard')}</Button>}
            {dirty && !small && <span className="soft">{t('detail.unsaved')}</span>}
            {dirty && base && resource && resource.rev > base.rev && <span className="quality uncertain">{t('detail.meanwhile', { who: resource.updated_by, rev: resource.rev })}</span>}
          </div>
        )}
      </Form>
      {dialog}
      {conflict && base && (
        <Conflict base={base} mine={conflict.mine} stored={conflict.stored} onCancel={() => setConflict(null)}
          onSave={(input) => void send(input, conflict.stored.rev)}
          onTheirs={() => { setBase(conflict.stored); reset(initialOf(kind, conflict.stored, false)); setConflict(null); }} />
      )}
    </QuickCreateContext>
  );
}
