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

/* Frames whose words, error, direction or bytes hold the text; "03 12" and "0312" are the same bytes. */
export function findFrames(frames: Frame[], text: string, onlyBad: boolean): Frame[] {
  const word = text.trim().toLowerCase();
  const hex = /^[0-9a-f\s]+$/.test(word) ? word.replace(/\s+/g, '') : null;
  return frames.filter((f) => {
    if (onlyBad && f.ok) return false;
    if (!word) return true;
    if (hex !== null && atByte(f.hex.replace(/\s+/g, '').toLowerCase(), hex)) return true;
    return [f.words.zh, f.words.en, f.error ?? '', f.dir].some((x) => x.toLowerCase().includes(word));
  });
}

/* At the beginning of a byte, so that "10" is not found in "0100". */
function atByte(bytes: string, part: string): boolean {
  for (let i = bytes.indexOf(part); i >= 0; i = bytes.indexOf(part, i + 1)) if (i % 2 === 0) return true;
  return false;
}

/* Newest first, whatever order they came in. */
export function newestFirst(frames: Frame[]): Frame[] {
  return [...frames].sort((a, b) => (a.t < b.t ? 1 : a.t > b.t ? -1 : 0));
}
