import { describe, expect, it } from 'vitest';
import { listens, pretty, readParams, readTyped, reportedOf, typed } from './values';

describe('attributes and commands of a device', () => {
  it('reads what people type: JSON where it is, text otherwise, and tells broken JSON', () => {
    expect([readTyped('5'), readTyped(' true '), readTyped('fast'), readTyped('10:30'), readTyped('{"a":1}'), readTyped('')]).toEqual([{ value: 5 }, { value: true }, { value: 'fast' }, { value: '10:30' }, { value: { a: 1 } }, { value: '' }]);
    expect(readTyped('{"a":')).toHaveProperty('fault');
    expect(readParams('  ')).toEqual({ value: undefined });
  });
  it('shows values so that they are read back as they were', () => {
    for (const v of ['fast', '5', 'true', '', '{x', 7, null, { a: [1] }]) expect(readTyped(typed(v))).toEqual({ value: v });
  });
  it('finds what the device made of it', () => {
    const own = [{ key: 'period', value: 5, at: 't1' }, { key: 'map', value: { b: 1, a: 2 }, at: 't2' }];
    expect(reportedOf('period', 5, own)).toEqual({ state: 'same', value: 5, at: 't1' });
    expect(reportedOf('period', 10, own).state).toBe('other');
    expect(reportedOf('map', { a: 2, b: 1 }, own).state).toBe('same');
    expect(reportedOf('mode', 'x', own)).toEqual({ state: 'none' });
  });
  it('knows subscriptions that commands reach', () => {
    expect([['v1/devices/me/rpc/request/+'], ['v1/gateway/rpc'], ['/pumps/J1/#'], ['v1/devices/me/attributes'], []].map(listens)).toEqual([true, true, true, false, false]);
    expect([pretty('{"a":1}'), pretty(null), pretty('{"cut":')]).toEqual(['{"a":1}', '', '{"cut":']);
  });
});
