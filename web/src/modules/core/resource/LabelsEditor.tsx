import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Form, Input } from 'antd';
import { useTranslation } from 'react-i18next';

export interface LabelRow {
  key?: string;
  value?: string;
}

export function labelRows(labels: Record<string, string> | undefined): LabelRow[] {
  return Object.entries(labels ?? {}).map(([key, value]) => ({ key, value }));
}

/* Rows -> merge patch: labels that were there and are gone become null. */
export function labelsOf(rows: LabelRow[] | undefined, before: Record<string, string> | undefined): Record<string, string | null> {
  const out: Record<string, string | null> = Object.fromEntries(Object.keys(before ?? {}).map((k) => [k, null]));
  for (const row of rows ?? []) if (row?.key?.trim()) out[row.key.trim()] = row.value ?? '';
  return out;
}

export function LabelsEditor({ disabled }: { disabled?: boolean }) {
  const { t } = useTranslation();
  return (
    <section className="form-group">
      <div className="form-group-title">{t('envelope.labels')}</div>
      <Form.List name="labels">
        {(items, { add, remove }) => (
          <>
            {items.map((it) => (
              <div key={it.key} className="row label-row">
                <Form.Item name={[it.name, 'key']}><Input placeholder={t('detail.labelKey')} aria-label={t('detail.labelKey')} /></Form.Item>
                <Form.Item name={[it.name, 'value']}><Input placeholder={t('detail.labelValue')} aria-label={t('detail.labelValue')} /></Form.Item>
                {!disabled && <Form.Item><Button type="text" icon={<DeleteOutlined />} aria-label={t('action.remove')} onClick={() => remove(it.name)} /></Form.Item>}
              </div>
            ))}
            {items.length === 0 && disabled && <Form.Item><span className="muted">—</span></Form.Item>}
            {!disabled && <Form.Item><Button size="small" icon={<PlusOutlined />} onClick={() => add({})}>{t('detail.addLabel')}</Button></Form.Item>}
          </>
        )}
      </Form.List>
    </section>
  );
}
