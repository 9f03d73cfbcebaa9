/* The server's JSON, as docs/api.md describes it. */
export interface LText {
  en: string;
  zh: string;
}

export type FieldType =
  | 'string' | 'integer' | 'number' | 'boolean' | 'enum' | 'ref' | 'duration' | 'time' | 'secret'
  | 'object' | 'array' | 'json' | 'point';

export interface FieldDoc {
  name: string;
  type: FieldType;
  title?: LText;
  help?: LText;
  required?: boolean;
  read_only?: boolean;
  unique?: boolean;
  index?: boolean;
  default?: unknown;
  example?: unknown;
  min?: number | string;
  max?: number | string;
  pattern?: string;
  format?: string;
  unit?: string;
  unit_field?: string;
  kind?: string;
  values?: { value: string | number; title?: LText }[];
  fields?: FieldDoc[];
  items?: FieldDoc;
  max_items?: number;
  show_if?: { field: string; in: unknown[] };
}

export interface KindDoc {
  kind: string;
  plural: string;
  module?: string;
  title: LText;
  titles?: LText;
  help?: LText;
  icon?: string;
  numbered?: boolean;
  code?: { required?: boolean; pattern?: string };
  fields: FieldDoc[];
  lists?: { columns?: string[]; sort?: string };
  form?: { groups?: { title?: LText; fields: string[] }[] };
  share?: string;
}

export type Spec = Record<string, unknown>;

export interface Resource<S = Spec> {
  kind: string;
  id: string;
  num?: number;
  code: string;
  name: string;
  org?: string;
  labels: Record<string, string>;
  spec: S;
  refs?: Record<string, { id: string; code: string; name: string }>;   /* what the spec's references lead to */
  state?: string;
  rev: number;
  origin?: string;
  created_by?: string;
  created_at?: string;
  updated_by?: string;
  updated_at?: string;
}

export interface ResourceInput<S = Spec> {
  code?: string;
  name?: string;
  org?: string;
  labels?: Record<string, string | null>;
  spec?: Partial<S>;
}

export interface Page<T> {
  items: T[];
  total: number;
  page: number;
  size: number;
  next?: string | null;
}

export interface HistoryEntry {
  rev: number;
  at: string;
  by: string;
  op: string;
  diff: { path: string; before?: unknown; after?: unknown }[] | null;
}

export interface BulkRow {
  line?: number;
  status: string;
  code?: string;
  errors?: { where?: string; detail: string }[];
}

export interface BulkReport {
  created: number;
  updated: number;
  unchanged: number;
  deleted?: number;
  failed: number;
  rows: BulkRow[];
}

export interface Session {
  user: { id: string; login: string; name: string; roles: string[] };
  permissions: { kind: string; actions: string[] }[];
  must_set_password: boolean;
  expires_at: string;
}

export type QualityName = 'good' | 'uncertain' | 'bad';

export interface CurrentItem {
  point: string;
  code: string;
  t: string | number;
  v: number | string | boolean | null;
  q: QualityName;
  reason: string;
  age_ms: number;
}

export interface Series {
  point: string;
  code: string;
  name: string;
  unit?: string;
  step: boolean;
  t: number[];
  v: (number | string | null)[];
  q: number[];
  r?: number[];
  truncated?: boolean;
}

export interface HistoryAnswer {
  from: string | number;
  to: string | number;
  series: Series[];
}

export interface SummaryRow {
  from: string | number;
  to: string | number;
  count: number;
  good: number;
  min: number | null;
  min_t?: string | number;
  max: number | null;
  max_t?: string | number;
  mean: number | null;
  twa: number | null;
  integral: number | null;
  percent_good: number;
  first?: unknown;
  last?: unknown;
}

export interface AreaItem {
  path: string;
  name: string;
  title?: string;
  points: number;
  good: number;
  uncertain: number;
  bad: number;
  stale: number;
  key: { code: string; name: string; num: number; unit?: string }[];
}

export interface TreeItem {
  path: string;
  name: string;
  title?: string;   /* of the device that has just this area */
  points: number;
  bad: number;
  children: boolean;
}

export type ChannelState = 'off' | 'connecting' | 'up' | 'degraded' | 'down';

export interface ChannelStatus {
  id: string;
  code: string;
  name: string;
  driver: string;
  state: ChannelState;
  reason: string;
  since: string;
  rtt_ms: number | null;
  requests: number;
  errors: number;
  timeouts: number;
  reconnects: number;
  points: number;
  good: number;
  bad: number;
  samples_per_s: number;
  history: ChannelState[];
}

export interface Driver {
  name: string;
  title: LText;
  help?: LText;
  channel: FieldDoc[];
  device: FieldDoc[];
  point: FieldDoc[];
  address_help?: LText;
  examples?: unknown[];
}
