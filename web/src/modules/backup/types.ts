/* Answers of the routes of module backup, as the pages use them. */
export interface Drill { at: string; ok: boolean; detail: string }
export interface Backup {
  id: string;
  plan: string;
  mode: 'full' | 'incremental' | 'logs';
  base: string | null;
  at: string;
  ended_at: string | null;
  state: 'running' | 'done' | 'failed';
  bytes: number;
  new_bytes: number;
  files: number;
  samples: number;
  until: string | null;
  verified_at: string | null;
  drill: Drill | null;
}
export interface BackupsAnswer { items: Backup[]; total: number; page: number; size: number }
export interface BackupDetail extends Backup { parts: { what: string; files: number; bytes: number; detail?: string }[]; report: unknown }
