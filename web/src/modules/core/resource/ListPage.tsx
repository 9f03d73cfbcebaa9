/* The list of any kind: search, filter, sort, paging by the server (all in the URL), bulk actions, import,
 * export. */
import { DownloadOutlined, PlusOutlined, UploadOutlined } from '@ant-design/icons';
import { Button, Input } from 'antd';
import { lazy, Suspense, useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate, useParams, useSearchParams } from 'react-router';
import { pathOf } from '@/app/modules';
import { ConfirmDelete } from '@/components/ConfirmDelete';
import { DataTable } from '@/components/DataTable';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { download } from '@/lib/browser';
import { exportCsv, textOf, useBulk, useKind, useKinds, useList } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { useDebounced } from '@/lib/useDebounced';
import type { KindDoc } from '@/lib/types';
import { columnsOf } from './cells';

const ImportWizard = lazy(async () => ({ default: (await import('./ImportWizard')).ImportWizard }));
const BulkEdit = lazy(async () => ({ default: (await import('./BulkEdit')).BulkEdit }));

function useUrl() {
  const [params, setParams] = useSearchParams();
  const set = (change: Record<string, string | number | undefined>, keepPage = false) => setParams((p) => {
    for (const [k, v] of Object.entries(change)) {
      if (v === undefined || v === '') p.delete(k);
      else p.set(k, String(v));
    }
    if (!keepPage) p.delete('page');
    return p;
  }, { replace: true });
  return { params, set };
}

function SearchBox({ value, onChange, placeholder, wide }: { value: string; onChange: (v: string) => void; placeholder: string; wide?: boolean }) {
  const [text, setText] = useState(value);
  const settled = useDebounced(text, 300);
  useEffect(() => {
    if (settled !== value) onChange(settled);
    // only what was typed leads; a change from outside remounts by key
  }, [settled]); // eslint-disable-line react/exhaustive-deps
  return <Input.Search allowClear value={text} onChange={(e) => setText(e.target.value)} placeholder={placeholder} aria-label={placeholder} style={{ width: wide ? 320 : 220, maxWidth: '100%' }} />;
}

function KindList({ kind }: { kind: KindDoc }) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const notify = useNotify();
  const can = useCan();
  const { params, set } = useUrl();
  const [selected, setSelected] = useState<string[]>([]);
  const [dialog, setDialog] = useState<'import' | 'edit' | 'delete' | null>(null);
  const page = Number(params.get('page') ?? 1);
  const size = Number(params.get('size') ?? 50);
  const scope = { filter: params.get('filter') ?? '', q: params.get('q') ?? '', sort: params.get('sort') ?? kind.lists?.sort ?? 'code' };
  const list = useList(kind.plural, { ...scope, page, size });
  const bulk = useBulk(kind.plural);
  const columns = useMemo(() => columnsOf(kind, t, i18n.language), [kind, t, i18n.language]);
  const title = textOf(kind.titles ?? kind.title, i18n.language, kind.plural);
  const write = can(kind.kind, 'write');
  const fetchCsv = async () => {
    try {
      download(`${kind.plural}.csv`, await exportCsv(kind.plural, scope));
    } catch (e) {
      notify.failed(e);
    }
  };
  const remove = async () => {
    const report = await bulk.mutateAsync({ items: selected.map((id) => ({ op: 'delete' as const, id })) });
    setSelected([]);
    if (report.failed > 0) notify.failed(new Error(report.rows.flatMap((r) => r.errors ?? []).map((e) => e.detail).slice(0, 5).join('\n') || t('bulk.failed', { n: report.failed })));
    else notify.done(t('bulk.deleted', { n: report.deleted ?? report.updated }));
  };
  const searching = Boolean(scope.q || scope.filter);
  const tools = (
    <>
      <SearchBox key={`q${kind.kind}`} value={scope.q} onChange={(q) => set({ q })} placeholder={t('list.search')} />
      <SearchBox key={`f${kind.kind}`} wide value={scope.filter} onChange={(filter) => set({ filter })} placeholder={t('list.filter')} />
      {selected.length > 0 && (
        <>
          <span className="soft">{t('bulk.selected', { n: selected.length })}</span>
          {write && <Button onClick={() => setDialog('edit')}>{t('bulk.edit')}</Button>}
          {can(kind.kind, 'delete') && <Button danger onClick={() => setDialog('delete')}>{t('action.delete')}</Button>}
          <Button type="text" onClick={() => setSelected([])}>{t('bulk.clear')}</Button>
        </>
      )}
    </>
  );
  const empty = searching
    ? <EmptyState title={t('state.nothingFound')} help={t('list.nothingHelp')} action={<Button onClick={() => { set({ q: '', filter: '' }); }}>{t('list.clearFilter')}</Button>} />
    : <EmptyState title={t('list.empty', { what: title })} help={textOf(kind.help, i18n.language)}
        action={write ? <Button type="primary" icon={<PlusOutlined />} onClick={() => void navigate(`/r/${kind.plural}/new`)}>{t('list.first')}</Button> : undefined} />;
  return (
    <div className="page fixed">
      <PageHeader title={title} extra={(
        <>
          {write && <Button icon={<UploadOutlined />} onClick={() => setDialog('import')}>{t('import.title')}</Button>}
          <Button icon={<DownloadOutlined />} onClick={() => void fetchCsv()}>{t('action.export')}</Button>
          {write && <Button type="primary" icon={<PlusOutlined />} onClick={() => void navigate(`/r/${kind.plural}/new`)}>{t('action.new')}</Button>}
        </>
      )} />
      {list.error && !list.data
        ? <ErrorState error={list.error} retry={() => void list.refetch()} />
        : <DataTable id={kind.kind} columns={columns} rows={list.data?.items ?? []} rowKey={(r) => r.id} loading={list.isPending} empty={empty} tools={tools}
            total={list.data?.total} page={page} size={size} onPage={(p, s) => set({ page: p, size: s }, true)} sort={scope.sort} onSort={(sort) => set({ sort })}
            onOpen={(r) => void navigate(pathOf(kind.kind, kind.plural, r.id))} selected={selected} onSelect={setSelected} />}
      <ConfirmDelete open={dialog === 'delete'} what={t('bulk.count', { n: selected.length, what: title })} type={String(selected.length)} onDelete={remove} onClose={() => setDialog(null)} />
      <Suspense fallback={null}>
        {dialog === 'import' && <ImportWizard kind={kind} onClose={() => setDialog(null)} />}
        {dialog === 'edit' && <BulkEdit kind={kind} ids={selected} onClose={(done) => { setDialog(null); if (done) setSelected([]); }} />}
      </Suspense>
    </div>
  );
}

export function ListPage() {
  const { plural } = useParams();
  const kinds = useKinds();
  const kind = useKind(plural);
  const { t } = useTranslation();
  if (kinds.isPending) return <Loading />;
  if (kinds.error) return <ErrorState error={kinds.error} retry={() => void kinds.refetch()} />;
  if (!kind) return <EmptyState title={t('state.notFound')} help={plural} />;
  return <KindList key={kind.kind} kind={kind} />;
}
