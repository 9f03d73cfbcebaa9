/* Changes of many resources: in pieces, with progress and a way to stop, one report at the end. */
import { post, seg, asError } from './api';
import { collectIds } from './resources';
import type { Query } from './api';
import type { BulkItem, BulkReport } from './types';

/* Rows that were ticked, or everything that a list query finds. */
export interface Selection {
  ids: string[];
  all?: { query: Query; total: number };
}

export interface Progress {
  done: number;
  total: number;
}

export const countOf = (s: Selection) => s.all?.total ?? s.ids.length;

const CHUNK = 200;
const LANES = 4;

export async function selectedIds(plural: string, s: Selection, on: (p: Progress) => void, signal: AbortSignal): Promise<string[]> {
  if (!s.all) return s.ids;
  return (await collectIds(plural, s.all.query, (done, total) => on({ done: 0, total: Math.max(done, total) }), signal)).map((r) => r.id);
}

const emptyReport = (): BulkReport => ({ dry_run: false, applied: true, created: 0, updated: 0, unchanged: 0, deleted: 0, failed: 0, rows: [] });

export function mergeReports(into: BulkReport, part: BulkReport, offset: number): BulkReport {
  for (const k of ['created', 'updated', 'unchanged', 'deleted', 'failed'] as const) into[k] += part[k] ?? 0;
  into.rows.push(...(part.rows ?? []).filter((r) => r.status === 'failed' || into.rows.length < 1000).map((r) => ({ ...r, line: (r.line ?? 0) + offset })));
  return into;
}

/* By the server's bulk route. What was done before a stop stays done. */
export async function runBulk(plural: string, ids: string[], item: (id: string) => BulkItem, on: (p: Progress) => void, signal: AbortSignal): Promise<BulkReport> {
  const report = emptyReport();
  for (let i = 0; i < ids.length && !signal.aborted; i += CHUNK) {
    const part = await post<BulkReport>(`/${plural}:bulk`, { dry_run: false, skip_errors: true, items: ids.slice(i, i + CHUNK).map(item) });
    mergeReports(report, part, i);
    on({ done: Math.min(ids.length, i + CHUNK), total: ids.length });
  }
  return report;
}

/* One request each, for what has no bulk route (transitions, restore). */
export async function runEach(plural: string, ids: string[], verb: string, body: object, on: (p: Progress) => void, signal: AbortSignal): Promise<BulkReport> {
  const report = emptyReport();
  let next = 0;
  let done = 0;
  const lane = async () => {
    while (next < ids.length && !signal.aborted) {
      const at = next++;
      try {
        const r = await post<{ code: string }>(`/${plural}/${seg(ids[at])}:${verb}`, body);
        report.updated++;
        if (report.rows.length < 1000) report.rows.push({ line: at + 1, status: 'updated', code: r?.code ?? ids[at] });
      } catch (e) {
        report.failed++;
        report.rows.push({ line: at + 1, status: 'failed', code: ids[at], errors: asError(e).faults().map((f) => ({ where: f.where ?? '', detail: f.detail })) });
      }
      on({ done: ++done, total: ids.length });
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return report;
}
