/* Follows GET /watch and makes what changed on the server stale in the query cache, gathered over half
 * a second so that an import of thousands of rows asks once. A hidden tab lets go of its stream (browsers
 * open six connections to a server, for all tabs together) and goes on where it was when it is seen again. */
import { useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { BASE } from './api';
import { staleKind } from './resources';
import type { KindDoc } from './types';

const GATHER_MS = 500;
const HIDDEN_MS = 5000;
/* What is not resources: each topic is the path of its queries. */
const TOPICS = 'alarms,notices,jobs';

export class Watcher {
  private source: EventSource | null = null;
  private changed = new Set<string>();
  private timer = 0;
  private sleep = 0;
  private seq = -1;
  private client: QueryClient;
  private plurals: Map<string, string>;

  constructor(client: QueryClient, kinds: KindDoc[]) {
    this.client = client;
    this.plurals = new Map(kinds.map((k) => [k.kind, k.plural]));
    document.addEventListener('visibilitychange', this.seen);
    this.open();
  }

  close(): void {
    document.removeEventListener('visibilitychange', this.seen);
    clearTimeout(this.timer);
    clearTimeout(this.sleep);
    this.drop();
  }

  private seen = (): void => {
    clearTimeout(this.sleep);
    if (document.hidden) this.sleep = window.setTimeout(() => this.drop(), HIDDEN_MS);
    else if (!this.source) {
      if (this.seq < 0) void this.client.invalidateQueries();
      this.open();
    }
  };

  private drop(): void {
    this.source?.close();
    this.source = null;
  }

  private open(): void {
    this.source = new EventSource(`${BASE}/watch?topics=${TOPICS}${this.seq < 0 ? '' : `&from=${this.seq}`}`);
    this.source.addEventListener('change', (event) => this.change((event as MessageEvent<string>).data));
    this.source.addEventListener('poke', (event) => this.stale((JSON.parse((event as MessageEvent<string>).data) as { topic: string }).topic));
    this.source.addEventListener('reset', () => void this.client.invalidateQueries());
  }

  private change(text: string): void {
    const change = JSON.parse(text) as { seq: number; kind: string };
    this.seq = Math.max(this.seq, change.seq);
    const plural = this.plurals.get(change.kind);
    if (plural) this.stale(plural);
  }

  private stale(path: string): void {
    this.changed.add(path);
    this.timer ||= window.setTimeout(() => {
      this.timer = 0;
      for (const p of this.changed) void staleKind(this.client, p);
      this.changed.clear();
    }, GATHER_MS);
  }
}

export function useWatch(kinds: KindDoc[] | undefined): void {
  const client = useQueryClient();
  useEffect(() => {
    if (!kinds || typeof EventSource === 'undefined') return undefined;
    const watcher = new Watcher(client, kinds);
    return () => watcher.close();
  }, [kinds, client]);
}
