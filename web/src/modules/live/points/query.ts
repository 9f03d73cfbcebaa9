/* What the points page asks for, from its URL. */
import { all, areaFilter } from '@/lib/filter';
import type { PointSpec, Resource } from '@/lib/types';

export const specOf = (r: Resource) => r.spec as PointSpec;

export function pointFilter(area: string, own: string): string {
  return all(areaFilter(area), own);
}

export function nameOf(r: Resource, lang: string): string {
  return (lang === 'en' ? specOf(r).name_en : '') || r.name;
}
