/* Queries and changes of resources of any kind. Query keys are [path, query]; a change of a kind makes
 * every query whose path begins with that kind's plural stale (see watch.ts). */
import { keepPreviousData, useMutation, useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { ApiError, BASE, call, get, post, seg, withQuery, type Query } from './api';
import type { Attachment, Job, TransitionsAnswer, Upload, WhereUsedAnswer } from './pending';
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

/* Made by users, not by a module. */
export const isUserKind = (k: KindDoc) => k.user === true;

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

/* POST of a verb on one resource that answers its envelope (restore, copy, transition …). */
export function useVerb<B = Record<string, unknown>>(plural: string, verb: string) {
  const client = useQueryClient();
  return useMutation<Resource, ApiError, { id: string; rev?: number; body?: B }>({
    mutationFn: async ({ id, rev, body }) => (await call<Resource>('POST', `/${plural}/${seg(id)}:${verb}`, { body: body ?? {}, ifMatch: rev })).data,
    onSuccess: () => staleKind(client, plural),
  });
}

export function useTransitions(kind: KindDoc, id: string | undefined) {
  return useApi<TransitionsAnswer>(kind.lifecycle && id ? `/${kind.plural}/${seg(id)}/transitions` : null);
}

export function useWhereUsed(plural: string, id: string, page: number, size = 50) {
  return useApi<WhereUsedAnswer>(`/${plural}/${seg(id)}/where-used`, { page, size }, { keep: true });
}

export function useAttachments(plural: string, id: string) {
  return useApi<{ items: Attachment[] }>(`/${plural}/${seg(id)}/attachments`);
}

export const attachmentUrl = (id: string) => `${BASE}/attachments/${seg(id)}`;

/* Sends a file with its progress (0..1); fetch cannot tell it. */
export function upload(file: Blob, name: string, onProgress?: (part: number) => void, signal?: AbortSignal): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open('POST', withQuery(`${BASE}/uploads`, { name }));
    xhr.setRequestHeader('X-Bornite', '1');
    xhr.setRequestHeader('Accept-Language', document.documentElement.lang || 'zh-CN');
    xhr.setRequestHeader('Content-Type', file.type || 'application/octet-stream');
    xhr.upload.onprogress = (e) => e.lengthComputable && onProgress?.(e.loaded / e.total);
    xhr.onload = () => {
      let body: Record<string, unknown> = {};
      try {
        body = JSON.parse(xhr.responseText) as Record<string, unknown>;
      } catch {
        // not JSON: the status line must do
      }
      if (xhr.status >= 200 && xhr.status < 300) resolve(body as unknown as Upload);
      else reject(new ApiError(xhr.status, String(body.code ?? `http_${xhr.status}`), String(body.title ?? xhr.statusText), String(body.detail ?? '')));
    };
    xhr.onerror = () => reject(new ApiError(0, 'offline', '', name));
    xhr.onabort = () => reject(new DOMException('aborted', 'AbortError'));
    signal?.addEventListener('abort', () => xhr.abort());
    xhr.send(file);
  });
}

/* Every id that a list query finds, page by page; `found` hears how far it is. */
export async function collectIds(plural: string, query: Query, found?: (n: number, total: number) => void, signal?: AbortSignal): Promise<{ id: string; code: string }[]> {
  const out: { id: string; code: string }[] = [];
  for (let page = 1; ; page++) {
    const answer = await get<Page<Resource>>(`/${plural}`, { ...query, page, size: 1000 }, signal);
    for (const r of answer.items) out.push({ id: r.id, code: r.code });
    found?.(out.length, answer.total);
    if (answer.items.length < 1000 || out.length >= answer.total) return out;
  }
}

export function useJob(id: string | null) {
  return useQuery<Job, ApiError>({
    queryKey: [`/jobs/${id}`, null],
    queryFn: ({ signal }) => get<Job>(`/jobs/${id}`, undefined, signal),
    enabled: id !== null,
    refetchInterval: (q) => (q.state.data && jobEnded(q.state.data) ? false : 400),
  });
}

export const jobEnded = (job: Job) => ['done', 'failed', 'cancelled'].includes(job.state);
export const jobDone = (job: Job) => job.state === 'done';

/* A list as a file, in the chosen form and columns. */
export async function exportList(plural: string, query: Query, format: string): Promise<Blob> {
  const res = await fetch(withQuery(`${BASE}/${plural}:export`, { ...query, format }), { headers: { 'X-Bornite': '1', 'Accept-Language': document.documentElement.lang || 'zh-CN' }, credentials: 'same-origin' });
  if (res.ok) return res.blob();
  const body = (await res.json().catch(() => ({}))) as Record<string, string>;
  throw new ApiError(res.status, body.code ?? '', body.title ?? res.statusText, body.detail ?? '', body.where ?? '');
}

export async function getResource<S = Spec>(plural: string, id: string): Promise<Resource<S>> {
  return get<Resource<S>>(`/${plural}/${seg(id)}`);
}
