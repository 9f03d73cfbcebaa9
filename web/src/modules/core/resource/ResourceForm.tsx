/* Create or change one resource: the kind's fields, code, name and labels; faults of the server on their
 * fields; a lost race (412) shown with both versions. */
import { Alert, Button, Form, Input } from 'antd';
import { useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { editorOf } from '@/app/modules';
import { useNotify } from '@/components/notify';
import { fromForm, knownPath, pathOfWhere, toForm } from '@/components/schema/convert';
import { KindFields } from '@/components/schema/SchemaForm';
import { UnsavedGuard } from '@/components/UnsavedGuard';
import { asError, type ApiError, type FieldFault } from '@/lib/api';
import { getResource, useSave } from '@/lib/resources';
import type { KindDoc, Resource, ResourceInput, Spec } from '@/lib/types';
import { Conflict } from './Conflict';
import { LabelsEditor, labelRows, labelsOf, type LabelRow } from './LabelsEditor';

interface Values {
  code?: string;
  name?: string;
  labels: LabelRow[];
  spec: Spec;
}

interface Props {
  kind: KindDoc;
  resource?: Resource;
  copyOf?: Resource;
  readOnly?: boolean;
  onSaved?: (r: Resource) => void;
}

function initialOf(kind: KindDoc, source: Resource | undefined, creating: boolean): Values {
  return {
    code: creating && source ? '' : source?.code,
    name: source?.name,
    labels: labelRows(source?.labels),
    spec: toForm(kind.fields, source?.spec, creating),
  };
}

export function ResourceForm({ kind, resource, copyOf, readOnly, onSaved }: Props) {
  const { t } = useTranslation();
  const notify = useNotify();
  const [form] = Form.useForm<Values>();
  const save = useSave(kind.plural);
  const [dirty, setDirty] = useState(false);
  const [faults, setFaults] = useState<FieldFault[]>([]);
  const [base, setBase] = useState(resource); // what the form was filled from, not what the server has by now
  const [conflict, setConflict] = useState<{ mine: ResourceInput; stored: Resource } | null>(null);
  const creating = !resource;
  const initial = useMemo(() => initialOf(kind, resource ?? copyOf, creating), [kind, resource, copyOf, creating]);
  const editors = useMemo(() => (name: string) => editorOf(kind.kind, name), [kind]);

  useEffect(() => {
    if (!dirty) {
      setBase(resource);
      form.resetFields();
      form.setFieldsValue(initial);
    }
    // a newer version from the server fills a form that nobody is editing
  }, [initial]); // eslint-disable-line react/exhaustive-deps

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
  const send = async (input: ResourceInput, rev: number | undefined) => {
    setFaults([]);
    try {
      const saved = await save.mutateAsync({ id: resource?.id, rev, input });
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
  const submit = (values: Values) => {
    const input: ResourceInput = {
      name: values.name ?? '',
      labels: labelsOf(values.labels, base?.labels),
      spec: fromForm(kind.fields, form.getFieldsValue(true).spec as Spec, !creating),
    };
    if (values.code || !creating) input.code = values.code;
    void send(input, base?.rev);
  };
  return (
    <Form<Values> form={form} layout="vertical" initialValues={initial} disabled={readOnly} onFinish={submit} scrollToFirstError={{ block: 'center' }}
      onValuesChange={() => setDirty(true)} autoComplete="off" className="resource-form">
      <UnsavedGuard dirty={dirty} />
      {faults.length > 0 && (
        <Alert type="error" showIcon title={t('detail.notSaved')} description={<ul>{faults.map((f, i) => <li key={i}>{f.where && <span className="mono">{f.where}: </span>}{f.detail}</li>)}</ul>} />
      )}
      <section className="form-group">
        <div className="form-grid">
          <Form.Item name="code" label={t('envelope.code')} rules={[{ required: kind.code?.required, message: t('form.required') }]} extra={creating ? t('detail.codeHelp') : undefined}>
            <Input autoFocus={creating} className="mono" />
          </Form.Item>
          <Form.Item name="name" label={t('envelope.name')}><Input /></Form.Item>
        </div>
      </section>
      <KindFields kind={kind} disabled={readOnly} creating={creating} editors={editors as never} />
      <LabelsEditor disabled={readOnly} />
      {!readOnly && (
        <div className="form-foot row">
          <Button type="primary" htmlType="submit" loading={save.isPending} disabled={!dirty && !creating && !copyOf}>{t('action.save')}</Button>
          {dirty && <Button onClick={() => { setBase(resource); reset(initial); }}>{t('action.discard')}</Button>}
          {dirty && <span className="soft">{t('detail.unsaved')}</span>}
          {dirty && base && resource && resource.rev > base.rev && <span className="quality uncertain">{t('detail.meanwhile', { who: resource.updated_by, rev: resource.rev })}</span>}
        </div>
      )}
      {conflict && base && (
        <Conflict base={base} mine={conflict.mine} stored={conflict.stored} onCancel={() => setConflict(null)}
          onMine={() => void send(conflict.mine, conflict.stored.rev)}
          onTheirs={() => { setBase(conflict.stored); reset(initialOf(kind, conflict.stored, false)); setConflict(null); }} />
      )}
    </Form>
  );
}
