/* What the points page asks for, from its URL. */
import { all, quote } from '@/lib/filter';
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

/* An area and everything below it: '0' is the character after '/'. */
export function areaFilter(area: string): string {
  if (!area) return '';
  return `(area=${quote(area)} or (area>=${quote(`${area}/`)} and area<${quote(`${area}0`)}))`;
}

export function codesFilter(codes: string[]): string {
  return `code in (${codes.map(quote).join(',')})`;
}

export function pointFilter(area: string, own: string): string {
  return all(areaFilter(area), own);
}

export function nameOf(r: Resource, lang: string): string {
  return (lang === 'en' ? specOf(r).name_en : '') || r.name;
}
