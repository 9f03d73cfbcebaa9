/* Writing the server's filter language: name='text' and spec.x~'part'. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function all(...parts: (string | undefined | null | false)[]): string {
  const kept = parts.filter((p): p is string => Boolean(p));
  return kept.length > 1 ? kept.map((p) => (/\bor\b/.test(p) ? `(${p})` : p)).join(' and ') : (kept[0] ?? '');
}

/* An area and everything below it: '0' is the character after '/'. */
export function areaFilter(area: string): string {
  if (!area) return '';
  return `(area=${quote(area)} or (area>=${quote(`${area}/`)} and area<${quote(`${area}0`)}))`;
}

export function codesFilter(codes: string[]): string {
  return `code in (${codes.map(quote).join(',')})`;
}
