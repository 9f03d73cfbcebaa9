/* Names for the generated types of the routes of blobs. */
import type * as api from '@/lib/api.gen';

export type BlobsAnswer = api.GetHistoryBlobsAnswer;
export type BlobItem = BlobsAnswer['items'][number];
export type SpectrumAnswer = api.GetPointsIdBlobsTSpectrumAnswer;
/* GET /points/{id}/blobs/{t}?px=…: seconds and values */
export interface Outline { s: number[]; v: (number | null)[] }
