/* An alarm as the server lists it, and the small rules of how it is shown. */
import type { ShapeName } from '@/components/Shape';

export type AlarmState = 'active_unacked' | 'active_acked' | 'cleared_unacked' | 'normal';
export type Condition = 'hh' | 'h' | 'l' | 'll' | 'bad' | 'stale';

export interface Alarm {
  id: string;
  point: string;
  code: string;
  name: string;
  area?: string;
  condition: Condition;
  priority: number;
  state: AlarmState;
  shelved_until?: string | null;
  value: number | string | null;
  limit: number | null;
  unit?: string;
  raised_at: string;
  cleared_at?: string | null;
  acked_by?: string | null;
  acked_at?: string | null;
  comment?: string | null;
}

export interface AlarmCounts {
  active: number;
  unacked: number;
  by_priority: Record<string, number>;
}

export interface AlarmsAnswer {
  items: Alarm[];
  total: number;
  counts: AlarmCounts;
}

/* Priority as shape and colour: 1 is the most urgent. */
export const PRIORITY: [ShapeName, string][] = [
  ['square', 'var(--p1)'], ['triangle', 'var(--p2)'], ['diamond', 'var(--p3)'], ['dot', 'var(--p4)'],
];
export const priorityLook = (p: number) => PRIORITY[Math.min(Math.max(p, 1), 4) - 1];

export const isActive = (a: Alarm) => a.state.startsWith('active');
export const needsAck = (a: Alarm) => a.state.endsWith('unacked');
