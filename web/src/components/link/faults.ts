/* Faults of the server on the fields of a form. */
import type { FormInstance } from 'antd';
import { pathOfWhere, type FormPath } from '@/components/schema/convert';
import { asError } from '@/lib/api';

/* Into view and under the cursor, once the section that it is in has opened. */
function showField(form: FormInstance, path: FormPath): void {
  setTimeout(() => {
    form.scrollToField(path as never, { block: 'center', focus: true });
  }, 50);
}

/* Errors of the server onto the fields; what has no field is given back. */
export function placeFaults(form: FormInstance, error: unknown): string[] {
  const rest: string[] = [];
  let first: FormPath | null = null;
  const known = new Set(form.getFieldsError().map((f) => f.name.join('.')));
  for (const f of asError(error).faults()) {
    const path = pathOfWhere(f.where ?? '').filter((p, i) => !(i === 0 && p === 'spec'));
    if (path.length > 0 && known.has(path.join('.'))) {
      form.setFields([{ name: path as never, errors: [f.detail] }]);
      first ??= path;
    } else rest.push(f.detail);
  }
  if (first) showField(form, first);
  return rest;
}
