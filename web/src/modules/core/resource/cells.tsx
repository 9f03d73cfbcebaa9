/* How a member of a resource looks in a list, from the kind's document. */
import { Tag } from 'antd';
import { Link } from 'react-router';
import { useTranslation } from 'react-i18next';
import { pathOf } from '@/app/modules';
import type { DataColumn } from '@/components/DataTable';
import { RelativeTime } from '@/components/RelativeTime';
import { textOf, useApi, useKind } from '@/lib/resources';
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

/* Of a field that holds one reference. */
const linkOf = (link: Linked | Linked[] | undefined) => (Array.isArray(link) ? undefined : link);

export function FieldCell({ field, value, refs }: { field: FieldDoc; value: unknown; refs?: Resource['refs'] }) {
  const { t, i18n } = useTranslation();
  if (value === null || value === undefined || value === '') return <span className="muted">—</span>;
  if (field.type === 'ref') return <RefCell kind={field.kind ?? ''} id={String(value)} known={linkOf(refs?.[field.name])} />;
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

function envelopeColumn(key: string, t: (k: string) => string, link: (r: Resource) => string, lang: string): DataColumn<Resource> {
  const base: DataColumn<Resource> = { key, title: t(`envelope.${key}`), dataIndex: key, sorter: !['num', 'origin', 'org', 'state'].includes(key), width: 160 };
  if (key === 'code') return { ...base, width: 220, render: (_v, r) => (coded(r) ? <Link to={link(r)}>{r.code}</Link> : r.name ? <span className="muted" title={r.id}>—</span> : <Link to={link(r)}>{r.id}</Link>) };
  if (key === 'name') return { ...base, width: 220, render: (_v, r) => (coded(r) || !r.name ? nameOf(r, lang) : <Link to={link(r)}>{nameOf(r, lang)}</Link>) };
  if (key.endsWith('_at')) return { ...base, width: 130, render: (v: string) => <RelativeTime at={v} /> };
  if (key === 'num' || key === 'rev') return { ...base, width: 80, align: 'right' };
  return { ...base, width: 130 };
}

/* All columns; those of the kind's `lists.columns` are shown at first, in its order. */
export function columnsOf(kind: KindDoc, t: (k: string) => string, lang: string): DataColumn<Resource>[] {
  const link = (r: Resource) => pathOf(kind.kind, kind.plural, r.id);
  const wanted = (kind.lists?.columns ?? ['code', 'name', 'updated_at']).map((c) => c.replace(/^spec\./, ''));
  const fields = new Map(kind.fields.map((f) => [f.name, f]));
  const column = (key: string): DataColumn<Resource> => {
    const f = fields.get(key);
    if (ENVELOPE.includes(key) || !f) return envelopeColumn(key, t, link, lang);
    const right = f.type === 'number' || f.type === 'integer';
    return {
      key, title: textOf(f.title, lang, key), width: f.type === 'boolean' ? 90 : 150, align: right ? 'right' : undefined,
      sorter: !['object', 'array', 'json', 'secret'].includes(f.type), render: (_v, r) => <FieldCell field={f} value={r.spec?.[key]} refs={r.refs} />,
    };
  };
  const known = wanted.filter((k) => fields.has(k) || ENVELOPE.includes(k));
  const others = [...ENVELOPE, ...fields.keys()].filter((k) => !known.includes(k) && fields.get(k)?.type !== 'secret' && !(k === 'num' && !kind.numbered));
  return [
    ...known.map(column),
    ...others.map((k) => ({ ...column(k), hidden: true })),
    {
      key: 'labels', title: t('envelope.labels'), hidden: true, width: 200,
      render: (_v, r) => <span className="row">{Object.entries(r.labels ?? {}).map(([k, v]) => <Tag key={k}>{k}={v}</Tag>)}</span>,
    },
  ];
}
