/* The document of a user's kind while it is designed: fields remember the name they had, so that a change of
 * name is a rename and loses nothing. Pure. */
import type { FieldDoc, KindDoc, LText } from '@/lib/types';
import type { Lifecycle, TransitionDoc } from '@/lib/pending';

export interface DesignField extends FieldDoc {
  was?: string;             /* its name in what is stored */
  fields?: DesignField[];
}

export interface Design extends Omit<KindDoc, 'fields'> {
  fields: DesignField[];
}

export interface DesignFault {
  where: string;            /* "kind", "fields[2].name", "lifecycle.states[0].state" … */
  code: string;             /* of locale design.fault.* */
}

export const TYPES = ['string', 'integer', 'number', 'boolean', 'enum', 'time', 'duration', 'ref', 'file', 'point', 'array', 'object', 'secret', 'json'] as const;

export const NAME = /^[a-z][a-z0-9_]{0,46}$/;

export const pluralOf = (kind: string): string => {
  if (!kind) return '';
  const words = kind.replaceAll('_', '-');
  if (/[^aeiou]y$/.test(words)) return `${words.slice(0, -1)}ies`;
  return /(s|x|z|ch|sh)$/.test(words) ? `${words}es` : `${words}s`;
};

export function emptyDesign(): Design {
  return { kind: '', plural: '', title: { en: '', zh: '' }, titles: { en: '', zh: '' }, code: { required: false }, fields: [], lists: { columns: ['code', 'name', 'updated_at'], sort: 'code' } };
}

function withWas(fields: FieldDoc[]): DesignField[] {
  return fields.map((f) => ({ ...f, was: f.name, ...(f.fields ? { fields: withWas(f.fields) } : {}) }));
}

export function fromDocument(doc: KindDoc, stored: boolean): Design {
  const fields = Array.isArray(doc.fields) ? doc.fields : [];
  return { ...doc, fields: stored ? withWas(fields) : fields.map((f) => ({ ...f })) };
}

function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (!value || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).filter(([k, v]) => k !== 'was' && v !== undefined && v !== '' && !(Array.isArray(v) && v.length === 0 && k !== 'fields')).map(([k, v]) => [k, bare(v)]));
}

const both = (text: LText | undefined): LText | undefined => {
  const zh = text?.zh?.trim() ?? '';
  const en = text?.en?.trim() ?? '';
  return zh || en ? { en: en || zh, zh: zh || en } : undefined;
};

function fieldOut(f: DesignField): FieldDoc {
  const out: DesignField = { ...f, title: both(f.title), help: both(f.help) };
  if (f.type !== 'enum') delete out.values;
  if (f.type !== 'ref') delete out.kind;
  if (f.type !== 'file') delete out.accept;
  if (f.type !== 'object') delete out.fields;
  if (f.type !== 'array') delete out.items;
  if (out.fields) out.fields = out.fields.map(fieldOut);
  if (out.values) out.values = out.values.map((v) => ({ value: v.value, ...(both(v.title) ? { title: both(v.title) } : {}) }));
  return out;
}

/* What is stored: empty members away, one language standing in for the other. */
export function toDocument(d: Design): KindDoc {
  const title = both(d.title) ?? { en: d.kind, zh: d.kind };
  const life = d.lifecycle && d.lifecycle.states.length > 0 ? {
    ...d.lifecycle,
    states: d.lifecycle.states.map((s) => ({ ...s, title: both(s.title) })),
    transitions: d.lifecycle.transitions.map((x) => ({ ...x, title: both(x.title) })),
  } : undefined;
  const { user: _user, module: _module, ...rest } = d;
  const groups = d.form?.groups?.filter((g) => g.fields.length > 0).map((g) => ({ ...g, title: both(g.title) }));
  return bare({ ...rest, module: 'user', plural: d.plural || pluralOf(d.kind), title, titles: both(d.titles) ?? title, help: both(d.help), fields: d.fields.map(fieldOut), lifecycle: life, form: groups?.length ? { groups } : undefined }) as KindDoc;
}

export function renamesOf(d: Design): Record<string, string> {
  return Object.fromEntries(d.fields.filter((f) => f.was && f.was !== f.name).map((f) => [f.was as string, f.name]));
}

/* Every place that names a field follows its new name. */
export function renameField(d: Design, index: number, name: string): Design {
  const old = d.fields[index].name;
  const one = (n: string) => (n === old ? name : n === `spec.${old}` ? `spec.${name}` : n);
  return {
    ...d,
    fields: d.fields.map((f, i) => ({ ...(i === index ? { ...f, name } : f), ...(f.show_if?.field === old ? { show_if: { ...f.show_if, field: name } } : {}) })),
    lists: d.lists && { ...d.lists, columns: d.lists.columns?.map(one) },
    form: d.form && { groups: d.form.groups?.map((g) => ({ ...g, fields: g.fields.map(one) })) },
    lifecycle: d.lifecycle && { ...d.lifecycle, transitions: d.lifecycle.transitions.map((t) => ({ ...t, requires: t.requires?.map(one) })) },
  };
}

/* A new field shows in the list, while there is room for it. */
export function withFields(d: Design, fields: DesignField[]): Design {
  const columns = d.lists?.columns ?? [];
  const added = fields.slice(d.fields.length).filter((f) => !['object', 'array', 'json', 'secret'].includes(f.type)).map((f) => f.name);
  if (added.length === 0 || columns.length + added.length > 8) return { ...d, fields };
  const end = columns.indexOf('updated_at');
  const at = end < 0 ? columns.length : end;
  return { ...d, fields, lists: { ...d.lists, columns: [...columns.slice(0, at), ...added, ...columns.slice(at)] } };
}

export function removeField(d: Design, index: number): Design {
  const gone = d.fields[index].name;
  const keep = (n: string) => n !== gone && n !== `spec.${gone}`;
  return {
    ...d,
    fields: d.fields.filter((_f, i) => i !== index).map((f) => (f.show_if?.field === gone ? { ...f, show_if: undefined } : f)),
    lists: d.lists && { ...d.lists, columns: d.lists.columns?.filter(keep) },
    form: d.form && { groups: d.form.groups?.map((g) => ({ ...g, fields: g.fields.filter(keep) })) },
    lifecycle: d.lifecycle && { ...d.lifecycle, transitions: d.lifecycle.transitions.map((t) => ({ ...t, requires: t.requires?.filter(keep) })) },
  };
}

export function freeName(taken: string[], base: string): string {
  for (let n = 1; ; n++) {
    const name = n === 1 ? base : `${base}_${n}`;
    if (!taken.includes(name)) return name;
  }
}

export function newField(type: DesignField['type'], taken: string[]): DesignField {
  const field: DesignField = { name: freeName(taken, type === 'ref' ? 'reference' : type === 'string' ? 'text' : type), type, title: { zh: '', en: '' } };
  if (type === 'enum') field.values = [{ value: 'a', title: { zh: 'A', en: 'A' } }, { value: 'b', title: { zh: 'B', en: 'B' } }];
  if (type === 'array') field.items = { type: 'string' };
  if (type === 'object') field.fields = [{ name: 'text', type: 'string', title: { zh: '', en: '' } }];
  if (type === 'file') field.accept = 'image';
  return field;
}

/* Draft, waiting, approved: what most records need. */
export function firstLifecycle(): Lifecycle {
  const both = (zh: string, en: string) => ({ zh, en });
  return {
    initial: 'draft',
    states: [{ state: 'draft', title: both('草稿', 'Draft'), color: 'blue' }, { state: 'pending', title: both('待审批', 'Pending'), color: 'gold', edit: false, delete: false }, { state: 'approved', title: both('已批准', 'Approved'), color: 'green', edit: false, delete: false }],
    transitions: [
      { name: 'submit', title: both('提交', 'Submit'), from: ['draft'], to: 'pending' },
      { name: 'approve', title: both('批准', 'Approve'), from: ['pending'], to: 'approved', action: 'approve', comment: 'optional', four_eyes: true },
      { name: 'reject', title: both('退回', 'Send back'), from: ['pending'], to: 'draft', action: 'approve', comment: 'required' },
    ],
  };
}

export function renameState(life: Lifecycle, index: number, state: string): Lifecycle {
  const old = life.states[index].state;
  const one = (s: string) => (s === old ? state : s);
  return {
    initial: one(life.initial),
    states: life.states.map((s, i) => (i === index ? { ...s, state } : s)),
    transitions: life.transitions.map((t): TransitionDoc => ({ ...t, from: t.from.map(one), to: one(t.to) })),
  };
}

export function removeState(life: Lifecycle, index: number): Lifecycle {
  const gone = life.states[index].state;
  const states = life.states.filter((_s, i) => i !== index);
  return {
    initial: life.initial === gone ? states[0]?.state ?? '' : life.initial, states,
    transitions: life.transitions.filter((t) => t.to !== gone).map((t) => ({ ...t, from: t.from.filter((s) => s !== gone) })).filter((t) => t.from.length > 0),
  };
}

function fieldFaults(fields: DesignField[], at: string): DesignFault[] {
  const out: DesignFault[] = [];
  fields.forEach((f, i) => {
    const where = `${at}[${i}]`;
    if (!NAME.test(f.name)) out.push({ where: `${where}.name`, code: 'name' });
    else if (fields.findIndex((g) => g.name === f.name) !== i) out.push({ where: `${where}.name`, code: 'twice' });
    if (f.type === 'enum' && !f.values?.length) out.push({ where: `${where}.values`, code: 'values' });
    if (f.type === 'enum' && f.values?.some((v, k) => v.value === '' || f.values?.findIndex((w) => w.value === v.value) !== k)) out.push({ where: `${where}.values`, code: 'twice' });
    if (f.type === 'ref' && !f.kind) out.push({ where: `${where}.kind`, code: 'refKind' });
    if (f.type === 'array' && f.items?.type === 'ref' && !f.items.kind) out.push({ where: `${where}.items.kind`, code: 'refKind' });
    if (typeof f.min === 'number' && typeof f.max === 'number' && f.min > f.max) out.push({ where: `${where}.min`, code: 'range' });
    if (f.type === 'object') out.push(...fieldFaults(f.fields ?? [], `${where}.fields`));
  });
  return out;
}

export function faultsOf(d: Design): DesignFault[] {
  const out = fieldFaults(d.fields, 'fields');
  if (!NAME.test(d.kind)) out.unshift({ where: 'kind', code: 'name' });
  if (!d.title?.zh && !d.title?.en) out.push({ where: 'title', code: 'title' });
  const life = d.lifecycle;
  life?.states.forEach((s, i) => {
    if (!NAME.test(s.state)) out.push({ where: `lifecycle.states[${i}].state`, code: 'name' });
    else if (life.states.findIndex((o) => o.state === s.state) !== i) out.push({ where: `lifecycle.states[${i}].state`, code: 'twice' });
  });
  life?.transitions.forEach((t, i) => {
    if (!NAME.test(t.name)) out.push({ where: `lifecycle.transitions[${i}].name`, code: 'name' });
    if (t.from.length === 0 || !life.states.some((s) => s.state === t.to)) out.push({ where: `lifecycle.transitions[${i}].to`, code: 'ends' });
  });
  return out;
}

/* Text of the JSON view -> a design; names of fields that stayed keep what they were. */
export function fromJson(text: string, before: Design): { design: Design } | { fault: string } {
  try {
    const doc = JSON.parse(text) as KindDoc;
    if (!doc || typeof doc !== 'object' || !Array.isArray(doc.fields)) return { fault: 'fields' };
    const was = new Map(before.fields.map((f) => [f.name, f.was]));
    return { design: { ...doc, fields: doc.fields.map((f) => ({ ...f, was: was.get(f.name) })) } };
  } catch (e) {
    return { fault: (e as Error).message };
  }
}
