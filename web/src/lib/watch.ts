/* Follows GET /watch and makes what changed on the server stale in the query cache, gathered over half
 * a second so that an import of thousands of rows asks once. */
import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { BASE } from './api';
import { staleKind } from './resources';
import type { KindDoc } from './types';

export function useWatch(kinds: KindDoc[] | undefined): void {
  const client = useQueryClient();
  useEffect(() => {
    if (!kinds || typeof EventSource === 'undefined') return undefined;
    const plurals = new Map(kinds.map((k) => [k.kind, k.plural]));
    const changed = new Set<string>();
    let timer = 0;
    const source = new EventSource(`${BASE}/watch`);
    source.addEventListener('change', (event) => {
      const change = JSON.parse((event as MessageEvent<string>).data) as { kind: string };
      const plural = plurals.get(change.kind);
      if (!plural) return;
      changed.add(plural);
      timer ||= window.setTimeout(() => {
        timer = 0;
        for (const p of changed) void staleKind(client, p);
        changed.clear();
      }, 500);
    });
    source.addEventListener('reset', () => void client.invalidateQueries());
    return () => {
      clearTimeout(timer);
      source.close();
    };
  }, [kinds, client]);
}
