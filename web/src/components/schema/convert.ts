/* Between the server's spec and antd form values: times, secrets and free JSON have another shape in the
 * form; places of errors ("spec.permissions[2].kind") become form paths. */
import dayjs, { type Dayjs } from 'dayjs';
import { compactDuration } from '@/lib/time';
import type { FieldDoc, Spec } from '@/lib/types';

/* A file that was sent and does not belong to anything yet. */
export interface FreshFile {
  upload: string;
  name: string;
  size: number;
  type: string;
  url?: string;    /* picture in this browser */
}

export type FormPath = (string | number)[];

/* What no other editor fits is edited as JSON text. */
export function asJson(f: FieldDoc): boolean {
  return f.type === 'json' || (f.type === 'array' && (!f.items || f.items.type === 'array')) || (f.type === 'object' && !f.fields?.length);
}

export function toForm(fields: FieldDoc[], spec: Spec | undefined, creating: boolean): Spec {
  const out: Spec = {};
  for (const f of fields) {
    const value = spec?.[f.name];
    if (value === undefined || value === null) {
      if (creating && f.default !== undefined) out[f.name] = valueToForm(f, f.default, creating);
      else if (f.type === 'object' && !asJson(f)) out[f.name] = toForm(f.fields ?? [], {}, creating);
    } else {
      out[f.name] = valueToForm(f, value, creating);
    }
  }
  return out;
}

function valueToForm(f: FieldDoc, value: unknown, creating: boolean): unknown {
  if (f.type === 'time') return dayjs(value as string);
  if (f.type === 'duration') return compactDuration(String(value));
  if (f.type === 'secret') return undefined;
  if (asJson(f)) return JSON.stringify(value, null, 2);
  if (f.type === 'object') return toForm(f.fields ?? [], value as Spec, creating);
  if (f.type === 'array' && f.items && Array.isArray(value)) return value.map((v) => valueToForm(f.items as FieldDoc, v, creating));
  return value;
}

/* `full`: every empty member becomes null (a merge patch that clears it); else it is left out. */
export function fromForm(fields: FieldDoc[], values: Spec | undefined, full: boolean): Spec {
  const out: Spec = {};
  for (const f of fields) {
    if (f.read_only || f.masked) continue;
    const value = valueFromForm(f, values?.[f.name], full);
    if (value === undefined) continue;
    if (value === null && (!full || f.type === 'secret')) continue;
    out[f.name] = value;
  }
  return out;
}

function valueFromForm(f: FieldDoc, value: unknown, full: boolean): unknown {
  if (value === undefined || value === null || value === '') return f.type === 'secret' ? undefined : null;
  if (f.type === 'time') return (value as Dayjs).toISOString();
  if (f.type === 'file' && typeof value === 'object') return (value as FreshFile).upload;
  if (asJson(f)) return typeof value === 'string' ? JSON.parse(value) : value;
  if (f.type === 'object') {
    const inner = fromForm(f.fields ?? [], value as Spec, full);
    return Object.keys(inner).length === 0 && !full ? undefined : inner;
  }
  if (f.type === 'array' && f.items && Array.isArray(value)) {
    return value.map((v) => valueFromForm(f.items as FieldDoc, v, false)).filter((v) => v !== null && v !== undefined);
  }
  return value;
}

export function pathOfWhere(where: string): FormPath {
  return where.split(/[.[\]]+/).filter(Boolean).map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}

/* Is the field at this path one that the form shows? Errors elsewhere stand above the form. */
export function knownPath(path: FormPath, fields: FieldDoc[]): boolean {
  if (path[0] === 'code' || path[0] === 'name' || path[0] === 'org') return path.length === 1;
  return path[0] === 'spec' && path.length > 1 && fields.some((f) => f.name === path[1]);
}

export function shown(f: FieldDoc, siblings: Spec | undefined): boolean {
  if (!f.show_if) return true;
  return f.show_if.in.includes(siblings?.[f.show_if.field] as never);
}

/* A field that hangs on one that is not shown is not shown either. */
export function shownAmong(f: FieldDoc, fields: FieldDoc[], siblings: Spec | undefined, depth = 0): boolean {
  if (!shown(f, siblings)) return false;
  const by = f.show_if && depth < 8 ? fields.find((x) => x.name === f.show_if?.field) : undefined;
  return by ? shownAmong(by, fields, siblings, depth + 1) : true;
}
