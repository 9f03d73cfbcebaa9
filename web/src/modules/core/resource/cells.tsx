/* How a member of a resource looks in a list, from the kind's document. */
import { FileOutlined } from '@ant-design/icons';
import { Tag } from 'antd';
import { Link } from 'react-router';
import { useTranslation } from 'react-i18next';
import { pathOf } from '@/app/modules';
import type { DataColumn } from '@/components/DataTable';
import { RelativeTime } from '@/components/RelativeTime';
import { attachmentUrl, textOf, useApi, useKind } from '@/lib/resources';
import { seg } from '@/lib/api';
import { coded, labelOf, nameOf, useRoleName } from '@/lib/names';
import { compactDuration, formatTime } from '@/lib/time';
import { formatNumber, unitText } from '@/lib/units';
import type { FieldDoc, KindDoc, Link as Linked, Resource } from '@/lib/types';

export const ENVELOPE = ['code', 'name', 'num', 'org', 'state', 'rev', 'origin', 'created_by', 'created_at', 'updated_by', 'updated_at'];

function RefCell({ kind, id, known }: { kind: string; id: string; known?: { code: string; name: string } }) {
  const doc = useKind(kind);
  const { data: found } = useApi<Resource>(doc && !known ? `/${doc.plural}/${seg(id)}` : null, undefined, { stale: 60000 });
  const data = known ? { id, ...known } : found;
  const role = useRoleName(kind === 'role');
  const { i18n } = useTranslation();
  if (!doc) return <>{id}</>;
  return <Link to={pathOf(kind, doc.plural, id)} onClick={(e) => e.stopPropagation()}>{kind === 'role' ? role(data?.code ?? id) : data ? labelOf(data, i18n.language) : '…'}</Link>;
}

/* A small picture, or a link to the file. */
export function FileCell({ field, id }: { field: FieldDoc; id: string }) {
  const { t } = useTranslation();
  const picture = field.accept?.startsWith('image');
  return (
    <a href={attachmentUrl(id)} target="_blank" rel="noreferrer" onClick={(e) => e.stopPropagation()} className="file-cell">
      {picture ? <img src={attachmentUrl(id)} alt={t('file.picture')} loading="lazy" /> : <><FileOutlined /> {t('file.open')}</>}
    </a>
  );
}

/* Names of colours in kind documents -> those of the theme. */
const COLORS: Record<string, string> = { blue: '--pen-1', orange: '--pen-2', green: '--pen-3', purple: '--pen-4', red: '--pen-5', cyan: '--pen-6', gold: '--pen-7' };
const stateColor = (name: string | undefined) => `var(${COLORS[name ?? ''] ?? '--off'})`;

export function StateBadge({ kind, state }: { kind: KindDoc; state: string }) {
  const { i18n } = useTranslation();
  const doc = kind.lifecycle?.states.find((s) => s.state === state);
  return <span className="state-badge"><i style={{ background: stateColor(doc?.color) }} />{textOf(doc?.title, i18n.language, state)}</span>;
}

export function OrgCell({ resource }: { resource: Resource }) {
  const { data } = useApi<Resource>(resource.org && !resource.org_ref ? `/orgs/${seg(resource.org)}` : null, undefined, { stale: 60000 });
  const org = resource.org_ref ?? data;
  if (!resource.org) return <span className="muted">—</span>;
  return <span title={org?.code}>{org?.name || org?.code || resource.org}</span>;
}

/* Of a field that holds one reference. */
const linkOf = (link: Linked | Linked[] | undefined) => (Array.isArray(link) ? undefined : link);

export function FieldCell({ field, value, refs }: { field: FieldDoc; value: unknown; refs?: Resource['refs'] }) {
  const { t, i18n } = useTranslation();
  if (value === null || value === undefined || value === '') return <span className="muted">—</span>;
  if (field.sensitive && value === '***') return <span className="muted">••••••</span>;
  if (field.type === 'ref') return <RefCell kind={field.kind ?? ''} id={String(value)} known={linkOf(refs?.[field.name])} />;
  if (field.type === 'file') return <FileCell field={field} id={String(value)} />;
  if (field.type === 'enum') return <>{textOf(field.values?.find((v) => v.value === value)?.title, i18n.language, String(value))}</>;
  if (field.type === 'boolean') return <>{value ? t('value.yes') : t('value.no')}</>;
  if (field.type === 'duration') return <>{compactDuration(String(value))}</>;
  if (field.type === 'time') return <>{formatTime(value as string)}</>;
  if (field.type === 'number' || field.type === 'integer') return <>{formatNumber(Number(value))} {unitText(field.unit)}</>;
  if (field.type === 'array' && field.items && Array.isArray(value)) {
    if (field.items.type === 'object') return <>{t('value.items', { n: value.length })}</>;
    return <span className="row">{value.slice(0, 4).map((v, i) => <Tag key={i}><FieldCell field={field.items as FieldDoc} value={v} /></Tag>)}</span>;
  }
  if (typeof value === 'object') return <span className="mono">{JSON.stringify(value)}</span>;
  return <>{String(value)}</>;
}

function envelopeColumn(key: string, kind: KindDoc, t: (k: string) => string, link: (r: Resource) => string, lang: string): DataColumn<Resource> {
  const base: DataColumn<Resource> = { key, title: t(`envelope.${key}`), dataIndex: key, sorter: !['num', 'origin', 'org', 'state'].includes(key), width: 160 };
  if (key === 'code') return { ...base, width: 220, render: (_v, r) => (coded(r) ? <Link to={link(r)}>{r.code}</Link> : r.name ? <span className="muted" title={r.id}>—</span> : <Link to={link(r)}>{r.id}</Link>) };
  if (key === 'name') return { ...base, width: 220, render: (_v, r) => (coded(r) || !r.name ? nameOf(r, lang) : <Link to={link(r)}>{nameOf(r, lang)}</Link>) };
  if (key === 'state' && kind.lifecycle) return { ...base, sorter: true, width: 110, render: (v: string) => <StateBadge kind={kind} state={v} /> };
  if (key === 'org') return { ...base, width: 150, render: (_v, r) => <OrgCell resource={r} /> };
  if (key.endsWith('_at')) return { ...base, width: 130, render: (v: string) => <RelativeTime at={v} /> };
  if (key === 'num' || key === 'rev') return { ...base, width: 80, align: 'right' };
  return { ...base, width: 130 };
}

interface FieldPath {
  key: string;
  field: FieldDoc;
  title: string;
}

/* Fields with those inside objects: "options.port". */
export function fieldPaths(fields: FieldDoc[], lang: string, prefix = '', titles = ''): FieldPath[] {
  return fields.flatMap((field) => {
    const title = titles + textOf(field.title, lang, field.name);
    const own = [{ key: prefix + field.name, field, title }];
    return field.type === 'object' && field.fields?.length ? [...own, ...fieldPaths(field.fields, lang, `${prefix}${field.name}.`, `${title} / `)] : own;
  });
}

const inside = (spec: unknown, path: string) => path.split('.').reduce<unknown>((v, k) => (v as Record<string, unknown> | undefined)?.[k], spec);

/* All columns; those of the kind's `lists.columns` are shown at first, in its order; `labels`: keys of labels
 * that have a column of their own. */
export function columnsOf(kind: KindDoc, t: (k: string) => string, lang: string, labels: string[] = []): DataColumn<Resource>[] {
  const link = (r: Resource) => pathOf(kind.kind, kind.plural, r.id);
  const wanted = (kind.lists?.columns ?? ['code', 'name', ...(kind.lifecycle ? ['state'] : []), 'updated_at']).map((c) => c.replace(/^spec\./, ''));
  const fields = new Map(fieldPaths(kind.fields, lang).map((f) => [f.key, f]));
  const column = (key: string): DataColumn<Resource> => {
    const f = fields.get(key);
    if (key.startsWith('labels.')) return { key, title: key.slice(7), width: 130, render: (_v, r) => r.labels?.[key.slice(7)] ?? <span className="muted">—</span> };
    if (ENVELOPE.includes(key) || !f) return envelopeColumn(key, kind, t, link, lang);
    const right = f.field.type === 'number' || f.field.type === 'integer';
    return {
      key, title: f.title, width: f.field.type === 'boolean' ? 90 : f.field.type === 'file' ? 80 : 150, align: right ? 'right' : undefined,
      sorter: !['object', 'array', 'json', 'secret', 'file'].includes(f.field.type), render: (_v, r) => <FieldCell field={f.field} value={inside(r.spec, key)} refs={r.refs} />,
    };
  };
  const known = wanted.filter((k) => fields.has(k) || ENVELOPE.includes(k) || k.startsWith('labels.'));
  const others = [...new Set([...ENVELOPE, ...fields.keys(), ...labels.map((l) => `labels.${l}`)])].filter((k) => !known.includes(k) && fields.get(k)?.field.type !== 'secret' && !(k === 'num' && !kind.numbered));
  return [
    ...known.map(column),
    ...others.map((k) => ({ ...column(k), hidden: true })),
    {
      key: 'labels', title: t('envelope.labels'), hidden: true, width: 200,
      render: (_v, r) => <span className="row">{Object.entries(r.labels ?? {}).map(([k, v]) => <Tag key={k}>{k}={v}</Tag>)}</span>,
    },
  ];
}

/* A column's name in exports and templates. */
export function exportColumn(kind: KindDoc, key: string): string {
  const field = kind.fields.some((f) => f.name === key.split('.')[0]);
  return field && !ENVELOPE.includes(key) && !key.startsWith('labels') ? `spec.${key}` : key;
}
