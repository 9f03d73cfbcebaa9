/* One forwarding: what it does now, its points, its buffer, who is connected, the last frames. */
import { Alert, Button, Drawer, Skeleton, Tabs } from 'antd';
import { useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { ConfirmDelete } from '@/components/ConfirmDelete';
import { ChannelStateBadge, HeartbeatBar } from '@/components/HeartbeatBar';
import { Figure, Frames, Recording } from '@/components/link/Wire';
import { useNotify } from '@/components/notify';
import { RelativeTime } from '@/components/RelativeTime';
import { ErrorState } from '@/components/states';
import { post, seg } from '@/lib/api';
import { useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import type { ForwardDiagnostics, ForwardStatus, Outlet } from '@/lib/types';
import { formatBytes, formatCount } from '@/lib/units';
import { ForwardPoints } from './ForwardPoints';

/* Up to three significant digits: hours may be many or few. */
const hours = (h: number) => (h >= 100 ? h.toFixed(0) : h.toPrecision(3).replace(/\.?0+$/, ''));

function Buffer({ d }: { d: ForwardStatus }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const can = useCan();
  const [dropping, setDropping] = useState(false);
  const b = d.buffer;
  if (!b) return null;
  return (
    <div className="col">
      <div className="row wrap"><b>{t('forward.buffer.title')}</b><span className="muted small">{t('forward.buffer.help', { hours: hours(b.hours) })}</span><span className="grow" />
        {b.backlog > 0 && can('forward', 'write') && <Button size="small" danger onClick={() => setDropping(true)}>{t('forward.buffer.discard')}</Button>}
      </div>
      {b.fault && <Alert type="error" showIcon title={b.fault} />}
      <div className="figures">
        <Figure label={t('forward.buffer.waiting')} bad={b.backlog > 0}>{formatCount(b.records)}</Figure>
        <Figure label={t('forward.buffer.oldest')}>{b.oldest ? <RelativeTime at={b.oldest} /> : '—'}</Figure>
        <Figure label={t('forward.buffer.backfill')}>{b.backlog > 0 || b.backfill_per_s > 0 ? t('forward.perSecond', { n: formatCount(Math.round(b.backfill_per_s)) }) : '—'}</Figure>
        <Figure label={t('forward.buffer.disk')}>{formatBytes(b.bytes)}</Figure>
        <Figure label={t('forward.buffer.room')}>{b.room_hours === null ? '—' : t('forward.buffer.hours', { h: hours(Math.min(b.room_hours, b.hours)) })}</Figure>
        <Figure label={t('forward.buffer.sent')}>{formatCount(b.sent)}</Figure>
        <Figure label={t('forward.buffer.refused')} bad={b.refused > 0}>{formatCount(b.refused)}</Figure>
        <Figure label={t('forward.buffer.lost')} bad={b.lost > 0}>{formatCount(b.lost)}</Figure>
      </div>
      {dropping && <ConfirmDelete open what={t('forward.buffer.dropWhat', { n: formatCount(b.backlog) })} type={d.code} onClose={() => setDropping(false)}
        onDelete={async () => { await post(`/forwards/${seg(d.id)}:discard`, { confirm: true }); notify.done(t('forward.buffer.dropped')); }} />}
    </div>
  );
}

function Peers({ d }: { d: ForwardDiagnostics }) {
  const { t } = useTranslation();
  if (d.peers.length === 0) return null;
  return (
    <>
      <div className="row"><b>{t('forward.peers.title')}</b><span className="muted small">{d.connections}</span></div>
      <div className="plain-scroll">
        <table className="plain-table">
          <thead><tr><th>{t('forward.peers.address')}</th><th>{t('forward.peers.who')}</th><th>{t('connections.diag.since')}</th><th className="num">{t('forward.peers.subscriptions')}</th><th className="num">{t('forward.peers.items')}</th><th className="num">{t('forward.peers.in')}</th><th className="num">{t('forward.peers.out')}</th></tr></thead>
          <tbody>
            {d.peers.map((p) => <tr key={p.address}><td className="mono">{p.address}</td><td>{p.who}</td><td><RelativeTime at={p.since} /></td><td className="num">{p.subscriptions || ''}</td><td className="num">{formatCount(p.items)}</td><td className="num">{formatBytes(p.bytes_in)}</td><td className="num">{formatBytes(p.bytes_out)}</td></tr>)}
          </tbody>
        </table>
      </div>
    </>
  );
}

function State({ d, note, refetch }: { d: ForwardDiagnostics; note: ReactNode; refetch: () => void }) {
  const { t } = useTranslation();
  return (
    <div className="col diag">
      {note}
      <div className="row wrap">
        <ChannelStateBadge state={d.state} />
        <span className="muted small">{t('connections.diag.since')} <RelativeTime at={d.since} /></span>
        <span className="grow" />
        <HeartbeatBar history={d.history} />
      </div>
      {d.reason && <Alert type={d.state === 'down' ? 'error' : d.state === 'off' || d.state === 'up' ? 'info' : 'warning'} showIcon title={d.reason} />}
      <div className="figures">
        <Figure label={t('forward.col.rate')}>{d.items_per_s.toFixed(1)}</Figure>
        <Figure label={t('forward.col.items')}>{formatCount(d.items)}</Figure>
        <Figure label={t('connections.diag.requests')}>{formatCount(d.requests)}</Figure>
        <Figure label={t('connections.diag.errors')} bad={d.errors > 0}>{formatCount(d.errors)}</Figure>
        <Figure label={t('connections.diag.reconnects')}>{formatCount(d.reconnects)}</Figure>
        <Figure label={t('connections.diag.writes')}>{formatCount(d.writes)}</Figure>
        <Figure label={t('connections.diag.links')}>{formatCount(d.connections)}</Figure>
        <Figure label={t('forward.peers.in')}>{formatBytes(d.bytes_in)}</Figure>
        <Figure label={t('forward.peers.out')}>{formatBytes(d.bytes_out)}</Figure>
        <Figure label={t('connections.diag.lastOk')}><RelativeTime at={d.last_ok} /></Figure>
      </div>
      <Buffer d={d} />
      <Peers d={d} />
      <Recording d={d} path={`/forwards/${seg(d.id)}`} onChange={refetch} />
      <Frames frames={d.frames} />
    </div>
  );
}

export function ForwardDrawer({ id, outlets, actions, note, onClose }: { id: string; outlets: Outlet[]; actions: ReactNode; note: ReactNode; onClose: () => void }) {
  const { t } = useTranslation();
  const { data: d, error, refetch } = useApi<ForwardDiagnostics>(`/forwards/${seg(id)}/diagnostics`, undefined, { every: 1500, keep: true });
  const mine = d && (d.id === id || d.code === id) ? d : undefined;
  return (
    <Drawer open onClose={onClose} size="min(940px, 100vw)" title={mine ? <span><span className="mono">{mine.code}</span> {mine.name !== mine.code && mine.name}</span> : t('connections.diag.title')} extra={actions}>
      {error && !mine ? <ErrorState error={error} retry={() => void refetch()} /> : !mine ? <Skeleton active paragraph={{ rows: 8 }} /> : (
        <Tabs items={[
          { key: 'state', label: t('forward.tab.state'), children: <State d={mine} note={note} refetch={() => void refetch()} /> },
          { key: 'points', label: t('forward.tab.points', { n: formatCount(mine.points) }), children: <ForwardPoints forward={mine} outlet={outlets.find((o) => o.name === mine.outlet)} /> },
        ]} />
      )}
    </Drawer>
  );
}
