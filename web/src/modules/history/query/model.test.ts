import { describe, expect, it } from 'vitest';
import { ofAggregates, ofSamples, readAsked, requestOf, roundStart } from './model';

const asked = (text: string) => readAsked(new URLSearchParams(text));

describe('history query', () => {
  it('reads the URL, with defaults', () => {
    expect(asked('')).toMatchObject({ mode: 'aggregate', points: [], fns: ['average', 'minimum', 'maximum'], interval: '1h', calendar: '' });
    expect(asked('mode=recorded&points=a,%20b').points).toEqual(['a', 'b']);
    expect(asked('mode=nonsense').mode).toBe('aggregate');
  });
  it('asks only when something is chosen', () => {
    expect(requestOf(asked(''), 0, 1, 'UTC')).toBeNull();
    expect(requestOf(asked('mode=calc'), 0, 1, 'UTC')).toBeNull();
    expect(requestOf(asked('points=a&calendar=day'), 0.4, 1000, 'Asia/Shanghai')).toEqual({ path: '/history/aggregate', query: { points: 'a', from: 0, to: 1000, tz: 'Asia/Shanghai', calendar: 'day', fn: 'average,minimum,maximum' } });
    expect(requestOf(asked('mode=recorded&points=a&where=>10'), 0, 1, 'UTC')?.query).toMatchObject({ where: '>10', quality: 'all' });
  });
  it('begins windows at round times of the place', () => {
    const at = Date.parse('2026-11-23T02:17:36Z');
    expect(new Date(roundStart(at, '1m', 0)).toISOString()).toBe('2026-11-23T02:17:00.000Z');
    expect(new Date(roundStart(at, '8h', -480)).toISOString()).toBe('2026-11-23T00:00:00.000Z'); /* 08:00 in Shanghai */
    expect(roundStart(1234.4, 'nonsense', 0)).toBe(1234);
  });
  it('puts series of different times into one sheet', () => {
    const s = ofSamples([
      { code: 'a', name: '', unit: '', t: [1, 3], v: [10, 30], q: [0, 2], truncated: false },
      { code: 'b', name: '', unit: 'm', t: [3, 2], v: [31, null], q: [0, 0], truncated: true },
    ]);
    expect(s.truncated).toBe(true);
    expect(s.rows.map((r) => [r.t, r.cells, r.bad])).toEqual([[1, [10, null], [false, false]], [2, [null, null], [false, false]], [3, [30, 31], [true, false]]]);
  });
  it('names columns by function, and by point where there are several', () => {
    const one = { code: 'a', name: '', unit: '', t: [1793491200000], values: { average: [1] }, status: { average: ['BadNoData'] } };
    expect(ofAggregates([one], ['average'], () => 'Average').columns[0].title).toBe('Average');
    const two = ofAggregates([one, { ...one, code: 'b' }], ['average'], () => 'Average');
    expect(two.columns.map((c) => c.title)).toEqual(['a Average', 'b Average']);
    expect(two.rows[0].bad).toEqual([true, true]);
  });
});
