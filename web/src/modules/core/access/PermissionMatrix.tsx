/* A role's permissions as a table kinds x actions. The document keeps rows {kinds, actions}; the matrix
 * shows and writes one row per kind. */
import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Checkbox, Select, Space, Table } from 'antd';
import { useTranslation } from 'react-i18next';
import type { FieldEditorProps } from '@/app/module';
import { textOf, useKinds } from '@/lib/resources';
import type { Grant } from '@/lib/types';

const ACTIONS: Grant['actions'] = ['read', 'write', 'delete', 'approve', 'control', 'sensitive', 'admin'];
/* Kinds without documents, and the guarded ones, which "*" reaches only together with admin. */
const OTHERS = ['alarm', 'audit', 'metrics', 'secret'];
const GUARDED = ['audit', 'audit_settings', 'backup', 'backup_plan', 'group', 'ldap_server', 'oidc_provider', 'role', 'secret', 'security_settings', 'user'];

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

type Limited = Grant & { fields?: string[] };
const isLimited = (g: Limited) => (g.fields?.length ?? 0) > 0;

/* Rows that give only some fields: "engineers may change the limits of points". */
function FieldRows({ rows, onChange, disabled }: { rows: Limited[]; onChange: (rows: Limited[]) => void; disabled?: boolean }) {
  const { t, i18n } = useTranslation();
  const { data: kinds } = useKinds();
  const set = (i: number, change: Partial<Limited>) => onChange(rows.map((r, k) => (k === i ? { ...r, ...change } : r)));
  const fieldsOf = (names: string[]) => ['code', 'name', 'org', 'labels', ...(kinds ?? []).filter((k) => names.includes(k.kind)).flatMap((k) => k.fields.map((f) => f.name))];
  return (
    <div className="col">
      <div className="form-group-title">{t('access.limited')}</div>
      {rows.map((r, i) => (
        <Space key={i} wrap>
          <Select mode="multiple" showSearch={{ optionFilterProp: 'label' }} style={{ minWidth: 200 }} disabled={disabled} value={r.kinds} onChange={(v: string[]) => set(i, { kinds: v })} placeholder={t('access.kindColumn')} aria-label={t('access.kindColumn')}
            options={(kinds ?? []).map((k) => ({ value: k.kind, label: textOf(k.titles ?? k.title, i18n.language, k.kind) }))} />
          <Select mode="multiple" style={{ minWidth: 160 }} disabled={disabled} value={r.actions} onChange={(v: Grant['actions']) => set(i, { actions: v })} aria-label={t('access.actions')}
            options={(['read', 'write'] as const).map((a) => ({ value: a, label: t(`access.${a}`) }))} />
          <Select mode="tags" style={{ minWidth: 260 }} disabled={disabled} value={r.fields} onChange={(v: string[]) => set(i, { fields: v })} placeholder={t('access.fields')} aria-label={t('access.fields')}
            options={[...new Set(fieldsOf(r.kinds))].map((f) => ({ value: f, label: f }))} />
          {!disabled && <Button type="text" icon={<DeleteOutlined />} aria-label={t('action.remove')} onClick={() => onChange(rows.filter((_r, k) => k !== i))} />}
        </Space>
      ))}
      {!disabled && <div><Button icon={<PlusOutlined />} onClick={() => onChange([...rows, { kinds: [], actions: ['write'], fields: [''] }])}>{t('access.addLimited')}</Button></div>}
    </div>
  );
}

export function PermissionMatrix({ value, onChange: give, disabled }: FieldEditorProps) {
  const { t, i18n } = useTranslation();
  const { data: kinds } = useKinds();
  const all = (value as Limited[] | undefined) ?? [];
  const limited = all.filter(isLimited);
  const map = grantsToMap(all.filter((g) => !isLimited(g)));
  const onChange = (plain: Grant[]) => give?.([...plain, ...limited]);
  const every = map.get('*');
  const known = (kinds ?? []).map((k) => ({ kind: k.kind, title: textOf(k.titles ?? k.title, i18n.language, k.kind) }));
  const extra = [...map.keys()].filter((k) => k !== '*' && !known.some((x) => x.kind === k)).concat(OTHERS.filter((k) => !map.has(k) && !known.some((x) => x.kind === k)));
  const rows = [{ kind: '*', title: t('access.everyKind') }, ...known, ...extra.map((kind) => ({ kind, title: t(`access.kind.${kind}`, kind) }))];
  const toggle = (kind: string, action: string, on: boolean) => {
    const next = new Map([...map].map(([k, s]) => [k, new Set(s)]));
    const set = next.get(kind) ?? new Set<string>();
    if (on) set.add(action);
    else set.delete(action);
    next.set(kind, set);
    onChange(mapToGrants(next));
  };
  return (
    <div className="col">
    <Table size="small" pagination={false} rowKey="kind" dataSource={rows} scroll={{ x: 640 }} columns={[
      { title: t('access.kindColumn'), dataIndex: 'title', width: 200, fixed: 'left', render: (title: string, r) => <>{title} <span className="muted mono">{r.kind}</span></> },
      ...ACTIONS.map((action) => ({
        title: t(`access.${action}`), key: action, width: 88, align: 'center' as const,
        render: (_v: unknown, r: { kind: string; title: string }) => {
          const own = map.get(r.kind)?.has(action) ?? false;
          const inherited = r.kind !== '*' && (every?.has(action) ?? false) && !(GUARDED.includes(r.kind) && !every?.has('admin'));
          return (
            <Checkbox checked={own || inherited} disabled={disabled || (inherited && !own)} aria-label={`${r.title} ${t(`access.${action}`)}`}
              onChange={(e) => toggle(r.kind, action, e.target.checked)} />
          );
        },
      })),
    ]} />
    <FieldRows rows={limited.map((r) => ({ ...r, fields: r.fields?.filter(Boolean) }))} disabled={disabled}
      onChange={(some) => give?.([...mapToGrants(map), ...some.map((r) => ({ ...r, fields: r.fields?.length ? r.fields : [''] }))])} />
    </div>
  );
}
