/* Organisations as a tree to choose from. */
import { TreeSelect } from 'antd';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { useApi } from '@/lib/resources';
import type { OrgNode } from '@/lib/pending';

interface TreeNode {
  value: string;
  title: string;
  children: TreeNode[];
}

/* Flat, parents first, any number of roots -> nested. */
export function orgTree(items: OrgNode[]): TreeNode[] {
  const nodes = new Map(items.map((o) => [o.id, { value: o.id, title: o.name && o.name !== o.code ? `${o.name} (${o.code})` : o.code, children: [] as TreeNode[] }]));
  const byCode = new Map(items.map((o) => [o.code, o.id]));
  const roots: TreeNode[] = [];
  for (const o of items) {
    const node = nodes.get(o.id) as TreeNode;
    const parent = nodes.get(o.parent ?? '') ?? nodes.get(byCode.get(o.parent ?? '') ?? '');
    (parent && parent !== node ? parent.children : roots).push(node);
  }
  return roots;
}

interface Props {
  value?: string | string[];
  onChange?: (value: string | string[] | null) => void;
  multiple?: boolean;
  disabled?: boolean;
  id?: string;
  placeholder?: string;
}

export function OrgSelect({ value, onChange, multiple, disabled, id, placeholder }: Props) {
  const { t } = useTranslation();
  const { data, isFetching } = useApi<{ items: OrgNode[] }>('/orgs:tree', undefined, { stale: 30000 });
  const tree = useMemo(() => orgTree(data?.items ?? []), [data]);
  return (
    <TreeSelect id={id} treeData={tree} value={value === '' ? undefined : value} multiple={multiple} disabled={disabled} loading={isFetching} allowClear treeDefaultExpandAll showSearch={{ treeNodeFilterProp: 'title' }}
      style={{ width: '100%' }} styles={{ popup: { root: { maxHeight: 400 } } }} placeholder={placeholder ?? t('form.choose')} onChange={(v) => onChange?.((v as string | string[] | undefined) ?? null)} />
  );
}
