/* The list that a detail page was opened from, so that it can go to the one before and after; kept for this
 * tab. Pages beyond the one that was shown are asked for when they are reached. */
import type { Query } from './api';

export interface Trail {
  plural: string;
  query: Query;
  page: number;
  size: number;
  total: number;
  ids: string[];
}

const KEY = 'bornite.trail';

export function keepTrail(trail: Trail): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(trail));
  } catch {
    // without it there is only no way to the neighbours
  }
}

export function trailOf(plural: string): Trail | null {
  try {
    const trail = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as Trail | null;
    return trail?.plural === plural ? trail : null;
  } catch {
    return null;
  }
}

export interface Place {
  index: number;                 /* in the whole list, from 0 */
  total: number;
  back: string | number | null;  /* an id, or the page that has it */
  on: string | number | null;
}

export function placeIn(trail: Trail | null, id: string): Place | null {
  const at = trail?.ids.indexOf(id) ?? -1;
  if (!trail || at < 0) return null;
  const index = (trail.page - 1) * trail.size + at;
  return {
    index, total: trail.total,
    back: at > 0 ? trail.ids[at - 1] : trail.page > 1 ? trail.page - 1 : null,
    on: at + 1 < trail.ids.length ? trail.ids[at + 1] : index + 1 < trail.total ? trail.page + 1 : null,
  };
}
