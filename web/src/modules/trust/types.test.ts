import { describe, expect, it } from 'vitest';
import { concerns, daysLeft, pemOf, type Own, type Peer } from './types';

const now = Date.parse('2026-06-01T00:00:00Z');
const peer = (name: string, state: string, not_after: string) => ({ name, state, spec: { not_after } }) as Peer;

describe('certificates', () => {
  it('says what has to be done: decisions, what has ended or ends; nothing of what is not trusted', () => {
    const c = concerns([peer('a', 'new', '2020-01-01T00:00:00Z'), peer('b', 'trusted', '2026-06-11T12:00:00Z'), peer('c', 'rejected', '2020-01-01T00:00:00Z'), peer('d', 'trusted', '2027-06-11T00:00:00Z')], [{ code: 'opcua', spec: { not_after: '2026-05-01T00:00:00Z' } } as Own], now);
    expect(c).toEqual({ waiting: 1, ended: ['opcua'], ending: [{ name: 'b', days: 10 }] });
    expect(daysLeft('2026-05-31T12:00:00Z', now)).toBe(-1);
  });
  it('reads files in PEM and in DER, and no others', () => {
    const bytes = (s: string) => new TextEncoder().encode(s);
    expect(pemOf(bytes('-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----'))).toContain('AA');
    const der = new Uint8Array(100).fill(7);
    der[0] = 0x30;
    expect(pemOf(der)).toMatch(/^-----BEGIN CERTIFICATE-----\nMAcHB[\s\S]+\n-----END CERTIFICATE-----\n$/);
    expect(pemOf(bytes('hello, this is no certificate at all, but long enough'))).toBeNull();
  });
});
