/* Values as people type them, and what a device made of what it was told. Pure. */

/* "5", "true", "[1]", "{…}" are JSON; anything else is a text, unless it was meant as JSON and is broken. */
export function readTyped(text: string): { value: unknown } | { fault: string } {
  const t = text.trim();
  if (t === '') return { value: '' };
  try {
    return { value: JSON.parse(t) };
  } catch (e) {
    return /^[[{"]/.test(t) ? { fault: (e as Error).message } : { value: t };
  }
}

/* Parameters of a command: JSON, or nothing. */
export function readParams(text: string): { value: unknown } | { fault: string } {
  return text.trim() === '' ? { value: undefined } : readTyped(text);
}

/* As it stands in a table or in a field: texts bare unless they would be read as something else. */
export function typed(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  const back = readTyped(value);
  return 'value' in back && back.value === value ? value : JSON.stringify(value);
}

export type Reported = { state: 'same' | 'other'; value: unknown; at: string } | { state: 'none' };

/* Devices repeat in their own attributes what they took over: the same key there is their answer. */
export function reportedOf(key: string, told: unknown, own: { key: string; value: unknown; at: string }[]): Reported {
  const mine = own.find((a) => a.key === key);
  if (!mine) return { state: 'none' };
  return { state: sorted(mine.value) === sorted(told) ? 'same' : 'other', value: mine.value, at: mine.at };
}

function sorted(v: unknown): string {
  return JSON.stringify(v, (_k, x: unknown) => (x && typeof x === 'object' && !Array.isArray(x) ? Object.fromEntries(Object.entries(x).sort(([a], [b]) => (a < b ? -1 : 1))) : x));
}

/* Does a subscription of the device reach its commands? */
export function listens(filters: string[]): boolean {
  return filters.some((f) => /(^|\/)rpc(\/request)?(\/|$)/.test(f) || /^\/[^/]+\/[^/]+\/(#|\+|function|properties)/.test(f) || f === '#' || f === 'v1/devices/me/#');
}

/* JSON text of the server, in lines where it is long. */
export function pretty(text: string | null): string {
  if (text === null) return '';
  try {
    const v = JSON.parse(text) as unknown;
    return v !== null && typeof v === 'object' && text.length > 40 ? JSON.stringify(v, null, 1) : JSON.stringify(v);
  } catch {
    return text;
  }
}
