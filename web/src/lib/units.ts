/* Numbers for people: tabular, with as many digits as mean something, never "1e+21" for a count. */
export function formatNumber(v: number, decimals?: number): string {
  if (!Number.isFinite(v)) return '—';
  if (decimals !== undefined) return v.toFixed(decimals);
  const abs = Math.abs(v);
  if (abs !== 0 && (abs >= 1e15 || abs < 1e-6)) return v.toExponential(3);
  if (Number.isInteger(v)) return String(v);
  if (abs >= 1000) return v.toFixed(1);
  if (abs >= 100) return v.toFixed(1);
  if (abs >= 1) return v.toFixed(2);
  return v.toPrecision(3);
}

export function formatValue(v: unknown, decimals?: number): string {
  if (v === null || v === undefined) return '—';
  if (typeof v === 'boolean') return v ? '1' : '0';
  if (typeof v === 'number') return formatNumber(v, decimals);
  return String(v);
}

const UNIT_TEXT: Record<string, string> = {
  Cel: '°C', degC: '°C', deg: '°', um: 'μm', uS: 'μS', Ohm: 'Ω', '1': '',
};

/* A UCUM code as it is printed on instruments. */
export function unitText(unit: string | undefined | null): string {
  if (!unit) return '';
  return UNIT_TEXT[unit] ?? unit.replace(/(m|s)([23])(?!\d)/g, (_all, base: string, power: string) => base + (power === '2' ? '²' : '³')).replace(/^u(?=[mgSVA])/, 'μ');
}

export function formatCount(n: number | undefined | null): string {
  if (n === undefined || n === null) return '—';
  return n.toLocaleString('en-US');
}

export function formatBytes(n: number | undefined | null): string {
  if (n === undefined || n === null) return '—';
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  const i = n < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(n) / 10));
  return `${i === 0 ? n : (n / 1024 ** i).toFixed(n / 1024 ** i < 10 ? 1 : 0)} ${units[i]}`;
}
