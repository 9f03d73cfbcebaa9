/* The table of points in the wizard: its columns, reading what is pasted from a spreadsheet, making rows
 * from an address range, and the way to the API. Cells are texts, as typed; what they mean is decided when
 * they are sent. Pure. */
import { parseDuration } from '@/lib/time';
import type { FieldDoc, Spec } from '@/lib/types';

export type Column = 'code' | 'name' | 'address' | 'type' | 'byte_order' | 'scale' | 'offset' | 'unit' | 'decimals' | 'lo' | 'hi' | 'period' | 'deadband' | 'writable';

export const COLUMNS: Column[] = ['code', 'name', 'address', 'type', 'byte_order', 'scale', 'offset', 'unit', 'decimals', 'lo', 'hi', 'period', 'deadband', 'writable'];
const NUMERIC: Column[] = ['scale', 'offset', 'decimals', 'lo', 'hi', 'deadband'];

export interface Row {
  key: number;
  cells: Partial<Record<Column, string>>;
  errors: Partial<Record<Column | 'row', string>>;
}

export interface Texts {
  columns: Record<Column, string[]>;   /* headings that name a column, any case */
}

/* Headings that people write, besides the fields' own titles. */
const ALIASES: Record<Column, string[]> = {
  code: ['code', 'tag', '编码', '位号', '点号', '测点编码'],
  name: ['name', 'description', '名称', '描述', '测点名称'],
  address: ['address', 'addr', 'register', '地址', '寄存器', '寄存器地址'],
  type: ['type', 'datatype', 'data type', '类型', '数据类型', '设备数据类型'],
  byte_order: ['byte order', 'byte_order', 'order', '字节序', '字序'],
  scale: ['scale', 'factor', '系数', '倍率', '比例'],
  offset: ['offset', '偏移'],
  unit: ['unit', 'units', '单位'],
  decimals: ['decimals', '小数位', '显示小数位'],
  lo: ['lo', 'low', 'min', 'range from', '量程下限', '下限'],
  hi: ['hi', 'high', 'max', 'range to', '量程上限', '上限'],
  period: ['period', 'scan', 'interval', '采集周期', '周期'],
  deadband: ['deadband', '死区'],
  writable: ['writable', 'write', 'may be written', 'access', '允许写入', '可写', '是否可写', '读写'],
};

export function columnOf(heading: string, fields: FieldDoc[] = []): Column | null {
  const text = heading.trim().toLowerCase();
  if (!text) return null;
  for (const c of COLUMNS) {
    const f = fields.find((x) => x.name === c);
    const titles = [c, ...ALIASES[c], f?.title?.zh ?? '', f?.title?.en ?? ''].map((x) => x.toLowerCase());
    if (titles.includes(text)) return c;
  }
  return null;
}

/* Text of a clipboard or a file to a matrix: tabs as spreadsheets give them, else commas or semicolons,
 * with quotes that may hold separators and line ends. */
export function parseCells(text: string): string[][] {
  const source = text.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n');
  const first = source.split('\n', 1)[0];
  const sep = source.includes('\t') ? '\t' : first.includes(';') && !first.includes(',') ? ';' : ',';
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < source.length; i++) {
    const ch = source[i];
    if (quoted) {
      if (ch !== '"') cell += ch;
      else if (source[i + 1] === '"') cell += source[++i];
      else quoted = false;
    } else if (ch === '"' && cell === '') quoted = true;
    else if (ch === sep || ch === '\n') {
      row.push(cell.trim());
      cell = '';
      if (ch === '\n') {
        rows.push(row);
        row = [];
      }
    } else cell += ch;
  }
  if (cell !== '' || row.length > 0) rows.push([...row, cell.trim()]);
  return rows.filter((r) => r.some((c) => c !== ''));
}

export interface Pasted {
  rows: Partial<Record<Column, string>>[];
  unknown: string[];     /* headings that name no column */
  header: boolean;
}

/* With a heading line its names decide, without one the columns follow from where the cursor is. */
export function readPaste(text: string, at: Column, fields: FieldDoc[] = []): Pasted {
  const cells = parseCells(text);
  if (cells.length === 0) return { rows: [], unknown: [], header: false };
  const named = cells[0].map((h) => columnOf(h, fields));
  const header = named.filter((c) => c !== null).length >= Math.max(1, Math.ceil(cells[0].filter(Boolean).length / 2)) && (cells[0].length > 1 || cells.length > 1);
  const start = COLUMNS.indexOf(at);
  const columns = header ? named : cells[0].map((_c, i) => COLUMNS[start + i] ?? null);
  const rows = cells.slice(header ? 1 : 0).map((line) => {
    const row: Partial<Record<Column, string>> = {};
    line.forEach((text, i) => {
      const c = header ? columns[i] : (COLUMNS[start + i] ?? null);
      if (c && text !== '') row[c] = cellOf(c, fields, text);
    });
    return row;
  });
  return { rows, unknown: header ? cells[0].filter((h, i) => h !== '' && named[i] === null) : [], header };
}

/* ---- rows from a range of addresses ---- */

const REGISTERS: Record<string, number> = { int32: 2, uint32: 2, float: 2, bcd32: 2, int64: 4, uint64: 4, double: 4 };

/* How many numbers the next address of this type is further on. */
export function strideOf(type: string): number {
  return REGISTERS[type] ?? 1;
}

/* The last number of an address counts up; what stands before and after stays. "300004.0" (a bit) counts
 * bits 0 to 15 and then the register. */
export function nextAddress(address: string, by: number, type: string): string | null {
  const bit = /^(.*?)(\d+)\.(\d{1,2})$/.exec(address);
  if (bit && type === 'bool') {
    const n = Number(bit[3]) + by;
    return `${bit[1]}${grow(bit[2], Math.floor(n / 16))}.${n % 16}`;
  }
  const hex = /^(.*0x)([0-9a-f]+)(.*)$/i.exec(address);
  if (hex) return `${hex[1]}${(parseInt(hex[2], 16) + by).toString(16).toUpperCase().padStart(hex[2].length, '0')}${hex[3]}`;
  const suffix = /^(.*?)(\d+)((?:[.#].*)?)$/.exec(address);
  return suffix ? `${suffix[1]}${grow(suffix[2], by)}${suffix[3]}` : null;
}

function grow(digits: string, by: number): string {
  return String(Number(digits) + by).padStart(digits.length, '0');
}

export interface RangeSpec {
  start: string;
  count: number;
  type: string;
  stride: number;          /* 0: by the type */
  code: string;            /* "{device}.{n}", also {address}, {n:3} */
  name: string;
  from: number;            /* first n */
  rest: Partial<Record<Column, string>>;
}

export function fillPattern(pattern: string, n: number, address: string, device: string): string {
  return pattern.replace(/\{(n|i|address|device)(?::(\d+))?\}/g, (_m, key: string, width?: string) => {
    const value = key === 'device' ? device : key === 'address' ? address.replace(/[ ,;'"]/g, '') : String(n);
    return width ? value.padStart(Number(width), '0') : value;
  });
}

export function rangeRows(r: RangeSpec, device: string): Partial<Record<Column, string>>[] {
  const stride = r.stride || strideOf(r.type);
  const out: Partial<Record<Column, string>>[] = [];
  for (let i = 0; i < Math.min(10000, r.count); i++) {
    const address = i === 0 ? r.start : nextAddress(r.start, i * stride, r.type);
    if (address === null) break;
    out.push({ ...r.rest, code: fillPattern(r.code, r.from + i, address, device), name: fillPattern(r.name, r.from + i, address, device), address, type: r.type });
  }
  return out;
}

/* ---- checking and sending ---- */

export type Fault = 'required' | 'number' | 'duration' | 'twice' | 'code' | 'range' | 'choice';

const TYPE_WORDS: Record<string, string> = {
  real: 'float', float32: 'float', single: 'float', f32: 'float', double: 'double', float64: 'double', lreal: 'double', f64: 'double',
  int: 'int16', word: 'uint16', short: 'int16', ushort: 'uint16', dint: 'int32', dword: 'uint32', udint: 'uint32', uint: 'uint16', i16: 'int16', u16: 'uint16', i32: 'int32', u32: 'uint32',
  bit: 'bool', boolean: 'bool', '浮点': 'float', '浮点数': 'float', '位': 'bool', '字符串': 'string', '整数': 'int16',
};

/* What people write for a choice -> its value: the value, a title in either language, common words. */
export function choiceOf(field: FieldDoc | undefined, text: string): string | null {
  const want = text.trim().toLowerCase();
  for (const v of field?.values ?? []) {
    if ([String(v.value), v.title?.zh ?? '', v.title?.en ?? ''].some((x) => x.toLowerCase() === want)) return String(v.value);
  }
  const word = TYPE_WORDS[want];
  return word && (field?.values ?? []).some((v) => v.value === word) ? word : null;
}

const FLAG_WORDS: Record<'true' | 'false', string[]> = {
  true: ['true', '1', 'yes', 'y', 'x', 'rw', 'r/w', 'w', '√', '✓', '是', '允许', '可写', '读写'],
  false: ['false', '0', 'no', 'n', 'ro', 'r', '×', '否', '不允许', '只读'],
};

/* "yes", "读写" -> "true"; null when it says neither. */
export function flagOf(text: string): 'true' | 'false' | null {
  const want = text.trim().toLowerCase();
  return FLAG_WORDS.true.includes(want) ? 'true' : FLAG_WORDS.false.includes(want) ? 'false' : null;
}

/* A pasted text as its cell keeps it. */
function cellOf(column: Column, fields: FieldDoc[], text: string): string {
  return (column === 'writable' ? flagOf(text) : choiceOf(fields.find((f) => f.name === column), text)) ?? text;
}

export function isBlank(row: Row): boolean {
  return !COLUMNS.some((c) => (row.cells[c] ?? '').trim() !== '' && !['type', 'period', 'byte_order', 'scale', 'writable'].includes(c));
}

export function checkRows(rows: Row[], fields: FieldDoc[]): Map<number, Partial<Record<Column, Fault>>> {
  const out = new Map<number, Partial<Record<Column, Fault>>>();
  const seen = new Set<string>();
  for (const row of rows) {
    const faults: Partial<Record<Column, Fault>> = {};
    const cell = (c: Column) => (row.cells[c] ?? '').trim();
    if (cell('code') === '') faults.code = 'required';
    else if (!/^[^ ,;'"]+$/u.test(cell('code'))) faults.code = 'code';
    else if (seen.has(cell('code'))) faults.code = 'twice';
    seen.add(cell('code'));
    if (cell('address') === '') faults.address = 'required';
    for (const c of NUMERIC) if (cell(c) !== '' && !Number.isFinite(Number(cell(c)))) faults[c] = 'number';
    if (cell('period') !== '' && parseDuration(cell('period')) === null) faults.period = 'duration';
    if (!faults.lo && !faults.hi && cell('lo') !== '' && cell('hi') !== '' && Number(cell('lo')) >= Number(cell('hi'))) faults.hi = 'range';
    for (const c of ['type', 'byte_order'] as Column[]) if (cell(c) !== '' && choiceOf(fields.find((f) => f.name === c), cell(c)) === null) faults[c] = 'choice';
    if (cell('writable') !== '' && flagOf(cell('writable')) === null) faults.writable = 'choice';
    if (Object.keys(faults).length > 0) out.set(row.key, faults);
  }
  return out;
}

/* The members of a point's spec that the row gives. */
export function specOf(row: Row, fields: FieldDoc[]): Spec {
  const spec: Spec = {};
  for (const c of COLUMNS) {
    const text = (row.cells[c] ?? '').trim();
    if (text === '' || c === 'code' || c === 'name') continue;
    if (NUMERIC.includes(c)) spec[c] = Number(text);
    else if (c === 'writable') spec[c] = flagOf(text) === 'true';
    else if (c === 'type' || c === 'byte_order') spec[c] = choiceOf(fields.find((f) => f.name === c), text) ?? text;
    else spec[c] = text;
  }
  return spec;
}

/* Where an error of the server belongs: "spec.address", "items[3].spec.lo", "points[3].address". */
export function columnOfWhere(where: string | undefined): Column | 'row' {
  const name = (where ?? '').split(/[.[\]]+/).filter(Boolean).at(-1) ?? '';
  return (COLUMNS as string[]).includes(name) ? (name as Column) : 'row';
}
