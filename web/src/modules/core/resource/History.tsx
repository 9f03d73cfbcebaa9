/* Every revision with who, when, what changed and which transition; any two side by side; any one can be made
 * the newest again. */
import { DiffOutlined } from '@ant-design/icons';
import { Button, Checkbox, Modal, Pagination, Tag } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { DiffTable, diffOf } from '@/components/DiffTable';
import { useNotify } from '@/components/notify';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { get, seg } from '@/lib/api';
import { textOf, useHistory, useRollback } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { formatTime } from '@/lib/time';
import type { HistoryEntry, KindDoc, Resource } from '@/lib/types';

type Entry = HistoryEntry & { transition?: string; comment?: string };

const content = (r: Resource) => ({ code: r.code, name: r.name, org: r.org, state: r.state, labels: r.labels, spec: r.spec });

export function History({ kind, resource }: { kind: KindDoc; resource: Resource }) {
  const { t, i18n } = useTranslation();
  const notify = useNotify();
  const can = useCan();
  const [page, setPage] = useState(1);
  const history = useHistory(kind.plural, resource.id, page);
  const rollback = useRollback(kind.plural);
  const [target, setTarget] = useState<{ entry: Entry; back: Resource } | null>(null);
  const [picked, setPicked] = useState<number[]>([]);
  const [pair, setPair] = useState<[Resource, Resource] | null>(null);
  const at = (rev: number) => get<Resource>(`/${kind.plural}/${seg(resource.id)}/history/${rev}`);
  const look = async (entry: Entry) => {
    try {
      setTarget({ entry, back: await at(entry.rev) });
    } catch (e) {
      notify.failed(e);
    }
  };
  const compare = async () => {
    const [a, b] = [...picked].sort((x, y) => x - y);
    try {
      setPair(await Promise.all([at(a), at(b)]));
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
  const items = history.data.items as Entry[];
  if (items.length === 0) return <EmptyState title={t('history.empty')} />;
  const pick = (rev: number, on: boolean) => setPicked((was) => (on ? [...was, rev].slice(-2) : was.filter((r) => r !== rev)));
  const transition = (name: string) => textOf(kind.lifecycle?.transitions.find((x) => x.name === name)?.title, i18n.language, name);
  return (
    <div className="col">
      <div className="row wrap history-tools">
        <Button icon={<DiffOutlined />} disabled={picked.length !== 2} onClick={() => void compare()}>{t('compare.run')}</Button>
        <span className="soft">{picked.length === 2 ? t('compare.two', { a: Math.min(...picked), b: Math.max(...picked) }) : t('compare.help')}</span>
      </div>
      {items.map((e) => (
        <div key={e.rev} className="panel">
          <div className="panel-head">
            <Checkbox checked={picked.includes(e.rev)} onChange={(x) => pick(e.rev, x.target.checked)} aria-label={t('compare.pick', { rev: e.rev })} />
            <Tag>{t('envelope.rev')} {e.rev}</Tag>
            <span>{t(`history.op.${e.op}`)}</span>
            {e.transition && <Tag color="blue">{transition(e.transition)}</Tag>}
            <span className="soft small">{formatTime(e.at)} {e.by}</span>
            <span className="grow" />
            {e.rev !== resource.rev && can(kind.kind, 'write') && <Button size="small" onClick={() => void look(e)}>{t('history.rollback')}</Button>}
          </div>
          <div className="panel-body">
            {e.comment && <blockquote className="history-comment">{e.comment}</blockquote>}
            <DiffTable changes={e.diff ?? []} heads={[t('history.before'), t('history.after')]} />
          </div>
        </div>
      ))}
      {(items.length === 20 || page > 1) && <Pagination size="small" current={page} pageSize={20} total={page * 20 + (items.length === 20 ? 1 : 0)} onChange={setPage} />}
      <Modal open={target !== null} width={720} title={t('history.rollbackTitle', { rev: target?.entry.rev })} okText={t('history.rollback')} cancelText={t('action.cancel')}
        onOk={() => void run()} onCancel={() => setTarget(null)} confirmLoading={rollback.isPending}>
        <p>{t('history.rollbackHelp')}</p>
        {target && <DiffTable changes={diffOf(content(resource), content(target.back))} heads={[t('history.now'), t('history.then')]} />}
      </Modal>
      <Modal open={pair !== null} width={860} footer={null} title={pair ? t('compare.title', { a: pair[0].rev, b: pair[1].rev }) : ''} onCancel={() => setPair(null)}>
        {pair && <DiffTable changes={diffOf(content(pair[0]), content(pair[1]))} heads={pair.map((r) => `${t('envelope.rev')} ${r.rev} · ${formatTime(r.updated_at)} ${r.updated_by}`) as [string, string]} />}
      </Modal>
    </div>
  );
}
