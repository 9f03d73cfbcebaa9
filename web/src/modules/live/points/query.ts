/* What the points page asks for, from its URL. */
import { all, areaFilter } from '@/lib/filter';
import type { Resource, Spec } from '@/lib/types';

export interface PointSpec extends Spec {
  device?: string;
  address?: string;
  unit?: string;
  decimals?: number;
  lo?: number;
  hi?: number;
  writable?: boolean;
  write_lo?: number;
  write_hi?: number;
  type?: string;
  step?: boolean;
  area?: string;
  name_en?: string;
}

export const specOf = (r: Resource) => r.spec as PointSpec;

export function pointFilter(area: string, own: string): string {
  return all(areaFilter(area), own);
}

export function nameOf(r: Resource, lang: string): string {
  return (lang === 'en' ? specOf(r).name_en : '') || r.name;
}
