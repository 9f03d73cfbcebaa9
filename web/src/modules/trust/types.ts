/* What the page reads of the two kinds. */
import type { Resource } from '@/lib/types';

export interface CertificateSpec {
  purpose: string;
  subject: string;
  uri?: string;
  hosts?: string;
  not_before: string;
  not_after: string;
  key_bits: number;
  thumbprint_sha1: string;
  thumbprint_sha256: string;
  [field: string]: unknown;
}
export interface PeerSpec extends CertificateSpec {
  issuer: string;
  authority: boolean;
  first_seen?: string;
  last_seen?: string;
}
export type Own = Resource<CertificateSpec & { made_here?: boolean }>;
export type Peer = Resource<PeerSpec>;

export const PURPOSES = ['opcua'] as const;
const DAY_MS = 86400000;
/* 'bad': it has ended; 'uncertain': it ends within 30 days. */
export function validity(notAfter: string, now = Date.now()): 'good' | 'uncertain' | 'bad' {
  const left = Date.parse(notAfter) - now;
  return left <= 0 ? 'bad' : left < 30 * DAY_MS ? 'uncertain' : 'good';
}
