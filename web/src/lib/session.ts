/* Who is signed in and what he may do. The server decides; the UI hides and explains. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { call, get } from './api';
import { closeStream } from './stream';
import { forgetTags } from './tagStore';
import type { Session } from './types';

export const SESSION_KEY = ['/session'];
export type Action = 'read' | 'write' | 'delete' | 'approve' | 'control' | 'sensitive' | 'admin';

export function useSession() {
  return useQuery({
    queryKey: SESSION_KEY,
    queryFn: ({ signal }) => get<Session>('/session', undefined, signal),
    retry: (count, e) => (e as { status?: number }).status === 0 && count < 2,
    staleTime: 5 * 60000,
  });
}

/* The server lists what is told apart by itself (protected kinds always); for all others "*" holds. */
export function allows(session: Session | undefined, kind: string, action: Action): boolean {
  const rows = session?.permissions ?? [];
  const row = rows.find((p) => p.kind === kind) ?? rows.find((p) => p.kind === '*');
  return row?.actions.includes(action) ?? false;
}

export type Can = (kind: string, action: Action) => boolean;

export function useCan(): Can {
  const { data } = useSession();
  return useCallback((kind, action) => allows(data, kind, action), [data]);
}

export function useSignOut(): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    try {
      await call('DELETE', '/session');
    } finally {
      closeStream();
      forgetTags();
      client.clear();
      location.assign('/login');
    }
  };
}
