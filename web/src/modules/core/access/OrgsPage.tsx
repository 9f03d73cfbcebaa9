/* The organisation: a tree to look at and to change (drag moves a branch), with what stands in each. */
import { EditOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Input, Modal, Tag, Tree, type TreeProps } from 'antd';
import { useQueryClient } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useNavigate } from 'react-router';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { call, seg } from '@/lib/api';
import { staleKind, textOf, useApi, useKind, useKinds } from '@/lib/resources';
import { useCan } from '@/lib/session';

interface Org {
  id: string;
  code: string;
  name: string;
  type: string;
  parent: string | null;
  children: number;
  counts: Record<string, number>;
}

interface Node {
  key: string;
  org: Org;
  children: Node[];
}

/* Flat, parents first -> nested. A parent that may not be seen makes its children roots. */
export function treeOf(items: Org[]): Node[] {
  const nodes = new Map(items.map((o) => [o.id, { key: o.id, org: o, children: [] as Node[] }]));
  const roots: Node[] = [];
  for (const o of items) {
    const node = nodes.get(o.id) as Node;
    const up = o.parent ? nodes.get(o.parent) : undefined;
    (up ? up.children : roots).push(node);
  }
  return roots;
}

function Counts({ org }: { org: Org }) {
  const { i18n } = useTranslation();
  const { data: kinds } = useKinds();
  const shown = Object.entries(org.counts).filter(([, n]) => n > 0);
  return (
    <>
      {shown.map(([kind, n]) => {
        const doc = kinds?.find((k) => k.kind === kind);
        return <Link key={kind} to={`/r/${doc?.plural ?? kind}?filter=${encodeURIComponent(`org='${org.code}'`)}`} onClick={(e) => e.stopPropagation()} className="small muted">{textOf(doc?.titles, i18n.language, kind)} {n}</Link>;
      })}
    </>
  );
}

export function OrgsPage() {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const notify = useNotify();
  const client = useQueryClient();
  const may = useCan()('org', 'admin');
  const kind = useKind('org');
  const [text, setText] = useState('');
  const [modal, holder] = Modal.useModal();
  const { data, error, refetch } = useApi<{ items: Org[] }>('/orgs:tree');
  const tree = useMemo(() => treeOf(data?.items ?? []), [data]);
  const found = useMemo(() => new Set((data?.items ?? []).filter((o) => text && `${o.code} ${o.name}`.toLowerCase().includes(text.toLowerCase())).map((o) => o.id)), [data, text]);
  if (error && !data) return <ErrorState error={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  const typeText = (type: string) => textOf(kind?.fields.find((f) => f.name === 'type')?.values?.find((v) => v.value === type)?.title, i18n.language, type);
  const move = async (id: string, parent: string | null) => {
    try {
      await call('PATCH', `/orgs/${seg(id)}`, { body: { spec: { parent } } });
      await staleKind(client, 'orgs');
      notify.done(t('orgs.moved'));
    } catch (e) {
      notify.failed(e);
    }
  };
  const drop: TreeProps['onDrop'] = (info) => {
    const id = String(info.dragNode.key);
    const target = data.items.find((o) => o.id === String(info.node.key));
    const parent = info.dropToGap ? target?.parent ?? null : target?.id ?? null;
    const what = data.items.find((o) => o.id === id);
    const to = data.items.find((o) => o.id === parent);
    if (!what || parent === what.parent) return;
    void modal.confirm({ title: t('orgs.moveAsk', { what: what.name || what.code, to: to ? to.name || to.code : t('orgs.top') }), content: t('orgs.moveHelp'), okText: t('orgs.move'), cancelText: t('action.cancel'), onOk: () => move(id, parent) });
  };
  const add = (parent?: string) => void navigate(parent ? `/r/orgs/new?spec.parent=${parent}` : '/r/orgs/new');
  const button = may && <Button type="primary" icon={<PlusOutlined />} onClick={() => add()}>{t('orgs.new')}</Button>;
  return (
    <div className="page">
      {holder}
      <PageHeader title={t('orgs.title')} extra={<><Input.Search allowClear value={text} onChange={(e) => setText(e.target.value)} placeholder={t('orgs.find')} aria-label={t('orgs.find')} style={{ width: 220 }} /><Button onClick={() => void navigate('/r/orgs')}>{t('orgs.list')}</Button>{button}</>} />
      <div className="panel panel-body">
        {data.items.length === 0 ? <EmptyState title={t('orgs.empty')} help={t('orgs.emptyHelp')} action={button} /> : (
          <Tree blockNode showLine defaultExpandAll draggable={may ? { icon: false } : false} onDrop={drop} treeData={tree as never} filterTreeNode={(n) => found.has(String(n.key))} selectable={false}
            titleRender={(n) => {
              const { org } = n as unknown as Node;
              return (
                <span className="row wrap org-node">
                  <Link to={`/r/orgs/${org.id}`}>{org.name || org.code}</Link><span className="muted mono">{org.code}</span><Tag>{typeText(org.type)}</Tag><Counts org={org} />
                  {may && <Button type="text" size="small" icon={<PlusOutlined />} aria-label={`${t('orgs.below')} ${org.code}`} title={t('orgs.below')} onClick={() => add(org.id)} />}
                  {may && <Button type="text" size="small" icon={<EditOutlined />} aria-label={`${t('orgs.edit')} ${org.code}`} title={t('orgs.edit')} onClick={() => void navigate(`/r/orgs/${org.id}`)} />}
                </span>
              );
            }} />
        )}
      </div>
    </div>
  );
}
