/* Names for the generated types of the storage routes, as the pages use them. */
import type * as api from '@/lib/api.gen';

export type StorageAnswer = api.GetStorageAnswer;
export type ClassRow = StorageAnswer['classes'][number];
export type PlaceRow = StorageAnswer['places'][number];
export type UsageAnswer = api.GetStorageUsageAnswer;
export type UsageRow = UsageAnswer['items'][number];
export type GrowthAnswer = api.GetStorageGrowthAnswer;
export type DamageAnswer = api.GetStorageDamageAnswer;
export type DamageRow = DamageAnswer['items'][number];
export type EnginesAnswer = api.GetTsEnginesStatusAnswer;
export type EngineRow = EnginesAnswer['items'][number];
export type PreviewAnswer = api.PostArchiveClassesPreviewAnswer;
export type AdviceAnswer = api.PostHistoryAdviseAnswer;
export type AdviceItem = AdviceAnswer['items'][number];
export type AdviceResult = AdviceItem['results'][number];
