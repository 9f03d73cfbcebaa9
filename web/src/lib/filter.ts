/* The server's filter language: writing it (quote, all …), and as a tree for the filter builder: parse()
 * reads what print() writes and whatever else the server understands.
 *
 *   filter = or ; or = and {"or" and} ; and = not {"and" not} ; not = {"not"} (condition | "(" or ")")
 *   condition = path op value | path ["not"] "in" "(" value {"," value} ")"
 * Pure. */
export type Op = '=' | '!=' | '<' | '<=' | '>' | '>=' | '~' | 'in' | 'not in';
export type Literal = string | null;

export interface Condition {
  type: 'condition';
  field: string;
  op: Op;
  values: Literal[];
}

export interface Group {
  type: 'group';
  join: 'and' | 'or';
  not?: boolean;
  items: FilterNode[];
}

export type FilterNode = Condition | Group;

export interface FilterFault {
  at: number;        /* character of the text, from 0 */
  code: 'value' | 'operator' | 'field' | 'close' | 'open' | 'rest' | 'quote';
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function all(...parts: (string | undefined | null | false)[]): string {
  const kept = parts.filter((p): p is string => Boolean(p));
  return kept.length > 1 ? kept.map((p) => (/\bor\b/.test(p) ? `(${p})` : p)).join(' and ') : (kept[0] ?? '');
}

/* An area and everything below it: '0' is the character after '/'. */
export function areaFilter(area: string): string {
  if (!area) return '';
  return `(area=${quote(area)} or (area>=${quote(`${area}/`)} and area<${quote(`${area}0`)}))`;
}

export function codesFilter(codes: string[]): string {
  return `code in (${codes.map(quote).join(',')})`;
}

// ---- reading ----

interface Token {
  kind: 'word' | 'text' | 'op' | 'open' | 'close' | 'comma' | 'end' | 'bad';
  text: string;
  at: number;
}

const WORD = /[A-Za-z0-9_.:+*/@$[\]\u0080-\uffff-]/;
const OPS = ['<=', '>=', '!=', '=', '<', '>', '~'];

function quoted(text: string, at: number): Token & { end: number } {
  const mark = text[at];
  let out = '';
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] !== mark) out += text[i];
    else if (text[i + 1] === mark) out += text[i++];
    else return { kind: 'text', text: out, at, end: i + 1 };
  }
  return { kind: 'bad', text: 'quote', at, end: text.length };
}

function tokensOf(text: string): Token[] {
  const out: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const c = text[at];
    const op = OPS.find((o) => text.startsWith(o, at));
    const plain: Record<string, Token['kind']> = { '(': 'open', ')': 'close', ',': 'comma' };
    if (/\s/.test(c)) at++;
    else if (c === "'" || c === '"') {
      const t = quoted(text, at);
      out.push(t);
      at = t.end;
    } else if (op) {
      out.push({ kind: 'op', text: op, at });
      at += op.length;
    } else if (plain[c]) {
      out.push({ kind: plain[c], text: c, at });
      at++;
    } else if (WORD.test(c)) {
      let end = at;
      while (end < text.length && WORD.test(text[end])) end++;
      out.push({ kind: 'word', text: text.slice(at, end), at });
      at = end;
    } else {
      out.push({ kind: 'bad', text: c, at });
      at++;
    }
  }
  out.push({ kind: 'end', text: '', at: text.length });
  return out;
}

class Wrong extends Error {
  fault: FilterFault;
  constructor(at: number, code: FilterFault['code']) {
    super(code);
    this.fault = { at, code };
  }
}

class Reader {
  private pos = 0;
  private tokens: Token[];
  constructor(text: string) {
    this.tokens = tokensOf(text);
  }
  private get now(): Token {
    return this.tokens[this.pos];
  }
  private is(word: string): boolean {
    return this.now.kind === 'word' && this.now.text.toLowerCase() === word;
  }
  private take(kind: Token['kind'], code: FilterFault['code']): Token {
    const t = this.now;
    if (t.kind !== kind) throw new Wrong(t.at, t.text === 'quote' && t.kind === 'bad' ? 'quote' : code);
    this.pos++;
    return t;
  }
  private value(): Literal {
    const t = this.now;
    if (t.kind === 'text') return this.take('text', 'value').text;
    const word = this.take('word', 'value').text;
    return word === 'null' ? null : word;
  }
  private list(): Literal[] {
    this.take('open', 'open');
    const values = [this.value()];
    while (this.now.kind === 'comma') {
      this.pos++;
      values.push(this.value());
    }
    this.take('close', 'close');
    return values;
  }
  private condition(): Condition {
    const field = this.take('word', 'field').text;
    if (this.is('in')) {
      this.pos++;
      return { type: 'condition', field, op: 'in', values: this.list() };
    }
    if (this.is('not')) {
      this.pos++;
      if (!this.is('in')) throw new Wrong(this.now.at, 'operator');
      this.pos++;
      return { type: 'condition', field, op: 'not in', values: this.list() };
    }
    const op = this.take('op', 'operator').text as Op;
    return { type: 'condition', field, op, values: [this.value()] };
  }
  private negated(): FilterNode {
    if (this.is('not')) {
      this.pos++;
      const inner = this.negated();
      return inner.type === 'group' && !inner.not ? { ...inner, not: true } : { type: 'group', join: 'and', not: true, items: [inner] };
    }
    if (this.now.kind !== 'open') return this.condition();
    this.pos++;
    const inner = this.any();
    this.take('close', 'close');
    return inner;
  }
  private chain(word: 'and' | 'or', next: () => FilterNode): FilterNode {
    const items = [next()];
    while (this.is(word)) {
      this.pos++;
      items.push(next());
    }
    return items.length === 1 ? items[0] : { type: 'group', join: word, items };
  }
  private any(): FilterNode {
    return this.chain('or', () => this.chain('and', () => this.negated()));
  }
  whole(): FilterNode {
    const node = this.any();
    this.take('end', 'rest');
    return node;
  }
}

export function parse(text: string): { node: FilterNode | null; fault?: undefined } | { node?: undefined; fault: FilterFault } {
  if (!text.trim()) return { node: null };
  try {
    return { node: new Reader(text).whole() };
  } catch (e) {
    if (e instanceof Wrong) return { fault: e.fault };
    throw e;
  }
}

// ---- writing ----

const literal = (v: Literal) => (v === null ? 'null' : /^-?\d+(\.\d+)?$/.test(v) || v === 'true' || v === 'false' ? v : quote(v));

/* A condition that lacks its field or value says nothing yet. */
export function complete(node: FilterNode): boolean {
  if (node.type === 'group') return node.items.some(complete);
  return node.field !== '' && node.values.length > 0 && node.values.every((v) => v !== '' || node.op === '=' || node.op === '!=') && node.values.some((v) => v === null || v !== '');
}

function part(node: FilterNode, inside: 'and' | 'or' | null): string {
  if (node.type === 'condition') {
    const values = node.values.map(literal);
    return node.op === 'in' || node.op === 'not in' ? `${node.field} ${node.op} (${values.join(',')})` : `${node.field}${node.op}${values[0]}`;
  }
  const items = node.items.filter(complete);
  if (items.length === 1 && !node.not) return part(items[0], inside);
  const text = items.map((n) => part(n, node.join)).join(` ${node.join} `);
  if (node.not) return `not (${text})`;
  return inside !== null && inside !== node.join ? `(${text})` : text;
}

export function print(node: FilterNode | null): string {
  return node && complete(node) ? part(node, null) : '';
}

export const emptyGroup = (): Group => ({ type: 'group', join: 'and', items: [] });

/* The builder edits one group. */
export function asGroup(node: FilterNode | null): Group {
  if (!node) return emptyGroup();
  return node.type === 'group' ? node : { type: 'group', join: 'and', items: [node] };
}

/* Where the server found the fault: it counts bytes from 1 ("at character 12: …"). */
export function faultPlace(text: string, detail: string): number | null {
  const m = /(?:character|第)\s*(\d+)/.exec(detail);
  if (!m) return null;
  const bytes = new TextEncoder().encode(text).slice(0, Math.max(0, Number(m[1]) - 1));
  return new TextDecoder().decode(bytes).length;
}
