/* Where the bars of a day's jobs stand: pure, so that it can be tested. A lane a job type; jobs of one
 * type that overlap get rows of their own. */
import type { Job } from './types';

export interface Bar {
  job: Job;
  row: number;
  from: number;   /* share of the width, 0..1 */
  to: number;
}

export interface Lane {
  type: string;
  rows: number;
  bars: Bar[];
}

const MIN = 0.002; // a job of milliseconds is still to be seen and hit

export function lanesOf(jobs: Job[], from: number, to: number, now: number): Lane[] {
  const span = to - from;
  const lanes = new Map<string, Lane>();
  const sorted = jobs.filter((j) => j.started_at).sort((a, b) => Date.parse(a.started_at as string) - Date.parse(b.started_at as string));
  for (const job of sorted) {
    const start = Date.parse(job.started_at as string);
    const end = job.ended_at ? Date.parse(job.ended_at) : now;
    if (end < from || start > to) continue;
    const lane = lanes.get(job.type) ?? { type: job.type, rows: 0, bars: [] };
    const a = Math.max(0, (start - from) / span);
    const b = Math.max(Math.min(1, (end - from) / span), a + MIN);
    const taken = new Set(lane.bars.filter((x) => x.to > a).map((x) => x.row));
    let row = 0;
    while (taken.has(row)) row += 1;
    lane.bars.push({ job, row, from: a, to: b });
    lane.rows = Math.max(lane.rows, row + 1);
    lanes.set(job.type, lane);
  }
  return [...lanes.values()].sort((x, y) => x.type.localeCompare(y.type));
}

/* Hours between the marks so that at most a dozen stand there. */
export function marksOf(from: number, to: number): number[] {
  const steps = [60000, 300000, 900000, 3600000, 2 * 3600000, 4 * 3600000, 12 * 3600000, 86400000];
  const step = steps.find((s) => (to - from) / s <= 12) ?? 7 * 86400000;
  const zone = new Date(from).getTimezoneOffset() * 60000;
  const out: number[] = [];
  for (let at = Math.ceil((from - zone) / step) * step + zone; at <= to; at += step) out.push(at);
  return out;
}
