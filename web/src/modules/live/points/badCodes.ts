/* Codes of the points whose current value is not good, for the filter "only bad"; the server has no
 * filter on quality, so the current values are asked for and sifted here. */
import { useQuery } from '@tanstack/react-query';
import { post } from '@/lib/api';
import { all, quote } from '@/lib/filter';
import type { CurrentAnswer } from '@/lib/types';

const MAX = 300;
const PAGE = 1000;   /* of the server, in the order of the codes */
const PAGES = 20;

export function useBadCodes(enabled: boolean, filter: string): { codes: string[]; cut: boolean; pending: boolean } {
  const { data, isPending } = useQuery({
    queryKey: ['/current', { bad: filter }],
    queryFn: async () => {
      const bad: string[] = [];
      let after = '';
      for (let page = 0; page < PAGES && bad.length <= MAX; page++) {
        const { items } = await post<CurrentAnswer>('/current', { filter: all(filter, after && `code>${quote(after)}`) || "code!=''" });
        for (const i of items) if (i.q !== 'good') bad.push(i.code);
        if (items.length < PAGE) break;
        after = items[items.length - 1].code;
      }
      return bad;
    },
    enabled,
    refetchInterval: 15000,
  });
  return { codes: (data ?? []).slice(0, MAX), cut: (data?.length ?? 0) > MAX, pending: enabled && isPending };
}
