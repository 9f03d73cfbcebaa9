import { describe, expect, it } from 'vitest';
import { checkOf, faultOf, nextCodes } from './codeRule';
import { emptyDesign, faultsOf, firstLifecycle, fromDocument, fromJson, newField, pluralOf, removeField, removeState, renameField, renamesOf, renameState, toDocument, withFields, type Design } from './model';
import { mergePatch, neededFor } from '../form/formModel';
import { conflictRows, firstChoices, merged } from '../Conflict';
import { orgTree } from '@/components/OrgSelect';
import { moved } from '@/components/SortList';
import type { KindDoc, Resource } from '@/lib/types';

const stored: KindDoc = {
  kind: 'spare_part', plural: 'spare-parts', title: { zh: '备件', en: 'Spare part' },
  fields: [{ name: 'supplier', type: 'string', title: { zh: '供应商', en: 'Supplier' } }, { name: 'qty', type: 'integer' }, { name: 'note', type: 'string', show_if: { field: 'supplier', in: ['x'] } }],
  lists: { columns: ['code', 'spec.supplier', 'qty'] }, form: { groups: [{ title: { zh: '一', en: 'One' }, fields: ['supplier', 'qty'] }] },
  lifecycle: { initial: 'draft', states: [{ state: 'draft' }, { state: 'done' }], transitions: [{ name: 'end', from: ['draft'], to: 'done', requires: ['supplier'] }] },
};

describe('the document of a kind', () => {
  it('is the same after designing nothing', () => {
    const again = toDocument(fromDocument(stored, true));
    expect(again).toMatchObject({ kind: 'spare_part', plural: 'spare-parts', lists: stored.lists, form: stored.form });
    expect(JSON.stringify(again)).not.toContain('was');
    expect(again.fields.map((f) => f.name)).toEqual(['supplier', 'qty', 'note']);
  });
  it('follows a new name everywhere, and knows it as a rename', () => {
    const d = renameField(fromDocument(stored, true), 0, 'vendor');
    expect(renamesOf(d)).toEqual({ supplier: 'vendor' });
    const doc = toDocument(d);
    expect([doc.lists?.columns, doc.form?.groups?.[0].fields, doc.lifecycle?.transitions[0].requires, doc.fields[2].show_if?.field]).toEqual([['code', 'spec.vendor', 'qty'], ['vendor', 'qty'], ['vendor'], 'vendor']);
    expect(renamesOf(renameField(d, 0, 'supplier'))).toEqual({});
  });
  it('forgets a field everywhere', () => {
    const doc = toDocument(removeField(fromDocument(stored, true), 0));
    expect(JSON.stringify(doc)).not.toContain('supplier');
  });
  it('goes to JSON and back', () => {
    const d = renameField(fromDocument(stored, true), 1, 'quantity');
    const back = fromJson(JSON.stringify(toDocument(d)), d);
    expect('design' in back && renamesOf(back.design)).toEqual({ qty: 'quantity' });
    expect(fromJson('{', d)).toHaveProperty('fault');
    expect(fromJson('{}', d)).toEqual({ fault: 'fields' });
  });
  it('tells what is wrong and where', () => {
    const d: Design = { ...emptyDesign(), kind: 'A b', fields: [newField('enum', []), newField('ref', []), { ...newField('string', []), name: 'enum' }, { ...newField('integer', []), min: 5, max: 1 }] };
    d.fields[0].values = [];
    expect(faultsOf(d).map((f) => `${f.where} ${f.code}`)).toEqual(['kind name', 'fields[0].values values', 'fields[1].kind refKind', 'fields[2].name twice', 'fields[3].min range', 'title title']);
    expect(faultsOf({ ...emptyDesign(), kind: 'x', title: { zh: '甲', en: '' } })).toEqual([]);
  });
  it('has names and plurals', () => {
    expect(['spare_part', 'class', 'category', 'day', ''].map(pluralOf)).toEqual(['spare-parts', 'classes', 'categories', 'days', '']);
    expect([newField('string', []).name, newField('string', ['text']).name]).toEqual(['text', 'text_2']);
    expect(moved(['a', 'b', 'c'], 0, 2)).toEqual(['b', 'c', 'a']);
    expect(moved(['a'], 0, 5)).toEqual(['a']);
  });
  it('keeps states and transitions together', () => {
    const life = renameState(firstLifecycle(), 1, 'waiting');
    expect(life.transitions.map((t) => [t.from, t.to])).toEqual([[['draft'], 'waiting'], [['waiting'], 'approved'], [['waiting'], 'draft']]);
    const less = removeState(life, 0);
    expect([less.initial, less.transitions.map((t) => t.name)]).toEqual(['waiting', ['approve']]);
    expect(neededFor(stored, undefined, 'zh', (n) => n)).toEqual({ supplier: 'end' });
  });
});

describe('codes of a rule', () => {
  it('count with check digits', () => {
    expect(checkOf('7992739871', 'luhn')).toBe('3');
    expect(checkOf('079', 'mod11_2')).toBe('X');
    expect(checkOf('794', 'mod97_10')).toBe('44');
    expect(nextCodes({ pattern: 'SP-{org}-{yyyy}{mm}-{n:4}', start: 9, step: 2 }, 2, 'LT', new Date(2026, 0, 5))).toEqual(['SP-LT-202601-0009', 'SP-LT-202601-0011']);
    expect([faultOf('A{n:5}{check}'), faultOf('A{n'), faultOf('{what}{n}'), faultOf('A')]).toEqual(['', 'unknown', 'unknown', 'number']);
  });
});

describe('a lost race', () => {
  const r = (spec: Record<string, unknown>, rev: number) => ({ id: '1', code: 'A', name: 'a', org: '', labels: {}, rev, spec }) as unknown as Resource;
  it('is settled field by field', () => {
    const mine = { code: 'A', name: 'a', labels: {}, spec: { lo: 2, hi: 9, both: 'm' } };
    const rows = conflictRows(r({ lo: 1, hi: 9, both: 'b' }, 1), mine, r({ lo: 1, hi: 10, both: 's' }, 2));
    const choices = firstChoices(rows);
    expect(choices).toEqual({ 'spec.lo': 'mine', 'spec.hi': 'stored' });
    expect(merged(mine, rows, { ...choices, 'spec.both': 'stored' }).spec).toEqual({ lo: 2, hi: 10, both: 's' });
  });
  it('free JSON loses the members that were taken out', () => {
    expect(mergePatch({ a: 1, b: { c: 1, d: 2 } }, { b: { d: 3 }, e: [1] })).toEqual({ a: null, b: { c: null, d: 3 }, e: [1] });
  });
});

describe('organisations', () => {
  it('are nested by their parents', () => {
    const node = (id: string, parent: string) => ({ id, code: id.toUpperCase(), name: '', type: 'plant', parent, children: 0 });
    expect(orgTree([node('a', ''), node('b', 'a'), node('c', 'B'), node('d', 'gone')])).toMatchObject([{ value: 'a', children: [{ value: 'b', children: [{ value: 'c' }] }] }, { value: 'd' }]);
  });

  it('shows new fields in the list while there is room', () => {
    const one = withFields(emptyDesign(), [newField('string', [])]);
    expect(one.lists?.columns).toEqual(['code', 'name', one.fields[0].name, 'updated_at']);
    const object = withFields(one, [...one.fields, newField('object', [one.fields[0].name])]);
    expect(object.lists?.columns).toEqual(one.lists?.columns);
    expect(object.fields.length).toBe(2);
  });
});
