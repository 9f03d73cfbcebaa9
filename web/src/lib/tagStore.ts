/* Newest value of each point, by number. A component reads one with useTag and is rendered again only
 * when that one changes. */
import { useCallback, useSyncExternalStore } from 'react';
import type { LiveValue } from './frame';

type Listener = () => void;

const values = new Map<number, LiveValue>();
const listeners = new Map<number, Set<Listener>>();
const taps = new Set<(batch: [number, LiveValue][]) => void>();

export function tagOf(num: number): LiveValue | undefined {
  return values.get(num);
}

export function putTags(batch: [number, LiveValue][]): void {
  const told = new Set<Listener>();
  for (const [num, value] of batch) {
    values.set(num, value);
    const set = listeners.get(num);
    if (set) for (const fn of set) told.add(fn);
  }
  for (const fn of told) fn();
  for (const tap of taps) tap(batch);
}

export function listenTag(num: number, fn: Listener): () => void {
  const set = listeners.get(num) ?? new Set<Listener>();
  set.add(fn);
  listeners.set(num, set);
  return () => {
    set.delete(fn);
    if (set.size === 0) listeners.delete(num);
  };
}

/* Every batch as it comes (the live tail of a trend). */
export function tapTags(fn: (batch: [number, LiveValue][]) => void): () => void {
  taps.add(fn);
  return () => taps.delete(fn);
}

export function forgetTags(): void {
  values.clear();
}

export function useTag(num: number | undefined): LiveValue | undefined {
  const subscribe = useCallback((fn: Listener) => (num ? listenTag(num, fn) : () => {}), [num]);
  return useSyncExternalStore(subscribe, () => (num ? values.get(num) : undefined));
}
