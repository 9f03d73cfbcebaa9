/* Codes as a rule writes them, for the preview while it is typed; the server has the last word. Pure. */
export type Check = 'none' | 'luhn' | 'mod11_2' | 'mod97_10';

export interface Rule {
  pattern?: string;
  start?: number;
  step?: number;
  check?: Check;
}

const value = (c: string) => (/\d/.test(c) ? Number(c) : c.toUpperCase().charCodeAt(0) - 55);

/* Digits only; for mod97_10 letters count 10..35. */
export function checkOf(text: string, check: Check | undefined): string {
  const chars = [...text].filter((c) => (check === 'mod97_10' ? /[0-9A-Za-z]/ : /[0-9]/).test(c));
  if (check === 'luhn') {
    const sum = chars.map(Number).reverse().reduce((s, d, i) => s + (i % 2 === 0 ? (d * 2 > 9 ? d * 2 - 9 : d * 2) : d), 0);
    return String((10 - (sum % 10)) % 10);
  }
  if (check === 'mod11_2') {
    let p = 0;
    for (const c of chars) p = ((p + value(c)) * 2) % 11;
    const rest = (12 - p) % 11;
    return rest === 10 ? 'X' : String(rest);
  }
  if (check === 'mod97_10') {
    let n = 0;
    for (const d of [...chars.map((c) => String(value(c))).join(''), '0', '0']) n = (n * 10 + Number(d)) % 97;
    return String(98 - n).padStart(2, '0');
  }
  return '';
}

const PARTS = /\{([a-z]+)(?::([a-z0-9_.]+))?\}/g;
export const KNOWN_PARTS = ['org', 'yyyy', 'yy', 'mm', 'dd', 'n', 'field', 'check'];

/* The first word in braces that no rule knows, or '' ; '{n}' must be there. */
export function faultOf(pattern: string): 'unknown' | 'number' | '' {
  const parts = [...pattern.matchAll(PARTS)].map((m) => m[1]);
  if (parts.some((p) => !KNOWN_PARTS.includes(p)) || /[{}]/.test(pattern.replace(PARTS, ''))) return 'unknown';
  return parts.includes('n') ? '' : 'number';
}

export function codeAt(rule: Rule, n: number, org: string, when: Date): string {
  const two = (x: number) => String(x).padStart(2, '0');
  const words: Record<string, string> = { org, yyyy: String(when.getFullYear()), yy: two(when.getFullYear() % 100), mm: two(when.getMonth() + 1), dd: two(when.getDate()) };
  const body = (rule.pattern ?? '').replace(PARTS, (all, name: string, width: string | undefined) => {
    if (name === 'n') return String(n).padStart(Number(width ?? 1), '0');
    if (name === 'field') return `‹${width ?? ''}›`;
    return name === 'check' ? '\0' : words[name] ?? all;
  });
  return body.replace('\0', checkOf(body.split('\0')[0], rule.check));
}

export function nextCodes(rule: Rule, count: number, org: string, when: Date): string[] {
  if (!rule.pattern || faultOf(rule.pattern)) return [];
  return Array.from({ length: count }, (_, i) => codeAt(rule, (rule.start ?? 1) + i * (rule.step ?? 1), org, when));
}
