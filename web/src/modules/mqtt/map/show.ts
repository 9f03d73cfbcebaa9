/* A value as it stands in a message, short. */
export function formatNumberText(v: unknown): string {
  const s = typeof v === 'string' ? v : JSON.stringify(v) ?? '';
  return s.length > 60 ? `${s.slice(0, 59)}…` : s;
}
