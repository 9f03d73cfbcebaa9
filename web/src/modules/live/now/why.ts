/* Why a value is bad: the driver's own words first, then what its kind of reason means. Pure. */
import type { DeviceStatus, Diagnostics, ReadItem } from '@/lib/types';

export interface Source { channel: string; driver: string; device: DeviceStatus | undefined; diagnostics: Diagnostics }

/* Reasons that only a read of this one point can tell more of. */
const ASKED = new Set(['config_error', 'device_exception', 'out_of_range', 'not_a_number', 'no_data', 'device_failure', 'sensor_failure']);
export const worthAsking = (reason: string) => ASKED.has(reason);

export interface Words { text: string; of: 'point' | 'device' | 'channel' }

/* What the driver says: of the point by the last read, of its device, of the channel; each only when it is no
 * repetition of the one before. */
export function driverWords(d: Diagnostics | undefined, device: DeviceStatus | undefined, read: ReadItem | undefined): Words[] {
  const out: Words[] = [];
  const add = (text: string | null | undefined, of: Words['of']) => {
    const t = (text ?? '').trim();
    if (t && !out.some((w) => w.text.includes(t) || t.includes(w.text))) out.push({ text: t, of });
  };
  if (read && read.quality !== 'good') add(read.reason, 'point');
  if (device && device.state !== 'up') add(device.reason, 'device');
  if (d && d.state !== 'up') add(d.reason, 'channel');
  return out;
}

/* Seconds that the device's clock is off, and how much that matters. */
export function clockState(ms: number | null | undefined): 'none' | 'good' | 'uncertain' | 'bad' {
  if (ms === null || ms === undefined) return 'none';
  const off = Math.abs(ms);
  return off < 2000 ? 'good' : off < 60000 ? 'uncertain' : 'bad';
}

/* ---- since when ---- */

export interface Window { from: string; good: number }
export interface AskHistory {
  windows: (from: number, to: number, interval: string) => Promise<Window[]>;
  samples: (from: number, to: number) => Promise<{ t: number[]; q: number[] }>;
}
export interface Since { at: number | null; lastGood: number | null }     /* at null: longer than was looked at */

const HOUR = 3600000;
const LOOK_BACK = 24 * HOUR;

/* The last good sample and the first that was not good after it: by hours, by minutes, then sample by sample. */
export async function badSince(ask: AskHistory, now: number): Promise<Since> {
  let from = now - LOOK_BACK, to = now;
  for (const [interval, ms] of [['1h', HOUR], ['1m', 60000]] as const) {
    const last = (await ask.windows(from, to, interval)).findLast((w) => w.good > 0);
    if (!last) return { at: null, lastGood: null };
    from = Date.parse(last.from);
    to = Math.min(now, from + ms);
  }
  const { t, q } = await ask.samples(from, now);
  const good = q.findLastIndex((x) => x === 0);
  return good < 0 ? { at: null, lastGood: null } : { at: t[good + 1] ?? null, lastGood: t[good] };
}
