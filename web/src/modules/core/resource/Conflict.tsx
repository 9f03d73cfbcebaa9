/* Somebody else saved first: both versions side by side, chosen field by field; nothing is lost silently.
 * What only one of the two changed is chosen already. */
import { Alert, Button, Modal, Radio } from 'antd';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { diffOf, plain } from '@/components/DiffTable';
import type { Resource, ResourceInput, Spec } from '@/lib/types';

export type Choice = 'mine' | 'stored';

interface Row {
  path: string;
  base: unknown;
  mine: unknown;
  stored: unknown;
}

const content = (r: Resource | ResourceInput) => ({ code: r.code, name: r.name, org: r.org, labels: r.labels, spec: r.spec });

function at(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((v, k) => (v as Record<string, unknown> | undefined)?.[k], value);
}

/* An object of empty members is what a form makes of one that is not there. */
function empty(v: unknown): boolean {
  return v === null || v === undefined || v === '' || (typeof v === 'object' && !Array.isArray(v) && Object.values(v).every(empty));
}
const same = (a: unknown, b: unknown) => plain(a) === plain(b) || (empty(a) && empty(b));

export function conflictRows(base: Resource, mine: ResourceInput, stored: Resource): Row[] {
  const paths = new Set([
    ...diffOf(content(base), content(stored)).map((c) => c.path),
    ...diffOf(content(base), { ...content(base), ...mine }).map((c) => c.path),
  ]);
  return [...paths].sort().map((path) => ({
    path, base: at(content(base), path), mine: at(mine, path), stored: at(content(stored), path),
  })).filter((r) => !same(r.mine, r.stored));
}

/* Only one side changed it: that one. Both did: to be chosen. */
export function firstChoices(rows: Row[]): Record<string, Choice> {
  const out: Record<string, Choice> = {};
  for (const r of rows) {
    if (same(r.base, r.stored)) out[r.path] = 'mine';
    else if (same(r.base, r.mine)) out[r.path] = 'stored';
  }
  return out;
}

function put(target: Spec, path: string[], value: unknown): Spec {
  const [key, ...rest] = path;
  return { ...target, [key]: rest.length === 0 ? value : put((target[key] as Spec) ?? {}, rest, value) };
}

/* My input with what was chosen from the stored one. */
export function merged(mine: ResourceInput, rows: Row[], choices: Record<string, Choice>): ResourceInput {
  return rows.filter((r) => choices[r.path] === 'stored').reduce<Spec>((input, r) => put(input, r.path.split('.'), r.stored ?? null), mine as Spec) as ResourceInput;
}

interface Props {
  base: Resource;
  mine: ResourceInput;
  stored: Resource;
  onSave: (input: ResourceInput) => void;
  onTheirs: () => void;
  onCancel: () => void;
}

export function Conflict({ base, mine, stored, onSave, onTheirs, onCancel }: Props) {
  const { t } = useTranslation();
  const rows = useMemo(() => conflictRows(base, mine, stored), [base, mine, stored]);
  const [choices, setChoices] = useState<Record<string, Choice>>(() => firstChoices(rows));
  const open = rows.filter((r) => !choices[r.path]).length;
  const cell = (r: Row, side: Choice) => (
    <td className={choices[r.path] === side ? 'chosen' : ''}>
      <Radio checked={choices[r.path] === side} onChange={() => setChoices({ ...choices, [r.path]: side })}>{plain(r[side]) || <span className="muted">—</span>}</Radio>
    </td>
  );
  return (
    <Modal open width={860} title={t('conflict.title')} onCancel={onCancel} footer={[
      <Button key="c" onClick={onCancel}>{t('conflict.edit')}</Button>,
      <Button key="t" onClick={onTheirs}>{t('conflict.theirs')}</Button>,
      <Button key="m" danger onClick={() => onSave(mine)}>{t('conflict.mine')}</Button>,
      <Button key="s" type="primary" disabled={open > 0} onClick={() => onSave(merged(mine, rows, choices))}>{open > 0 ? t('merge.open', { n: open }) : t('merge.save')}</Button>,
    ]}>
      <div className="col">
        <Alert type="warning" showIcon title={t('conflict.help', { who: stored.updated_by ?? '?', rev: stored.rev, base: base.rev })} />
        <table className="diff conflict">
          <thead><tr><th>{t('history.path')}</th><th>{t('conflict.was')}</th><th>{t('conflict.stored')}</th><th>{t('conflict.yours')}</th></tr></thead>
          <tbody>
            {rows.map((r) => <tr key={r.path}><td className="mono">{r.path}</td><td className="soft">{plain(r.base)}</td>{cell(r, 'stored')}{cell(r, 'mine')}</tr>)}
          </tbody>
        </table>
      </div>
    </Modal>
  );
}
