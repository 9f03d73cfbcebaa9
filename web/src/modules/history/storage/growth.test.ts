import { describe, expect, it } from 'vitest';
import { ceilRound, shapeOf } from './growth';

describe('growth', () => {
  it('rounds scales up to what reads well', () => {
    expect(ceilRound(0)).toBe(1);
    expect(ceilRound(3)).toBe(5);
    expect(ceilRound(1024)).toBe(1024);
    expect(ceilRound(1025)).toBe(2048);
    expect(ceilRound(600 * 1024)).toBe(1024 * 1024);
  });
  it('draws days and where they go', () => {
    const days = [{ day: '2026-11-01', bytes: 0 }, { day: '2026-11-04', bytes: 300 }];
    const s = shapeOf(days, 100, 400, 100);
    /* three days are three quarters of the width; one more day at 100 a day */
    expect(s.dots.map((d) => d.x)).toEqual([0, 300]);
    expect(s.top).toBe(500);
    expect(s.forecast).toBe('300.0,40.0 400,20.0');
  });
  it('has no forecast without a slope, nothing without days', () => {
    expect(shapeOf([{ day: '2026-11-01', bytes: 5 }], null, 400, 100).forecast).toBe('');
    expect(shapeOf([], null, 400, 100).line).toBe('');
  });
});
