/* Faults of the server on the fields of a form. */
import type { FormInstance } from 'antd';
import { pathOfWhere } from '@/components/schema/convert';
import { asError } from '@/lib/api';

/* Errors of the server onto the fields; what has no field is given back. */
export function placeFaults(form: FormInstance, error: unknown): string[] {
  const rest: string[] = [];
  for (const f of asError(error).faults()) {
    const path = pathOfWhere(f.where ?? '').filter((p, i) => !(i === 0 && p === 'spec'));
    if (path.length > 0 && form.getFieldInstance(path as never)) form.setFields([{ name: path as never, errors: [f.detail] }]);
    else rest.push(f.detail);
  }
  return rest;
}
