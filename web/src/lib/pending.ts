/* Names for documents of kinds and for answers of generic routes, as the pages use them; the types themselves are
 * generated, but for what this side adds to them (masked, user). A route that api.gen.ts does not have yet gets
 * its type here until it does. */
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

export type Upload = api.PostUploadsAnswer;
export type Attachment = api.GetPointsIdAttachmentsAnswer['items'][number];
export type ImportPreview = api.PostPointsImportPreviewAnswer;
export type ImportColumn = ImportPreview['columns'][number];
export type ImportField = ImportPreview['fields'][number];

/* Module mqtt: the last messages of topics; what a mapping would store. */
export interface MqttRecentAnswer {
  items: {
    topic: string; last: string; outcome: 'stored' | 'passed' | 'refused'; passed: number; refused: number; reason: string; problem: string; problem_at: string | null;
    messages: { at: string; outcome: 'stored' | 'passed' | 'refused'; from: string; device: string | null; mapping: string | null; samples: number; size: number; cut: boolean; payload: string | null; payload_hex: string | null }[];
  }[];
  total: number;
}
export interface MappingPreview {
  records: number;
  values: { row: number | null; record: number | null; device: string; known: boolean; key: string; value: unknown; t: string | null; q: 'good' | 'uncertain' | 'bad'; unit: string; point: string | null; place: 'none' | 'mapped' | 'made' | 'new' | 'device'; problem: string }[];
  total: number;
  faults: { row: number | null; record: number | null; where: string; detail: string; missing: boolean }[];
}
