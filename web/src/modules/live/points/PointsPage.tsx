/* Points: areas as a tree, a grid of up to a hundred thousand rows with live values of those in view,
 * search, bulk edit, import, trend, write. Everything that is chosen stands in the URL. */
import { ApartmentOutlined, EditOutlined, LineChartOutlined, UploadOutlined } from '@ant-design/icons';
import { Button, Drawer, Input, Select } from 'antd';
import { lazy, Suspense, useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate, useSearchParams } from 'react-router';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState } from '@/components/states';
import { VirtualGrid } from '@/components/VirtualGrid';
import { get } from '@/lib/api';
import { codesFilter } from '@/lib/filter';
import { trendPath } from '@/lib/links';
import { useKind } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { useLive } from '@/lib/stream';
import { useDebounced } from '@/lib/useDebounced';
import { useNarrow } from '@/lib/useNarrow';
import { usePaged } from '@/lib/usePaged';
import type { Page, Resource } from '@/lib/types';
import { AreaTree } from '@/components/AreaTree';
import { pointColumns } from './columns';
import { useBadCodes } from './badCodes';
import { nameOf, pointFilter } from './query';
import '../now/now.css';
import './points.css';

const ImportWizard = lazy(async () => ({ default: (await import('@/modules/core/resource/ImportWizard')).ImportWizard }));
const BulkEdit = lazy(async () => ({ default: (await import('@/modules/core/resource/BulkEdit')).BulkEdit }));
const PointNow = lazy(async () => ({ default: (await import('../now/PointNow')).PointNow }));
const WriteDialog = lazy(async () => ({ default: (await import('./WriteDialog')).WriteDialog }));

const SELECT_MAX = 5000;
const PENS_MAX = 16;

function useUrl() {
  const [params, setParams] = useSearchParams();
  const set = (change: Record<string, string>) => setParams((p) => {
    for (const [k, v] of Object.entries(change)) {
      if (v) p.set(k, v);
      else p.delete(k);
    }
    return p;
  }, { replace: true });
  const text = (key: string) => params.get(key) ?? '';
  return { area: text('area'), q: text('q'), filter: text('filter'), quality: text('quality'), sort: text('sort') || 'code', set };
}

export function PointsPage() {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const notify = useNotify();
  const can = useCan();
  const kind = useKind('point');
  const narrow = useNarrow();
  const url = useUrl();
  const [text, setText] = useState(url.q);
  const settled = useDebounced(text, 250);
  const [tree, setTree] = useState(false);
  const [selected, setSelected] = useState<Map<string, Resource>>(new Map());
  const [dialog, setDialog] = useState<'import' | 'edit' | null>(null);
  const [asking, setAsking] = useState<Resource | null>(null);
  const [writing, setWriting] = useState<Resource | null>(null);
  const bad = useBadCodes(url.quality === 'bad', pointFilter(url.area, url.filter));
  const filter = url.quality === 'bad' ? codesFilter(bad.codes.length ? bad.codes : ['-']) : pointFilter(url.area, url.filter);
  const query = { filter, q: url.q, sort: url.sort };
  const paged = usePaged('/points', query);
  useEffect(() => {
    if (settled !== url.q) url.set({ q: settled });
  }, [settled]); // eslint-disable-line react/exhaustive-deps

  const visible: number[] = [];
  for (let i = paged.range[0]; i <= paged.range[1]; i++) {
    const num = paged.rowAt(i)?.num;
    if (num) visible.push(num);
  }
  useLive(visible);
  const columns = useMemo(() => pointColumns(t, i18n.language, narrow, setAsking, can('point', 'control') ? setWriting : undefined), [t, i18n.language, narrow, can]);
  const openTrend = () => void navigate(trendPath([...selected.values()].slice(0, PENS_MAX).map((r) => r.code)));
  const selectAll = async () => {
    try {
      const next = new Map<string, Resource>();
      for (let page = 1; next.size < Math.min(paged.total, SELECT_MAX); page++) {
        const answer = await get<Page<Resource>>('/points', { ...query, page, size: 1000 });
        for (const r of answer.items) next.set(r.id, r);
        if (answer.items.length < 1000) break;
      }
      setSelected(next);
    } catch (e) {
      notify.failed(e);
    }
  };
  const areaTree = <AreaTree value={url.area} onChange={(area) => { url.set({ area }); setTree(false); }} />;
  return (
    <div className="page fixed">
      <PageHeader title={t('points.title')} sub={url.area} extra={can('point', 'write') && <Button icon={<UploadOutlined />} onClick={() => setDialog('import')}>{t('import.title')}</Button>} />
      <div className="points-body">
        {!narrow && <aside className="panel points-tree">{areaTree}</aside>}
        <div className="panel table-box">
          <div className="table-tools">
            {narrow && <Button icon={<ApartmentOutlined />} aria-label={t('points.areas')} onClick={() => setTree(true)} />}
            <Input.Search allowClear className="points-search" placeholder={t('list.search')} value={text} onChange={(e) => setText(e.target.value)} />
            <Select value={url.quality || 'all'} onChange={(v: string) => url.set({ quality: v === 'all' ? '' : v })} aria-label={t('points.quality')}
              options={[{ value: 'all', label: t('points.anyQuality') }, { value: 'bad', label: t('points.onlyBad') }]} />
            {selected.size > 0 && (
              <>
                <span className="soft">{t('bulk.selected', { n: selected.size })}</span>
                <Button icon={<LineChartOutlined />} onClick={openTrend}>{t('points.trend')}</Button>
                {can('point', 'write') && <Button icon={<EditOutlined />} onClick={() => setDialog('edit')}>{t('bulk.edit')}</Button>}
                <Button type="text" onClick={() => setSelected(new Map())}>{t('bulk.clear')}</Button>
              </>
            )}
          </div>
          <div className="table-scroll">
            {paged.error && paged.total === 0 ? <ErrorState error={paged.error} retry={() => void paged.refetch()} />
              : !paged.pending && !bad.pending && paged.total === 0 ? (
                <EmptyState title={url.quality === 'bad' ? t('points.noneBad') : t('state.nothingFound')} help={url.quality === 'bad' ? undefined : t('points.emptyHelp')}
                  action={url.area || url.q || url.filter || url.quality ? <Button onClick={() => { setText(''); url.set({ area: '', q: '', filter: '', quality: '' }); }}>{t('list.clearFilter')}</Button> : <Button type="primary" onClick={() => void navigate('/connections')}>{t('overview.connect')}</Button>} />
              ) : (
                <VirtualGrid<Resource> label={t('points.title')} columns={columns} total={paged.total} rowAt={paged.rowAt} rowKey={(r) => r.id} onRange={paged.onRange}
                  selected={selected} onSelect={setSelected} onOpen={(r) => void navigate(trendPath([r.code]))} sort={url.sort} onSort={(sort) => url.set({ sort })}
                  resetKey={`${filter}|${url.q}|${url.sort}`} />
              )}
          </div>
          <div className="table-foot">
            <span className="muted small">{t('table.total', { n: paged.total })}{bad.cut ? ` ${t('points.cut', { n: bad.codes.length })}` : ''}</span>
            <span className="grow" />
            {paged.total > 0 && selected.size < Math.min(paged.total, SELECT_MAX) && (
              <Button type="link" size="small" onClick={() => void selectAll()}>{t('points.selectAll', { n: Math.min(paged.total, SELECT_MAX) })}</Button>
            )}
            <span className="muted small hide-small">{t('points.keys')}</span>
          </div>
        </div>
      </div>
      <Drawer open={tree && narrow} onClose={() => setTree(false)} placement="left" size={300} title={t('points.areas')}>{areaTree}</Drawer>
      <Drawer open={asking !== null} onClose={() => setAsking(null)} size="min(560px, 100vw)" title={asking && <span><span className="mono">{asking.code}</span> {nameOf(asking, i18n.language)}</span>}>
        {asking && <Suspense fallback={null}><PointNow resource={asking} links /></Suspense>}
      </Drawer>
      <Suspense fallback={null}>
        {dialog === 'import' && kind && <ImportWizard kind={kind} onClose={() => setDialog(null)} />}
        {dialog === 'edit' && kind && <BulkEdit kind={kind} ids={[...selected.keys()]} onClose={() => setDialog(null)} />}
        {writing && <WriteDialog point={writing} onClose={() => setWriting(null)} />}
      </Suspense>
    </div>
  );
}
