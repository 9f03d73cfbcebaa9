import { QueryClient } from '@tanstack/react-query';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Watcher } from './watch';
import type { KindDoc } from './types';

class FakeSource {
  static all: FakeSource[] = [];
  closed = false;
  listeners = new Map<string, (e: { data: string }) => void>();
  constructor(public url: string) {
    FakeSource.all.push(this);
  }
  addEventListener(name: string, fn: (e: { data: string }) => void) {
    this.listeners.set(name, fn);
  }
  close() {
    this.closed = true;
  }
  say(name: string, data: unknown) {
    this.listeners.get(name)?.({ data: JSON.stringify(data) });
  }
}

let hidden = false;

describe('watching the server', () => {
  const kinds = [{ kind: 'point', plural: 'points' }, { kind: 'device', plural: 'devices' }] as KindDoc[];
  let client: QueryClient;
  const stale = (path: string) => client.getQueryState([path, null])?.isInvalidated;

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('EventSource', FakeSource);
    vi.spyOn(document, 'hidden', 'get').mockImplementation(() => hidden);
    FakeSource.all = [];
    hidden = false;
    client = new QueryClient();
    for (const path of ['/points', '/points/7', '/points:tree', '/pointsmen', '/devices']) client.setQueryData([path, null], 1);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });

  it('makes what lies below the changed kind stale, once for many changes', () => {
    const spy = vi.spyOn(client, 'invalidateQueries');
    const watcher = new Watcher(client, kinds);
    for (let seq = 1; seq <= 100; seq++) FakeSource.all[0].say('change', { seq, kind: 'point' });
    FakeSource.all[0].say('change', { seq: 101, kind: 'unknown' });
    expect(spy).not.toHaveBeenCalled();
    vi.advanceTimersByTime(600);
    expect(spy).toHaveBeenCalledTimes(1);
    expect(['/points', '/points/7', '/points:tree', '/pointsmen', '/devices'].map(stale)).toEqual([true, true, true, false, false]);
    watcher.close();
    expect(FakeSource.all[0].closed).toBe(true);
  });

  it('lets go while hidden and goes on where it was', () => {
    const watcher = new Watcher(client, kinds);
    FakeSource.all[0].say('change', { seq: 42, kind: 'device' });
    hidden = true;
    document.dispatchEvent(new Event('visibilitychange'));
    expect(FakeSource.all[0].closed).toBe(false);
    vi.advanceTimersByTime(6000);
    expect(FakeSource.all[0].closed).toBe(true);
    hidden = false;
    document.dispatchEvent(new Event('visibilitychange'));
    expect(FakeSource.all[1].url).toBe('/api/v1/watch?topics=alarms,notices,jobs&from=42');
    watcher.close();
  });

  it('asks for everything again after a reset', () => {
    const watcher = new Watcher(client, kinds);
    FakeSource.all[0].say('reset', { seq: 9 });
    expect(['/points', '/devices'].map(stale)).toEqual([true, true]);
    watcher.close();
  });
});
