/* Names for the generated types of module backup, as the pages use them. */
import type * as api from '@/lib/api.gen';

export type BackupsAnswer = api.GetBackupsAnswer;
export type Backup = BackupsAnswer['items'][number];
export type BackupDetail = api.GetBackupsIdAnswer;
