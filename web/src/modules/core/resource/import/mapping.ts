/* Which column of a table goes to which field: what the server recognised, then what the titles say. Pure. */
import type { ImportColumn, ImportField } from '@/lib/pending';
import type { KindDoc } from '@/lib/types';
import { fieldPaths } from '../cells';

export type Mapping = Record<number, string | null>;

/* "Unit price (CNY) *" and "unit_price" are the same. */
export function plainTitle(text: string): string {
  return text.toLowerCase().replace(/[(（[【].*?[)）\]】]/g, '').replace(/[\s_\-./:：*#"']+/g, '');
}

const ENVELOPE: Record<string, string[]> = {
  code: ['code', '编码', '编号', '代码', '编码code', 'id'],
  name: ['name', '名称', '名字', '品名'],
  org: ['org', 'organisation', 'organization', '组织', '所属组织', '部门'],
};

/* Every way to call a field: path, last part, titles in both languages. */
export function aliases(kind: KindDoc, fields: ImportField[]): Map<string, string> {
  const out = new Map<string, string>();
  const add = (text: string | undefined, path: string) => {
    const key = plainTitle(text ?? '');
    if (key && !out.has(key)) out.set(key, path);
  };
  const docs = new Map<string, ReturnType<typeof fieldPaths>[number]>(['en', 'zh'].flatMap((lang) => fieldPaths(kind.fields, lang).map((f) => [`${lang}:spec.${f.key}`, f] as const)));
  for (const f of fields) {
    add(f.path, f.path);
    add(f.path.replace(/^spec\./, ''), f.path);
    if (typeof f.title === 'string') add(f.title, f.path);
    for (const lang of ['en', 'zh']) {
      const doc = docs.get(`${lang}:${f.path}`);
      add(doc?.title, f.path);
      add(doc?.field.title?.[lang as 'en' | 'zh'], f.path);
    }
    for (const word of ENVELOPE[f.path] ?? []) add(word, f.path);
  }
  return out;
}

export function suggest(kind: KindDoc, columns: ImportColumn[], fields: ImportField[]): Mapping {
  const names = aliases(kind, fields);
  const known = new Set(fields.map((f) => f.path));
  const used = new Set<string>();
  const out: Mapping = {};
  const take = (index: number, path: string | null | undefined) => {
    if (!path || used.has(path) || out[index]) return;
    used.add(path);
    out[index] = path;
  };
  for (const c of columns) if (c.field && (known.has(c.field) || c.field.startsWith('labels.'))) take(c.index, c.field);
  for (const c of columns) take(c.index, names.get(plainTitle(c.title)));
  for (const c of columns) {
    const label = /^(?:labels?[.:]|标签[.:：])\s*(.+)$/i.exec(c.title.trim());
    if (label) take(c.index, `labels.${label[1].trim()}`);
  }
  for (const c of columns) {
    const title = plainTitle(c.title);
    const near = title.length >= 2 ? [...names].filter(([k, path]) => !used.has(path) && k.length >= 2 && (k.includes(title) || title.includes(k))) : [];
    if (new Set(near.map(([, path]) => path)).size === 1) take(c.index, near[0][1]);
    out[c.index] ??= null;
  }
  return out;
}

export function missing(fields: ImportField[], mapping: Mapping, defaults: Record<string, string>): ImportField[] {
  const given = new Set(Object.values(mapping));
  return fields.filter((f) => f.required && !given.has(f.path) && !defaults[f.path]);
}

/* Everything found its place: nothing to ask, the check may run at once. */
export function settled(fields: ImportField[], columns: ImportColumn[], mapping: Mapping): boolean {
  return columns.length > 0 && columns.every((c) => mapping[c.index]) && missing(fields, mapping, {}).length === 0;
}

/* What is copied in Excel: tabs between cells, quotes around those that hold a line break -> CSV. */
export function sheetToCsv(text: string): string {
  const rows: string[][] = [[]];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '"' && text[i + 1] === '"') cell += text[i++];
      else if (c === '"') quoted = false;
      else cell += c;
    } else if (c === '"' && cell === '') quoted = true;
    else if (c === '\t' || c === '\n') {
      rows[rows.length - 1].push(cell);
      cell = '';
      if (c === '\n') rows.push([]);
    } else if (c !== '\r') cell += c;
  }
  rows[rows.length - 1].push(cell);
  const csv = (v: string) => (/[",\n]/.test(v) ? `"${v.replaceAll('"', '""')}"` : v);
  return rows.filter((r) => r.some((v) => v.trim() !== '')).map((r) => r.map(csv).join(',')).join('\r\n');
}

/* Excel in China saves CSV as GB18030: what is not UTF-8 is read as that. */
export async function readText(file: Blob): Promise<string> {
  const bytes = await file.arrayBuffer();
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('gb18030').decode(bytes);
  }
}
