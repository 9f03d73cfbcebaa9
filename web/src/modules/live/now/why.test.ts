import { describe, expect, it } from 'vitest';
import type { DeviceStatus, Diagnostics, ReadItem } from '@/lib/types';
import { badSince, clockState, driverWords, worthAsking } from './why';

const channel = (state: string, reason: string) => ({ state, reason }) as Diagnostics;
const device = (state: string, reason: string) => ({ state, reason }) as DeviceStatus;

describe('why a value is bad', () => {
  it('says the nearest words first and none twice', () => {
    const read = { quality: 'bad', reason: 'unit 1, holding register 9999: illegal data address' } as ReadItem;
    expect(driverWords(channel('degraded', 'unit 7: no answer'), device('up', ''), read).map((w) => [w.of, w.text])).toEqual([['point', read.reason], ['channel', 'unit 7: no answer']]);
    expect(driverWords(channel('down', '10.0.0.5:502: connection refused'), device('down', 'connection refused'), undefined)).toEqual([{ of: 'device', text: 'connection refused' }]);
    expect(driverWords(channel('up', ''), device('up', 'old'), { quality: 'good', reason: '' } as ReadItem)).toEqual([]);
    expect(driverWords(undefined, undefined, undefined)).toEqual([]);
  });
  it('finds since when by hours, minutes and samples', async () => {
    const now = Date.parse('2026-01-02T12:00:00Z');
    const lost = now - 3 * 3600000 + 61500;     /* the first bad one */
    const q = (t: number) => (t < lost ? 0 : 2);
    const asked: string[] = [];
    const ask = {
      windows: async (from: number, to: number, interval: string) => {
        asked.push(interval);
        const ms = interval === '1h' ? 3600000 : 60000;
        return Array.from({ length: Math.ceil((to - from) / ms) }, (_, i) => ({ from: new Date(from + i * ms).toISOString(), good: from + i * ms < lost ? 1 : 0 }));
      },
      samples: async (from: number) => { const t = Array.from({ length: 300 }, (_, i) => from + i * 1000); return { t, q: t.map(q) }; },
    };
    const since = await badSince(ask, now);
    expect(asked).toEqual(['1h', '1m']);
    expect(since.lastGood).toBeLessThan(lost);
    expect(since.at).toBeGreaterThanOrEqual(lost);
    expect((since.at ?? 0) - (since.lastGood ?? 0)).toBe(1000);
    expect(await badSince({ ...ask, windows: async () => [{ from: '2026-01-01T12:00:00Z', good: 0 }] }, now)).toEqual({ at: null, lastGood: null });
  });
  it('knows which reasons a read tells more of, and when a clock is wrong', () => {
    expect([worthAsking('config_error'), worthAsking('comm_failure')]).toEqual([true, false]);
    expect([null, undefined, -500, 2500, -90000].map(clockState)).toEqual(['none', 'none', 'good', 'uncertain', 'bad']);
  });
});
