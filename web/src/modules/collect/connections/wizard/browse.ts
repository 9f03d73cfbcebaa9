/* What a device offers, as a tree that is asked for branch by branch; ticked leaves become rows of the table of points. */
import { call, post } from '@/lib/api';
import type { BrowseItem, Spec } from '@/lib/types';
import type { Cells } from './useSheet';

export interface Branch { items: BrowseItem[]; next: string | null }
export type AskBranch = (node: string, cursor: string | null) => Promise<Branch>;

const PORTION = 200;

export function askBranch(channel: string | Spec, device: string | Spec): AskBranch {
  return (node, cursor) => post<Branch>('/channels:browse', { channel, device, node, size: PORTION, ...(cursor ? { cursor } : {}) });
}

/* What one portion of a search gives; `next`: it can go on. */
export interface Found { items: (BrowseItem & { path?: string[] })[]; next: string | null; looked: number; waiting: number; failed: number; left_out: number; truncated: boolean }
export type AskSearch = (q: string, cursor: string | null, signal: AbortSignal) => Promise<Found>;

const SECONDS = 3;      /* a portion: short, so that one sees it go on */

export function askSearch(channel: string | Spec, device: string | Spec): AskSearch {
  return async (q, cursor, signal) => {
    const { data } = await call<Partial<Found>>('POST', '/channels:browse', { body: { channel, device, node: '', q, size: PORTION, seconds: SECONDS, ...(cursor ? { cursor } : {}) }, signal });
    return { items: data.items ?? [], next: data.next ?? null, looked: data.looked ?? 0, waiting: data.waiting ?? 0, failed: data.failed ?? 0, left_out: data.left_out ?? 0, truncated: data.truncated ?? false };
  };
}

export interface Pick { item: BrowseItem; path: string[] }

/* A find by where it stands; the path of an item ends with its own name, as in the tree. */
export function findOf(item: Found['items'][number]): { key: string; pick: Pick } {
  const path = [...(item.path ?? []), item.name];
  return { key: JSON.stringify([...(item.path ?? []), item.node]), pick: { item, path } };
}

/* The same address ticked in the tree and in a search is one point. */
export function uniquePicks(picks: Pick[]): Pick[] {
  const seen = new Set<string>();
  return picks.filter((p) => p.item.address !== null && !seen.has(p.item.address) && seen.add(p.item.address));
}

/* A value in a list: short, a float without the digits that only its size brings. */
export function shortValue(value: string): string {
  if (value.length > 48) return `${value.slice(0, 48)}…`;
  return /^-?\d+\.\d{7,}$/.test(value) ? String(Number(Number(value).toPrecision(7))) : value;
}

/* A code that is allowed (no spaces, commas, semicolons, quotes) from the names on the way to an item. */
export function codeOf(device: string, path: string[]): string {
  const tail = path.join('.').replace(/[\s,;'"]+/gu, '_');
  return device ? `${device}.${tail}` : tail;
}

/* The range that the device tells, as cells. */
function rangeOf(item: BrowseItem & { lo?: number; hi?: number }): Cells {
  return item.lo !== undefined && item.hi !== undefined ? { lo: String(item.lo), hi: String(item.hi) } : {};
}

/* Rows for the ticked items; codes that are taken or equal get a number behind them. */
export function rowsOf(items: { item: BrowseItem; path: string[] }[], device: string, taken: Set<string>): Cells[] {
  const used = new Set(taken);
  return items.filter((x) => x.item.address !== null).map(({ item, path }) => {
    const wanted = codeOf(device, path.slice(-2));
    let code = wanted;
    for (let n = 2; used.has(code); n++) code = `${wanted}_${n}`;
    used.add(code);
    return {
      code, name: item.name, address: item.address ?? '', type: item.type || 'auto',
      ...(item.unit ? { unit: item.unit } : {}), ...rangeOf(item), period: '1s', /* to be written: for the user to say, point by point */
    };
  });
}
