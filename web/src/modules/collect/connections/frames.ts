/* Frames of a channel as text: hex in pairs, one line a frame for the clipboard. Pure. */
import dayjs from 'dayjs';
import type { LText } from '@/lib/types';

export interface FrameDoc {
  t: string;
  dir: 'tx' | 'rx';
  hex: string;
  words: LText;
  ok: boolean;
  error?: string | null;
}

export interface DeviceDoc {
  id?: string;
  code: string;
  name?: string;
  state: 'off' | 'connecting' | 'up' | 'degraded' | 'down';
  reason: string;
  points: number;
  bad: number;
  last_ok: string | null;
}

export function hexPairs(hex: string): string {
  return (hex.replace(/\s+/g, '').match(/../g) ?? []).join(' ').toUpperCase();
}

export function frameTime(t: string): string {
  return dayjs(t).format('HH:mm:ss.SSS');
}

export function framesText(frames: FrameDoc[], lang: string): string {
  return frames.map((f) => [frameTime(f.t), f.dir.toUpperCase(), hexPairs(f.hex), lang === 'en' ? f.words.en : f.words.zh, f.ok ? '' : (f.error ?? 'ERROR')].filter(Boolean).join('  ')).join('\n');
}

/* Newest first, whatever order they came in. */
export function newestFirst(frames: FrameDoc[]): FrameDoc[] {
  return [...frames].sort((a, b) => (a.t < b.t ? 1 : a.t > b.t ? -1 : 0));
}
