import { describe, expect, it } from 'vitest';
import { applied, kindView, modified, specOf, stateOf, viewOf, withView } from './list/viewState';
import { filterFields, operatorsOf } from './list/filterFields';
import { missing, plainTitle, settled, sheetToCsv, suggest } from './import/mapping';
import { columnsOf, exportColumn } from './cells';
import { linesOf } from './Report';
import type { ImportColumn, ImportField } from '@/lib/pending';
import type { KindDoc, Resource } from '@/lib/types';

const kind: KindDoc = {
  kind: 'part', plural: 'parts', title: { en: 'Part', zh: '备件' }, lists: { columns: ['code', 'name', 'price'], sort: '-updated_at' },
  fields: [
    { name: 'price', type: 'number', required: true, title: { en: 'Unit price', zh: '单价' } }, { name: 'key', type: 'secret' },
    { name: 'size', type: 'object', title: { en: 'Size', zh: '尺寸' }, fields: [{ name: 'length', type: 'number', title: { en: 'Length', zh: '长' } }] },
    { name: 'category', type: 'enum', title: { en: 'Category', zh: '类别' }, values: [{ value: 'm' }] },
  ],
};
const look = { columns: null, widths: {}, dense: true };
const url = (text: string) => new URLSearchParams(text);

describe('the state of a list', () => {
  const saved = viewOf({ id: 'v1', name: 'Dear', created_by: 'li', rev: 3, spec: { query: { filter: 'price>100' }, columns: ['code', 'price'], sort: 'price', density: 'comfortable', roles: ['r'] } } as unknown as Resource, kind);
  it('is the kind\'s, the view\'s, or what the URL says', () => {
    expect(stateOf(url(''), kindView(kind), look)).toEqual({ filter: '', sort: '-updated_at', columns: null, dense: true });
    expect(stateOf(url('view=v1'), saved.state, look)).toMatchObject({ filter: 'price>100', sort: 'price', columns: ['code', 'price'] });
    expect(stateOf(url('view=v1&filter=&sort=code'), saved.state, look)).toMatchObject({ filter: '', sort: 'code', columns: ['code', 'price'] });
  });
  it('is modified as long as it differs from its view', () => {
    const params = applied(url('view=v1&page=3'), saved.state, { filter: 'price>5' });
    expect([params.toString(), modified(params)]).toEqual(['view=v1&filter=price%3E5', true]);
    const back = applied(params, saved.state, { filter: 'price>100' });
    expect([back.toString(), modified(back)]).toEqual(['view=v1', false]);
    expect(withView(url('q=x&filter=a%3D1&sort=code'), 'v2').toString()).toBe('q=x&view=v2');
    expect(modified(url('filter=a'))).toBe(false);
  });
  it('becomes a saved view and back', () => {
    const doc: KindDoc = { kind: 'saved_view', plural: 'saved-views', title: { en: '', zh: '' }, fields: ['kind', 'query', 'columns', 'sort', 'density', 'roles'].map((name) => ({ name, type: name === 'query' ? 'string' : 'json' })) };
    const spec = specOf(kind, saved.state, { shared: true, roles: ['r'] }, doc);
    expect(Object.keys(spec)).not.toContain('shared');
    expect(viewOf({ id: 'x', name: 'n', created_by: '', rev: 1, spec } as unknown as Resource, kind).state).toEqual(saved.state);
  });
});

describe('fields to filter and columns', () => {
  it('include nested ones and labels, never secrets', () => {
    const fields = filterFields(kind, (k) => k, 'zh', ['shelf']);
    expect(fields.map((f) => f.path)).toEqual(expect.arrayContaining(['price', 'size.length', 'code', 'labels.shelf']));
    expect(fields.map((f) => f.path)).not.toContain('key');
    expect(fields.find((f) => f.path === 'size.length')?.title).toBe('尺寸 / 长');
    expect(operatorsOf(kind.fields[0])).not.toContain('~');
    const keys = columnsOf(kind, (k) => k, 'zh', ['shelf']).map((c) => c.key);
    expect(keys).toEqual(expect.arrayContaining(['size.length', 'labels.shelf', 'labels']));
    expect([exportColumn(kind, 'price'), exportColumn(kind, 'size.length'), exportColumn(kind, 'code'), exportColumn(kind, 'labels.shelf')]).toEqual(['spec.price', 'spec.size.length', 'code', 'labels.shelf']);
  });
});

describe('columns of a table to import', () => {
  const fields: ImportField[] = [{ path: 'code', title: '编码', required: false }, { path: 'name', title: '名称', required: false }, { path: 'spec.price', title: '单价', required: true }, { path: 'spec.size.length', title: '长', required: false }, { path: 'spec.category', title: '类别', required: false }];
  const column = (index: number, title: string, field: string | null = null): ImportColumn => ({ index, title, samples: [], field });
  it('find their fields by either language, with units and marks', () => {
    const m = suggest(kind, [column(0, '编码 *'), column(1, 'NAME'), column(2, '单价（元）'), column(3, 'Size / Length'), column(4, '标签:库位'), column(5, '备注')], fields);
    expect(m).toEqual({ 0: 'code', 1: 'name', 2: 'spec.price', 3: 'spec.size.length', 4: 'labels.库位', 5: null });
  });
  it('take each field once, the server\'s word first', () => {
    expect(suggest(kind, [column(0, '单价'), column(1, 'x', 'spec.price')], fields)).toEqual({ 0: null, 1: 'spec.price' });
    expect(suggest(kind, [column(0, '物料类别')], fields)).toEqual({ 0: 'spec.category' });
    expect(plainTitle(' Unit_price (CNY)* ')).toBe('unitprice');
  });
  it('tell what is missing', () => {
    expect(missing(fields, { 0: 'code' }, {}).map((f) => f.path)).toEqual(['spec.price']);
    expect(missing(fields, { 0: 'code' }, { 'spec.price': '1' })).toEqual([]);
    expect([settled(fields, [column(0, '单价')], { 0: 'spec.price' }), settled(fields, [column(0, '编码')], { 0: 'code' })]).toEqual([true, false]);
  });
  it('come from rows copied in Excel', () => {
    expect(sheetToCsv('a\tb\r\n1\t"x\ny"\r\n\r\n2\tq"r, s\r\n')).toBe('a,b\r\n1,"x\ny"\r\n2,"q""r, s"');
  });
});

describe('a report', () => {
  it('has a line for each fault, failed rows first', () => {
    const lines = linesOf([{ line: 1, status: 'created', code: 'A' }, { line: 3, status: 'failed', code: 'C', errors: [{ where: 'spec.price', detail: 'x' }, { where: 'code', detail: 'y' }] }]);
    expect(lines.map((l) => [l.line, l.where])).toEqual([[3, 'price'], [3, 'code'], [1, '']]);
  });
});
