/* Somebody else saved first: what he changed and what I change, side by side; nothing is lost silently. */
import { Alert, Button, Modal } from 'antd';
import { useTranslation } from 'react-i18next';
import { diffOf, plain } from '@/components/DiffTable';
import type { Resource, ResourceInput } from '@/lib/types';

interface Row {
  path: string;
  base: unknown;
  mine: unknown;
  stored: unknown;
}

const content = (r: Resource | ResourceInput) => ({ code: r.code, name: r.name, labels: r.labels, spec: r.spec });

function at(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((v, k) => (v as Record<string, unknown> | undefined)?.[k], value);
}

/* An object of empty members is what a form makes of one that is not there. */
function empty(v: unknown): boolean {
  return v === null || v === undefined || v === '' || (typeof v === 'object' && !Array.isArray(v) && Object.values(v).every(empty));
}

export function conflictRows(base: Resource, mine: ResourceInput, stored: Resource): Row[] {
  const paths = new Set([
    ...diffOf(content(base), content(stored)).map((c) => c.path),
    ...diffOf(content(base), { ...content(base), ...mine }).map((c) => c.path),
  ]);
  return [...paths].sort().map((path) => ({
    path, base: at(content(base), path), mine: at(mine, path), stored: at(content(stored), path),
  })).filter((r) => plain(r.mine) !== plain(r.stored) && !(empty(r.mine) && empty(r.stored)));
}

interface Props {
  base: Resource;
  mine: ResourceInput;
  stored: Resource;
  onMine: () => void;
  onTheirs: () => void;
  onCancel: () => void;
}

export function Conflict({ base, mine, stored, onMine, onTheirs, onCancel }: Props) {
  const { t } = useTranslation();
  const rows = conflictRows(base, mine, stored);
  return (
    <Modal open width={760} title={t('conflict.title')} onCancel={onCancel} footer={[
      <Button key="c" onClick={onCancel}>{t('conflict.edit')}</Button>,
      <Button key="t" onClick={onTheirs}>{t('conflict.theirs')}</Button>,
      <Button key="m" danger onClick={onMine}>{t('conflict.mine')}</Button>,
    ]}>
      <div className="col">
        <Alert type="warning" showIcon title={t('conflict.help', { who: stored.updated_by ?? '?', rev: stored.rev, base: base.rev })} />
        <table className="diff">
          <thead><tr><th>{t('history.path')}</th><th>{t('conflict.was')}</th><th>{t('conflict.stored')}</th><th>{t('conflict.yours')}</th></tr></thead>
          <tbody>
            {rows.map((r) => (
              <tr key={r.path}><td className="mono">{r.path}</td><td>{plain(r.base)}</td><td>{plain(r.stored)}</td><td><ins>{plain(r.mine)}</ins></td></tr>
            ))}
          </tbody>
        </table>
      </div>
    </Modal>
  );
}
