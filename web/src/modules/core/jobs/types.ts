import type { FieldDoc, LText } from '@/lib/types';

export type JobState = 'waiting' | 'queued' | 'running' | 'cancelling' | 'done' | 'failed' | 'cancelled';

export interface Job {
  id: string;
  type: string;
  title: LText | string;
  state: JobState;
  by?: string;
  created_at: string;
  started_at?: string | null;
  ended_at?: string | null;
  progress?: { done: number; total: number; what?: LText | string } | null;
  attempt?: number;
  error?: string | null;
  schedule?: string | null;
}

export interface JobDetail extends Job {
  params?: unknown;
  result?: unknown;
  depends?: string[];
}

export interface JobsAnswer {
  items: Job[];
  total: number;
}

export interface JobLogAnswer {
  items: { n: number; t: string; level: string; text: string }[];
}

export interface JobType {
  name: string;
  title: LText;
  params: FieldDoc[] | null;
  by_user: boolean;
}

export const ended = (j: Job) => ['done', 'failed', 'cancelled'].includes(j.state);
export const percent = (j: Job) => (j.progress && j.progress.total > 0 ? Math.min(100, Math.floor((100 * j.progress.done) / j.progress.total)) : 0);
