/* The content to read: for who may not change it, and for states that may not be changed. */
import { Tag } from 'antd';
import { useTranslation } from 'react-i18next';
import { shown } from '@/components/schema/convert';
import { textOf } from '@/lib/resources';
import { useCan } from '@/lib/session';
import type { FieldDoc, KindDoc, Resource, Spec } from '@/lib/types';
import { FieldCell, FileCell, OrgCell, StateBadge } from '../cells';

function Value({ field, value, refs, masked }: { field: FieldDoc; value: unknown; refs?: Resource['refs']; masked?: boolean }) {
  const { i18n } = useTranslation();
  const lang = i18n.language;
  if (masked || field.type === 'secret') return <span className="muted">••••••</span>;
  if (field.type === 'file' && value) return <FileCell field={field} id={String(value)} />;
  if (field.type === 'object' && field.fields?.length) return <Fields fields={field.fields} spec={(value as Spec) ?? {}} />;
  if (field.type === 'array' && field.items?.type === 'object' && Array.isArray(value)) {
    const columns = field.items.fields ?? [];
    return (
      <table className="diff"><thead><tr>{columns.map((c) => <th key={c.name}>{textOf(c.title, lang, c.name)}</th>)}</tr></thead>
        <tbody>{value.map((row, i) => <tr key={i}>{columns.map((c) => <td key={c.name}><FieldCell field={c} value={(row as Spec)[c.name]} /></td>)}</tr>)}</tbody></table>
    );
  }
  if (field.format === 'multiline') return <span className="pre">{String(value ?? '—')}</span>;
  return <FieldCell field={field} value={value} refs={refs} />;
}

function Fields({ fields, spec, refs, masked }: { fields: FieldDoc[]; spec: Spec; refs?: Resource['refs']; masked?: (f: FieldDoc) => boolean }) {
  const { i18n } = useTranslation();
  return (
    <dl className="read-grid">
      {fields.filter((f) => shown(f, spec)).map((f) => (
        <div key={f.name} className={f.type === 'object' || f.type === 'array' || f.format === 'multiline' ? 'wide' : undefined}>
          <dt>{textOf(f.title, i18n.language, f.name)}</dt>
          <dd><Value field={f} value={spec[f.name]} refs={refs} masked={masked?.(f)} /></dd>
        </div>
      ))}
    </dl>
  );
}

export function ReadView({ kind, resource }: { kind: KindDoc; resource: Resource }) {
  const { t, i18n } = useTranslation();
  const can = useCan();
  const masked = (f: FieldDoc) => Boolean(f.sensitive) && !can(kind.kind, 'sensitive');
  const named = new Set((kind.form?.groups ?? []).flatMap((g) => g.fields));
  const byName = new Map(kind.fields.map((f) => [f.name, f]));
  const groups = [
    ...(kind.form?.groups ?? []).map((g) => ({ title: textOf(g.title, i18n.language), fields: g.fields.map((n) => byName.get(n)).filter((f): f is FieldDoc => f !== undefined) })),
    { title: named.size > 0 ? t('form.other') : '', fields: kind.fields.filter((f) => !named.has(f.name)) },
  ].filter((g) => g.fields.length > 0);
  const labels = Object.entries(resource.labels ?? {});
  return (
    <div className="resource-form">
      <section className="form-group read">
        <dl className="read-grid">
          <div><dt>{t('envelope.code')}</dt><dd className="mono">{resource.code || '—'}</dd></div>
          <div><dt>{t('envelope.name')}</dt><dd>{resource.name || '—'}</dd></div>
          {kind.lifecycle && <div><dt>{t('envelope.state')}</dt><dd><StateBadge kind={kind} state={resource.state} /></dd></div>}
          {resource.org && <div><dt>{t('envelope.org')}</dt><dd><OrgCell resource={resource} /></dd></div>}
        </dl>
      </section>
      {groups.map((g, i) => (
        <section key={i} className="form-group read">
          {g.title && <div className="form-group-title">{g.title}</div>}
          <Fields fields={g.fields} spec={resource.spec ?? {}} refs={resource.refs} masked={masked} />
        </section>
      ))}
      {labels.length > 0 && <section className="form-group read"><div className="form-group-title">{t('envelope.labels')}</div><div className="row wrap read-labels">{labels.map(([k, v]) => <Tag key={k}>{k}={v}</Tag>)}</div></section>}
    </div>
  );
}

