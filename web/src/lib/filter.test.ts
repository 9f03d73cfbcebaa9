import { describe, expect, it } from 'vitest';
import { asGroup, emptyGroup, faultPlace, parse, print, type Group } from './filter';
import { keyName } from './useHotkeys';
import { placeIn } from './neighbours';
import { mergeReports } from './bulk';
import type { BulkReport } from './types';

const again = (text: string) => print(parse(text).node ?? null);

describe('the filter as a tree and as text', () => {
  it('says the same after reading and writing', () => {
    for (const text of [
      "device='MILL1'", 'period<\'5s\'', 'hi=12.5', 'limits.high=null', "not (limits.high=null)",
      "device='MILL1' and period<'5s' and (name~'温度' or labels.line in (1,2)) and not (limits.high=null)",
      "code not in ('A','B')", "name='it''s'", 'enabled=true', "a='1x' or b='y' and c='z'",
    ]) {
      const once = again(text);
      expect(again(once)).toBe(once);
      expect(parse(once).fault).toBeUndefined();
    }
    expect(again("device='A' and (name~'x' or name~'y')")).toBe("device='A' and (name~'x' or name~'y')");
    expect(again("a='x' or b='y' and c='z'")).toBe("a='x' or (b='y' and c='z')");
    expect(again("not limits.high=null")).toBe('not (limits.high=null)');
  });
  it('reads what people write: quotes, words, blanks', () => {
    expect(parse(' code = "a b"  ').node).toEqual({ type: 'condition', field: 'code', op: '=', values: ['a b'] });
    expect(parse("labels.line in ( 'a' , b, null )").node).toMatchObject({ op: 'in', values: ['a', 'b', null] });
    expect(parse("t>='*-8h'").node).toMatchObject({ field: 't', op: '>=', values: ['*-8h'] });
    expect(parse('').node).toBeNull();
  });
  it('tells what is missing and where', () => {
    const fault = (text: string) => parse(text).fault;
    expect(fault('code=')).toEqual({ at: 5, code: 'value' });
    expect(fault("code 'x'")).toEqual({ at: 5, code: 'operator' });
    expect(fault("(code='x'")).toEqual({ at: 9, code: 'close' });
    expect(fault("code='x")).toEqual({ at: 5, code: 'quote' });
    expect(fault("code='x' name='y'")).toEqual({ at: 9, code: 'rest' });
    expect(fault("='x'")).toEqual({ at: 0, code: 'field' });
  });
  it('finds the place that the server names in bytes', () => {
    expect(faultPlace("name~'温度' and x", 'at character 19: the field is unknown')).toBe(14);
    expect(faultPlace('abc', '第 2 个字符处：语法错误')).toBe(1);
    expect(faultPlace('abc', 'no place')).toBeNull();
  });
  it('leaves out rows that are not finished', () => {
    const group: Group = { ...emptyGroup(), items: [{ type: 'condition', field: '', op: '=', values: [''] }, { type: 'condition', field: 'a', op: '=', values: ['1'] }, { type: 'condition', field: 'b', op: '~', values: [''] }] };
    expect(print(group)).toBe('a=1');
    expect(print(emptyGroup())).toBe('');
    expect(asGroup(parse("a='x'").node ?? null).items).toHaveLength(1);
  });
});

describe('keys', () => {
  it('have names', () => {
    const key = (k: string, more: object = {}) => keyName({ key: k, ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, ...more });
    expect([key('E'), key('?', { shiftKey: true }), key('s', { metaKey: true }), key('ArrowDown', { shiftKey: true })]).toEqual(['e', '?', 'Ctrl+s', 'Shift+ArrowDown']);
  });
});

describe('neighbours of a resource in its list', () => {
  const trail = { plural: 'x', query: {}, page: 2, size: 2, total: 5, ids: ['c', 'd'] };
  it('lie on its page or are behind a page', () => {
    expect(placeIn(trail, 'c')).toEqual({ index: 2, total: 5, back: 1, on: 'd' });
    expect(placeIn(trail, 'd')).toEqual({ index: 3, total: 5, back: 'c', on: 3 });
    expect(placeIn({ ...trail, page: 3, ids: ['e'] }, 'e')).toEqual({ index: 4, total: 5, back: 2, on: null });
    expect(placeIn(trail, 'z')).toBeNull();
  });
});

describe('reports of pieces', () => {
  const part = (over: Partial<BulkReport>): BulkReport => ({ dry_run: false, applied: true, created: 0, updated: 0, unchanged: 0, deleted: 0, failed: 0, rows: [], ...over });
  it('become one', () => {
    const sum = mergeReports(part({}), part({ updated: 1, failed: 1, rows: [{ line: 1, status: 'updated', code: 'A' }, { line: 2, status: 'failed', code: 'B' }] }), 200);
    expect([sum.updated, sum.failed, sum.rows.map((r) => r.line)]).toEqual([1, 1, [201, 202]]);
  });
});
