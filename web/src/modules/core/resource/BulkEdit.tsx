/* One field or label of many resources at once: choose, give the value, see the report. */
import { Button, Form, Input, Modal, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { countOf, type Selection } from '@/lib/bulk';
import { textOf } from '@/lib/resources';
import { fromForm } from '@/components/schema/convert';
import { FieldInput } from '@/components/schema/inputs';
import { rulesOf } from '@/components/schema/rules';
import type { FieldDoc, KindDoc, ResourceInput, Spec } from '@/lib/types';
import { RunBox } from './list/RunBox';
import { useBulkRun } from './list/useBulkRun';
import { Report } from './Report';

/* Scalar fields with the path of their objects: "options.port". */
function flatten(fields: FieldDoc[], prefix: string[] = []): { path: string[]; field: FieldDoc }[] {
  return fields.flatMap((field) => {
    const path = [...prefix, field.name];
    if (field.read_only || field.unique || field.type === 'file') return [];
    if (field.type === 'object') return flatten(field.fields ?? [], path);
    if (field.type === 'array' && field.items?.type === 'object') return [];
    return [{ path, field }];
  });
}

function nest(path: string[], value: unknown): Spec {
  return path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Spec;
}

interface Props {
  kind: KindDoc;
  ids: string[];
  selection?: Selection;      /* instead of ids: everything that a query finds */
  first?: '#label';
  onClose: (done: boolean) => void;
}

export function BulkEdit({ kind, ids, selection = { ids }, first, onClose }: Props) {
  const { t, i18n } = useTranslation();
  const [form] = Form.useForm();
  const run = useBulkRun(kind.plural);
  const [target, setTarget] = useState<string>(first ?? '');
  const fields = flatten(kind.fields);
  const chosen = fields.find((f) => f.path.join('.') === target);
  const n = countOf(selection);
  const options = [
    { value: '#name', label: t('envelope.name') },
    { value: '#label', label: t('bulk.label') },
    ...fields.map((f) => ({ value: f.path.join('.'), label: `${textOf(f.field.title, i18n.language, f.field.name)} (${f.path.join('.')})` })),
  ];
  const inputOf = (values: Spec): ResourceInput => {
    if (target === '#name') return { name: String(values.value ?? '') };
    if (target === '#label') return { labels: { [String(values.key)]: values.value ? String(values.value) : null } };
    const one = chosen as { path: string[]; field: FieldDoc };
    const value = fromForm([{ ...one.field, name: 'value' }], values, true).value ?? null;
    return { spec: nest(one.path, value) };
  };
  const submit = async () => {
    const values = (await form.validateFields().catch(() => null)) as Spec | null;
    if (!values) return;
    const input = inputOf(values);
    await run.bulk(selection, (id) => ({ op: 'patch', id, ...input }));
  };
  return (
    <Modal open width={640} title={t('bulk.editTitle', { n })} onCancel={() => onClose(run.report !== null)} mask={{ closable: false }}
      footer={run.report ? <Button type="primary" onClick={() => onClose(true)}>{t('action.done')}</Button>
        : <Button type="primary" loading={run.progress !== null} disabled={!target} onClick={() => void submit()}>{t('bulk.apply', { n })}</Button>}>
      <div className="col">
        <RunBox {...run} />
        {run.report ? <Report report={run.report} /> : (
          <Form form={form} layout="vertical" disabled={run.progress !== null}>
            <Form.Item label={t('bulk.field')} required>
              <Select showSearch={{ optionFilterProp: 'label' }} value={target || undefined} options={options} onChange={(v: string) => { setTarget(v); form.resetFields(['value']); }} />
            </Form.Item>
            {target === '#label' && <Form.Item name="key" label={t('bulk.labelKey')} rules={[{ required: true, message: t('form.required') }]}><Input /></Form.Item>}
            {target.startsWith('#') && <Form.Item name="value" label={t('bulk.value')} extra={target === '#label' ? t('bulk.emptyRemoves') : undefined}><Input /></Form.Item>}
            {chosen && (
              <Form.Item key={target} name="value" label={t('bulk.value')} valuePropName="value" rules={rulesOf(chosen.field, t, true)} extra={textOf(chosen.field.help, i18n.language) || undefined}>
                <FieldInput field={chosen.field} creating />
              </Form.Item>
            )}
          </Form>
        )}
      </div>
    </Modal>
  );
}
