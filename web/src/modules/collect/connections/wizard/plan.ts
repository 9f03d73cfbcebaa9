/* Storing what the wizard gathered: channel, then device, then points in portions; each step remembers what
 * it made, so that after a failure the same button goes on where it stopped and nothing is made twice. */
import { ApiError, asError } from '@/lib/api';
import type { BulkItem, BulkReport, Resource, ResourceInput, Spec } from '@/lib/types';
import { columnOfWhere, type Column } from './sheet';

export interface Server {
  find: (plural: string, code: string) => Promise<Resource | null>;
  create: (plural: string, input: ResourceInput) => Promise<Resource>;
  patch: (plural: string, id: string, input: ResourceInput) => Promise<Resource>;
  codesOf: (device: string) => Promise<Set<string>>;
  bulk: (items: BulkItem[]) => Promise<BulkReport>;
}

export interface PointInput {
  key: number;
  code: string;
  name: string;
  spec: Spec;
}

export interface Input {
  channel: { id: string } | { input: ResourceInput };
  device: { id: string } | { input: ResourceInput };
  points: PointInput[];
}

export type StepName = 'channel' | 'device' | 'points';

/* What exists by now. Survives failures; handed in again when the user retries. */
export interface Made {
  channel: Resource | null;
  device: Resource | null;
  points: Set<string>;
  unsure: Set<StepName>;    /* asked, but the answer never came */
}

export interface Outcome {
  ok: boolean;
  step: StepName;
  error: ApiError | null;
  rows: Map<number, Partial<Record<Column | 'row', string>>>;
}

export const PORTION = 200;

export function nothingMade(): Made {
  return { channel: null, device: null, points: new Set(), unsure: new Set() };
}

/* No answer, or one that does not say whether it was done. */
function unsure(e: ApiError): boolean {
  return e.status <= 0 || e.status >= 500;
}

async function make(s: Server, made: Made, step: 'channel' | 'device', plural: string, input: ResourceInput): Promise<Resource> {
  const there = made[step];
  if (there) return s.patch(plural, there.id, input);
  if (made.unsure.has(step)) {
    const found = await s.find(plural, input.code ?? '');
    if (found) return s.patch(plural, found.id, input);
  }
  try {
    return await s.create(plural, input);
  } catch (e) {
    if (unsure(asError(e))) made.unsure.add(step);
    throw e;
  }
}

function faultsOf(report: BulkReport, portion: PointInput[]): Outcome['rows'] {
  const rows: Outcome['rows'] = new Map();
  for (const r of report.rows) {
    if (r.status !== 'failed') continue;
    const point = portion.find((p) => p.code === r.code) ?? portion[r.line ?? -1];
    if (!point) continue;
    const cells: Partial<Record<Column | 'row', string>> = {};
    for (const e of r.errors ?? []) cells[columnOfWhere(e.where)] = e.detail;
    rows.set(point.key, cells);
  }
  return rows;
}

/* Points with a code that this device already has are brought up to date, others are new: a code that
 * another device has is an error, never taken over. */
async function storePoints(s: Server, made: Made, device: Resource, points: PointInput[], progress: (done: number) => void): Promise<Outcome | null> {
  const mine = await s.codesOf(device.id);
  for (const code of mine) if (points.some((p) => p.code === code)) made.points.add(code);
  for (let at = 0; at < points.length; at += PORTION) {
    const portion = points.slice(at, at + PORTION);
    const items: BulkItem[] = portion.map((p) => ({ op: mine.has(p.code) ? 'upsert' : 'create', code: p.code, name: p.name, spec: { ...p.spec, device: device.id } }));
    const report = await s.bulk(items);
    if (report.failed > 0) return { ok: false, step: 'points', error: null, rows: faultsOf(report, portion) };
    for (const p of portion) made.points.add(p.code);
    progress(Math.min(points.length, at + PORTION));
  }
  return null;
}

export async function carryOut(s: Server, input: Input, made: Made, progress: (step: StepName, done: number) => void): Promise<Outcome> {
  let step: StepName = 'channel';
  try {
    progress('channel', 0);
    made.channel = 'id' in input.channel ? await s.find('channels', input.channel.id) : await make(s, made, 'channel', 'channels', input.channel.input);
    if (!made.channel) throw new ApiError(404, 'not_found', '', 'channel');
    step = 'device';
    progress('device', 0);
    if ('id' in input.device) made.device = await s.find('devices', input.device.id);
    else made.device = await make(s, made, 'device', 'devices', { ...input.device.input, spec: { ...input.device.input.spec, channel: made.channel.id } });
    if (!made.device) throw new ApiError(404, 'not_found', '', 'device');
    step = 'points';
    progress('points', 0);
    const failed = await storePoints(s, made, made.device, input.points, (done) => progress('points', done));
    return failed ?? { ok: true, step, error: null, rows: new Map() };
  } catch (e) {
    return { ok: false, step, error: asError(e), rows: new Map() };
  }
}
