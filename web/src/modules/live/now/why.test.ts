import { describe, expect, it } from 'vitest';
import type { DeviceStatus, Diagnostics, ReadItem } from '@/lib/types';
import { clockState, driverWords, worthAsking } from './why';

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
  it('knows which reasons a read tells more of, and when a clock is wrong', () => {
    expect([worthAsking('config_error'), worthAsking('comm_failure')]).toEqual([true, false]);
    expect([null, undefined, -500, 2500, -90000].map(clockState)).toEqual(['none', 'none', 'good', 'uncertain', 'bad']);
  });
});
