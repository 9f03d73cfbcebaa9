import { expect, test } from 'vitest';
import type { BrowseItem } from '@/lib/types';
import { codeOf, findOf, rowsOf, uniquePicks } from './browse';

const item = (over: Partial<BrowseItem>): BrowseItem => ({ node: 'n', name: 'x', description: '', address: 'a', type: 'double', value: null, unit: null, children: false, writable: false, ...over });

test('codes have no characters that codes may not have', () => {
  expect(codeOf('P1', ['Boiler 1', "it's, a;b"])).toBe('P1.Boiler_1.it_s_a_b');
  expect(codeOf('', ['温度'])).toBe('温度');
});

test('ticked leaves become rows; folders do not; equal codes are told apart', () => {
  const rows = rowsOf([
    { item: item({ name: 'T', address: 'ns=2;s=T', unit: 'Cel', writable: true }), path: ['Objects', 'Boiler', 'T'] },
    { item: item({ name: 'Boiler', address: null, children: true }), path: ['Objects', 'Boiler'] },
    { item: item({ name: 'T', address: 'ns=2;s=T2' }), path: ['Other', 'Boiler', 'T'] },
  ], 'D', new Set(['D.Boiler.T']));
  expect(rows).toEqual([
    { code: 'D.Boiler.T_2', name: 'T', address: 'ns=2;s=T', type: 'double', unit: 'Cel', period: '1s' },
    { code: 'D.Boiler.T_3', name: 'T', address: 'ns=2;s=T2', type: 'double', period: '1s' },
  ]);
});

test('finds of a search make the same rows as leaves of the tree; the same address is one point', () => {
  const found = { ...item({ node: 'i=7', name: 'T', address: 'ns=2;s=T' }), path: ['Objects', 'Boiler'] };
  expect(rowsOf([findOf(found).pick], 'D', new Set())[0].code).toBe('D.Boiler.T');
  expect(findOf(found).key).not.toBe(findOf({ ...found, path: ['Views', 'Boiler'] }).key);
  expect(uniquePicks([findOf(found).pick, { item: item({ address: 'ns=2;s=T' }), path: ['x'] }, { item: item({ address: null }), path: ['y'] }])).toHaveLength(1);
});
