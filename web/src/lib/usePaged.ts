/* A long list by index: pages of the server behind a grid, only those in view are asked for. */
import { keepPreviousData, useQueries, useQuery } from '@tanstack/react-query';
import { useCallback, useMemo, useState } from 'react';
import { get, type Query } from './api';
import { useDebounced } from './useDebounced';
import type { Page, Resource } from './types';

export const PAGE = 200;

export function usePaged(path: string, query: Query) {
  const [range, setRange] = useState<[number, number]>([0, 50]);
  const settled = useDebounced(range, 60);
  const head = useQuery({
    queryKey: [path, { ...query, page: 1, size: PAGE }],
    queryFn: ({ signal }) => get<Page<Resource>>(path, { ...query, page: 1, size: PAGE }, signal),
    placeholderData: keepPreviousData,
  });
  const firstPage = Math.floor(settled[0] / PAGE) + 1;
  const lastPage = Math.floor(settled[1] / PAGE) + 1;
  const pages = useMemo(() => Array.from({ length: Math.min(4, lastPage - firstPage + 1) }, (_, i) => firstPage + i), [firstPage, lastPage]);
  const others = useQueries({
    queries: pages.map((page) => ({
      queryKey: [path, { ...query, page, size: PAGE }],
      queryFn: ({ signal }: { signal: AbortSignal }) => get<Page<Resource>>(path, { ...query, page, size: PAGE }, signal),
      enabled: page > 1,
    })),
  });
  const rowAt = useCallback((index: number): Resource | undefined => {
    const page = Math.floor(index / PAGE) + 1;
    if (page === 1) return head.data?.items[index];
    const at = pages.indexOf(page);
    return at < 0 ? undefined : others[at]?.data?.items[index - (page - 1) * PAGE];
  }, [head.data, pages, others]);
  const onRange = useCallback((a: number, b: number) => setRange((was) => (was[0] === a && was[1] === b ? was : [a, b])), []);
  return { total: head.data?.total ?? 0, rowAt, onRange, range: settled, pending: head.isPending, error: head.error, refetch: head.refetch };
}
