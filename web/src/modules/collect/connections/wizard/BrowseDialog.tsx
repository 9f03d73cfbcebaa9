/* Picking points from what the device tells of itself: a tree loaded branch by branch, leaves to tick. */
import { Alert, Button, Input, Modal, Spin, Tree } from 'antd';
import { useCallback, useEffect, useMemo, useState, type Key } from 'react';
import { useTranslation } from 'react-i18next';
import { EmptyState } from '@/components/states';
import { asError } from '@/lib/api';
import type { BrowseItem } from '@/lib/types';
import { rowsOf, uniquePicks, type AskBranch, type AskSearch, type Pick } from './browse';
import { BrowseSearch } from './BrowseSearch';
import { BrowseTitle } from './BrowseTitle';
import type { Cells } from './useSheet';

interface Props {
  ask: AskBranch;
  search: AskSearch;
  device: string;
  taken: Set<string>;
  onAdd: (rows: Cells[]) => void;
  onClose: () => void;
}

/* A node's key is the way to it, as the same node may stand in several places. */
interface Node { key: string; path: string[]; item: BrowseItem; children?: Node[]; next?: string | null }
const SEP = '\u0001';

function branch(parent: Node | null, items: BrowseItem[]): Node[] {
  return items.map((item) => ({ key: parent ? parent.key + SEP + item.node : item.node, path: [...(parent?.path ?? []), item.name], item }));
}

function replace(nodes: Node[], key: string, fn: (n: Node) => Node): Node[] {
  return nodes.map((n) => (n.key === key ? fn(n) : key.startsWith(n.key + SEP) && n.children ? { ...n, children: replace(n.children, key, fn) } : n));
}

function flat(nodes: Node[]): Node[] {
  return nodes.flatMap((n) => [n, ...flat(n.children ?? [])]);
}

function matching(nodes: Node[], word: string): Node[] {
  if (!word) return nodes;
  return nodes.flatMap((n) => {
    const children = n.children && matching(n.children, word);
    const hit = `${n.item.name} ${n.item.description} ${n.item.address ?? ''}`.toLowerCase().includes(word);
    return hit ? [n] : children && children.length > 0 ? [{ ...n, children }] : [];
  });
}

export function BrowseDialog({ ask, search, device, taken, onAdd, onClose }: Props) {
  const { t } = useTranslation();
  const [root, setRoot] = useState<{ nodes: Node[]; next: string | null } | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [ticked, setTicked] = useState<Key[]>([]);
  const [word, setWord] = useState('');
  const [sought, setSought] = useState('');     /* the word that the device is searched for */
  const [finds, setFinds] = useState<Map<string, Pick>>(new Map());
  const fetchRoot = useCallback(async (cursor: string | null) => {
    setError(null);
    try {
      const got = await ask('', cursor);
      setRoot((was) => ({ nodes: [...(cursor ? was?.nodes ?? [] : []), ...branch(null, got.items)], next: got.next }));
    } catch (e) {
      setError(e);
      setRoot((was) => was ?? { nodes: [], next: null });
    }
  }, [ask]);
  useEffect(() => { void fetchRoot(null); }, [fetchRoot]);
  const load = async (node: Node, cursor: string | null) => {
    try {
      const got = await ask(node.item.node, cursor);
      setRoot((was) => was && { ...was, nodes: replace(was.nodes, node.key, (n) => ({ ...n, children: [...(cursor ? n.children ?? [] : []), ...branch(n, got.items)], next: got.next })) });
    } catch (e) {
      setError(e);
    }
  };
  const all = useMemo(() => new Map(flat(root?.nodes ?? []).map((n) => [n.key, n])), [root]);
  const picked = uniquePicks([...ticked.flatMap((k) => { const n = all.get(String(k)); return n && n.item.address !== null ? [n] : []; }), ...finds.values()]);
  const pick = (change: [string, Pick | null][]) => setFinds((was) => {
    const now = new Map(was);
    for (const [key, p] of change) if (p) now.set(key, p); else now.delete(key);
    return now;
  });
  const toData = (nodes: Node[]): object[] => nodes.map((n) => ({
    key: n.key, title: <BrowseTitle item={n.item} />, isLeaf: !n.item.children, checkable: n.item.address !== null || n.item.children,
    children: n.children && [...toData(n.children), ...(n.next ? [{ key: `${n.key}${SEP}…`, isLeaf: true, checkable: false, title: <Button size="small" type="link" onClick={() => void load(n, n.next ?? null)}>{t('connections.browse.more')}</Button> }] : [])],
  }));
  const shown = matching(root?.nodes ?? [], word.trim().toLowerCase());
  return (
    <Modal open width={820} title={t('connections.browse.title')} onCancel={onClose} destroyOnHidden cancelText={t('action.cancel')}
      okText={t('connections.browse.add', { n: picked.length })} okButtonProps={{ disabled: picked.length === 0 }}
      onOk={() => { onAdd(rowsOf(picked, device, taken)); onClose(); }}>
      <div className="col">
        <div className="row">
          <Input.Search autoFocus allowClear value={word} enterButton={t('connections.browse.search')} onChange={(e) => { setWord(e.target.value); if (!e.target.value.trim()) setSought(''); }} onSearch={(text) => setSought(text.trim())} placeholder={t('connections.browse.filter')} aria-label={t('connections.browse.filter')} />
          {sought ? <Button onClick={() => { setSought(''); setWord(''); }}>{t('connections.browse.tree')}</Button> : <Button onClick={() => void fetchRoot(null)}>{t('action.reload')}</Button>}
        </div>
        {sought ? <BrowseSearch ask={search} q={sought} picked={finds} onPick={pick} /> : <>
        {error ? <Alert type="error" showIcon title={asError(error).message} /> : null}
        {root === null ? <Spin /> : shown.length === 0 ? (!error && <EmptyState title={t(word ? 'connections.browse.noneLoaded' : 'connections.browse.empty')} action={word.trim() ? <Button type="primary" onClick={() => setSought(word.trim())}>{t('connections.browse.searchFor', { word: word.trim() })}</Button> : undefined} />) : (
          <Tree<object> checkable selectable={false} height={420} treeData={toData(shown) as never} checkedKeys={ticked} onCheck={(keys) => setTicked(Array.isArray(keys) ? keys : keys.checked)}
            loadData={async (n) => { const node = all.get(String((n as { key: Key }).key)); if (node && !node.children && node.item.children) await load(node, null); }} />
        )}
        {root?.next && <Button type="link" onClick={() => void fetchRoot(root.next)}>{t('connections.browse.more')}</Button>}
        </>}
      </div>
    </Modal>
  );
}
