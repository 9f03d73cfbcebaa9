/* The logic of the wizard: pasted tables, address ranges, checks, storing with retries, test reads. */
import { describe, expect, it, vi } from 'vitest';
import { ApiError } from '@/lib/api';
import type { BulkItem, BulkReport, FieldDoc, ReadItem, Resource, ResourceInput } from '@/lib/types';
import { carryOut, nothingMade, PORTION, type Server } from './plan';
import { readAll, type ReadResult } from './reader';
import { checkRows, choiceOf, columnOf, columnOfWhere, fillPattern, isBlank, nextAddress, parseCells, rangeRows, readPaste, specOf, type Row } from './sheet';

const fields: FieldDoc[] = [
  { name: 'type', type: 'enum', title: { zh: '设备数据类型', en: 'Type in the device' }, values: [{ value: 'auto', title: { zh: '由地址决定', en: 'by the address' } }, { value: 'float', title: { zh: '32 位浮点数', en: '32-bit float' } }, { value: 'int16' }, { value: 'bool' }] },
  { name: 'byte_order', type: 'enum', title: { zh: '字节序', en: 'Byte order' }, values: [{ value: 'ABCD' }, { value: 'CDAB' }] },
  { name: 'lo', type: 'number', title: { zh: '量程下限', en: 'Range from' } },
];
const row = (cells: Row['cells'], key = 1): Row => ({ key, cells, errors: {} });

describe('paste', () => {
  it('reads what spreadsheets give, with quotes', () => {
    expect(parseCells('a\tb\r\n"x\ty"\t"say ""hi"""\r\n')).toEqual([['a', 'b'], ['x\ty', 'say "hi"']]);
    expect(parseCells('a,b\n"1,5",2')).toEqual([['a', 'b'], ['1,5', '2']]);
    expect(parseCells('\ufeffa;b\n\n1;2')).toEqual([['a', 'b'], ['1', '2']]);
  });
  it('follows a heading in either language and tells what it does not know', () => {
    const p = readPaste('位号\t名称\t地址\t量程下限\t备注\nT1\t温度\t400001\t0\tx\nT2\t\t400003\t\t', 'code', fields);
    expect(p.header).toBe(true);
    expect(p.rows).toEqual([{ code: 'T1', name: '温度', address: '400001', lo: '0' }, { code: 'T2', address: '400003' }]);
    expect(p.unknown).toEqual(['备注']);
  });
  it('starts at the cell of the cursor without a heading', () => {
    expect(readPaste('400001\tREAL\n400003\tfloat', 'address', fields).rows).toEqual([{ address: '400001', type: 'float' }, { address: '400003', type: 'float' }]);
    expect(columnOf('Byte Order', fields)).toBe('byte_order');
    expect(columnOf('whatever', fields)).toBeNull();
  });
});

describe('range', () => {
  it('counts by the type', () => {
    const r = { start: '400001', count: 3, type: 'float', stride: 0, code: '{device}.{n:2}', name: '测点{n}', from: 1, rest: { period: '1s' } };
    expect(rangeRows(r, 'D1')).toEqual([
      { code: 'D1.01', name: '测点1', address: '400001', type: 'float', period: '1s' },
      { code: 'D1.02', name: '测点2', address: '400003', type: 'float', period: '1s' },
      { code: 'D1.03', name: '测点3', address: '400005', type: 'float', period: '1s' },
    ]);
  });
  it('keeps stations, orders, widths, hexadecimals, and rolls bits over', () => {
    expect(nextAddress('1!400009#CDAB', 2, 'float')).toBe('1!400011#CDAB');
    expect(nextAddress('000009', 1, 'bool')).toBe('000010');
    expect(nextAddress('4:0x1F', 1, 'int16')).toBe('4:0x20');
    expect(nextAddress('300004.15', 1, 'bool')).toBe('300005.0');
    expect(nextAddress('400020.10H', 5, 'string')).toBe('400025.10H');
    expect(nextAddress('abc', 1, 'int16')).toBeNull();
    expect(fillPattern('{device}-{address}', 1, '1!400001', 'X')).toBe('X-1!400001');
  });
});

describe('check', () => {
  it('puts faults on cells', () => {
    const rows = [row({ code: 'a b', address: '1' }, 1), row({ code: 'T', address: '1', lo: 'x', period: '3y', type: 'nope' }, 2), row({ code: 'T', lo: '5', hi: '5' }, 3), row({ code: 'U', address: '2', type: 'REAL' }, 4)];
    const f = checkRows(rows, fields);
    expect(f.get(1)).toEqual({ code: 'code' });
    expect(f.get(2)).toEqual({ lo: 'number', period: 'duration', type: 'choice' });
    expect(f.get(3)).toEqual({ code: 'twice', address: 'required', hi: 'range' });
    expect(f.has(4)).toBe(false);
  });
  it('turns words into values', () => {
    expect(choiceOf(fields[0], '32 位浮点数')).toBe('float');
    expect(choiceOf(fields[0], 'Real')).toBe('float');
    expect(specOf(row({ code: 'T', name: 'n', address: '400001', type: 'REAL', scale: '0.1', unit: 't/h' }), fields)).toEqual({ address: '400001', type: 'float', scale: 0.1, unit: 't/h' });
    expect(isBlank(row({ type: 'float', period: '1s' }))).toBe(true);
    expect(isBlank(row({ address: '1' }))).toBe(false);
  });
  it('takes whether a point may be written, typed or pasted', () => {
    const pasted = readPaste('code\taddress\t允许写入\nA\t1\t是\nB\t2\tno\nC\t3\t\nD\t4\tmaybe', 'code', fields).rows;
    expect(pasted.map((r) => r.writable)).toEqual(['true', 'false', undefined, 'maybe']);
    expect(readPaste('code\twritable\nA\tRW', 'code', fields).rows[0].writable).toBe('true');
    expect(pasted.slice(0, 3).map((cells) => specOf(row(cells), fields).writable)).toEqual([true, false, undefined]);
    expect(checkRows(pasted.map((cells, i) => row(cells, i)), fields)).toEqual(new Map([[3, { writable: 'choice' }]]));
    expect(isBlank(row({ writable: 'true' }))).toBe(true);
  });
  it('finds the cell of a server error', () => {
    expect([columnOfWhere('spec.address'), columnOfWhere('items[2].spec.lo'), columnOfWhere('code'), columnOfWhere('spec.writable'), columnOfWhere('spec.options'), columnOfWhere(undefined)]).toEqual(['address', 'lo', 'code', 'writable', 'row', 'row']);
  });
});

function fakeServer() {
  const store = new Map<string, Resource>();
  const s = {
    find: vi.fn(async (plural: string, code: string) => [...store.values()].find((r) => r.kind === plural && (r.code === code || r.id === code)) ?? null),
    create: vi.fn(async (plural: string, input: ResourceInput) => {
      if (store.has(`${plural}/${input.code}`)) throw new ApiError(409, 'exists', '', 'exists');
      const r = { kind: plural, id: `id-${input.code}`, code: input.code, name: input.name, spec: input.spec, labels: {}, rev: 1 } as unknown as Resource;
      store.set(`${plural}/${input.code}`, r);
      return r;
    }),
    patch: vi.fn(async (plural: string, id: string) => [...store.values()].find((r) => r.kind === plural && r.id === id) as Resource),
    codesOf: vi.fn(async (device: string) => new Set([...store.values()].filter((r) => r.kind === 'points' && r.spec.device === device).map((r) => r.code))),
    bulk: vi.fn(async (items: BulkItem[]): Promise<BulkReport> => {
      const bad = items.filter((i) => i.spec?.address === 'bad' || (i.op === 'create' && store.has(`points/${i.code}`)));
      if (bad.length === 0) for (const i of items) store.set(`points/${i.code}`, { kind: 'points', id: `id-${i.code}`, code: i.code, spec: i.spec } as unknown as Resource);
      return { dry_run: false, applied: true, created: items.length - bad.length, updated: 0, unchanged: 0, deleted: 0, failed: bad.length, rows: bad.map((i) => ({ line: items.indexOf(i), status: 'failed', code: i.code ?? '', errors: [{ where: 'spec.address', detail: 'no address' }] })) };
    }),
  };
  return { s: s satisfies Server, store };
}
const points = (n: number) => Array.from({ length: n }, (_, i) => ({ key: i, code: `P${i}`, name: '', spec: { address: String(400001 + i) } }));
const input = (n: number) => ({ channel: { input: { code: 'C', spec: {} } }, device: { input: { code: 'D', spec: {} } }, points: points(n) });

describe('storing', () => {
  it('makes channel, device and points in portions', async () => {
    const { s, store } = fakeServer();
    const progress = vi.fn();
    const made = nothingMade();
    const out = await carryOut(s, input(PORTION + 5), made, progress);
    expect(out.ok).toBe(true);
    expect(s.bulk).toHaveBeenCalledTimes(2);
    expect(made.points.size).toBe(PORTION + 5);
    expect(store.get('devices/D')?.spec.channel).toBe('id-C');
    expect(store.get('points/P0')?.spec.device).toBe('id-D');
    expect(progress.mock.calls.at(-1)).toEqual(['points', PORTION + 5]);
  });
  it('says which cell is wrong, and goes on after it is right without making anything twice', async () => {
    const { s, store } = fakeServer();
    const made = nothingMade();
    const first = input(PORTION + 5);
    first.points[PORTION + 1].spec.address = 'bad';
    const out = await carryOut(s, first, made, () => {});
    expect([out.ok, out.step, made.points.size]).toEqual([false, 'points', PORTION]);
    expect(out.rows.get(PORTION + 1)).toEqual({ address: 'no address' });
    const again = await carryOut(s, input(PORTION + 5), made, () => {});
    expect(again.ok).toBe(true);
    expect(s.create).toHaveBeenCalledTimes(2);
    expect([...store.keys()].filter((k) => k.startsWith('points/')).length).toBe(PORTION + 5);
  });
  it('adopts what an unanswered request made, but nothing that was there before', async () => {
    const { s } = fakeServer();
    const made = nothingMade();
    const real = s.create.getMockImplementation() as Server['create'];
    s.create.mockImplementationOnce(async (plural, i) => {
      await real(plural, i);
      throw new ApiError(0, 'offline', '', 'lost');
    });
    expect((await carryOut(s, input(1), made, () => {})).error?.code).toBe('offline');
    expect((await carryOut(s, input(1), made, () => {})).ok).toBe(true);
    const other = await carryOut(s, input(1), nothingMade(), () => {});
    expect([other.ok, other.error?.code]).toEqual([false, 'exists']);
  });
  it('never takes over a point of another device', async () => {
    const { s, store } = fakeServer();
    store.set('points/P0', { kind: 'points', id: 'x', code: 'P0', spec: { device: 'other' } } as unknown as Resource);
    const out = await carryOut(s, input(1), nothingMade(), () => {});
    expect([out.ok, out.rows.size]).toEqual([false, 1]);
    expect(store.get('points/P0')?.spec.device).toBe('other');
  });
});

describe('test read', () => {
  it('sets aside the address that the server refuses and reads the others', async () => {
    const ask = vi.fn(async (specs: { address?: unknown }[]) => {
      const bad = specs.findIndex((p) => p.address === 'bad');
      if (bad >= 0) throw new ApiError(400, 'invalid', '', 'no address', `points[${bad}].address`);
      return specs.map((p): ReadItem => ({ address: String(p.address), value: 1, quality: 'good', reason: '', raw: '', ms: 1 }));
    });
    const got = new Map<number, ReadResult>();
    await readAll(ask, [{ key: 5, spec: { address: 'a' } }, { key: 6, spec: { address: 'bad' } }, { key: 7, spec: { address: 'c' } }], (k, r) => got.set(k, r));
    expect(got.get(6)).toEqual({ fault: 'no address' });
    expect('item' in (got.get(7) as ReadResult)).toBe(true);
    expect(ask).toHaveBeenCalledTimes(2);
  });
});
