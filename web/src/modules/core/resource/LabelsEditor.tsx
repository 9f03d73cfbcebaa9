/* Labels as rows of key and value; keys and values that others of the kind have are offered. */
import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { AutoComplete, Button, Form } from 'antd';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { useApi } from '@/lib/resources';
import type { Page, Resource } from '@/lib/types';

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

/* What the newest ones of the kind carry: key -> its values. */
function useKnownLabels(plural: string, on: boolean): Map<string, string[]> {
  const { data } = useApi<Page<Resource>>(on ? `/${plural}` : null, { size: 200, sort: '-updated_at' }, { stale: 60000 });
  return useMemo(() => {
    const known = new Map<string, Set<string>>();
    for (const r of data?.items ?? []) for (const [k, v] of Object.entries(r.labels ?? {})) known.set(k, (known.get(k) ?? new Set()).add(v));
    return new Map([...known].map(([k, v]) => [k, [...v].sort()]));
  }, [data]);
}

const matching = (options: string[], text: string | undefined) => options.filter((o) => o.toLowerCase().includes((text ?? '').toLowerCase())).slice(0, 30).map((value) => ({ value }));

export function LabelsEditor({ plural, disabled }: { plural: string; disabled?: boolean }) {
  const { t } = useTranslation();
  const rows = Form.useWatch<LabelRow[] | undefined>('labels', { preserve: true });
  const known = useKnownLabels(plural, !disabled && (rows?.length ?? 0) > 0);
  return (
    <section className="form-group">
      <div className="form-group-title">{t('envelope.labels')}</div>
      <Form.List name="labels">
        {(items, { add, remove }) => (
          <>
            {items.map((it) => (
              <div key={it.key} className="row label-row">
                <Form.Item name={[it.name, 'key']}><AutoComplete options={matching([...known.keys()].filter((k) => !rows?.some((r, i) => i !== it.name && r?.key === k)), rows?.[it.name]?.key)} placeholder={t('detail.labelKey')} aria-label={t('detail.labelKey')} /></Form.Item>
                <Form.Item name={[it.name, 'value']}><AutoComplete options={matching(known.get(rows?.[it.name]?.key ?? '') ?? [], rows?.[it.name]?.value)} placeholder={t('detail.labelValue')} aria-label={t('detail.labelValue')} /></Form.Item>
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
