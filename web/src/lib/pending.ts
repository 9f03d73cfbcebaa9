/* Names for documents of kinds as the pages use them, and types of routes that the generated types do not have
 * (yet): uploads, attachments, the import wizard. They go from here as soon as api.gen.ts has them. */
import type * as api from './api.gen';

export type FieldType = api.FieldType;

export interface FieldDoc extends Omit<api.Field, 'fields' | 'items'> {
  fields?: FieldDoc[];
  items?: Omit<FieldDoc, 'name'> & { name?: string };
  masked?: boolean;     /* of this side: the value may not be seen, so it is neither shown nor sent */
}

export type StateDoc = api.LifecycleState;
export type TransitionDoc = api.LifecycleTransition;
export type CommentRule = NonNullable<TransitionDoc['comment']>;

export interface Lifecycle extends api.Lifecycle {
  initial: string;
  transitions: TransitionDoc[];
}

export interface KindDoc extends Omit<api.KindDoc, 'fields' | 'lifecycle'> {
  fields: FieldDoc[];
  lifecycle?: Lifecycle;
  api?: boolean;
  user?: boolean;
}

export type TransitionsAnswer = api.GetPointsIdTransitionsAnswer;
export type TransitionItem = TransitionsAnswer['items'][number];
export type WhereUsedAnswer = api.GetPointsIdWhereUsedAnswer;
export type OrgNode = Omit<api.GetOrgsTreeAnswer['items'][number], 'counts'>;
export type Job = api.GetJobsIdAnswer;
export type KindPlan = api.PostUserKindsPlanAnswer;
export type PlanChange = KindPlan['changes'][number];

export interface Upload {
  id: string;
  name: string;
  size: number;
  sha256: string;
  type: string;
}

export interface Attachment {
  id: string;
  name: string;
  type: string;
  size: number;
  sha256: string;
  by: string;
  at: string;
  field?: string;
}

export interface ImportColumn {
  index: number;
  title: string;
  samples: string[];
  field: string | null;
}

export interface ImportField {
  path: string;
  title: string | api.Text;
  required: boolean;
}

export interface ImportPreview {
  format: string;
  sheets: string[];
  sheet: string;
  header_row: number;
  rows: number;
  columns: ImportColumn[];
  fields: ImportField[];
}
