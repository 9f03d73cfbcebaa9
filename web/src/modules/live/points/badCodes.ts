/* Codes of the points whose current value is not good, for the filter "only bad"; the server has no
 * filter on quality, so the current values are asked for and sifted here. */
import { useQuery } from '@tanstack/react-query';
import { post } from '@/lib/api';
import type { CurrentItem } from '@/lib/types';

const MAX = 300;

export function useBadCodes(enabled: boolean, filter: string): { codes: string[]; cut: boolean; pending: boolean } {
  const { data, isPending } = useQuery({
    queryKey: ['/current', { bad: filter }],
    queryFn: async () => {
      const answer = await post<{ items: CurrentItem[] }>('/current', { filter });
      return answer.items.filter((i) => i.q !== 'good').map((i) => i.code);
    },
    enabled,
    refetchInterval: 15000,
  });
  return { codes: (data ?? []).slice(0, MAX), cut: (data?.length ?? 0) > MAX, pending: enabled && isPending };
}
