/* The test read: asks for the rows' addresses in portions. The server refuses a whole portion when one
 * address makes no sense; that row gets the error and the others are asked again. */
import { ApiError, asError, post } from '@/lib/api';
import type { ReadAnswer, ReadItem, Spec } from '@/lib/types';

export type ReadResult = { item: ReadItem } | { fault: string };
export type Ask = (points: Spec[]) => Promise<ReadItem[]>;

const PORTION = 100;

export function askServer(channel: string | Spec, device: string | Spec): Ask {
  return async (points) => (await post<ReadAnswer>('/channels:read', { channel, device, points })).items;
}

/* "points[3].address" -> 3; a fault without a place belongs to all. */
export function indexOfWhere(e: ApiError): number | null {
  for (const f of e.faults()) {
    const m = /points\[(\d+)\]/.exec(f.where ?? '');
    if (m) return Number(m[1]);
  }
  return null;
}

export async function readAll(ask: Ask, points: { key: number; spec: Spec }[], found: (key: number, r: ReadResult) => void): Promise<void> {
  for (let at = 0; at < points.length; at += PORTION) {
    let portion = points.slice(at, at + PORTION);
    while (portion.length > 0) {
      try {
        const items = await ask(portion.map((p) => p.spec));
        items.forEach((item, i) => portion[i] && found(portion[i].key, { item }));
        break;
      } catch (e) {
        const error = asError(e);
        const bad = indexOfWhere(error);
        if (bad === null || !portion[bad]) {
          if (portion.length === 1 && error.status === 400) {
            found(portion[0].key, { fault: error.message });
            break;
          }
          if (error.status !== 400) throw error;
          /* refused without saying which: one by one */
          for (const p of portion) await readAll(ask, [p], found);
          break;
        }
        found(portion[bad].key, { fault: error.faults().find((f) => f.where?.includes('points['))?.detail ?? error.message });
        portion = portion.filter((_p, i) => i !== bad);
      }
    }
  }
}
