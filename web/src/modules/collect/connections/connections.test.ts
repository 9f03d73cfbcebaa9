/* The list, the frames, the options of drivers. */
import { describe, expect, it } from 'vitest';
import type { ChannelStatus, FieldDoc, Frame } from '@/lib/types';
import { framesText, hexPairs, newestFirst } from '@/components/link/frames';
import { freeCode, splitFields } from '@/components/link/options';
import { nextCode, suggestCode } from './drivers';
import { matching } from '@/components/link/list';

const channel = (code: string, state: ChannelStatus['state'], reason = '') => ({ code, name: '', driver: 'modbus_tcp', state, reason }) as ChannelStatus;
const frame = (t: string, dir: 'tx' | 'rx', ok = true): Frame => ({ t, dir, hex: '0001 00ff', words: { zh: '读', en: 'read' }, ok, error: ok ? null : 'bad CRC' });

describe('list', () => {
  it('shows what is wrong first and searches in the reason', () => {
    const items = [channel('B', 'up'), channel('A', 'up'), channel('C', 'down', 'refused by 10.0.0.1'), channel('D', 'off')];
    expect(matching(items, '', '').map((c) => c.code)).toEqual(['C', 'A', 'B', 'D']);
    expect(matching(items, 'REFUSED', '').map((c) => c.code)).toEqual(['C']);
    expect(matching(items, '', 'up').map((c) => c.code)).toEqual(['A', 'B']);
  });
});

describe('frames', () => {
  it('are written in pairs and copied as lines', () => {
    expect(hexPairs('0001 00ff')).toBe('00 01 00 FF');
    const text = framesText([frame('2026-01-01T00:00:00.5Z', 'tx'), frame('2026-01-01T00:00:01Z', 'rx', false)], 'en');
    expect(text.split('\n').map((l) => l.slice(12))).toEqual(['  TX  00 01 00 FF  read', '  RX  00 01 00 FF  read  bad CRC']);
  });
  it('come newest first whatever their order', () => {
    expect(newestFirst([frame('2026-01-01T00:00:00Z', 'tx'), frame('2026-01-01T00:00:02Z', 'rx'), frame('2026-01-01T00:00:01Z', 'tx')]).map((f) => f.t.slice(18, 19))).toEqual(['2', '1', '0']);
  });
});

describe('drivers', () => {
  const fields: FieldDoc[] = [{ name: 'host', type: 'string', required: true }, { name: 'port', type: 'integer', default: 502 }, { name: 'framing', type: 'enum' }, { name: 'timeout', type: 'duration' }, { name: 'key', type: 'secret', required: true }];
  it('put what must be given first', () => {
    const { main, more } = splitFields(fields);
    expect(main.map((f) => f.name)).toEqual(['host', 'port', 'framing', 'key']);
    expect(more.map((f) => f.name)).toEqual(['timeout']);
  });
  it('suggest a code that is free and may be one', () => {
    expect(suggestCode('modbus_tcp', { host: '10.0.0.5', port: 502 }, fields, [])).toBe('10.0.0.5');
    expect(suggestCode('modbus_tcp', { host: 'my gw', port: 1502 }, fields, [])).toBe('my-gw-1502');
    expect(suggestCode('modbus_tcp', {}, fields, ['modbus-1'])).toBe('modbus-1-2');
    expect([freeCode('a', ['a', 'a-2']), nextCode('a', ['a-1'])]).toEqual(['a-3', 'a-2']);
  });
});
