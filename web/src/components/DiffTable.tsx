/* What changed, member by member. */
import { useTranslation } from 'react-i18next';
import './components.css';

export interface Change {
  path: string;
  before?: unknown;
  after?: unknown;
}

export function plain(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value);
}

export function DiffTable({ changes, heads }: { changes: Change[]; heads?: [string, string] }) {
  const { t } = useTranslation();
  if (changes.length === 0) return <span className="muted">{t('history.noDiff')}</span>;
  return (
    <table className="diff">
      {heads && <thead><tr><th>{t('history.path')}</th><th>{heads[0]}</th><th>{heads[1]}</th></tr></thead>}
      <tbody>
        {changes.map((c) => (
          <tr key={c.path}>
            <td className="mono">{c.path}</td>
            <td><del>{plain(c.before)}</del></td>
            <td><ins>{plain(c.after)}</ins></td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/* Differences of two JSON values as dotted paths. */
export function diffOf(before: unknown, after: unknown, path = ''): Change[] {
  const both = (x: unknown): x is Record<string, unknown> => typeof x === 'object' && x !== null && !Array.isArray(x);
  if (both(before) && both(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.flatMap((k) => diffOf(before[k], after[k], path ? `${path}.${k}` : k));
  }
  return JSON.stringify(before ?? null) === JSON.stringify(after ?? null) ? [] : [{ path, before, after }];
}
