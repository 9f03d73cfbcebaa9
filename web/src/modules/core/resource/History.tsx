/* Every revision with who, when and what changed; any one can be made the newest again. */
import { Button, Modal, Pagination, Tag } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { DiffTable, diffOf } from '@/components/DiffTable';
import { useNotify } from '@/components/notify';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { get, seg } from '@/lib/api';
import { useHistory, useRollback } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { formatTime } from '@/lib/time';
import type { HistoryEntry, KindDoc, Resource } from '@/lib/types';

const content = (r: Resource) => ({ code: r.code, name: r.name, labels: r.labels, spec: r.spec });

export function History({ kind, resource }: { kind: KindDoc; resource: Resource }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const can = useCan();
  const [page, setPage] = useState(1);
  const history = useHistory(kind.plural, resource.id, page);
  const rollback = useRollback(kind.plural);
  const [target, setTarget] = useState<{ entry: HistoryEntry; back: Resource } | null>(null);
  const look = async (entry: HistoryEntry) => {
    try {
      setTarget({ entry, back: await get<Resource>(`/${kind.plural}/${seg(resource.id)}/history/${entry.rev}`) });
    } catch (e) {
      notify.failed(e);
    }
  };
  const run = async () => {
    if (!target) return;
    try {
      await rollback.mutateAsync({ id: resource.id, rev: target.entry.rev });
      notify.done(t('history.rolledBack', { rev: target.entry.rev }));
      setTarget(null);
    } catch (e) {
      notify.failed(e);
    }
  };
  if (history.error) return <ErrorState error={history.error} retry={() => void history.refetch()} />;
  if (!history.data) return <Loading />;
  const items = history.data.items;
  if (items.length === 0) return <EmptyState title={t('history.empty')} />;
  return (
    <div className="col">
      {items.map((e) => (
        <div key={e.rev} className="panel">
          <div className="panel-head">
            <Tag>{t('envelope.rev')} {e.rev}</Tag>
            <span>{t(`history.op.${e.op}`)}</span>
            <span className="soft small">{formatTime(e.at)} {e.by}</span>
            <span className="grow" />
            {e.rev !== resource.rev && can(kind.kind, 'write') && <Button size="small" onClick={() => void look(e)}>{t('history.rollback')}</Button>}
          </div>
          <div className="panel-body"><DiffTable changes={e.diff ?? []} heads={[t('history.before'), t('history.after')]} /></div>
        </div>
      ))}
      {(items.length === 20 || page > 1) && <Pagination size="small" current={page} pageSize={20} total={page * 20 + (items.length === 20 ? 1 : 0)} onChange={setPage} />}
      <Modal open={target !== null} width={720} title={t('history.rollbackTitle', { rev: target?.entry.rev })} okText={t('history.rollback')} cancelText={t('action.cancel')}
        onOk={() => void run()} onCancel={() => setTarget(null)} confirmLoading={rollback.isPending}>
        <p>{t('history.rollbackHelp')}</p>
        {target && <DiffTable changes={diffOf(content(resource), content(target.back))} heads={[t('history.now'), t('history.then')]} />}
      </Modal>
    </div>
  );
}
