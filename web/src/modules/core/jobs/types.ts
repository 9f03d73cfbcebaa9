import type { GetJobsAnswer, GetJobsIdAnswer, GetJobsIdLogAnswer } from '@/lib/api.gen';
import type { FieldDoc, LText } from '@/lib/types';

export type JobsAnswer = GetJobsAnswer;
export type Job = JobsAnswer['items'][number];
export type JobDetail = GetJobsIdAnswer;
export type JobLogAnswer = GetJobsIdLogAnswer;

export interface JobType {
  name: string;
  title: LText;
  params: FieldDoc[];
  by_user: boolean;
}

export const ended = (j: Pick<Job, 'state'>) => ['done', 'failed', 'cancelled'].includes(j.state);
export const percent = (j: Pick<Job, 'progress'>) => (j.progress.total > 0 ? Math.min(100, Math.floor((100 * j.progress.done) / j.progress.total)) : 0);
