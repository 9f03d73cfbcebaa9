/* Which points go out, as people say it, and as a filter. Pure. */
import { areaFilter } from '@/lib/filter';

export type Choice = { mode: 'all' | 'mapped' | 'own' } | { mode: 'area'; area: string };

export function choiceOf(filter: string | null | undefined): Choice {
  const text = (filter ?? '').trim();
  if (text === '*') return { mode: 'all' };
  if (text === '') return { mode: 'mapped' };
  const area = /^\(area='((?:[^']|'')+)' or /.exec(text)?.[1]?.replaceAll("''", "'");
  return area !== undefined && areaFilter(area) === text ? { mode: 'area', area } : { mode: 'own' };
}

export function filterOf(c: Choice): string {
  return c.mode === 'all' ? '*' : c.mode === 'area' ? areaFilter(c.area.trim().replace(/\/+$/, '')) : '';
}
