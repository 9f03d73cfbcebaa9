/* One run over a selection: collecting the ids, then the changes; progress, stop, report. */
import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { runBulk, runEach, selectedIds, type Progress, type Selection } from '@/lib/bulk';
import { staleKind } from '@/lib/resources';
import type { BulkItem, BulkReport } from '@/lib/types';

export function useBulkRun(plural: string) {
  const client = useQueryClient();
  const [progress, setProgress] = useState<Progress | null>(null);
  const [report, setReport] = useState<BulkReport | null>(null);
  const [error, setError] = useState<unknown>(null);
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const start = useCallback(async (selection: Selection, work: (ids: string[], on: (p: Progress) => void, signal: AbortSignal) => Promise<BulkReport>) => {
    const ctl = new AbortController();
    stop.current = ctl;
    setError(null);
    setProgress({ done: 0, total: selection.all?.total ?? selection.ids.length });
    try {
      const ids = await selectedIds(plural, selection, setProgress, ctl.signal);
      const done = await work(ids, setProgress, ctl.signal);
      setReport(done);
      return { report: done, ids };
    } catch (e) {
      if ((e as Error).name !== 'AbortError') setError(e);
      return null;
    } finally {
      setProgress(null);
      void staleKind(client, plural);
    }
  }, [client, plural]);
  const bulk = useCallback((s: Selection, item: (id: string) => BulkItem) => start(s, (ids, on, signal) => runBulk(plural, ids, item, on, signal)), [start, plural]);
  const each = useCallback((s: Selection, verb: string, body: object) => start(s, (ids, on, signal) => runEach(plural, ids, verb, body, on, signal)), [start, plural]);
  return { progress, report, error, bulk, each, cancel: () => stop.current?.abort() };
}
