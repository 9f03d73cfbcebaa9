/* Which connections are shown, worst first. Pure. */
import type { ChannelState } from '@/lib/types';

interface Listed {
  state: ChannelState;
  code: string;
  name: string;
  reason: string;
  driver?: string | null;
  outlet?: string | null;
}

export const STATES: ChannelState[] = ['down', 'degraded', 'connecting', 'up', 'off'];
const rank = (s: ChannelState) => STATES.indexOf(s);

/* What is wrong first: by state, then by how much is bad. */
export function worstFirst<T extends { state: ChannelState; bad: number; code: string }>(items: T[]): T[] {
  return [...items].sort((a, b) => rank(a.state) - rank(b.state) || b.bad - a.bad || a.code.localeCompare(b.code));
}

/* titleOf: the protocol's name for people. */
export function matching<T extends Listed>(items: T[], q: string, state: string, titleOf: (c: T) => string = () => ''): T[] {
  const text = q.trim().toLowerCase();
  return items
    .filter((c) => (!state || c.state === state) && (!text || [c.code, c.name, c.driver ?? c.outlet ?? '', titleOf(c), c.reason].some((x) => x.toLowerCase().includes(text))))
    .sort((a, b) => rank(a.state) - rank(b.state) || a.code.localeCompare(b.code));
}
