/* The list of any kind: saved views, search, filter, sort, paging by the server (all in the URL), selection of
 * rows or of everything found, changes of many, import, export, the bin, and keys for all of it. */
import { DeleteOutlined, DownloadOutlined, FilterOutlined, MoreOutlined, PlusOutlined, UploadOutlined } from '@ant-design/icons';
import { Badge, Button, Dropdown, Input, type InputRef } from 'antd';
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState, type Ref } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate, useParams, useSearchParams } from 'react-router';
import { pathOf } from '@/app/modules';
import { DataTable, shownColumns, useLook, type TableCommand } from '@/components/DataTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { parse } from '@/lib/filter';
import { keepTrail } from '@/lib/neighbours';
import { textOf, useKind, useKinds, useList } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { useDebounced } from '@/lib/useDebounced';
import { useHotkeys } from '@/lib/useHotkeys';
import { useNarrow } from '@/lib/useNarrow';
import { formatCount } from '@/lib/units';
import type { Selection } from '@/lib/bulk';
import type { KindDoc, Resource } from '@/lib/types';
import { columnsOf } from './cells';
import { Existing } from './DetailPage';
import { Bin } from './list/Bin';
import { filterFields } from './list/filterFields';
import { defaultView, useViews, Views } from './list/Views';
import { applied, kindView, modified, stateOf, withView, type View, type ViewState } from './list/viewState';
import type { KeyRow } from './Shortcuts';
import './resource.css';

const ImportWizard = lazy(async () => ({ default: (await import('./ImportWizard')).ImportWizard }));
const BulkEdit = lazy(async () => ({ default: (await import('./BulkEdit')).BulkEdit }));
const BulkTransition = lazy(async () => ({ default: (await import('./list/BulkTransition')).BulkTransition }));
const BulkDelete = lazy(async () => ({ default: (await import('./list/BulkDelete')).BulkDelete }));
const ExportDialog = lazy(async () => ({ default: (await import('./list/ExportDialog')).ExportDialog }));
const FilterPanel = lazy(async () => ({ default: (await import('./list/FilterPanel')).FilterPanel }));
const Shortcuts = lazy(async () => ({ default: (await import('./Shortcuts')).Shortcuts }));

type Dialog = 'import' | 'edit' | 'label' | 'transition' | 'delete' | 'export' | 'keys';

const KEYS: KeyRow[] = [
  ['/', 'keys.search'], ['↑ ↓', 'keys.move'], ['Shift+↑ Shift+↓', 'keys.extend'], ['Enter', 'keys.open'], ['Space', 'keys.select'], ['Ctrl+A', 'keys.all'], ['n', 'keys.new'], ['e', 'keys.edit'],
  ['Del', 'keys.delete'], ['f', 'keys.filter'], ['Esc', 'keys.clear'], ['?', 'keys.help'],
];

function SearchBox({ value, onChange, placeholder, box }: { value: string; onChange: (v: string) => void; placeholder: string; box: Ref<InputRef> }) {
  const [text, setText] = useState(value);
  const settled = useDebounced(text, 300);
  useEffect(() => {
    if (settled !== value) onChange(settled);
    // only what was typed leads; a change from outside remounts by key
  }, [settled]); // eslint-disable-line react/exhaustive-deps
  return <Input.Search ref={box} allowClear value={text} onChange={(e) => setText(e.target.value)} placeholder={placeholder} aria-label={placeholder} className="list-search" />;
}

function useListState(kind: KindDoc, views: View[]) {
  const [params, setParams] = useSearchParams();
  const [look, setLook] = useLook(kind.kind);
  const current = views.find((v) => v.id === params.get('view'));
  const base = current?.state ?? kindView(kind);
  const state = stateOf(params, base, look);
  const replace = useCallback((next: (p: URLSearchParams) => URLSearchParams) => setParams(next, { replace: true }), [setParams]);
  const change = useCallback((c: Partial<Pick<ViewState, 'filter' | 'sort' | 'columns'>>) => replace((p) => applied(p, base, c)), [replace, base]);
  const onLook = useCallback((c: Partial<typeof look>) => {
    const { columns, ...rest } = c;
    if (columns === undefined) return setLook(rest);
    if (!params.has('view')) return setLook(c);
    return change({ columns });
  }, [setLook, change, params]);
  const set = (key: string, value: string | number) => replace((p) => {
    const out = new URLSearchParams(p);
    if (value === '') out.delete(key);
    else out.set(key, String(value));
    if (key !== 'page') out.delete('page');
    return out;
  });
  return { params, replace, current, state, change, set, look: { ...look, columns: state.columns }, onLook };
}

function KindList({ kind }: { kind: KindDoc }) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const can = useCan();
  const narrow = useNarrow();
  const { views, doc, pending } = useViews(kind);
  const { params, replace, current, state, change, set, look, onLook } = useListState(kind, views);
  const [selection, setSelection] = useState<Selection>({ ids: [] });
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const [filtering, setFiltering] = useState(() => params.has('filter'));
  const search = useRef<InputRef>(null);
  const table = useRef<(c: TableCommand) => void>(() => {});
  const takeCommands = useCallback((run: (c: TableCommand) => void) => { table.current = run; }, []);
  const [row, setRow] = useState<Resource | undefined>();
  const page = Number(params.get('page') ?? 1);
  const size = Number(params.get('size') ?? 50);
  const q = params.get('q') ?? '';
  const scope = { filter: state.filter, q, sort: state.sort };
  const waiting = pending && params.has('view');
  const list = useList(waiting ? null : kind.plural, { ...scope, page, size });
  const items = useMemo(() => list.data?.items ?? [], [list.data]);
  const total = list.data?.total ?? 0;
  const title = textOf(kind.titles ?? kind.title, i18n.language, kind.plural);
  const write = can(kind.kind, 'write');
  const labels = useMemo(() => [...new Set([...items.flatMap((r) => Object.keys(r.labels ?? {})), ...(look.columns ?? []).filter((c) => c.startsWith('labels.')).map((c) => c.slice(7))])].sort().slice(0, 40), [items, look.columns]);
  const columns = useMemo(() => columnsOf(kind, t, i18n.language, labels), [kind, t, i18n.language, labels]);
  const fields = useMemo(() => filterFields(kind, t, i18n.language, labels), [kind, t, i18n.language, labels]);
  const open = (id: string) => {
    keepTrail({ plural: kind.plural, query: scope, page, size, total, ids: items.map((r) => r.id) });
    void navigate(pathOf(kind.kind, kind.plural, id));
  };
  useEffect(() => {
    if (list.data) keepTrail({ plural: kind.plural, query: { filter: state.filter, q, sort: state.sort }, page, size, total: list.data.total, ids: list.data.items.map((r) => r.id) });
  }, [list.data, kind.plural, state.filter, state.sort, q, page, size]);
  useEffect(() => {
    const usual = defaultView(kind);
    if (usual && views.some((v) => v.id === usual) && params.size === 0) replace((p) => withView(p, usual));
    // only on arrival without a wish
  }, [views.length]); // eslint-disable-line react/exhaustive-deps
  const picked = selection.all?.total ?? selection.ids.length;
  const clear = () => setSelection({ ids: [] });
  const select = (ids: string[]) => setSelection({ ids });
  const fresh = () => void navigate(`/r/${kind.plural}/new`);
  const remove = () => {
    if (!can(kind.kind, 'delete')) return;
    if (picked === 0 && row) select([row.id]);
    if (picked > 0 || row) setDialog('delete');
  };
  useHotkeys({
    '/': () => search.current?.focus(), 'ArrowDown': () => table.current('down'), 'ArrowUp': () => table.current('up'), 'Shift+ArrowDown': () => table.current('extendDown'),
    'Shift+ArrowUp': () => table.current('extendUp'), 'Home': () => table.current('first'), 'End': () => table.current('last'), ' ': () => table.current('toggle'), 'Enter': () => table.current('open'),
    'Ctrl+a': () => select(items.map((r) => r.id)), 'n': () => write && fresh(), 'e': () => (picked > 0 ? write && setDialog('edit') : row && open(row.id)), 'Delete': remove,
    'f': () => setFiltering((f) => !f), 'Escape': clear, '?': () => setDialog('keys'),
  });
  const conditions = parse(state.filter).node;
  const count = !state.filter ? 0 : conditions?.type === 'group' ? conditions.items.length : 1;
  const searching = Boolean(q || state.filter);
  const badFilter = list.error && list.error.status === 400 ? list.error : null;
  const tools = (
    <>
      {doc && <Views kind={kind} views={views} doc={doc} current={current} changed={modified(params)} state={state} onChoose={(id) => replace((p) => withView(p, id))} />}
      <SearchBox key={`q${kind.kind}`} box={search} value={q} onChange={(v) => set('q', v)} placeholder={t('list.search')} />
      <Badge count={count} size="small" color="var(--brand)"><Button icon={<FilterOutlined />} type={filtering ? 'primary' : 'default'} ghost={filtering} onClick={() => setFiltering(!filtering)} aria-expanded={filtering} title={`${t('filter.title')} (f)`}>{narrow ? null : t('filter.title')}</Button></Badge>
    </>
  );
  const whole = selection.all === undefined && items.length > 0 && items.every((r) => selection.ids.includes(r.id)) && total > selection.ids.length;
  const banner = picked > 0 && (
    <div className="table-banner">
      <b>{t('bulk.selected', { n: formatCount(picked) })}</b>
      {whole && <Button size="small" type="link" onClick={() => setSelection({ ids: selection.ids, all: { query: scope, total } })}>{t('bulk.selectAll', { n: formatCount(total) })}</Button>}
      {selection.all && <span className="soft">{t('bulk.allFound')}</span>}
      <span className="grow" />
      {write && <Button size="small" onClick={() => setDialog('edit')}>{t('bulk.edit')}</Button>}
      {write && <Button size="small" onClick={() => setDialog('label')}>{t('bulk.label')}</Button>}
      {kind.lifecycle && (write || can(kind.kind, 'approve')) && <Button size="small" onClick={() => setDialog('transition')}>{t('bulk.transition')}</Button>}
      {can(kind.kind, 'delete') && <Button size="small" danger onClick={() => setDialog('delete')}>{t('action.delete')}</Button>}
      <Button size="small" type="text" onClick={clear}>{t('bulk.clear')}</Button>
    </div>
  );
  const empty = searching
    ? <EmptyState title={t('state.nothingFound')} help={t('list.nothingHelp')} action={<Button onClick={() => replace((p) => { const out = new URLSearchParams(p); out.delete('q'); if (current) out.set('filter', ''); else out.delete('filter'); out.delete('page'); return out; })}>{t('list.clearFilter')}</Button>} />
    : <EmptyState title={t('list.empty', { what: title })} help={textOf(kind.help, i18n.language)}
        action={write ? <div className="row wrap center"><Button type="primary" icon={<PlusOutlined />} onClick={fresh}>{t('list.first')}</Button><Button icon={<UploadOutlined />} onClick={() => setDialog('import')}>{t('import.title')}</Button></div> : undefined} />;
  const menu = { items: [
    ...(write && narrow ? [{ key: 'import', icon: <UploadOutlined />, label: t('import.title') }] : []),
    ...(narrow ? [{ key: 'export', icon: <DownloadOutlined />, label: t('action.export') }] : []),
    { key: 'bin', icon: <DeleteOutlined />, label: t('bin.title') }, { key: 'keys', icon: <span className="mono">?</span>, label: t('keys.title') },
  ], onClick: ({ key }: { key: string }) => (key === 'bin' ? void navigate(`/r/${kind.plural}?bin=1`) : setDialog(key as Dialog)) };
  const closed = (done: boolean) => {
    setDialog(null);
    if (done) clear();
  };
  return (
    <div className="page fixed">
      <PageHeader title={title} extra={(
        <>
          {write && !narrow && <Button icon={<UploadOutlined />} onClick={() => setDialog('import')}>{t('import.title')}</Button>}
          {!narrow && <Button icon={<DownloadOutlined />} onClick={() => setDialog('export')}>{t('action.export')}</Button>}
          {write && <Button type="primary" icon={<PlusOutlined />} onClick={fresh}>{t('action.new')}</Button>}
          <Dropdown menu={menu} trigger={['click']}><Button icon={<MoreOutlined />} aria-label={t('list.more')} title={t('list.more')} /></Dropdown>
        </>
      )} />
      {list.error && !badFilter && !list.data
        ? <ErrorState error={list.error} retry={() => void list.refetch()} />
        : <DataTable id={kind.kind} columns={columns} rows={badFilter ? [] : items} rowKey={(r) => r.id} loading={list.isPending && !badFilter} tools={tools}
            empty={badFilter ? <ErrorState error={badFilter} /> : empty} labelColumns look={look} onLook={onLook}
            banner={<>{filtering && <Suspense fallback={null}><FilterPanel value={state.filter} fields={fields} error={badFilter} onChange={(filter) => change({ filter })} onClose={() => setFiltering(false)} /></Suspense>}{banner}</>}
            total={total} page={page} size={size} onPage={(p, s) => replace((old) => { const out = new URLSearchParams(old); out.set('page', String(p)); out.set('size', String(s)); return out; })}
            sort={state.sort} onSort={(sort) => change({ sort: sort || kindView(kind).sort })} onOpen={(r) => open(r.id)} selected={selection.all ? items.map((r) => r.id) : selection.ids} onSelect={select}
            onCurrent={setRow} commands={takeCommands} />}
      <Suspense fallback={null}>
        {dialog === 'import' && <ImportWizard kind={kind} onClose={() => setDialog(null)} />}
        {(dialog === 'edit' || dialog === 'label') && <BulkEdit kind={kind} ids={selection.ids} selection={selection} first={dialog === 'label' ? '#label' : undefined} onClose={closed} />}
        {dialog === 'transition' && <BulkTransition kind={kind} selection={selection} onClose={closed} />}
        {dialog === 'delete' && <BulkDelete kind={kind} what={title} selection={selection} onClose={closed} />}
        {dialog === 'export' && <ExportDialog kind={kind} query={scope} total={total} columns={columns} shown={shownColumns(columns, look).filter((c) => c.title).map((c) => c.key)} onClose={() => setDialog(null)} />}
        {dialog === 'keys' && <Shortcuts rows={KEYS} onClose={() => setDialog(null)} />}
      </Suspense>
    </div>
  );
}

export function ListPage() {
  const { plural } = useParams();
  const kinds = useKinds();
  const kind = useKind(plural);
  const [params] = useSearchParams();
  const { t } = useTranslation();
  if (kinds.isPending) return <Loading />;
  if (kinds.error) return <ErrorState error={kinds.error} retry={() => void kinds.refetch()} />;
  if (!kind) return <EmptyState title={t('state.notFound')} help={plural} />;
  if (kind.single) return <Existing kind={kind} id="default" />;
  return params.get('bin') ? <Bin key={kind.kind} kind={kind} /> : <KindList key={kind.kind} kind={kind} />;
}
