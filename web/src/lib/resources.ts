/* Queries and changes of resources of any kind. Query keys are [path, query]; a change of a kind makes
 * every query whose path begins with that kind's plural stale (see watch.ts). */
import { keepPreviousData, useMutation, useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { call, get, post, seg, type ApiError, type Query } from './api';
import type { BulkBody, BulkReport, ChangesAnswer, KindDoc, KindsAnswer, LText, Page, Resource, ResourceInput, Spec } from './types';

export function useApi<T>(path: string | null, query?: Query, opts: { every?: number; keep?: boolean; stale?: number } = {}) {
  return useQuery<T, ApiError>({
    queryKey: [path, query ?? null],
    queryFn: ({ signal }) => get<T>(path as string, query, signal),
    enabled: path !== null,
    refetchInterval: opts.every,
    staleTime: opts.stale,
    placeholderData: opts.keep ? keepPreviousData : undefined,
  });
}

export function useKinds() {
  return useQuery<KindDoc[], ApiError>({
    queryKey: ['/kinds'],
    queryFn: async ({ signal }) => (await get<KindsAnswer>('/kinds', undefined, signal)).items,
    staleTime: 10 * 60000,
  });
}

/* By kind or plural name; undefined while loading or unknown. */
export function useKind(name: string | undefined): KindDoc | undefined {
  const { data } = useKinds();
  return data?.find((k) => k.kind === name || k.plural === name);
}

export function textOf(text: LText | undefined, lang: string, fallback = ''): string {
  if (!text) return fallback;
  return (lang === 'en' ? text.en : text.zh) || text.en || text.zh || fallback;
}

export function useList(plural: string | null, query: Query = {}) {
  return useApi<Page<Resource>>(plural === null ? null : `/${plural}`, query, { keep: true });
}

export function useResource<S = Spec>(plural: string | undefined, id: string | undefined) {
  return useApi<Resource<S>>(plural && id ? `/${plural}/${seg(id)}` : null);
}

export function useHistory(plural: string, id: string, page: number, size = 20) {
  return useApi<ChangesAnswer>(`/${plural}/${seg(id)}/history`, { page, size }, { keep: true });
}

/* Make everything that was read below /plural stale. */
export function staleKind(client: QueryClient, plural: string): Promise<void> {
  return client.invalidateQueries({
    predicate: (q) => {
      const path = String(q.queryKey[0] ?? '');
      return path === `/${plural}` || path.startsWith(`/${plural}/`) || path.startsWith(`/${plural}:`);
    },
  });
}

interface SaveArgs {
  id?: string;
  rev?: number;
  input: ResourceInput;
}

export function useSave(plural: string) {
  const client = useQueryClient();
  return useMutation<Resource, ApiError, SaveArgs>({
    mutationFn: async ({ id, rev, input }) => id
      ? (await call<Resource>('PATCH', `/${plural}/${seg(id)}`, { body: input, ifMatch: rev })).data
      : (await call<Resource>('POST', `/${plural}`, { body: input })).data,
    onSuccess: () => staleKind(client, plural),
  });
}

export function useRemove(plural: string) {
  const client = useQueryClient();
  return useMutation<unknown, ApiError, { id: string; rev?: number }>({
    mutationFn: async ({ id, rev }) => (await call('DELETE', `/${plural}/${seg(id)}`, { ifMatch: rev })).data,
    onSuccess: () => staleKind(client, plural),
  });
}

export function useRollback(plural: string) {
  const client = useQueryClient();
  return useMutation<Resource, ApiError, { id: string; rev: number }>({
    mutationFn: ({ id, rev }) => post<Resource>(`/${plural}/${seg(id)}:rollback`, { rev }),
    onSuccess: () => staleKind(client, plural),
  });
}

export function useBulk(plural: string) {
  const client = useQueryClient();
  return useMutation<BulkReport, ApiError, BulkBody>({
    mutationFn: (body) => post<BulkReport>(`/${plural}:bulk`, { dry_run: false, skip_errors: true, ...body }),
    onSuccess: () => staleKind(client, plural),
  });
}

export async function importCsv(plural: string, csv: string, dryRun: boolean, skipErrors: boolean): Promise<BulkReport> {
  return (await call<BulkReport>('POST', `/${plural}:import`, {
    query: { dry_run: dryRun ? 1 : 0, skip_errors: skipErrors ? 1 : 0 }, text: csv, contentType: 'text/csv; charset=utf-8',
  })).data;
}

export async function exportCsv(plural: string, query: Query): Promise<string> {
  return (await call<string>('GET', `/${plural}:export`, { query, raw: true })).data;
}

export async function getResource<S = Spec>(plural: string, id: string): Promise<Resource<S>> {
  return get<Resource<S>>(`/${plural}/${seg(id)}`);
}
