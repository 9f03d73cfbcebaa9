/* Options of a protocol in a form, and codes that are free. Pure. */
import type { FieldDoc } from '@/lib/types';

/* What must be given and what the table begins with stands in the form; the rest, which has sensible
 * defaults, behind "more". */
export function splitFields(fields: FieldDoc[], first = 3): { main: FieldDoc[]; more: FieldDoc[] } {
  const main = fields.filter((f, i) => f.required || i < first);
  return { main, more: fields.filter((f) => !main.includes(f)) };
}

export function freeCode(base: string, taken: Iterable<string>): string {
  const used = new Set(taken);
  if (!used.has(base)) return base;
  let n = 2;
  while (used.has(`${base}-${n}`)) n++;
  return `${base}-${n}`;
}
