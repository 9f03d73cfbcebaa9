/* Quality classes and reasons, in the order of include/bornite/sample.h; texts are in the locale files. */
import type { QualityName } from './types';

export const QUALITY: QualityName[] = ['good', 'uncertain', 'bad'];

export const REASONS = [
  '', 'comm_failure', 'not_connected', 'device_failure', 'sensor_failure', 'out_of_range', 'stale',
  'config_error', 'device_exception', 'not_a_number', 'manual', 'substituted', 'no_data',
  'out_of_service', 'last_known', 'shutdown',
];

export function reasonKey(r: number): string {
  return REASONS[r] ? `quality.reason.${REASONS[r]}` : '';
}
