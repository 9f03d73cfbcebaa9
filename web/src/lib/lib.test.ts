import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError, call, withQuery } from './api';
import { all, areaFilter, quote } from './filter';
import { decodeFrame, HEADER, MAGIC, RECORD } from './frame';
import { allows } from './session';
import { backoff, closeStream, stream, StreamClient } from './stream';
import { netFailed, netOk, useNet } from './net';
import { listenTag, putTags, tagOf } from './tagStore';
import { compactDuration, formatDuration, parseDuration, rangeOf, resolveTime, shiftStart } from './time';
import { formatNumber, formatValue, unitText } from './units';
import type { Session } from './types';

function frameOf(records: { t: bigint; num: number; type: number; q: number; flags: number; f?: number; i?: bigint }[]): ArrayBuffer {
  const buf = new ArrayBuffer(HEADER + RECORD * records.length);
  const view = new DataView(buf);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, records.length, true);
  view.setBigInt64(8, 1_700_000_000_123_456n, true);
  records.forEach((r, k) => {
    const at = HEADER + RECORD * k;
    view.setBigInt64(at, r.t, true);
    view.setUint32(at + 8, r.num, true);
    view.setUint8(at + 12, r.type);
    view.setUint8(at + 13, r.q);
    view.setUint16(at + 14, r.flags, true);
    if (r.f !== undefined) view.setFloat64(at + 16, r.f, true);
    if (r.i !== undefined) view.setBigInt64(at + 16, r.i, true);
  });
  return buf;
}

describe('live frames', () => {
  it('are read to the bit', () => {
    const frame = decodeFrame(frameOf([
      { t: 1_700_000_000_000_500n, num: 7, type: 1, q: 0, flags: 0x0200, f: -12.5 },
      { t: 1_700_000_000_000_000n, num: 4_000_000_000, type: 2, q: 1, flags: 5, i: -3n },
      { t: -1_000n, num: 9, type: 3, q: 0, flags: 0, i: 1n },
      { t: 0n, num: 10, type: 0, q: 2, flags: 0x0101, i: 0n },
      { t: 0n, num: 11, type: 4, q: 0, flags: 0, i: 42n },
    ]), new Map([[42, '铜']]));
    expect(frame?.serverTime).toBe(1_700_000_000_123.456);
    expect(frame?.values).toEqual([
      [7, { t: 1_700_000_000_000.5, v: -12.5, q: 0, r: 0 }],
      [4_000_000_000, { t: 1_700_000_000_000, v: -3, q: 1, r: 5 }],
      [9, { t: -1, v: true, q: 0, r: 0 }],
      [10, { t: 0, v: null, q: 2, r: 1 }],
      [11, { t: 0, v: '铜', q: 0, r: 0 }],
    ]);
  });

  it('of others or cut short do no harm', () => {
    expect(decodeFrame(new ArrayBuffer(8), new Map())).toBeNull();
    expect(decodeFrame(new ArrayBuffer(64), new Map())).toBeNull();
    const cut = frameOf([{ t: 0n, num: 1, type: 1, q: 0, flags: 0, f: 1 }, { t: 0n, num: 2, type: 1, q: 0, flags: 0, f: 2 }]).slice(0, HEADER + RECORD + 5);
    expect(decodeFrame(cut, new Map())?.values.map(([num]) => num)).toEqual([1]);
  });
});

describe('tag store', () => {
  it('tells who listens to a point, once a batch', () => {
    const fn = vi.fn();
    const other = vi.fn();
    const off = listenTag(1, fn);
    listenTag(2, other);
    putTags([[1, { t: 1, v: 1, q: 0, r: 0 }], [1, { t: 2, v: 2, q: 0, r: 0 }]]);
    expect(fn).toHaveBeenCalledTimes(1);
    expect(other).not.toHaveBeenCalled();
    expect(tagOf(1)?.v).toBe(2);
    off();
    putTags([[1, { t: 3, v: 3, q: 0, r: 0 }]]);
    expect(fn).toHaveBeenCalledTimes(1);
  });
});

class FakeSocket {
  static all: FakeSocket[] = [];
  static OPEN = 1;
  readyState = 0;
  sent: string[] = [];
  onopen?: () => void;
  onclose?: () => void;
  onmessage?: (e: { data: unknown }) => void;
  constructor(public url: string) {
    FakeSocket.all.push(this);
  }
  send(text: string) {
    this.sent.push(text);
  }
  close() {}
  open() {
    this.readyState = 1;
    this.onopen?.();
  }
}

describe('live stream', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    FakeSocket.all = [];
    vi.stubGlobal('WebSocket', FakeSocket);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('sends the union of what is shown, once, and again after a reconnection', () => {
    const client = new StreamClient('ws://x/stream');
    client.want([3, 1]);
    client.want([3, 2]);
    vi.advanceTimersByTime(200);
    const [first] = FakeSocket.all;
    first.open();
    expect(first.sent).toEqual(['{"op":"set","points":[1,2,3],"interval_ms":1000}']);
    client.unwant([3, 1]);
    vi.advanceTimersByTime(200);
    expect(first.sent[1]).toBe('{"op":"set","points":[2,3],"interval_ms":1000}');
    first.onclose?.();
    vi.advanceTimersByTime(1000);
    expect(FakeSocket.all).toHaveLength(2);
    FakeSocket.all[1].open();
    expect(FakeSocket.all[1].sent).toEqual(['{"op":"set","points":[2,3],"interval_ms":1000}']);
    client.close();
  });

  it('connects at once when the server answers after an outage, and once only', () => {
    const s = stream();
    s.want([1]);
    vi.advanceTimersByTime(200);
    for (let i = 0; i < 6; i++) {
      FakeSocket.all.at(-1)?.onclose?.();
      if (i < 5) vi.advanceTimersByTime(30000);
    }
    netFailed();
    const before = FakeSocket.all.length;
    vi.advanceTimersByTime(2000);
    expect(FakeSocket.all).toHaveLength(before);
    netOk();
    netOk();
    expect(FakeSocket.all).toHaveLength(before + 1);
    const last = FakeSocket.all[before];
    last.open();
    expect(last.sent).toEqual(['{"op":"set","points":[1],"interval_ms":1000}']);
    expect(useNet.getState().streamLost).toBe(true);
    last.onmessage?.({ data: frameOf([{ t: 0n, num: 1, type: 1, q: 0, flags: 0, f: 1 }]) });
    expect(useNet.getState().streamLost).toBe(false);
    netFailed();
    netOk();
    expect(FakeSocket.all).toHaveLength(before + 1);
    closeStream();
  });

  it('waits its time whatever is asked meanwhile, and not at all when nothing is shown', () => {
    const client = new StreamClient('ws://x/stream');
    client.want([1]);
    vi.advanceTimersByTime(200);
    FakeSocket.all[0].onclose?.();
    client.want([2]);
    vi.advanceTimersByTime(500);
    expect(FakeSocket.all).toHaveLength(1);
    vi.advanceTimersByTime(600);
    expect(FakeSocket.all).toHaveLength(2);
    client.unwant([1, 2]);
    FakeSocket.all[1].onclose?.();
    vi.advanceTimersByTime(60000);
    expect(FakeSocket.all).toHaveLength(2);
    client.want([3]);
    vi.advanceTimersByTime(200);
    expect(FakeSocket.all).toHaveLength(3);
    client.close();
  });

  it('waits longer each time, from 1 s to 30 s', () => {
    expect([0, 1, 2, 3, 4, 5, 20].map((n) => backoff(n, 1))).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000]);
    expect(backoff(0, 0)).toBe(1000);
  });
});

describe('the door to the server', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('carries the headers and reads problems', async () => {
    const fetcher = vi.fn(async () => new Response(JSON.stringify({ title: '无效', status: 400, code: 'invalid', detail: '周期太短', where: 'spec.period', errors: [{ where: 'spec.period', detail: '至少 50ms' }] }), { status: 400, headers: { 'Content-Type': 'application/problem+json' } }));
    vi.stubGlobal('fetch', fetcher);
    const error = await call('PATCH', '/points/x', { body: { a: 1 }, ifMatch: 7 }).catch((e: unknown) => e as ApiError);
    const [url, init] = fetcher.mock.calls[0] as unknown as [string, RequestInit];
    expect(url).toBe('/api/v1/points/x');
    expect(init.headers).toMatchObject({ 'X-Bornite': '1', 'If-Match': '"7"', 'Accept-Language': 'zh-CN', 'Content-Type': 'application/json' });
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).faults()).toEqual([{ where: 'spec.period', detail: '至少 50ms' }]);
    expect((error as ApiError).message).toBe('周期太短');
  });

  it('says offline when nobody answers', async () => {
    vi.stubGlobal('fetch', async () => {
      throw new TypeError('failed');
    });
    await expect(call('GET', '/kinds')).rejects.toMatchObject({ status: 0, code: 'offline' });
  });

  it('leaves empty parameters out', () => {
    expect(withQuery('/points', { q: '', filter: undefined, page: 2, sort: '-code' })).toBe('/points?page=2&sort=-code');
  });
});

describe('times', () => {
  it('read durations', () => {
    expect(['500ms', '1.5s', '1h30m', '2d', '10min'].map(parseDuration)).toEqual([500, 1500, 5400000, 172800000, 600000]);
    expect(['', '5', 's', '1h x', '1y'].map(parseDuration)).toEqual([null, null, null, null, null]);
  });
  it('write spans', () => {
    expect([250, 1500, 59000, 61000, 3600000, 90061000, -61000].map(formatDuration)).toEqual(['250ms', '1.5s', '59s', '1m 1s', '1h', '1d 1h', '-1m 1s']);
  });
  it('say it with the largest unit', () => {
    expect(['5000ms', '90s', '600s', '86400000ms', '1500ms', '250us', 'soon'].map(compactDuration)).toEqual(['5s', '90s', '10m', '1d', '1500ms', '250us', 'soon']);
  });
  it('resolve words', () => {
    expect(resolveTime('now', 1e12)).toBe(1e12);
    expect(resolveTime('now-8h', 1e12)).toBe(1e12 - 28800000);
    expect(resolveTime('1700000000000')).toBe(1700000000000);
    expect(resolveTime('now-2y', Date.UTC(2026, 10, 23))).toBe(Date.UTC(2024, 10, 23));
    expect(resolveTime('now-2mo', Date.UTC(2026, 10, 23))).toBe(Date.UTC(2026, 8, 23));
    expect(resolveTime('nonsense')).toBeNaN();
    const hour = { from: 'now-1h', to: 'now' };
    expect(rangeOf(new URLSearchParams('from=now-10y&to=now'), hour)).toEqual({ from: 'now-10y', to: 'now' });
    expect(rangeOf(new URLSearchParams('from=NaN&to=now'), hour)).toEqual(hour);
    expect(rangeOf(new URLSearchParams('from=now&to=now-1h'), hour)).toEqual(hour);
  });
  it('know the shift', () => {
    const at = new Date(2026, 4, 3, 17, 20).getTime();
    expect(new Date(shiftStart(at)).getHours()).toBe(16);
    expect(new Date(shiftStart(at, 2)).getHours()).toBe(0);
  });
});

describe('numbers', () => {
  it('have as many digits as mean something', () => {
    expect([0, 12, 3.14159, 123.456, 12345.678, 1e12, 0.00001234, 0.5].map((v) => formatNumber(v))).toEqual(['0', '12', '3.14', '123.5', '12345.7', '1000000000000', '0.0000123', '0.500']);
    expect([3000000000, -4294967295, 3000000000.5, 1e15, 9e-7, 1e-6].map((v) => formatNumber(v))).toEqual(['3000000000', '-4294967295', '3000000000.5', '1.000e+15', '9.000e-7', '0.00000100']);
    expect(formatNumber(2, 1)).toBe('2.0');
    expect([null, true, '运行', NaN].map((v) => formatValue(v))).toEqual(['—', '1', '运行', '—']);
    expect([unitText('Cel'), unitText('m3/h'), unitText('t/h'), unitText(''), unitText('mg/Nm3'), unitText('um/s2')]).toEqual(['°C', 'm³/h', 't/h', '', 'mg/Nm³', 'μm/s²']);
  });
});

describe('filters', () => {
  it('quote and join', () => {
    expect(quote("O'Brien")).toBe("'O''Brien'");
    expect(all("a='1' or b='2'", '', "c='3'")).toBe("(a='1' or b='2') and c='3'");
    expect(areaFilter('LT/GRD')).toBe("(area='LT/GRD' or (area>='LT/GRD/' and area<'LT/GRD0'))");
  });
});

describe('permissions', () => {
  const session = (permissions: Session['permissions']) => ({ permissions }) as Session;
  it('of every kind hold unless the kind has a row of its own, as the protected ones always have', () => {
    const reader = session([{ kind: '*', actions: ['read'] }, { kind: 'user', actions: [] }]);
    expect(allows(reader, 'point', 'read')).toBe(true);
    expect(allows(reader, 'point', 'write')).toBe(false);
    expect(allows(reader, 'user', 'read')).toBe(false);
    expect(allows(session([{ kind: '*', actions: ['read', 'admin'] }]), 'user', 'read')).toBe(true);
    expect(allows(undefined, 'point', 'read')).toBe(false);
  });
});
