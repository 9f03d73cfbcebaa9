/* The list, the frames, the options of drivers. */
import { describe, expect, it } from 'vitest';
import type { ChannelStatus, Driver, FieldDoc, Frame } from '@/lib/types';
import { findFrames, framesText, hexPairs, newestFirst } from '@/components/link/frames';
import { changedCount, freeCode, sections, withExample } from '@/components/link/options';
import { keepPlace, nextCode, suggestCode } from './drivers';
import { matching, worstFirst } from '@/components/link/list';
import { shownAmong } from '@/components/schema/convert';

const channel = (code: string, state: ChannelStatus['state'], reason = '') => ({ code, name: '', driver: 'modbus_tcp', state, reason }) as ChannelStatus;
const frame = (t: string, dir: 'tx' | 'rx', ok = true): Frame => ({ t, dir, hex: '0001 00ff', words: { zh: '读', en: 'read' }, ok, error: ok ? null : 'bad CRC' });

describe('list', () => {
  it('shows what is wrong first and searches in the reason', () => {
    const items = [channel('B', 'up'), channel('A', 'up'), channel('C', 'down', 'refused by 10.0.0.1'), channel('D', 'off')];
    expect(matching(items, '', '').map((c) => c.code)).toEqual(['C', 'A', 'B', 'D']);
    expect(matching(items, 'REFUSED', '').map((c) => c.code)).toEqual(['C']);
    expect(worstFirst([{ code: 'a', state: 'up' as const, bad: 0 }, { code: 'b', state: 'up' as const, bad: 3 }, { code: 'c', state: 'down' as const, bad: 1 }]).map((d) => d.code)).toEqual(['c', 'b', 'a']);
    expect(matching(items, '', 'up').map((c) => c.code)).toEqual(['A', 'B']);
  });
});

describe('frames', () => {
  it('are written in pairs and copied as lines', () => {
    expect(hexPairs('0001 00ff')).toBe('00 01 00 FF');
    const text = framesText([frame('2026-01-01T00:00:00.5Z', 'tx'), frame('2026-01-01T00:00:01Z', 'rx', false)], 'en');
    expect(text.split('\n').map((l) => l.slice(12))).toEqual(['  TX  00 01 00 FF  read', '  RX  00 01 00 FF  read  bad CRC']);
  });
  it('are found by words, errors and whole bytes', () => {
    const all = [frame('t1', 'tx'), { ...frame('t2', 'rx', false), hex: '1003', words: { zh: '应答', en: 'answer' } }];
    expect([findFrames(all, 'ANSWER', false), findFrames(all, '应答', false), findFrames(all, 'crc', false), findFrames(all, '00 ff', false), findFrames(all, '', true)].map((f) => f.map((x) => x.t))).toEqual([['t2'], ['t2'], ['t2'], ['t1'], ['t2']]);
    expect(findFrames(all, '00 3', false)).toEqual([]);
    expect(findFrames([{ ...all[0], hex: '0100' }], '10', false)).toEqual([]);
  });
  it('come newest first whatever their order', () => {
    expect(newestFirst([frame('2026-01-01T00:00:00Z', 'tx'), frame('2026-01-01T00:00:02Z', 'rx'), frame('2026-01-01T00:00:01Z', 'tx')]).map((f) => f.t.slice(18, 19))).toEqual(['2', '1', '0']);
  });
});

describe('drivers', () => {
  const fields: FieldDoc[] = [{ name: 'host', type: 'string', required: true }, { name: 'port', type: 'integer', default: 502 }, { name: 'framing', type: 'enum' }, { name: 'timeout', type: 'duration' }, { name: 'key', type: 'secret', required: true }];
  it('put what must be known first and fold the rest', () => {
    expect(sections(fields).map((x) => [x.name, x.fields.map((f) => f.name)])).toEqual([['main', ['host', 'port', 'framing', 'key']], ['more', ['timeout']]]);
    expect(sections([{ name: 'a', type: 'string' }, { name: 'b', type: 'string' }, { name: 'c', type: 'string' }, { name: 'd', type: 'string' }]).map((x) => x.fields.length)).toEqual([3, 1]);
  });
  it('show what a choice calls for beside it, and nothing of what is not chosen', () => {
    const auth: FieldDoc[] = [
      { name: 'url', type: 'string', required: true }, { name: 'auth', type: 'enum', default: 'none' }, { name: 'key_name', type: 'string', show_if: { field: 'auth', in: ['header'] } },
      { name: 'form', type: 'enum', default: 'json' }, { name: 'records', type: 'string', show_if: { field: 'form', in: ['json'] } }, { name: 'tls_ca', type: 'string' }, { name: 'client_key', type: 'secret' },
      { name: 'connect_timeout', type: 'duration' }, { name: 'answer_max', type: 'integer' }, { name: 'style', type: 'enum', default: 'a' }, { name: 'pattern', type: 'string', required: true, show_if: { field: 'style', in: ['b'] } },
    ];
    expect(Object.fromEntries(sections(auth).map((x) => [x.name, x.fields.map((f) => f.name)]))).toEqual({
      main: ['url', 'auth', 'key_name', 'form'], more: ['records', 'style', 'pattern'], security: ['tls_ca', 'client_key'], times: ['connect_timeout'], limits: ['answer_max'],
    });
    const chain: FieldDoc[] = [{ name: 'payload', type: 'enum' }, { name: 'time_format', type: 'enum', show_if: { field: 'payload', in: ['json'] } }, { name: 'time_pattern', type: 'string', show_if: { field: 'time_format', in: ['pattern'] } }];
    expect(shownAmong(chain[2], chain, { payload: 'json', time_format: 'pattern' })).toBe(true);
    expect(shownAmong(chain[2], chain, { payload: 'text', time_format: 'pattern' })).toBe(false);
  });
  it('say what was changed, and what could be typed', () => {
    expect(changedCount([{ name: 'wait', type: 'duration', default: '60s' }, { name: 'tls', type: 'boolean' }], { wait: '1m', tls: false })).toBe(0);
    expect(changedCount(fields, { host: 'h', port: 502, framing: null, timeout: '2s' })).toBe(2);
    expect([withExample('opcua', { name: 'endpoint', type: 'string' }).example, withExample('modbus_serial', { name: 'device', type: 'string' }).example, withExample('sparkplug_host', { name: 'device', type: 'string' }).example]).toEqual(['opc.tcp://192.168.1.10:4840', '/dev/ttyUSB0', undefined]);
  });
  it('another protocol keeps the address and nothing else', () => {
    const driver = { name: 'x', channel: fields } as Driver;
    expect(keepPlace({ port: 2404 }, { host: '10.0.0.5', port: 502, unit: 3 }, driver)).toEqual({ port: 2404, host: '10.0.0.5' });
    expect(keepPlace({ url: '' }, { host: '10.0.0.5' }, { ...driver, channel: [] })).toEqual({ url: '' });
  });
  it('suggest a code that is free and may be one', () => {
    expect(suggestCode('modbus_tcp', { host: '10.0.0.5', port: 502 }, fields, [])).toBe('10.0.0.5');
    expect(suggestCode('modbus_tcp', { host: 'my gw', port: 1502 }, fields, [])).toBe('my-gw-1502');
    expect(suggestCode('opcua', { endpoint: 'opc.tcp://10.0.0.5:4840/UA/Server' }, fields, [])).toBe('10.0.0.5:4840');
    expect(suggestCode('modbus_serial', { device: '/dev/ttyUSB0' }, fields, [])).toBe('dev-ttyUSB0');
    expect(suggestCode('modbus_tcp', {}, fields, ['modbus-1'])).toBe('modbus-1-2');
    expect([freeCode('a', ['a', 'a-2']), nextCode('a', ['a-1'])]).toEqual(['a-3', 'a-2']);
  });
});
