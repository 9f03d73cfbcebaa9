import { describe, expect, it } from 'vitest';
import { grantsToMap, mapToGrants } from './access/PermissionMatrix';
import { safeTarget } from './login/LoginPage';
import { columnsOf } from './resource/cells';
import { conflictRows } from './resource/Conflict';
import { readText } from './resource/import/mapping';
import { labelsOf } from './resource/LabelsEditor';
import type { KindDoc, Resource } from '@/lib/types';

const resource = (spec: Record<string, unknown>, more: Partial<Resource> = {}): Resource => ({ kind: 'x', id: '1', code: 'A', name: 'a', labels: {}, rev: 1, spec, ...more }) as Resource;

describe('permissions of a role', () => {
  it('become a matrix and rows again', () => {
    const map = grantsToMap([{ kinds: ['*'], actions: ['read'] }, { kinds: ['point', 'device'], actions: ['write', 'read'] }, { kinds: ['point'], actions: ['control'] }]);
    expect([...(map.get('point') ?? [])].sort()).toEqual(['control', 'read', 'write']);
    expect(mapToGrants(map)).toEqual([
      { kinds: ['*'], actions: ['read'] },
      { kinds: ['device'], actions: ['read', 'write'] },
      { kinds: ['point'], actions: ['read', 'write', 'control'] },
    ]);
  });
});

describe('after signing in', () => {
  it('only own paths are followed', () => {
    expect(['/points?q=1', '//evil.example', 'https://evil.example', '/\\evil', null].map(safeTarget)).toEqual(['/points?q=1', '/', '/', '/', '/']);
  });
});

describe('a lost race', () => {
  it('shows what both changed and where they differ', () => {
    const rows = conflictRows(resource({ lo: 1, hi: 9 }), { name: 'a', labels: {}, code: 'A', spec: { lo: 2, hi: 9 } }, resource({ lo: 1, hi: 10 }, { rev: 2 }));
    expect(rows.map((r) => [r.path, r.base, r.mine, r.stored])).toEqual([['spec.hi', 9, 9, 10], ['spec.lo', 1, 2, 1]]);
  });
});

describe('labels', () => {
  it('that went away are cleared', () => {
    expect(labelsOf([{ key: 'line', value: '1' }, { key: ' ' }, {}], { line: '0', old: 'x' })).toEqual({ line: '1', old: null });
  });
});

describe('imports', () => {
  it('read what Excel in China writes', async () => {
    const gb18030 = new Uint8Array([0xb2, 0xe2, 0xb5, 0xe3]);
    expect(await readText(new Blob([gb18030]))).toBe('测点');
    expect(await readText(new Blob(['测点']))).toBe('测点');
  });
});

describe('columns of a list', () => {
  const kind: KindDoc = {
    kind: 'x', plural: 'xs', title: { en: 'X', zh: '甲' }, lists: { columns: ['code', 'spec.period', 'updated_at'] },
    fields: [{ name: 'period', type: 'duration', title: { en: 'Period', zh: '周期' } }, { name: 'key', type: 'secret' }, { name: 'lo', type: 'number' }],
  };
  it('come in the order of the kind, the others can be picked, secrets never', () => {
    const columns = columnsOf(kind, (k) => k, 'zh');
    expect(columns.filter((c) => !c.hidden).map((c) => [c.key, c.title])).toEqual([['code', 'envelope.code'], ['period', '周期'], ['updated_at', 'envelope.updated_at']]);
    expect(columns.map((c) => c.key)).toContain('lo');
    expect(columns.map((c) => c.key)).not.toContain('key');
  });
});
