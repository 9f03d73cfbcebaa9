import { describe, expect, it } from 'vitest';
import { lanesOf, marksOf } from './gantt';
import type { Job } from './types';

const at = (h: number) => new Date(Date.UTC(2026, 0, 1, h)).toISOString();
const job = (id: string, type: string, from: number | null, to: number | null): Job => ({
  id, type, state: 'done', started_at: from === null ? null : at(from), ended_at: to === null ? null : at(to),
} as Job);
const day: [number, number, number] = [Date.parse(at(0)), Date.parse(at(24)), Date.parse(at(12))];

describe('the day as bars', () => {
  it('gives each type a lane and overlapping jobs rows', () => {
    const lanes = lanesOf([job('a', 'x', 0, 6), job('b', 'x', 3, 9), job('c', 'x', 7, 8), job('d', 'w', 1, 2)], ...day);
    expect(lanes.map((l) => [l.type, l.rows])).toEqual([['w', 1], ['x', 2]]);
    expect(lanes[1].bars.map((b) => [b.job.id, b.row])).toEqual([['a', 0], ['b', 1], ['c', 0]]);
    expect(lanes[1].bars[0].to).toBeCloseTo(0.25);
  });

  it('draws a running job until now, leaves out what is not started or outside, keeps short ones visible', () => {
    const lanes = lanesOf([job('run', 'x', 6, null), job('not', 'y', null, null), job('old', 'z', -30, -20), job('short', 's', 3, 3)], ...day);
    expect(lanes.map((l) => l.type)).toEqual(['s', 'x']);
    expect(lanes[1].bars[0].to).toBeCloseTo(0.5);
    expect(lanes[0].bars[0].to - lanes[0].bars[0].from).toBeGreaterThan(0.001);
  });

  it('marks at most a dozen times, at whole hours of the local day', () => {
    for (const hours of [1, 8, 24, 24 * 7]) {
      const marks = marksOf(day[0], day[0] + hours * 3600000);
      expect(marks.length).toBeGreaterThan(1);
      expect(marks.length).toBeLessThanOrEqual(13);
      expect(new Date(marks[0]).getMinutes() % 5).toBe(0);
    }
  });
});
