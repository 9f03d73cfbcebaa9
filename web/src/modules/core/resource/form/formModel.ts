/* Between a resource and the values of its form. Pure. */
import { asJson, fromForm, toForm } from '@/components/schema/convert';
import { textOf } from '@/lib/resources';
import type { FieldDoc, KindDoc, Resource, ResourceInput, Spec } from '@/lib/types';
import { labelRows, labelsOf, type LabelRow } from '../LabelsEditor';

export interface Values {
  code?: string;
  name?: string;
  org?: string | null;
  labels: LabelRow[];
  spec: Spec;
}

/* Fields whose content may not be seen are neither filled nor sent. */
export function maskedKind(kind: KindDoc, seesSensitive: boolean): KindDoc {
  if (seesSensitive || !kind.fields.some((f) => f.sensitive)) return kind;
  return { ...kind, fields: kind.fields.map((f) => (f.sensitive ? { ...f, masked: true } : f)) };
}

export function initialOf(kind: KindDoc, source: Resource | undefined, creating: boolean): Values {
  const files = creating ? new Set(kind.fields.filter((f) => f.type === 'file').map((f) => f.name)) : new Set<string>();
  const spec = Object.fromEntries(Object.entries(source?.spec ?? {}).filter(([k]) => !files.has(k)));
  return {
    code: creating && source ? '' : source?.code, name: source?.name, org: source?.org || undefined, labels: labelRows(source?.labels),
    spec: toForm(kind.fields.filter((f) => !f.masked), spec, creating),
  };
}

/* A merge patch that turns `before` into `after`: members that went away become null. */
export function mergePatch(before: unknown, after: unknown): unknown {
  const plain = (x: unknown): x is Spec => typeof x === 'object' && x !== null && !Array.isArray(x);
  if (!plain(before) || !plain(after)) return after;
  const gone = Object.keys(before).filter((k) => !(k in after)).map((k) => [k, null]);
  return Object.fromEntries([...gone, ...Object.entries(after).map(([k, v]) => [k, mergePatch(before[k], v)])]);
}

function withRemovals(fields: FieldDoc[], spec: Spec, base: Spec | undefined): Spec {
  return Object.fromEntries(Object.entries(spec).map(([k, v]) => [k, fields.some((f) => f.name === k && asJson(f)) ? mergePatch(base?.[k], v) : v]));
}

export function inputOf(kind: KindDoc, values: Values, spec: Spec, base: Resource | undefined, withOrg: boolean): ResourceInput {
  const input: ResourceInput = { name: values.name ?? '', labels: labelsOf(values.labels, base?.labels), spec: withRemovals(kind.fields, fromForm(kind.fields, spec, base !== undefined), base?.spec) };
  if (values.code || base) input.code = values.code;
  if (withOrg && (values.org || base)) input.org = values.org ?? '';
  return input;
}

/* What a field is needed for in the states to come: "needed to: Submit". */
export function neededFor(kind: KindDoc, state: string | undefined, lang: string, say: (names: string) => string): Record<string, string> {
  const out: Record<string, string[]> = {};
  const from = state || kind.lifecycle?.initial;
  for (const tr of kind.lifecycle?.transitions ?? []) {
    if (from && !tr.from.includes(from)) continue;
    for (const f of tr.requires ?? []) (out[f.replace(/^spec\./, '')] ??= []).push(textOf(tr.title, lang, tr.name));
  }
  return Object.fromEntries(Object.entries(out).map(([k, v]) => [k, say(v.join(', '))]));
}
