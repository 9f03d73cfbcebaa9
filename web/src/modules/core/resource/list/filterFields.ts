/* What a kind's list can be filtered by: members of the envelope, fields (nested ones by path), labels; and
 * which operators each type has. Pure. */
import { textOf } from '@/lib/resources';
import type { Op } from '@/lib/filter';
import type { FieldDoc, KindDoc } from '@/lib/types';

export interface FilterField {
  path: string;
  title: string;
  group: 'field' | 'envelope' | 'label';
  field: FieldDoc;
}

type T = (key: string) => string;
const ENVELOPE: [string, FieldDoc['type']][] = [
  ['code', 'string'], ['name', 'string'], ['state', 'string'], ['org', 'ref'], ['created_by', 'string'], ['created_at', 'time'], ['updated_by', 'string'], ['updated_at', 'time'], ['rev', 'integer'],
];

function flat(fields: FieldDoc[], lang: string, prefix = '', titles = ''): FilterField[] {
  return fields.flatMap((f) => {
    const path = prefix + f.name;
    const title = titles + textOf(f.title, lang, f.name);
    if (f.type === 'object' && f.fields?.length) return flat(f.fields, lang, `${path}.`, `${title} / `);
    return f.type === 'secret' ? [] : [{ path, title, group: 'field' as const, field: f }];
  });
}

function stateField(kind: KindDoc): FieldDoc {
  return { name: 'state', type: 'enum', values: (kind.lifecycle?.states ?? []).map((s) => ({ value: s.state, title: s.title })) };
}

export function filterFields(kind: KindDoc, t: T, lang: string, labels: string[] = []): FilterField[] {
  const names = new Set(kind.fields.map((f) => f.name));
  const envelope = ENVELOPE.filter(([k]) => k !== 'state' || kind.lifecycle).map(([k, type]): FilterField => ({
    path: k, title: t(`envelope.${k}`), group: 'envelope', field: k === 'state' ? stateField(kind) : { name: k, type, kind: k === 'org' ? 'org' : undefined },
  }));
  const fields = flat(kind.fields, lang).map((f) => (ENVELOPE.some(([k]) => k === f.path) && names.has(f.path) ? { ...f, path: `spec.${f.path}` } : f));
  return [...fields, ...envelope, ...labels.map((k): FilterField => ({ path: `labels.${k}`, title: k, group: 'label', field: { name: k, type: 'string' } }))];
}

const TEXT: Op[] = ['~', '=', '!=', 'in', 'not in'];
const ORDER: Op[] = ['=', '!=', '<', '<=', '>', '>='];

export function operatorsOf(f: FieldDoc | undefined): Op[] {
  if (!f) return [...new Set([...TEXT, ...ORDER])];
  switch (f.type) {
    case 'integer': case 'number': case 'duration': return [...ORDER, 'in', 'not in'];
    case 'time': return ['>=', '<', '>', '<=', '='];
    case 'boolean': return ['=', '!='];
    case 'enum': case 'ref': return ['=', '!=', 'in', 'not in'];
    case 'array': case 'object': case 'json': return ['~'];
    default: return [...TEXT, '<', '>'];
  }
}
