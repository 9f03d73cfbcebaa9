/* Which channels are shown, worst first. Pure. */
import type { ChannelState, ChannelStatus } from '@/lib/types';

export const STATES: ChannelState[] = ['down', 'degraded', 'connecting', 'up', 'off'];
const rank = (s: ChannelState) => STATES.indexOf(s);

export function matching(items: ChannelStatus[], q: string, state: string): ChannelStatus[] {
  const text = q.trim().toLowerCase();
  return items
    .filter((c) => (!state || c.state === state) && (!text || [c.code, c.name, c.driver ?? '', c.reason].some((x) => x.toLowerCase().includes(text))))
    .sort((a, b) => rank(a.state) - rank(b.state) || a.code.localeCompare(b.code));
}
