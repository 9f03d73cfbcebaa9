/* What a list shows: a saved view (or the kind's own) under what has been changed since. Changes stand in
 * the URL, so that a link shows the same. Pure. */
import type { KindDoc, Resource, Spec } from '@/lib/types';
import type { Look } from '@/components/DataTable';

export interface ViewState {
  filter: string;
  sort: string;
  columns: string[] | null;   /* null: those of the kind */
  dense: boolean;
}

export interface View {
  id: string;
  name: string;
  by: string;
  shared: boolean;
  roles: string[];
  state: ViewState;
  rev: number;
}

const KEYS = ['filter', 'sort', 'cols'] as const;

export function kindView(kind: KindDoc): ViewState {
  return { filter: '', sort: kind.lists?.sort ?? 'code', columns: null, dense: true };
}

function filterIn(query: unknown): string {
  if (typeof query === 'string') return query;
  if (query && typeof query === 'object') return String((query as { filter?: string }).filter ?? '');
  return '';
}

export function viewOf(r: Resource, kind: KindDoc): View {
  const spec = r.spec as { query?: unknown; filter?: string; columns?: unknown; sort?: string; density?: string; shared?: boolean; roles?: string[] };
  const columns = Array.isArray(spec.columns) && spec.columns.length > 0 ? spec.columns.map(String) : null;
  return {
    id: r.id, name: r.name, by: r.created_by, rev: r.rev, shared: Boolean(spec.shared), roles: spec.roles ?? [],
    state: { filter: filterIn(spec.query) || spec.filter || '', sort: spec.sort || kindView(kind).sort, columns, dense: spec.density !== 'comfortable' },
  };
}

/* The spec as kind saved_view has its members: what the kind does not know is left out. */
export function specOf(kind: KindDoc, state: ViewState, share: { shared: boolean; roles: string[] }, doc: KindDoc | undefined): Spec {
  const type = (name: string) => doc?.fields.find((f) => f.name === name)?.type;
  const all: Spec = {
    kind: kind.kind, query: type('query') === 'string' ? state.filter : { filter: state.filter }, filter: state.filter, columns: state.columns ?? [], sort: state.sort,
    density: state.dense ? 'compact' : 'comfortable', shared: share.shared, roles: share.roles,
  };
  return Object.fromEntries(Object.entries(all).filter(([k]) => type(k) !== undefined));
}

/* The state that the URL asks for, over its view. */
export function stateOf(params: URLSearchParams, base: ViewState, look: Look): ViewState {
  const cols = params.get('cols');
  return {
    filter: params.get('filter') ?? base.filter,
    sort: params.get('sort') ?? base.sort,
    columns: cols ? cols.split(',') : base.columns ?? look.columns,
    dense: look.dense,
  };
}

export function modified(params: URLSearchParams): boolean {
  return params.has('view') && KEYS.some((k) => params.has(k));
}

/* Members of the URL after a change: those that equal the view are not written. */
export function applied(params: URLSearchParams, base: ViewState, change: Partial<Pick<ViewState, 'filter' | 'sort' | 'columns'>>): URLSearchParams {
  const out = new URLSearchParams(params);
  const put = (key: string, value: string, usual: string) => (value === usual ? out.delete(key) : out.set(key, value));
  if (change.filter !== undefined) put('filter', change.filter, base.filter);
  if (change.sort !== undefined) put('sort', change.sort, base.sort);
  if (change.columns !== undefined) put('cols', (change.columns ?? []).join(','), (base.columns ?? []).join(','));
  out.delete('page');
  return out;
}

export function withView(params: URLSearchParams, id: string | null): URLSearchParams {
  const out = new URLSearchParams(params);
  for (const k of [...KEYS, 'page', 'view']) out.delete(k);
  if (id) out.set('view', id);
  return out;
}
