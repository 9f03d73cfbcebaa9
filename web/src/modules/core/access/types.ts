/* Answers about people and what they may do. */
export interface OrgRef {
  id: string;
  code: string;
  name: string;
}

export interface PermissionRow {
  kind: string;
  actions: string[];
  orgs: 'all' | OrgRef[];
  fields: string[] | null;
  from: { role: string; via: string }[];
}

export interface PermissionsAnswer {
  user: { id: string; login: string; name: string; disabled: boolean };
  groups: string[];
  rows: PermissionRow[];
}

export interface CheckAnswer {
  allowed: boolean;
  because: { role: string; via: string; orgs: 'all' | OrgRef[] }[];
}

export interface MatrixAnswer {
  kinds: { kind: string; title: string }[];
  roles: { code: string; name: string; cells: Record<string, string[]> }[];
}

export interface UserState {
  id: string;
  login: string;
  locked: boolean;
  locked_until?: string | null;
  password_set_at?: string | null;
  seen_at?: string | null;
  failures: number;
  sessions: number;
  tokens: number;
  second_factor: boolean;
  needs_second_factor: boolean;
  external: boolean;
}

export const ACTIONS = ['read', 'write', 'delete', 'approve', 'control', 'sensitive', 'admin'] as const;
