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

/* Whole days until then; negative: so long ago. */
export const daysLeft = (notAfter: string, now = Date.now()): number => Math.floor((Date.parse(notAfter) - now) / DAY_MS);

/* Certificates of a file: PEM as it is, one in DER becomes PEM; null: neither. */
export function pemOf(bytes: Uint8Array): string | null {
  const text = new TextDecoder().decode(bytes);
  if (text.includes('-----BEGIN ')) return text.trim() + '\n';
  if (bytes.length < 32 || bytes[0] !== 0x30) return null;
  let raw = '';
  for (const b of bytes) raw += String.fromCharCode(b);
  return `-----BEGIN CERTIFICATE-----\n${(btoa(raw).match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`;
}

export interface Concerns { waiting: number; ended: string[]; ending: { name: string; days: number }[] }

/* What somebody has to do: decide, renew. A certificate that is not trusted may end as it likes. */
export function concerns(peers: Peer[], own: Own[], now = Date.now()): Concerns {
  const kept = [...own.map((o) => ({ name: o.code, until: o.spec.not_after })), ...peers.filter((p) => p.state === 'trusted').map((p) => ({ name: p.name, until: p.spec.not_after }))];
  return {
    waiting: peers.filter((p) => p.state === 'new').length,
    ended: kept.filter((k) => validity(k.until, now) === 'bad').map((k) => k.name),
    ending: kept.filter((k) => validity(k.until, now) === 'uncertain').map((k) => ({ name: k.name, days: daysLeft(k.until, now) })),
  };
}
