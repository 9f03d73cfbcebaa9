/* Where pens come from: search by name or code, or the tree of areas. Click adds, drag onto the plot adds. */
import { CheckOutlined, DownOutlined, PlusOutlined, RightOutlined, SearchOutlined } from '@ant-design/icons';
import { Input, Skeleton } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { quote } from '@/lib/filter';
import { useApi } from '@/lib/resources';
import type { Page, Resource, TreeAnswer, TreeItem } from '@/lib/types';
import { unitText } from '@/lib/units';
import { useDebounced } from '@/lib/useDebounced';

export const DRAG_TYPE = 'text/x-bornite-point';

interface PickProps {
  chosen: string[];
  onPick: (code: string) => void;
}

function nameOf(r: Resource, lang: string): string {
  const en = r.spec.name_en;
  return lang === 'en' && typeof en === 'string' && en ? en : r.name;
}

function PointRow({ point, chosen, onPick }: PickProps & { point: Resource }) {
  const { i18n, t } = useTranslation();
  const there = chosen.includes(point.code);
  const label = nameOf(point, i18n.language);
  return (
    <button type="button" className={`pick-point${there ? ' there' : ''}`} draggable aria-pressed={there} title={`${point.code}\n${label}`}
      onClick={() => onPick(point.code)} aria-label={`${there ? t('trends.pick.remove') : t('trends.pick.add')} ${point.code} ${label}`}
      onDragStart={(e) => {
        e.dataTransfer.setData(DRAG_TYPE, point.code);
        e.dataTransfer.effectAllowed = 'copy';
      }}>
      {there ? <CheckOutlined /> : <PlusOutlined />}
      <span className="pick-text"><span className="mono">{point.code}</span><span className="soft small">{label}</span></span>
      <span className="muted small">{unitText(point.spec.unit as string | undefined)}</span>
    </button>
  );
}

function AreaPoints({ path, ...pick }: PickProps & { path: string }) {
  const { t } = useTranslation();
  const { data } = useApi<Page<Resource>>('/points', { filter: `area=${quote(path)}`, sort: 'code', size: 500 }, { stale: 60000 });
  if (!data) return <Skeleton active title={false} paragraph={{ rows: 2 }} />;
  return (
    <>
      {data.items.map((p) => <PointRow key={p.id} point={p} {...pick} />)}
      {data.total > data.items.length && <div className="muted small pick-more">{t('trends.pick.more', { n: data.total - data.items.length })}</div>}
    </>
  );
}

function Area({ item, ...pick }: PickProps & { item: TreeItem & { title?: string } }) {
  const [open, setOpen] = useState(false);
  const last = item.path.slice(item.path.lastIndexOf('/') + 1);
  const title = item.title || (item.name !== last ? item.name : '');
  return (
    <div role="treeitem" aria-expanded={open} aria-selected={false}>
      <button type="button" className="pick-area" onClick={() => setOpen(!open)}>
        {open ? <DownOutlined /> : <RightOutlined />}
        <span className="pick-text row-text"><span>{title || last}</span>{title && <span className="muted small">{last}</span>}</span>
        <span className="muted small num">{item.points}</span>
      </button>
      {open && (
        <div role="group" className="pick-group">
          {item.children && <Areas parent={item.path} {...pick} />}
          <AreaPoints path={item.path} {...pick} />
        </div>
      )}
    </div>
  );
}

function Areas({ parent, ...pick }: PickProps & { parent: string }) {
  const { t } = useTranslation();
  const { data } = useApi<TreeAnswer>('/points:tree', { parent }, { stale: 60000 });
  if (!data) return <Skeleton active title={false} paragraph={{ rows: 3 }} />;
  if (data.items.length === 0 && parent === '') return <div className="muted pick-more">{t('trends.pick.noAreas')}</div>;
  return <>{data.items.map((a) => <Area key={a.path} item={a} {...pick} />)}</>;
}

function Found({ q, ...pick }: PickProps & { q: string }) {
  const { t } = useTranslation();
  const { data } = useApi<Page<Resource>>('/points', { q, sort: 'code', size: 50 }, { keep: true });
  if (!data) return <Skeleton active title={false} paragraph={{ rows: 4 }} />;
  if (data.items.length === 0) return <div className="muted pick-more">{t('state.nothingFound')}</div>;
  return (
    <>
      {data.items.map((p) => <PointRow key={p.id} point={p} {...pick} />)}
      {data.total > data.items.length && <div className="muted small pick-more">{t('trends.pick.more', { n: data.total - data.items.length })}</div>}
    </>
  );
}

export function PointPicker(pick: PickProps) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const q = useDebounced(text.trim(), 200);
  return (
    <div className="pick">
      <Input allowClear prefix={<SearchOutlined />} value={text} onChange={(e) => setText(e.target.value)} placeholder={t('trends.pick.search')} aria-label={t('trends.pick.search')} />
      <div className="pick-list" role={q ? 'group' : 'tree'} aria-label={t('trends.pick.title')}>
        {q ? <Found q={q} {...pick} /> : <Areas parent="" {...pick} />}
      </div>
    </div>
  );
}
