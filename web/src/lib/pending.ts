/* Types of routes and members of documents that the server's generated types do not name (yet): they go
 * from here as soon as api.gen.ts has them. */
import type * as api from './api.gen';

export type FieldType = api.FieldType | 'file';

export interface FieldDoc extends Omit<api.Field, 'type' | 'fields' | 'items'> {
  type: FieldType;
  fields?: FieldDoc[];
  items?: Omit<FieldDoc, 'name'> & { name?: string };
  sensitive?: boolean;
  accept?: string;
  masked?: boolean;     /* of this side: the value may not be seen, so it is neither shown nor sent */
}

export type CommentRule = 'none' | 'optional' | 'required';

export interface StateDoc {
  state: string;
  title?: api.Text;
  color?: string;
  edit?: boolean;
  delete?: boolean;
}

export interface TransitionDoc {
  name: string;
  title?: api.Text;
  from: string[];
  to: string;
  action?: string;
  requires?: string[];
  comment?: CommentRule;
  four_eyes?: boolean;
  notify?: boolean;
}

export interface Lifecycle {
  initial: string;
  states: StateDoc[];
  transitions: TransitionDoc[];
}

export interface KindDoc extends Omit<api.KindDoc, 'fields' | 'code'> {
  fields: FieldDoc[];
  code?: { required?: boolean; pattern?: string; lifelong?: boolean };
  single?: boolean;
  api?: boolean;
  org_from?: string;
  lifecycle?: Lifecycle;
  user?: boolean;
}

export interface TransitionItem {
  name: string;
  title: api.Text;
  to: string;
  allowed: boolean;
  why_not?: string;
  comment: CommentRule;
  requires: string[];
  four_eyes: boolean;
}

export interface TransitionsAnswer {
  state: string;
  items: TransitionItem[];
}

export interface WhereUsedAnswer {
  items: { kind: string; id: string; code: string; name: string; path: string }[];
  total: number;
}

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

export interface OrgNode {
  id: string;
  code: string;
  name: string;
  type: string;
  parent: string;
  children: number;
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

export interface Job {
  id: string;
  type: string;
  title: api.Text;
  state: string;
  progress?: { done: number; total: number; what?: string } | null;
  error?: string | { detail?: string } | null;
  result?: unknown;
}

export interface PlanChange {
  path: string;
  what: api.Text;
  affected: number;
  lost: number;
  blocks?: boolean;       /* the records do not fit; they have to be changed first */
  examples: { code: string; before?: unknown; after?: unknown }[];
}

export interface KindPlan {
  rows: number;
  loses: boolean;
  blocks?: boolean;
  changes: PlanChange[];
}

/* spec of kind saved_view */
export interface ViewSpec {
  kind: string;
  query?: string;
  columns?: string[];
  sort?: string;
  density?: string;
  shared?: boolean;
  roles?: string[];
  owner?: string;
}
