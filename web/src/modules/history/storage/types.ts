/* Answers of the storage routes, as the pages use them. */
export interface ClassRow { code: string; name: string; max_age_s: number; max_bytes: number; bytes: number; samples: number; oldest: string | null }
export interface PlaceRow { place: Place; configured: boolean; bytes: number; free: number | null; total: number | null; away: string | null }
export type Place = 'hot' | 'warm' | 'cold';
export interface StorageAnswer {
  engine: { samples_appended: number; samples_head: number; bytes_wal: number; bytes_blocks: number; blocks: number; segments: number; out_of_order: number; rewritten: number; damaged_blocks: number; oldest: string | null; newest: string | null; read_only: boolean; read_only_why: string | null };
  path: { received: number; refused: number; filtered: number; passed: number; stored: number; dropped: number; journal_bytes: number; journal_records: number; lag_ms: number };
  disk_free: number;
  disk_total: number;
  classes: ClassRow[];
  places?: PlaceRow[];
}
export interface UsageRow { key: string; name: string; class: string; place: string; samples: number; bytes: number; bytes_per_sample: number; oldest: string | null; newest: string | null }
export interface UsageAnswer { items: UsageRow[]; total: number; at: string | null }
export interface GrowthAnswer { items: { day: string; bytes: number; samples: number }[]; per_day_bytes: number | null; full_at: string | null }
export interface DamageRow { found_at: string; file: string; offset: number; bytes: number; point: number; code: string; from: string | null; to: string | null; samples: number }
export interface EngineRow { code: string; engine: string; state: 'up' | 'down'; pending: number; pending_bytes: number; sent: number; failed: number; error: string | null; lag_s: number }
export interface PreviewAnswer { delete: { bytes: number; samples: number; before: string | null }; move: { warm: number; cold: number } }
export interface AdviceResult { deadband: number; door: number; kept: number; saved_percent: number; max_error: number; mean_error: number }
export interface AdviceItem { point: number; code: string; unit: string; samples: number; bytes_per_sample: number; span: number; noise: number; truncated?: boolean; results: AdviceResult[]; suggested: AdviceResult | null }
