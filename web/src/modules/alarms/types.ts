/* An alarm as the server lists it, and the small rules of how it is shown. */
import type { GetAlarmsAnswer, GetAlarmsHistoryAnswer } from '@/lib/api.gen';
import type { ShapeName } from '@/components/Shape';

export type AlarmsAnswer = GetAlarmsAnswer;
export type Alarm = GetAlarmsAnswer['items'][number];
export type JournalAnswer = GetAlarmsHistoryAnswer;
export type JournalRow = JournalAnswer['items'][number];

/* Priority as shape and colour: 1 is the most urgent. */
export const PRIORITY: [ShapeName, string][] = [
  ['square', 'var(--p1)'], ['triangle', 'var(--p2)'], ['diamond', 'var(--p3)'], ['dot', 'var(--p4)'],
];
export const priorityLook = (p = 4) => PRIORITY[Math.min(Math.max(p, 1), 4) - 1];

export const isActive = (a: Alarm) => a.state.startsWith('active');
export const needsAck = (a: Alarm) => a.state.endsWith('unacked');
