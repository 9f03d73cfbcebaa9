/* Adding points by range: start address, count, type; the first rows are shown before they are added. */
import { Form, Input, InputNumber, Modal, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { textOf } from '@/lib/resources';
import type { FieldDoc } from '@/lib/types';
import { rangeRows, strideOf, type RangeSpec } from './sheet';
import type { Cells } from './useSheet';

interface Values {
  start: string;
  count: number;
  type: string;
  stride: number | null;
  code: string;
  name: string;
  from: number;
  unit?: string;
  period?: string;
}

interface Props {
  device: string;
  fields: FieldDoc[];
  example: string;
  next: number;         /* number of the next row, for codes */
  onAdd: (rows: Cells[]) => void;
  onClose: () => void;
}

function specOf(v: Partial<Values> | undefined): RangeSpec | null {
  if (!v?.start?.trim() || !v.count || !v.type || !v.code) return null;
  return { start: v.start.trim(), count: v.count, type: v.type, stride: v.stride ?? 0, code: v.code.trim(), name: (v.name ?? '').trim(), from: v.from ?? 1, rest: { period: v.period?.trim() || '1s', ...(v.unit?.trim() ? { unit: v.unit.trim() } : {}) } };
}

export function RangeDialog({ device, fields, example, next, onAdd, onClose }: Props) {
  const { t, i18n } = useTranslation();
  const [form] = Form.useForm<Values>();
  const values = Form.useWatch([], form) as Partial<Values> | undefined;
  const spec = specOf(values);
  const shown = spec ? rangeRows({ ...spec, count: Math.min(spec.count, 3) }, device) : [];
  const last = spec && spec.count > 3 ? rangeRows(spec, device).at(-1) : undefined;
  const types = fields.find((f) => f.name === 'type')?.values ?? [];
  const add = async () => {
    const ready = specOf(await form.validateFields());
    if (!ready) return;
    onAdd(rangeRows(ready, device));
    onClose();
  };
  return (
    <Modal open title={t('connections.range.title')} okText={t('connections.range.add', { n: spec?.count ?? 0 })} cancelText={t('action.cancel')} onCancel={onClose} onOk={() => void add()} destroyOnHidden width={640}>
      <Form form={form} name="range" layout="vertical" preserve={false} onFinish={() => void add()} initialValues={{ start: example, count: 10, type: 'float', stride: null, code: '{device}.{n:2}', name: '', from: next, period: '1s' }}>
        <div className="form-grid range-grid">
          <Form.Item name="start" label={t('connections.range.start')} rules={[{ required: true, whitespace: true, message: t('form.required') }]}><Input autoFocus className="mono" /></Form.Item>
          <Form.Item name="count" label={t('connections.range.count')} rules={[{ required: true, message: t('form.required') }]}><InputNumber min={1} max={10000} precision={0} style={{ width: '100%' }} /></Form.Item>
          <Form.Item name="type" label={t('connections.range.type')}><Select options={types.map((v) => ({ value: v.value, label: textOf(v.title, i18n.language, String(v.value)) }))} /></Form.Item>
          <Form.Item name="stride" label={t('connections.range.stride')} extra={t('connections.range.strideHelp', { n: strideOf(values?.type ?? '') })}><InputNumber min={1} max={1000} precision={0} placeholder={String(strideOf(values?.type ?? ''))} style={{ width: '100%' }} /></Form.Item>
          <Form.Item name="code" label={t('connections.range.code')} extra={t('connections.range.codeHelp')} rules={[{ required: true, whitespace: true, message: t('form.required') }]}><Input className="mono" /></Form.Item>
          <Form.Item name="from" label={t('connections.range.from')}><InputNumber min={0} precision={0} style={{ width: '100%' }} /></Form.Item>
          <Form.Item name="name" label={t('connections.range.name')}><Input /></Form.Item>
          <Form.Item name="unit" label={t('connections.range.unit')}><Input placeholder="t/h" /></Form.Item>
          <Form.Item name="period" label={t('connections.range.period')}><Input placeholder="1s" /></Form.Item>
        </div>
      </Form>
      <div className="range-preview mono small">
        {[...shown, ...(last ? [last] : [])].map((r, i) => <div key={r.code}>{i === 3 && <span className="muted">… </span>}{r.address} → {r.code} {r.name}</div>)}
      </div>
    </Modal>
  );
}
