/* The value side of a condition: the editor of the field's type, texts in the filter language's form. */
import { AutoComplete, DatePicker, Input, InputNumber, Select, Space } from 'antd';
import dayjs from 'dayjs';
import { useTranslation } from 'react-i18next';
import { RefSelect } from '@/components/schema/RefSelect';
import { textOf } from '@/lib/resources';
import type { Literal, Op } from '@/lib/filter';
import type { FieldDoc } from '@/lib/types';

interface Props {
  field: FieldDoc | undefined;
  op: Op;
  values: Literal[];
  onChange: (values: Literal[]) => void;
}

const AGO = ['*-1h', '*-8h', '*-1d', '*-7d', '*-30d', 't', 'y'];

function TimeValue({ value, onChange }: { value: string; onChange: (v: string) => void }) {
  const { t } = useTranslation();
  const date = /^\d{4}-/.test(value) && dayjs(value).isValid() ? dayjs(value) : null;
  return (
    <Space.Compact className="filter-value">
      <AutoComplete value={value} onChange={onChange} aria-label={t('filter.value')} placeholder="*-8h" options={AGO.map((v) => ({ value: v, label: `${v}  ${t(`filter.ago.${v.replace(/[*-]/g, '')}`)}` }))} popupMatchSelectWidth={180} />
      <DatePicker showTime value={date} allowClear={false} placeholder="" onChange={(d) => d && onChange(d.toISOString())} className="filter-date" />
    </Space.Compact>
  );
}

export function FilterValue({ field, op, values, onChange }: Props) {
  const { t, i18n } = useTranslation();
  const many = op === 'in' || op === 'not in';
  const texts = values.filter((v): v is string => v !== null && v !== '');
  const one = texts[0] ?? '';
  const set = (v: string | string[] | null | undefined) => onChange(Array.isArray(v) ? v : [v ?? '']);
  if (field?.type === 'ref') return <RefSelect className="filter-value" kind={field.kind ?? ''} by="code" multiple={many} value={many ? texts : one || undefined} onChange={set} />;
  if (field?.type === 'enum' || field?.type === 'boolean') {
    const options = field.type === 'boolean'
      ? [{ value: 'true', label: t('value.yes') }, { value: 'false', label: t('value.no') }]
      : (field.values ?? []).map((v) => ({ value: String(v.value), label: textOf(v.title, i18n.language, String(v.value)) }));
    return <Select className="filter-value" aria-label={t('filter.value')} mode={many ? 'multiple' : undefined} value={many ? texts : one || undefined} options={options} onChange={set} />;
  }
  if (many) return <Select className="filter-value" aria-label={t('filter.value')} mode="tags" open={false} suffixIcon={null} tokenSeparators={[',', ' ', '\n']} value={texts} onChange={set} />;
  if (field?.type === 'integer' || field?.type === 'number') return <InputNumber className="filter-value" aria-label={t('filter.value')} stringMode value={one} suffix={field.unit} onChange={(v) => set(v === null ? '' : String(v))} />;
  if (field?.type === 'time') return <TimeValue value={one} onChange={set} />;
  return <Input className="filter-value" aria-label={t('filter.value')} value={one} placeholder={field?.type === 'duration' ? '5s' : undefined} onChange={(e) => set(e.target.value)} />;
}
