/* Rows of a mapping, beside a real message: click what is in it, see what would be stored. Takes the place of the field
 * "rows" in the generic form and reads the other fields from it. */
import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Alert, Button, Collapse, Form, Input, InputNumber, Select } from 'antd';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { FieldEditorProps } from '@/app/module';
import type { MappingPreview } from '@/lib/pending';
import { useDebounced } from '@/lib/useDebounced';
import { formatNumberText } from './show';
import { nodesOf, type Form as Shape, type Node } from './nodes';
import { usePreview } from './usePreview';
import { SamplePicker, useSample } from './SamplePicker';
import './map.css';

interface Row { key?: string; value?: string; as?: string; factor?: number; add?: number; time?: string; time_format?: string; quality?: string; good?: string; unit?: string }
interface Spec { topic?: string; form?: Shape; each?: string; header?: boolean; time?: string; device?: { from?: string; level?: number; path?: string; code?: string }; rows?: Row[] }

type Use = (node: Node, as: 'value' | 'time' | 'device' | 'each') => void;

function Places({ nodes, use, disabled }: { nodes: Node[]; use: Use; disabled?: boolean }) {
  const { t } = useTranslation();
  return (
    <ul className="map-nodes" aria-label={t('mqtt.map.places')}>
      {nodes.map((n) => (
        <li key={`${n.outer ? 'o' : ''}${n.place}${n.label}`} className={n.outer ? 'map-outer' : undefined} style={{ paddingInlineStart: `calc(${n.depth} * var(--s4))` }}>
          <button type="button" className="map-node" disabled={disabled || n.value === undefined || n.outer} title={n.place} onClick={() => use(n, 'value')}>
            <span className={n.value === undefined ? 'muted' : 'mono'}>{n.label}</span>
            {n.value !== undefined && <span className="map-value">{n.value}</span>}
          </button>
          {!disabled && n.value !== undefined && n.place !== '' && <Button size="small" type="text" onClick={() => use(n, 'time')}>{t('mqtt.map.asTime')}</Button>}
          {!disabled && n.value !== undefined && n.place !== '' && <Button size="small" type="text" onClick={() => use(n, 'device')}>{t('mqtt.map.asDevice')}</Button>}
          {!disabled && n.list && <Button size="small" type="text" onClick={() => use(n, 'each')}>{t('mqtt.map.asEach')}</Button>}
        </li>
      ))}
    </ul>
  );
}

function Outcome({ preview, at }: { preview?: MappingPreview; at: number }) {
  const { t } = useTranslation();
  const values = preview?.values.filter((v) => v.row === at) ?? [];
  const faults = preview?.faults.filter((f) => f.row === at) ?? [];
  return (
    <div className="map-outcome small">
      {values.slice(0, 3).map((v, i) => <div key={i}><span className="mono">{v.device}/{v.key}</span> = <b>{formatNumberText(v.value)}</b> {v.unit} {v.q !== 'good' && <span className={`quality ${v.q}`}>{t(`mqtt.map.q.${v.q}`)}</span>}</div>)}
      {values.length > 3 && <div className="muted">{t('mqtt.map.more', { n: values.length - 3 })}</div>}
      {faults.slice(0, 2).map((f, i) => <div key={i} className={f.missing ? 'muted' : 'map-fault'}>{f.detail}</div>)}
    </div>
  );
}

const EXTRA = ['time', 'time_format', 'quality', 'good', 'unit'] as const;

function RowFields({ row, change, disabled }: { row: Row; change: (part: Row) => void; disabled?: boolean }) {
  const { t } = useTranslation();
  const [more, setMore] = useState(false);
  return (
    <div className="map-fields">
      <label><span className="soft small">{t('mqtt.map.key')}</span><Input className="mono" value={row.key} placeholder="{name}" disabled={disabled} onChange={(e) => change({ key: e.target.value })} /></label>
      <label><span className="soft small">{t('mqtt.map.value')}</span><Input className="mono" value={row.value} disabled={disabled} onChange={(e) => change({ value: e.target.value })} /></label>
      <label><span className="soft small">{t('mqtt.map.as')}</span><Select value={row.as ?? 'auto'} disabled={disabled} onChange={(v) => change({ as: v })} options={['auto', 'number', 'text', 'boolean'].map((v) => ({ value: v, label: t(`mqtt.map.type.${v}`) }))} /></label>
      <label><span className="soft small">{t('mqtt.map.factor')}</span><InputNumber value={row.factor ?? 1} disabled={disabled} onChange={(v) => change({ factor: v ?? 1 })} /></label>
      {(more || (row.add ?? 0) !== 0) && <label><span className="soft small">{t('mqtt.map.add')}</span><InputNumber value={row.add ?? 0} disabled={disabled} onChange={(v) => change({ add: v ?? 0 })} /></label>}
      {EXTRA.filter((k) => more || row[k]).map((k) => <label key={k}><span className="soft small">{t(`mqtt.map.${k}`)}</span><Input className="mono" value={row[k]} disabled={disabled} onChange={(e) => change({ [k]: e.target.value || undefined })} /></label>)}
      {!more && <Button type="link" size="small" onClick={() => setMore(true)}>{t('mqtt.map.moreFields')}</Button>}
    </div>
  );
}

/* Values that are of no row, and what is wrong with the whole. */
function Rest({ preview }: { preview: MappingPreview }) {
  const { t } = useTranslation();
  const whole = preview.faults.filter((f) => f.row === null);
  const leaves = preview.values.filter((v) => v.row === null);
  const unknown = [...new Set(preview.values.filter((v) => !v.known).map((v) => v.device))];
  const lost = preview.values.filter((v) => v.known && v.place === 'none');
  return (
    <>
      {whole.map((f, i) => <Alert key={i} type={f.missing ? 'info' : 'error'} showIcon title={f.where ? `${f.where}: ${f.detail}` : f.detail} />)}
      {unknown.length > 0 && <Alert type="warning" showIcon title={t('mqtt.map.unknown', { names: unknown.slice(0, 5).join(', ') })} />}
      {lost.length > 0 && <Alert type="warning" showIcon title={`${lost[0]?.device}/${lost[0]?.key}: ${lost[0]?.problem}`} />}
      {leaves.length > 0 && <Collapse size="small" items={[{ key: 'l', label: t('mqtt.map.leaves', { n: leaves.length }), children: leaves.slice(0, 100).map((v) => <div key={v.device + v.key} className="small"><span className="mono">{v.device}/{v.key}</span> = <b>{formatNumberText(v.value)}</b></div>) }]} />}
      <div className="soft small">{t('mqtt.map.total', { n: preview.total, records: preview.records })}</div>
    </>
  );
}

export function RowsEditor({ value, onChange, disabled }: FieldEditorProps) {
  const { t } = useTranslation();
  const form = Form.useFormInstance();
  const spec = (Form.useWatch('spec', { form, preserve: true }) ?? {}) as Spec;
  const rows = (value as Row[] | undefined) ?? [];
  const sample = useSample(spec.topic ?? '', disabled ? undefined : form);
  const shape = spec.form ?? 'json';
  const nodes = useMemo(() => (sample.message ? nodesOf(shape, sample.message.payload, sample.message.payload_hex, { each: spec.each, header: spec.header }) : []), [sample.message, shape, spec.each, spec.header]);
  const asked = useDebounced(JSON.stringify({ ...spec, rows }), 350);
  const preview = usePreview(asked, sample);
  const set = (next: Row[]) => onChange?.(next);
  const put = (field: string[], v: unknown) => form.setFieldValue(['spec', ...field], v);
  const use: Use = (n, as) => {
    if (as === 'time') put(['time'], n.place);
    else if (as === 'device') put(['device'], { ...spec.device, from: 'path', path: n.place });
    else if (as === 'each') put(['each'], `${n.place}[*]`);
    else set([...rows, { key: n.key, value: n.place }]);
  };
  return (
    <div className="map">
      <div className="map-side col">
        <SamplePicker sample={sample} />
        {sample.message && (nodes === null ? <Alert type="warning" showIcon title={t('mqtt.map.otherForm')} /> : <Places nodes={nodes} use={use} disabled={disabled} />)}
      </div>
      <div className="map-rows col">
        {rows.map((row, i) => (
          <div key={i} className="map-row">
            <RowFields row={row} disabled={disabled} change={(part) => set(rows.map((r, k) => (k === i ? { ...r, ...part } : r)))} />
            {!disabled && <Button size="small" type="text" icon={<DeleteOutlined />} aria-label={t('action.delete')} onClick={() => set(rows.filter((_r, k) => k !== i))} />}
            {sample.message && <Outcome preview={preview.data} at={i} />}
          </div>
        ))}
        {!disabled && <div><Button icon={<PlusOutlined />} onClick={() => set([...rows, {}])}>{t('mqtt.map.addRow')}</Button></div>}
        {sample.message && preview.error && <Alert type="error" showIcon title={preview.error.message} />}
        {sample.message && preview.data && <Rest preview={preview.data} />}
      </div>
    </div>
  );
}
