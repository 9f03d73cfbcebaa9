/* Times: ranges as "now-6h".."now" or epoch milliseconds in the URL, durations as "500ms", ages. */
import dayjs from 'dayjs';

export interface Range {
  from: string;   /* "now-8h" or epoch ms as text */
  to: string;     /* "now" or epoch ms as text */
}

const UNIT_MS: Record<string, number> = {
  us: 0.001, ms: 1, s: 1000, m: 60000, min: 60000, h: 3600000, d: 86400000, w: 604800000,
};

/* "1h30m" -> milliseconds; null when it is not a duration. */
export function parseDuration(text: string): number | null {
  const source = text.trim();
  const part = /(\d+(?:\.\d+)?)\s*(us|ms|min|s|m|h|d|w)/gy;
  let sum = 0;
  let at = 0;
  while (at < source.length) {
    part.lastIndex = at;
    const m = part.exec(source);
    if (!m) return null;
    sum += Number(m[1]) * UNIT_MS[m[2]];
    at = part.lastIndex;
  }
  return source ? sum : null;
}

/* "5000ms" -> "5s": the largest unit that says it exactly; what is not a duration stays. */
export function compactDuration(text: string): string {
  const ms = parseDuration(text);
  if (ms === null || ms === 0) return text;
  for (const unit of ['d', 'h', 'm', 's', 'ms']) if (ms % UNIT_MS[unit] === 0) return `${ms / UNIT_MS[unit]}${unit}`;
  return text;
}

export function formatDuration(ms: number): string {
  const abs = Math.abs(ms);
  const sign = ms < 0 ? '-' : '';
  if (abs < 1000) return `${sign}${Math.round(abs)}ms`;
  if (abs < 60000) return `${sign}${+(abs / 1000).toFixed(abs < 10000 && abs % 1000 !== 0 ? 1 : 0)}s`;
  const steps: [string, number][] = [['d', 86400000], ['h', 3600000], ['m', 60000], ['s', 1000]];
  let rest = Math.round(abs / 1000) * 1000;
  const out: string[] = [];
  for (const [name, size] of steps) {
    const n = Math.floor(rest / size);
    if (n > 0 && out.length < 2) out.push(`${n}${name}`);
    else if (out.length > 0) break;
    rest -= n * size;
  }
  return sign + out.join(' ');
}

/* The words of a range and epoch ms -> epoch ms; NaN when neither. */
export function resolveTime(text: string, now = Date.now()): number {
  if (text === 'now') return now;
  const m = /^now-(.+)$/.exec(text);
  if (m) {
    const long = /^(\d+)(w|mo|y)$/.exec(m[1]); /* by the calendar, as the server counts them */
    if (long) return dayjs(now).subtract(Number(long[1]), ({ w: 'week', mo: 'month', y: 'year' } as const)[long[2] as 'w' | 'mo' | 'y']).valueOf();
    const ms = parseDuration(m[1]);
    return ms === null ? NaN : now - ms;
  }
  if (/^\d{9,}$/.test(text)) return Number(text);
  const parsed = dayjs(text);
  return parsed.isValid() ? parsed.valueOf() : NaN;
}

export function resolveRange(r: Range, now = Date.now()): { from: number; to: number } {
  return { from: resolveTime(r.from, now), to: resolveTime(r.to, now) };
}

/* The range that an address names; the fallback when it makes no sense there. */
export function rangeOf(params: URLSearchParams, fallback: Range): Range {
  const r = { from: params.get('from') ?? fallback.from, to: params.get('to') ?? fallback.to };
  const { from, to } = resolveRange(r);
  return from < to ? r : fallback;
}

export function isLive(r: Range): boolean {
  return r.to === 'now';
}

/* Shifts of eight hours: 00, 08, 16. */
export function shiftStart(now: number, back = 0): number {
  const d = dayjs(now);
  const start = d.startOf('day').add(Math.floor(d.hour() / 8) * 8, 'hour');
  return start.subtract(back * 8, 'hour').valueOf();
}

export function formatTime(t: number | string | undefined | null, withMs = false): string {
  if (t === undefined || t === null || t === '') return '—';
  const d = dayjs(t);
  if (!d.isValid()) return '—';
  return d.format(withMs ? 'YYYY-MM-DD HH:mm:ss.SSS' : 'YYYY-MM-DD HH:mm:ss');
}

export function zoneLabel(): string {
  const offset = -new Date().getTimezoneOffset();
  const hours = Math.trunc(offset / 60);
  const minutes = Math.abs(offset % 60);
  return `UTC${hours < 0 ? '-' : '+'}${Math.abs(hours)}${minutes ? `:${String(minutes).padStart(2, '0')}` : ''}`;
}
