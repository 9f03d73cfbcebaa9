import { expect, test } from 'vitest';
import { choiceOf, filterOf } from './choice';

test('what goes out is a choice, and a filter', () => {
  expect([choiceOf('*'), choiceOf(''), choiceOf(undefined), choiceOf("code~'LT'")].map((c) => c.mode)).toEqual(['all', 'mapped', 'mapped', 'own']);
  for (const area of ['LT', 'LT/GRD', "it's"]) expect(choiceOf(filterOf({ mode: 'area', area }))).toEqual({ mode: 'area', area });
  expect(choiceOf(`${filterOf({ mode: 'area', area: 'LT' })} and unit='t'`).mode).toBe('own');
  expect([filterOf({ mode: 'all' }), filterOf({ mode: 'mapped' }), filterOf({ mode: 'area', area: '' })]).toEqual(['*', '', '']);
  expect(filterOf({ mode: 'area', area: 'LT/' })).toBe(filterOf({ mode: 'area', area: 'LT' }));
});
