/* Columns to fields: what was recognised, samples, what else is needed. */
import { Alert, Form, Input, InputNumber, Radio, Select, Tag } from 'antd';
import { useTranslation } from 'react-i18next';
import { textOf } from '@/lib/resources';
import { formatCount } from '@/lib/units';
import type { ImportField, ImportPreview } from '@/lib/pending';
import type { FieldDoc, KindDoc } from '@/lib/types';
import { fieldPaths } from '../cells';
import { missing, type Mapping } from './mapping';

export type Mode = 'upsert' | 'create' | 'update';

interface Props {
  kind: KindDoc;
  preview: ImportPreview;
  mapping: Mapping;
  defaults: Record<string, string>;
  mode: Mode;
  onSheet: (sheet: string, headerRow: number) => void;
  onMapping: (m: Mapping) => void;
  onDefaults: (d: Record<string, string>) => void;
  onMode: (m: Mode) => void;
}

export function useTitleOf(kind: KindDoc, fields: ImportField[]): (path: string) => string {
  const { t, i18n } = useTranslation();
  const docs = new Map(fieldPaths(kind.fields, i18n.language).map((f) => [`spec.${f.key}`, f.title]));
  const given = new Map(fields.map((f) => [f.path, typeof f.title === 'string' ? f.title : textOf(f.title, i18n.language)]));
  return (path) => docs.get(path) ?? (['code', 'name', 'org', 'state'].includes(path) ? t(`envelope.${path}`) : given.get(path) || path.replace(/^labels\./, `${t('envelope.labels')}: `));
}

/* A value for rows that do not give one; text as a cell holds it. */
function DefaultInput({ field, value, onChange }: { field: FieldDoc | undefined; value: string; onChange: (v: string) => void }) {
  const { i18n } = useTranslation();
  if (field?.type === 'enum') return <Select allowClear className="grow" value={value || undefined} onChange={(v) => onChange(v ?? '')} options={(field.values ?? []).map((v) => ({ value: String(v.value), label: textOf(v.title, i18n.language, String(v.value)) }))} />;
  return <Input value={value} onChange={(e) => onChange(e.target.value)} />;
}

export function MapStep({ kind, preview, mapping, defaults, mode, onSheet, onMapping, onDefaults, onMode }: Props) {
  const { t, i18n } = useTranslation();
  const titleOf = useTitleOf(kind, preview.fields);
  const lacking = missing(preview.fields, mapping, defaults);
  const used = new Set(Object.values(mapping).filter(Boolean));
  const asked = preview.fields.filter((f) => f.required && !used.has(f.path));
  const docs = new Map(fieldPaths(kind.fields, i18n.language).map((f) => [`spec.${f.key}`, f.field]));
  const optionsOf = (column: number, title: string) => [
    ...preview.fields.map((f) => ({ value: f.path, label: `${titleOf(f.path)}${f.required ? ' *' : ''}`, disabled: used.has(f.path) && mapping[column] !== f.path })),
    { value: `labels.${title.trim().replace(/\s+/g, '_') || `c${column}`}`, label: t('imp.asLabel', { key: title }) },
    ...(mapping[column]?.startsWith('labels.') && mapping[column] !== `labels.${title.trim().replace(/\s+/g, '_')}` ? [{ value: mapping[column] as string, label: titleOf(mapping[column] as string) }] : []),
  ];
  return (
    <div className="col map-step">
      <div className="row wrap">
        {preview.sheets.length > 1 && <Form.Item label={t('imp.sheet')}><Select style={{ width: 180 }} value={preview.sheet} options={preview.sheets.map((s) => ({ value: s, label: s }))} onChange={(s) => onSheet(s, 1)} /></Form.Item>}
        <Form.Item label={t('imp.headerRow')}><InputNumber min={1} max={100} value={preview.header_row} onChange={(v) => v && onSheet(preview.sheet, v)} /></Form.Item>
        <Form.Item label={t('imp.mode')}><Radio.Group value={mode} onChange={(e) => onMode(e.target.value as Mode)} options={(['upsert', 'create', 'update'] as const).map((m) => ({ value: m, label: t(`imp.modes.${m}`) }))} /></Form.Item>
        <span className="grow" />
        <span className="soft">{t('imp.rows', { n: formatCount(preview.rows) })}</span>
      </div>
      <div className="map-scroll">
        <table className="map-table">
          <thead><tr><th>{t('imp.column')}</th><th>{t('imp.samples')}</th><th>{t('imp.field')}</th></tr></thead>
          <tbody>
            {preview.columns.map((c) => (
              <tr key={c.index} className={mapping[c.index] ? '' : 'ignored'}>
                <td><b>{c.title || t('imp.columnN', { n: c.index + 1 })}</b></td>
                <td className="map-samples">{c.samples.filter((s) => s !== '').slice(0, 3).map((s, i) => <Tag key={i}>{s.length > 24 ? `${s.slice(0, 24)}…` : s}</Tag>)}</td>
                <td>
                  <Select allowClear showSearch={{ optionFilterProp: 'label' }} value={mapping[c.index] ?? undefined} placeholder={t('imp.ignore')} aria-label={t('imp.fieldOf', { column: c.title })}
                    options={optionsOf(c.index, c.title)} onChange={(v: string | undefined) => onMapping({ ...mapping, [c.index]: v ?? null })} className="map-select" />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {asked.length > 0 && (
        <div className="col">
          <Alert type={lacking.length > 0 ? 'warning' : 'info'} showIcon title={lacking.length > 0 ? t('imp.lacking', { fields: lacking.map((f) => titleOf(f.path)).join(', ') }) : t('imp.defaultsGiven')} />
          <Form layout="vertical" className="form-grid">
            {asked.map((f) => (
              <Form.Item key={f.path} label={t('imp.defaultOf', { field: titleOf(f.path) })}>
                <DefaultInput field={docs.get(f.path)} value={defaults[f.path] ?? ''} onChange={(v) => onDefaults({ ...defaults, [f.path]: v })} />
              </Form.Item>
            ))}
          </Form>
        </div>
      )}
    </div>
  );
}
