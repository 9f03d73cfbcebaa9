/* Certificates: who has come and waits for a decision, and what this node shows of itself. */
import { Alert, Button, Modal, Pagination, Segmented } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useSearchParams } from 'react-router';
import { DataTable, type DataColumn } from '@/components/DataTable';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { RelativeTime } from '@/components/RelativeTime';
import { EmptyState, ErrorState } from '@/components/states';
import { post, seg } from '@/lib/api';
import { useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { formatTime } from '@/lib/time';
import type { Page } from '@/lib/types';
import { Downloads } from './FilePanel';
import { OwnCertificates } from './OwnCertificates';
import { PemDialog } from './PemDialog';
import { concerns, daysLeft, PURPOSES, validity, type Own, type Peer } from './types';

const SIZE = 50;
const STATES = ['new', 'trusted', 'rejected'] as const;
const LOOK = { new: 'uncertain', trusted: 'good', rejected: 'bad' } as const;
type View = 'peers' | 'own';

/* Days, once they can be counted. */
function Left({ until }: { until: string }) {
  const { t } = useTranslation();
  const days = daysLeft(until);
  return validity(until) === 'good' ? null : <b className="small">{t(days < 0 ? 'trust.endedDays' : 'trust.leftDays', { n: Math.abs(days) })}</b>;
}

/* What has to be done, before one looks for it in the list. */
function Todo({ own }: { own: boolean }) {
  const { t } = useTranslation();
  const peers = useApi<Page<Peer>>('/peer-certificates', { sort: '-updated_at', size: 500 }, { every: 10000, keep: true }).data?.items ?? [];
  const mine = useApi<Page<Own>>(own ? '/own-certificates' : null, { size: 50 }, { keep: true }).data?.items ?? [];
  const c = concerns(peers, mine);
  return (
    <>
      {c.ended.length > 0 && <Alert type="error" showIcon title={t('trust.todo.ended', { names: c.ended.join(', ') })} />}
      {c.ending.length > 0 && <Alert type="warning" showIcon title={t('trust.todo.ending', { names: c.ending.map((x) => t('trust.todo.one', { name: x.name, n: x.days })).join(', ') })} />}
      {c.waiting > 0 && <Alert type="info" showIcon title={t('trust.todo.waiting', { n: c.waiting })} action={<Link to="/certificates?state=new">{t('trust.todo.show')}</Link>} />}
    </>
  );
}

function Fingerprints({ p }: { p: Peer }) {
  return (
    <dl className="facts">
      <dt>SHA-1</dt><dd className="mono small">{p.spec.thumbprint_sha1}</dd>
      <dt>SHA-256</dt><dd className="mono small">{p.spec.thumbprint_sha256}</dd>
    </dl>
  );
}

function Decide({ p, onDone }: { p: Peer; onDone: () => void }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const [modal, holder] = Modal.useModal();
  const move = async (transition: string) => {
    try {
      await post(`/peer-certificates/${seg(p.id)}:transition`, { transition });
      notify.done(t(`trust.moved.${transition}`, { name: p.name }));
      onDone();
    } catch (e) {
      notify.failed(e);
    }
  };
  const trust = () => void modal.confirm({
    title: t('trust.trustAsk', { name: p.name }), width: 640, okText: t('trust.trust'), cancelText: t('action.cancel'), onOk: () => move('trust'),
    content: <div className="col"><span>{t(p.spec.authority ? 'trust.trustAuthority' : 'trust.compare')}</span><Fingerprints p={p} /></div>,
  });
  return (
    <span className="row">
      {holder}
      {p.state !== 'trusted' && <Button size="small" type="primary" onClick={trust}>{t('trust.trust')}</Button>}
      {p.state !== 'rejected' && <Button size="small" danger onClick={() => void move('reject')}>{t('trust.reject')}</Button>}
    </span>
  );
}

function Peers() {
  const { t } = useTranslation();
  const may = useCan()('peer_certificate', 'approve');
  const [params, setParams] = useSearchParams();
  const [adding, setAdding] = useState(false);
  const state = params.get('state') ?? '';
  const page = Number(params.get('page') ?? 1);
  const filter = state ? `state='${state}'` : undefined;
  const list = useApi<Page<Peer>>('/peer-certificates', { filter, sort: '-updated_at', page, size: SIZE }, { every: 10000, keep: true });
  const set = (change: Record<string, string>) => setParams((p) => {
    for (const [k, v] of Object.entries(change)) if (v) p.set(k, v); else p.delete(k);
    return p;
  }, { replace: true });
  const columns: DataColumn<Peer>[] = [
    { key: 'name', title: t('trust.who'), width: 200, render: (_v, p) => <Link to={`/r/peer-certificates/${seg(p.id)}`}>{p.name}</Link> },
    { key: 'state', title: t('trust.state'), width: 110, render: (_v, p) => <span className={`quality ${LOOK[p.state as keyof typeof LOOK] ?? ''}`}>{t(`trust.states.${p.state}`)}</span> },
    { key: 'x', title: t('trust.decision'), width: 170, render: (_v, p) => may && <Decide p={p} onDone={() => void list.refetch()} /> },
    { key: 'until', title: t('trust.until'), width: 230, render: (_v, p) => <span className={`quality ${validity(p.spec.not_after)}`}>{formatTime(p.spec.not_after)}<Left until={p.spec.not_after} /></span> },
    { key: 'purpose', title: t('trust.use'), width: 110, render: (_v, p) => <>{t(`trust.purpose.${p.spec.purpose}`, p.spec.purpose)}{p.spec.authority ? ` · ${t('trust.authority')}` : ''}</> },
    { key: 'hosts', title: t('trust.hosts'), width: 170, render: (_v, p) => p.spec.hosts || '—' },
    { key: 'issuer', title: t('trust.issuer'), width: 190, render: (_v, p) => (p.spec.issuer === p.spec.subject ? t('trust.itself') : p.spec.issuer) },
    { key: 'seen', title: t('trust.seen'), width: 120, render: (_v, p) => <RelativeTime at={p.spec.last_seen ?? null} /> },
    { key: 'print', title: t('trust.sha1'), width: 330, render: (_v, p) => <span className="mono small">{p.spec.thumbprint_sha1}</span> },
    { key: 'file', title: t('trust.file'), width: 130, render: (_v, p) => <Downloads plural="peer-certificates" id={p.id} /> },
  ];
  const total = list.data?.total ?? 0;
  return (
    <>
      <div className="row wrap">
        <Segmented value={state} onChange={(v) => set({ state: v, page: '' })} options={[{ value: '', label: t('trust.all') }, ...STATES.map((s) => ({ value: s, label: t(`trust.states.${s}`) }))]} />
        {may && <Button onClick={() => setAdding(true)}>{t('trust.add')}</Button>}
      </div>
      {list.error && !list.data ? <ErrorState error={list.error} retry={() => void list.refetch()} />
        : <DataTable id="peer-certificates" columns={columns} rows={list.data?.items ?? []} rowKey={(p) => p.id} loading={list.isPending} empty={<EmptyState title={t('trust.empty')} help={t('trust.emptyHelp')} />} />}
      {total > SIZE && <Pagination size="small" current={page} pageSize={SIZE} total={total} showSizeChanger={false} onChange={(n) => set({ page: String(n) })} />}
      <PemDialog open={adding} title={t('trust.add')} help={t('trust.addHelp')} onClose={() => setAdding(false)}
        onSend={(v) => post('/peer-certificates:add', { purpose: PURPOSES[0], ...v }).then(() => list.refetch())} />
    </>
  );
}

export function CertificatesPage() {
  const { t } = useTranslation();
  const can = useCan();
  const [params, setParams] = useSearchParams();
  const view: View = params.get('view') === 'own' ? 'own' : 'peers';
  const own = can('own_certificate', 'read');
  return (
    <div className={view === 'own' ? 'page' : 'page fixed'}>
      <PageHeader title={t('trust.title')} extra={own && (
        <Segmented<View> value={view} onChange={(v) => setParams(v === 'own' ? { view: v } : {}, { replace: true })}
          options={[{ value: 'peers', label: t('trust.peers') }, { value: 'own', label: t('trust.own') }]} />
      )} />
      <Todo own={own} />
      {view === 'own' && own ? <OwnCertificates /> : <Peers />}
    </div>
  );
}
