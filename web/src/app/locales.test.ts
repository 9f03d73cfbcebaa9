/* zh and en say the same things; every key that the source names exists; no key is named by nobody's file. */
import { describe, expect, it } from 'vitest';
import { locales } from './locales';

function keysOf(tree: object, prefix = ''): string[] {
  return Object.entries(tree).flatMap(([k, v]) => (typeof v === 'string' ? [`${prefix}${k}`] : keysOf(v as object, `${prefix}${k}.`)));
}

const zh = keysOf(locales.zh).sort();
const en = keysOf(locales.en).sort();

const sources = import.meta.glob<string>(['/src/**/*.{ts,tsx}', '!/src/**/*.test.*'], { query: '?raw', import: 'default', eager: true });
const zhFiles = import.meta.glob<object>('/src/**/locales/zh.json', { import: 'default', eager: true });

describe('locales', () => {
  it('have equal key sets', () => {
    expect(zh).toEqual(en);
  });

  it('do not share top-level keys between modules', () => {
    const tops = Object.values(zhFiles).flatMap((file) => Object.keys(file));
    expect(new Set(tops).size).toBe(tops.length);
  });

  it('hold every key that the source uses', () => {
    const used = Object.values(sources).flatMap((text) => [
      ...[...text.matchAll(/\bt\('([^'$]+)'/g)].map((m) => m[1]),
      ...[...text.matchAll(/title: '([a-z]\w*(?:\.\w+)+)'/g)].map((m) => m[1]),
    ]);
    expect(used.length).toBeGreaterThan(100);
    const known = new Set(zh);
    expect(used.filter((k) => !known.has(k) && !zh.some((z) => z.startsWith(`${k}.`)))).toEqual([]);
  });

  it('use the same placeholders', () => {
    const at = (tree: object, key: string) => key.split('.').reduce<unknown>((v, k) => (v as Record<string, unknown>)[k], tree) as string;
    const holes = (text: string) => [...text.matchAll(/{{(\w+)}}/g)].map((m) => m[1]).sort().join();
    expect(zh.filter((k) => holes(at(locales.zh, k)) !== holes(at(locales.en, k)))).toEqual([]);
  });
});
