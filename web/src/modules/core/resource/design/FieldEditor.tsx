/* Everything that a field of a kind may say, by its type. */
import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Checkbox, Form, Input, InputNumber, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { moved, SortList } from '@/components/SortList';
import { textOf, useKinds } from '@/lib/resources';
import { BiText } from './BiText';
import { FieldList } from './FieldList';
import { TYPES, type DesignField } from './model';

interface Props {
  field: DesignField;
  siblings: DesignField[];
  onChange: (field: DesignField) => void;
  onName: (name: string) => void;
  fault: (where: string) => string | undefined;    /* "name", "values" … */
  depth: number;
}

const FORMATS = ['multiline', 'email', 'url', 'host', 'color', 'path'];

function KindSelect({ value, onChange }: { value?: string; onChange: (v: string) => void }) {
  const { i18n } = useTranslation();
  const kinds = useKinds().data ?? [];
  return <Select showSearch={{ optionFilterProp: 'label' }} value={value} onChange={onChange} options={kinds.map((k) => ({ value: k.kind, label: `${textOf(k.title, i18n.language, k.kind)} (${k.kind})` }))} />;
}

function EnumValues({ field, onChange }: { field: DesignField; onChange: (f: DesignField) => void }) {
  const { t } = useTranslation();
  const values = field.values ?? [];
  const put = (i: number, v: (typeof values)[number]) => onChange({ ...field, values: values.map((o, k) => (k === i ? v : o)) });
  return (
    <div className="col">
      <SortList items={values} itemKey={(_v, i) => String(i)} onMove={(a, b) => onChange({ ...field, values: moved(values, a, b) })} label={(v) => v.value}
        render={(v, i) => (
          <div className="enum-row">
            <Input className="mono" value={v.value} aria-label={t('design.value')} onChange={(e) => put(i, { ...v, value: e.target.value })} />
            <BiText label={t('design.title')} value={v.title} onChange={(title) => put(i, { ...v, title })} />
            <Button type="text" icon={<DeleteOutlined />} aria-label={`${t('action.remove')} ${v.value}`} onClick={() => onChange({ ...field, values: values.filter((_o, k) => k !== i) })} />
          </div>
        )} />
      <div><Button size="small" icon={<PlusOutlined />} onClick={() => onChange({ ...field, values: [...values, { value: `v${values.length + 1}`, title: { zh: '', en: '' } }] })}>{t('action.add')}</Button></div>
    </div>
  );
}

function DefaultInput({ field, onChange }: { field: DesignField; onChange: (v: unknown) => void }) {
  const { t, i18n } = useTranslation();
  if (field.type === 'boolean') return <Select allowClear value={field.default as boolean | undefined} options={[{ value: true, label: t('value.yes') }, { value: false, label: t('value.no') }]} onChange={(v) => onChange(v)} />;
  if (field.type === 'enum') return <Select allowClear value={field.default as string | undefined} options={(field.values ?? []).map((v) => ({ value: v.value, label: textOf(v.title, i18n.language, v.value) || v.value }))} onChange={(v) => onChange(v)} />;
  if (field.type === 'integer' || field.type === 'number') return <InputNumber value={field.default as number | undefined} precision={field.type === 'integer' ? 0 : undefined} style={{ width: '100%' }} onChange={(v) => onChange(v ?? undefined)} />;
  return <Input value={(field.default as string | undefined) ?? ''} onChange={(e) => onChange(e.target.value || undefined)} />;
}

function Range({ field, onChange }: { field: DesignField; onChange: (f: DesignField) => void }) {
  const { t } = useTranslation();
  const length = field.type === 'string';
  if (field.type === 'duration') {
    return (
      <>
        <Form.Item label={t('design.min')}><Input value={field.min === undefined ? '' : String(field.min)} placeholder="50ms" onChange={(e) => onChange({ ...field, min: e.target.value || undefined })} /></Form.Item>
        <Form.Item label={t('design.max')}><Input value={field.max === undefined ? '' : String(field.max)} placeholder="1d" onChange={(e) => onChange({ ...field, max: e.target.value || undefined })} /></Form.Item>
      </>
    );
  }
  return (
    <>
      <Form.Item label={t(length ? 'design.minLength' : 'design.min')}><InputNumber value={field.min as number | undefined} style={{ width: '100%' }} onChange={(v) => onChange({ ...field, min: v ?? undefined })} /></Form.Item>
      <Form.Item label={t(length ? 'design.maxLength' : 'design.max')}><InputNumber value={field.max as number | undefined} style={{ width: '100%' }} onChange={(v) => onChange({ ...field, max: v ?? undefined })} /></Form.Item>
    </>
  );
}

function ShowIf({ field, siblings, onChange }: { field: DesignField; siblings: DesignField[]; onChange: (f: DesignField) => void }) {
  const { t, i18n } = useTranslation();
  const leads = siblings.filter((s) => s.name !== field.name && ['enum', 'boolean'].includes(s.type));
  const lead = leads.find((s) => s.name === field.show_if?.field);
  if (leads.length === 0) return null;
  const options = lead?.type === 'boolean' ? [{ value: true, label: t('value.yes') }, { value: false, label: t('value.no') }] : (lead?.values ?? []).map((v) => ({ value: v.value, label: textOf(v.title, i18n.language, v.value) || v.value }));
  return (
    <>
      <Form.Item label={t('design.showIf')}><Select allowClear value={field.show_if?.field} options={leads.map((s) => ({ value: s.name, label: textOf(s.title, i18n.language, s.name) || s.name }))} onChange={(v) => onChange({ ...field, show_if: v ? { field: v, in: [] } : undefined })} /></Form.Item>
      {lead && <Form.Item label={t('design.showIn')}><Select mode="multiple" value={field.show_if?.in as never[]} options={options as never[]} onChange={(v) => onChange({ ...field, show_if: { field: lead.name, in: v } })} /></Form.Item>}
    </>
  );
}

export function FieldEditor({ field, siblings, onChange, onName, fault, depth }: Props) {
  const { t } = useTranslation();
  const types = TYPES.filter((x) => depth < 2 || x !== 'object').map((x) => ({ value: x, label: t(`design.types.${x}`) }));
  const ranged = ['string', 'integer', 'number', 'duration'].includes(field.type);
  const help = (where: string) => ({ validateStatus: fault(where) ? 'error' as const : undefined, help: fault(where) });
  const item = field.items ?? { type: 'string' as const };
  const flags = [['required', 'design.required'], ['unique', 'design.unique'], ['sensitive', 'design.sensitive'], ['read_only', 'design.readOnly']] as const;
  return (
    <Form layout="vertical" component="div" className="field-editor">
      <div className="form-grid">
        <Form.Item label={t('design.title')}><BiText label={t('design.title')} value={field.title} onChange={(title) => onChange({ ...field, title })} /></Form.Item>
        <Form.Item label={t('design.name')} {...help('name')}><Input className="mono" value={field.name} aria-label={t('design.name')} onChange={(e) => onName(e.target.value)} /></Form.Item>
        <Form.Item label={t('design.type')}><Select value={field.type} options={types} onChange={(type) => onChange({ ...field, type, default: undefined, min: undefined, max: undefined, ...(type === 'array' && !field.items ? { items: { type: 'string' } } : {}) })} /></Form.Item>
        {field.type === 'ref' && <Form.Item label={t('design.refKind')} {...help('kind')}><KindSelect value={field.kind} onChange={(kind) => onChange({ ...field, kind })} /></Form.Item>}
        {field.type === 'file' && <Form.Item label={t('design.accept')}><Select value={field.accept ?? ''} options={[{ value: 'image', label: t('design.image') }, { value: '', label: t('design.anyFile') }]} onChange={(accept) => onChange({ ...field, accept: accept || undefined })} /></Form.Item>}
        {field.type === 'array' && <Form.Item label={t('design.items')}><Select value={item.type} options={types.filter((x) => !['array', 'object', 'json', 'secret', 'file'].includes(x.value))} onChange={(type) => onChange({ ...field, items: { ...item, type } })} /></Form.Item>}
        {field.type === 'array' && item.type === 'ref' && <Form.Item label={t('design.refKind')} {...help('items.kind')}><KindSelect value={item.kind} onChange={(kind) => onChange({ ...field, items: { ...item, kind } })} /></Form.Item>}
        {['integer', 'number'].includes(field.type) && <Form.Item label={t('design.unit')}><Input value={field.unit ?? ''} placeholder="t/h" onChange={(e) => onChange({ ...field, unit: e.target.value || undefined })} /></Form.Item>}
        {ranged && <Range field={field} onChange={onChange} />}
        {field.type === 'string' && <Form.Item label={t('design.format')}><Select allowClear value={field.format} options={FORMATS.map((f) => ({ value: f, label: t(`design.formats.${f}`) }))} onChange={(format) => onChange({ ...field, format })} /></Form.Item>}
        {field.type === 'string' && <Form.Item label={t('design.pattern')}><Input className="mono" value={field.pattern ?? ''} placeholder="[A-Z]{2}[0-9]+" onChange={(e) => onChange({ ...field, pattern: e.target.value || undefined })} /></Form.Item>}
        {!['ref', 'file', 'secret', 'object', 'array', 'json', 'time', 'point'].includes(field.type) && <Form.Item label={t('design.default')}><DefaultInput field={field} onChange={(v) => onChange({ ...field, default: v })} /></Form.Item>}
        <ShowIf field={field} siblings={siblings} onChange={onChange} />
        <Form.Item className="wide" label={t('design.help')}><BiText label={t('design.help')} value={field.help} onChange={(h) => onChange({ ...field, help: h })} /></Form.Item>
        {field.type === 'enum' && <Form.Item className="wide" label={t('design.values')} {...help('values')}><EnumValues field={field} onChange={onChange} /></Form.Item>}
        <div className="wide row wrap field-flags">
          {flags.map(([key, label]) => <Checkbox key={key} checked={Boolean(field[key])} onChange={(e) => onChange({ ...field, [key]: e.target.checked || undefined })}>{t(label)}</Checkbox>)}
        </div>
        {field.type === 'object' && (
          <div className="wide"><FieldList fields={field.fields ?? []} depth={depth + 1} fault={(where) => fault(`fields${where}`)}
            onChange={(fields) => onChange({ ...field, fields })} onName={(i, name) => onChange({ ...field, fields: (field.fields ?? []).map((f, k) => (k === i ? { ...f, name } : f)) })} onRemove={(i) => onChange({ ...field, fields: (field.fields ?? []).filter((_f, k) => k !== i) })} /></div>
        )}
      </div>
    </Form>
  );
}
