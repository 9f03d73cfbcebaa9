/* A role's permissions as a table kinds x actions. The document keeps rows {kinds, actions}; the matrix
 * shows and writes one row per kind. */
import { Checkbox, Table } from 'antd';
import { useTranslation } from 'react-i18next';
import type { FieldEditorProps } from '@/app/module';
import { textOf, useKinds } from '@/lib/resources';
import type { Grant } from '@/lib/types';

const ACTIONS: Grant['actions'] = ['read', 'write', 'delete', 'control', 'admin'];

export function grantsToMap(grants: Grant[] | undefined): Map<string, Set<string>> {
  const map = new Map<string, Set<string>>();
  for (const g of grants ?? []) {
    for (const kind of g?.kinds ?? []) {
      const set = map.get(kind) ?? new Set<string>();
      for (const a of g.actions ?? []) set.add(a);
      map.set(kind, set);
    }
  }
  return map;
}

/* Kinds with the same actions share a row, "*" first. */
export function mapToGrants(map: Map<string, Set<string>>): Grant[] {
  const rows = new Map<string, Grant>();
  for (const kind of [...map.keys()].sort()) {
    const actions = ACTIONS.filter((a) => map.get(kind)?.has(a));
    if (actions.length === 0) continue;
    const key = `${kind === '*' ? '*' : ''}${actions.join()}`;
    const row: Grant = rows.get(key) ?? { kinds: [], actions };
    row.kinds.push(kind);
    rows.set(key, row);
  }
  return [...rows.values()];
}

export function PermissionMatrix({ value, onChange, disabled }: FieldEditorProps) {
  const { t, i18n } = useTranslation();
  const { data: kinds } = useKinds();
  const map = grantsToMap(value as Grant[] | undefined);
  const every = map.get('*');
  const known = (kinds ?? []).map((k) => ({ kind: k.kind, title: textOf(k.titles ?? k.title, i18n.language, k.kind) }));
  const extra = [...map.keys()].filter((k) => k !== '*' && !known.some((x) => x.kind === k)).concat(['audit', 'metrics'].filter((k) => !map.has(k) && !known.some((x) => x.kind === k)));
  const rows = [{ kind: '*', title: t('access.everyKind') }, ...known, ...extra.map((kind) => ({ kind, title: t(`access.kind.${kind}`, kind) }))];
  const toggle = (kind: string, action: string, on: boolean) => {
    const next = new Map([...map].map(([k, s]) => [k, new Set(s)]));
    const set = next.get(kind) ?? new Set<string>();
    if (on) set.add(action);
    else set.delete(action);
    next.set(kind, set);
    onChange?.(mapToGrants(next));
  };
  return (
    <Table size="small" pagination={false} rowKey="kind" dataSource={rows} scroll={{ x: 640 }} columns={[
      { title: t('access.kindColumn'), dataIndex: 'title', width: 200, fixed: 'left', render: (title: string, r) => <>{title} <span className="muted mono">{r.kind}</span></> },
      ...ACTIONS.map((action) => ({
        title: t(`access.${action}`), key: action, width: 88, align: 'center' as const,
        render: (_v: unknown, r: { kind: string; title: string }) => {
          const own = map.get(r.kind)?.has(action) ?? false;
          const inherited = r.kind !== '*' && (every?.has(action) ?? false) && !(['user', 'role', 'audit'].includes(r.kind) && !every?.has('admin'));
          return (
            <Checkbox checked={own || inherited} disabled={disabled || (inherited && !own)} aria-label={`${r.title} ${t(`access.${action}`)}`}
              onChange={(e) => toggle(r.kind, action, e.target.checked)} />
          );
        },
      })),
    ]} />
  );
}
