/* The points of a forwarding: where others find them, and which are left out and why. */
import { ExportOutlined, SearchOutlined } from '@ant-design/icons';
import { Alert, Button, Input, Modal, Pagination, Skeleton } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { useNotify } from '@/components/notify';
import { EmptyState, ErrorState } from '@/components/states';
import { post, seg } from '@/lib/api';
import { quote } from '@/lib/filter';
import { useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import type { AssignAnswer, ForwardPoints as Answer, ForwardStatus, Outlet } from '@/lib/types';
import { formatCount } from '@/lib/units';

const SIZE = 100;

/* Mappings for points that have none: first what would be done, then doing it. */
function Assign({ forward, onClose, onDone }: { forward: ForwardStatus; onClose: () => void; onDone: () => void }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const [filter, setFilter] = useState('*');
  const [plan, setPlan] = useState<AssignAnswer | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const run = async (dry: boolean) => {
    setBusy(true);
    setError(null);
    try {
      const answer = await post<AssignAnswer>(`/forwards/${seg(forward.id)}:assign`, { filter: filter.trim() || '*', dry_run: dry });
      if (dry) setPlan(answer);
      else {
        notify.done(t('forward.assign.done', { n: answer.added }));
        onDone();
      }
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal open title={t('forward.assign.title')} onCancel={onClose} confirmLoading={busy} okText={plan ? t('forward.assign.do', { n: plan.added }) : t('forward.assign.preview')} okButtonProps={{ disabled: plan?.added === 0 }} onOk={() => void run(plan === null)}>
      <div className="col">
        <div className="soft">{t('forward.assign.help')}</div>
        <Input value={filter} aria-label={t('forward.form.points')} onChange={(e) => { setFilter(e.target.value); setPlan(null); }} />
        {error ? <ErrorState error={error} /> : null}
        {plan && <Alert type={plan.added ? 'info' : 'warning'} showIcon title={t('forward.assign.would', { n: formatCount(plan.added) })}
          description={<div className="plain-scroll">{plan.items.slice(0, 20).map((i) => <div key={i.code}><span className="mono">{i.code}</span> → <span className="mono">{i.address}</span></div>)}{plan.failed.map((f) => <div key={f.code} className="bad-text">{f.code}: {f.detail}</div>)}</div>} />}
      </div>
    </Modal>
  );
}

export function ForwardPoints({ forward, outlet }: { forward: ForwardStatus; outlet: Outlet | undefined }) {
  const { t } = useTranslation();
  const can = useCan();
  const [q, setQ] = useState('');
  const [page, setPage] = useState(1);
  const [assigning, setAssigning] = useState(false);
  const { data, error, refetch } = useApi<Answer>(`/forwards/${seg(forward.id)}/points`, { q: q || undefined, page, size: SIZE }, { keep: true, every: 5000 });
  if (error && !data) return <ErrorState error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton active />;
  return (
    <div className="col">
      <div className="row wrap">
        <Input className="conn-search" allowClear prefix={<SearchOutlined />} placeholder={t('forward.points.search')} aria-label={t('forward.points.search')} onChange={(e) => { setQ(e.target.value); setPage(1); }} />
        <span className="grow" />
        <Link to={`/r/forward-points?filter=${encodeURIComponent(`forward=${quote(forward.id)}`)}`}>{t('forward.points.mappings')}</Link>
        {outlet?.can_assign && outlet.addresses && can('forward_point', 'write') && <Button icon={<ExportOutlined />} onClick={() => setAssigning(true)}>{t('forward.assign.title')}</Button>}
      </div>
      {data.faults > 0 && <Alert type="warning" showIcon title={t('forward.points.faults', { n: formatCount(data.faults) })} />}
      {data.items.length === 0 ? <EmptyState title={t(q ? 'state.nothingFound' : 'forward.points.empty')} help={q ? undefined : t('forward.points.emptyHelp')} /> : (
        <div className="plain-scroll tall">
          <table className="plain-table">
            <thead><tr><th>{t('forward.points.point')}</th><th>{t('forward.points.address')}</th><th>{t('forward.points.type')}</th><th>{t('forward.points.scale')}</th><th>{t('forward.points.writable')}</th></tr></thead>
            <tbody>
              {data.items.map((p) => (
                <tr key={p.code}>
                  <td><Link to={`/points/${encodeURIComponent(p.code)}`}><span className="mono">{p.code}</span></Link> {p.name !== p.code && <span className="soft">{p.name}</span>}{p.error && <div className="bad-text small">{p.error}</div>}</td>
                  <td className="mono">{p.address}</td>
                  <td>{p.error ? '' : p.type}</td>
                  <td className="num">{p.scale === 1 && p.offset === 0 ? '' : `× ${p.scale}${p.offset ? ` + ${p.offset}` : ''}`}</td>
                  <td>{p.writable ? t('forward.points.yes') : ''}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {data.total > SIZE && <Pagination size="small" current={page} pageSize={SIZE} total={data.total} showSizeChanger={false} onChange={setPage} />}
      {assigning && <Assign forward={forward} onClose={() => setAssigning(false)} onDone={() => { setAssigning(false); void refetch(); }} />}
    </div>
  );
}
