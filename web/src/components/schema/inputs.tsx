/* One editor per field type. */
import { DatePicker, Input, InputNumber, Select, Switch } from 'antd';
import type { ComponentType } from 'react';
import { useTranslation } from 'react-i18next';
import { textOf } from '@/lib/resources';
import { unitText } from '@/lib/units';
import type { FieldDoc, FieldType } from '@/lib/types';
import { asJson } from './convert';
import { FileInput } from './FileInput';
import { OrgSelect } from '../OrgSelect';
import { RefSelect } from './RefSelect';

export interface InputProps {
  field: FieldDoc;
  disabled?: boolean;
  value?: unknown;
  onChange?: (value: unknown) => void;
  id?: string;
  creating?: boolean;
}

/* What an empty field means, or what could be typed. */
function hint(f: FieldDoc): string | undefined {
  const shown = f.default ?? f.example;
  return shown === undefined || typeof shown === 'object' ? undefined : String(shown);
}

function TextInput({ field, value, onChange, ...rest }: InputProps) {
  const common = { id: rest.id, disabled: rest.disabled, value: value as string, placeholder: hint(field), onChange: (e: { target: { value: string } }) => onChange?.(e.target.value) };
  if (field.format === 'multiline') return <Input.TextArea autoSize={{ minRows: 2, maxRows: 8 }} {...common} />;
  if (field.format === 'color') return <Input type="color" {...common} className="color-input" />;
  return <Input {...common} />;
}

function JsonInput({ value, onChange, id, disabled }: InputProps) {
  return <Input.TextArea className="mono" id={id} disabled={disabled} autoSize={{ minRows: 2, maxRows: 16 }} value={value as string} onChange={(e) => onChange?.(e.target.value)} />;
}

function NumberInput({ field, value, onChange, id, disabled }: InputProps) {
  return (
    <InputNumber id={id} disabled={disabled} value={value as number} style={{ width: '100%' }} placeholder={hint(field)}
      precision={field.type === 'integer' ? 0 : undefined} suffix={field.unit ? unitText(field.unit) : undefined} onChange={(v) => onChange?.(v)} />
  );
}

function EnumInput({ field, value, onChange, id, disabled }: InputProps) {
  const { i18n } = useTranslation();
  const options = (field.values ?? []).map((v) => ({ value: v.value, label: textOf(v.title, i18n.language, String(v.value)) }));
  return <Select id={id} disabled={disabled} value={value as string} placeholder={options.find((o) => o.value === field.default)?.label} allowClear={!field.required} options={options} onChange={(v) => onChange?.(v ?? null)}
    showSearch={options.length > 8 ? { optionFilterProp: 'label' } : false} />;
}

function SecretInput({ value, onChange, id, disabled, creating }: InputProps) {
  const { t } = useTranslation();
  return <Input.Password id={id} disabled={disabled} autoComplete="new-password" value={value as string} placeholder={creating ? '' : t('form.secretKept')} onChange={(e) => onChange?.(e.target.value)} />;
}

const editors: Partial<Record<FieldType, ComponentType<InputProps>>> = {
  string: TextInput,
  duration: TextInput,
  integer: NumberInput,
  number: NumberInput,
  enum: EnumInput,
  secret: SecretInput,
  json: JsonInput,
  boolean: ({ value, onChange, id, disabled }) => <Switch id={id} disabled={disabled} checked={Boolean(value)} onChange={(v) => onChange?.(v)} />,
  time: ({ value, onChange, id, disabled }) => <DatePicker id={id} showTime disabled={disabled} value={value as never} style={{ width: '100%' }} onChange={(v) => onChange?.(v)} />,
  file: FileInput,
  ref: ({ field, value, onChange, id, disabled }) => field.kind === 'org' ? <OrgSelect id={id} disabled={disabled} value={value as string} onChange={(v) => onChange?.(v)} /> : <RefSelect id={id} kind={field.kind ?? ''} disabled={disabled} value={value as string} onChange={(v) => onChange?.(v)} />,
  point: ({ value, onChange, id, disabled }) => <RefSelect id={id} kind="point" by="code" disabled={disabled} value={value as string} onChange={(v) => onChange?.(v)} />,
};

/* Arrays of simple things are one control. */
function ListInput({ field, value, onChange, id, disabled }: InputProps) {
  const { i18n } = useTranslation();
  const item = field.items as FieldDoc;
  if (item.type === 'ref' && item.kind === 'org') return <OrgSelect id={id} multiple disabled={disabled} value={(value as string[]) ?? []} onChange={(v) => onChange?.(v ?? [])} />;
  if (item.type === 'ref' || item.type === 'point') {
    return <RefSelect id={id} kind={item.kind ?? 'point'} by={item.type === 'point' ? 'code' : 'id'} multiple disabled={disabled} value={(value as string[]) ?? []} onChange={(v) => onChange?.(v ?? [])} />;
  }
  const options = item.type === 'enum' ? (item.values ?? []).map((v) => ({ value: String(v.value), label: textOf(v.title, i18n.language, String(v.value)) })) : undefined;
  const numeric = item.type === 'integer' || item.type === 'number';
  return (
    <Select id={id} mode={options ? 'multiple' : 'tags'} disabled={disabled} value={((value as unknown[]) ?? []).map(String)} options={options} tokenSeparators={[',', ' ']}
      onChange={(v: string[]) => onChange?.(numeric ? v.map(Number).filter(Number.isFinite) : v)} />
  );
}

function isSimpleList(f: FieldDoc): boolean {
  return f.type === 'array' && !asJson(f) && f.items?.type !== 'object';
}

export function FieldInput(props: InputProps) {
  if (props.field.masked) return <Input id={props.id} disabled value="••••••" />;
  if (asJson(props.field)) return <JsonInput {...props} />;
  if (isSimpleList(props.field)) return <ListInput {...props} />;
  const Editor = editors[props.field.type] ?? TextInput;
  return <Editor {...props} />;
}
