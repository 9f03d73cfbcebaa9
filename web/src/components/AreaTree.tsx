/* Areas as a lazy tree: site / unit / equipment, with counts and what is bad. */
import { Input, Tree } from 'antd';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { get } from '@/lib/api';
import { useApi } from '@/lib/resources';
import type { TreeAnswer, TreeItem } from '@/lib/types';
import { formatCount } from '@/lib/units';
import './components.css';

interface Node {
  key: string;
  title: React.ReactNode;
  isLeaf: boolean;
  children?: Node[];
}

function nodeOf(item: TreeItem): Node {
  return {
    key: item.path, isLeaf: !item.children,
    title: (
      <span className="tree-node" title={item.path}>
        <span className="ellipsis">{item.name || item.path}{item.title && <span className="soft"> {item.title}</span>}</span>
        {item.bad > 0 && <span className="tree-bad">{formatCount(item.bad)}</span>}
        <span className="muted small">{formatCount(item.points)}</span>
      </span>
    ),
  };
}

function put(nodes: Node[], key: string, children: Node[]): Node[] {
  return nodes.map((n) => (n.key === key ? { ...n, children } : n.children && key.startsWith(`${n.key}/`) ? { ...n, children: put(n.children, key, children) } : n));
}

export function AreaTree({ value, onChange }: { value: string; onChange: (path: string) => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const roots = useApi<TreeAnswer>('/points:tree', { parent: '' }, { every: 30000, keep: true });
  const [nodes, setNodes] = useState<Node[]>([]);
  const [find, setFind] = useState('');
  useEffect(() => {
    if (!roots.data) return;
    setNodes((old) => roots.data.items.map((i) => ({ ...nodeOf(i), children: old.find((o) => o.key === i.path)?.children })));
  }, [roots.data]);
  const load = async (node: { key: string | number | bigint }) => {
    const parent = String(node.key);
    const answer = await client.fetchQuery({ queryKey: ['/points:tree', { parent }], queryFn: ({ signal }) => get<TreeAnswer>('/points:tree', { parent }, signal), staleTime: 10000 });
    setNodes((old) => put(old, parent, answer.items.map(nodeOf)));
  };
  return (
    <div className="area-tree">
      <Input allowClear size="small" placeholder={t('tree.find')} value={find} onChange={(e) => setFind(e.target.value)} onPressEnter={() => onChange(find.trim())} />
      <button type="button" className={`tree-all${value ? '' : ' active'}`} onClick={() => onChange('')}>{t('tree.all')}</button>
      <Tree<Node> blockNode treeData={nodes} loadData={load} selectedKeys={value ? [value] : []} onSelect={(keys) => onChange(keys.length ? String(keys[0]) : '')}
        filterTreeNode={(n) => find !== '' && String(n.key).toLowerCase().includes(find.toLowerCase())} />
    </div>
  );
}
