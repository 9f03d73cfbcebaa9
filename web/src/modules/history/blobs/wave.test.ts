import { expect, test } from 'vitest';
import { frameOf, nearest, peaks, polylines } from './wave';

test('the frame holds the curve and has a height even when the curve has none', () => {
  expect(frameOf({ x: [0, 1, 2], y: [1, null, 3] })).toEqual({ x0: 0, x1: 2, y0: 0.9, y1: 3.1 });
  const flat = frameOf({ x: [0, 1], y: [5, 5] });
  expect(flat.y1).toBeGreaterThan(flat.y0);
  expect(frameOf({ x: [0, 1], y: [2, 4] }, true).y0).toBe(0);
  expect(frameOf({ x: [], y: [] })).toEqual({ x0: 0, x1: 1, y0: 0, y1: 1 });
});

test('lines break where no number is', () => {
  expect(polylines({ x: [0, 1, 2, 4], y: [0, null, 1, 0] }, { x0: 0, x1: 4, y0: 0, y1: 1 }, 100, 10)).toEqual(['0.0,10.0', '50.0,0.0 100.0,10.0']);
});

test('the nearest value, and the highest peaks', () => {
  expect([-1, 0.4, 0.6, 9].map((x) => nearest({ x: [0, 1, 2], y: [0, 0, 0] }, x))).toEqual([0, 0, 1, 2]);
  expect(peaks([9, 0, 2, 1, 5, 1, 3], 10, 2)).toEqual([{ hz: 40, a: 5 }, { hz: 20, a: 2 }]);
});
