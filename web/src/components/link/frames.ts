/* Frames of a channel as text: hex in pairs, one line a frame for the clipboard. Pure. */
import dayjs from 'dayjs';
import type { Frame } from '@/lib/types';

export function hexPairs(hex: string): string {
  return (hex.replace(/\s+/g, '').match(/../g) ?? []).join(' ').toUpperCase();
}

export function frameTime(t: string): string {
  return dayjs(t).format('HH:mm:ss.SSS');
}

export function framesText(frames: Frame[], lang: string): string {
  return frames.map((f) => [frameTime(f.t), f.dir.toUpperCase(), hexPairs(f.hex), lang === 'en' ? f.words.en : f.words.zh, f.ok ? '' : (f.error ?? 'ERROR')].filter(Boolean).join('  ')).join('\n');
}

/* Newest first, whatever order they came in. */
export function newestFirst(frames: Frame[]): Frame[] {
  return [...frames].sort((a, b) => (a.t < b.t ? 1 : a.t > b.t ? -1 : 0));
}
