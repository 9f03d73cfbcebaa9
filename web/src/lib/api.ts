/* The only door to the server: fetch with the cross-site header, the language of the answers, and
 * problem+json turned into ApiError. Network failures are ApiErrors too (status 0, code "offline"). */
import i18n from 'i18next';
import { netFailed, netOk } from './net';
import type { Fault } from './types';

export const BASE = '/api/v1';

/* The server's; a fault of this side may have no place. */
export type FieldFault = Partial<Pick<Fault, 'where'>> & Omit<Fault, 'where'>;

export class ApiError extends Error {
  status: number;
  code: string;
  title: string;
  where: string;
  errors: FieldFault[];

  constructor(status: number, code: string, title: string, detail: string, where = '', errors: FieldFault[] = []) {
    super(detail || title);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.title = title;
    this.where = where;
    this.errors = errors;
  }

  get offline(): boolean {
    return this.status === 0;
  }

  /* All faults with a place, the main one included once. */
  faults(): FieldFault[] {
    if (this.errors.length > 0) return this.errors;
    return [{ where: this.where, detail: this.message }];
  }
}

export type Query = Record<string, string | number | boolean | null | undefined>;

export interface CallOptions {
  query?: Query;
  body?: unknown;
  text?: string | Blob;   /* a body of another type than JSON */
  contentType?: string;
  ifMatch?: number;
  signal?: AbortSignal;
  raw?: boolean;          /* give the answer's text */
}

export interface Answer<T> {
  data: T;
  etag: string | null;
}

export function withQuery(path: string, query?: Query): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== '') params.set(key, String(value));
  }
  const text = params.toString();
  return text ? `${path}${path.includes('?') ? '&' : '?'}${text}` : path;
}

/* A path segment: ids and codes may hold slashes and dots. */
export const seg = encodeURIComponent;

async function problemOf(res: Response): Promise<ApiError> {
  let body: Record<string, unknown> = {};
  try {
    body = (await res.json()) as Record<string, unknown>;
  } catch {
    // not JSON: the status line must do
  }
  const text = (key: string) => (typeof body[key] === 'string' ? (body[key] as string) : '');
  const errors = Array.isArray(body.errors) ? (body.errors as FieldFault[]) : [];
  return new ApiError(res.status, text('code') || `http_${res.status}`, text('title') || res.statusText,
    text('detail'), text('where'), errors);
}

function headersOf(opts: CallOptions): Record<string, string> {
  const headers: Record<string, string> = {
    'Accept': 'application/json',
    'Accept-Language': i18n.language === 'en' ? 'en' : 'zh-CN',
    'X-Bornite': '1',
  };
  if (opts.body !== undefined) headers['Content-Type'] = 'application/json';
  if (opts.text !== undefined) headers['Content-Type'] = opts.contentType ?? 'text/plain; charset=utf-8';
  if (opts.ifMatch !== undefined) headers['If-Match'] = `"${opts.ifMatch}"`;
  return headers;
}

let onUnauthorized: () => void = () => {};
export function setUnauthorizedHandler(fn: () => void): void {
  onUnauthorized = fn;
}

export async function call<T>(method: string, path: string, opts: CallOptions = {}): Promise<Answer<T>> {
  let res: Response;
  try {
    res = await fetch(withQuery(BASE + path, opts.query), {
      method,
      headers: headersOf(opts),
      body: opts.text ?? (opts.body === undefined ? undefined : JSON.stringify(opts.body)),
      credentials: 'same-origin',
      signal: opts.signal,
    });
  } catch (cause) {
    if ((cause as Error).name === 'AbortError') throw cause;
    netFailed();
    throw new ApiError(0, 'offline', i18n.t('state.offline'), i18n.t('state.offlineHelp'));
  }
  netOk();
  if (!res.ok) {
    const problem = await problemOf(res);
    if (res.status === 401 && path !== '/session') onUnauthorized();
    throw problem;
  }
  const etag = res.headers.get('ETag');
  if (opts.raw) return { data: (await res.text()) as T, etag };
  const text = await res.text();
  return { data: (text ? JSON.parse(text) : null) as T, etag };
}

export async function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  return (await call<T>('GET', path, { query, signal })).data;
}

export async function post<T>(path: string, body?: unknown, query?: Query): Promise<T> {
  return (await call<T>('POST', path, { body: body ?? {}, query })).data;
}

export async function del<T>(path: string, ifMatch?: number): Promise<T> {
  return (await call<T>('DELETE', path, { ifMatch })).data;
}

export function asError(e: unknown): ApiError {
  if (e instanceof ApiError) return e;
  return new ApiError(-1, 'internal', String((e as Error)?.message ?? e), '');
}
