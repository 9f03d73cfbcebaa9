/* What a channel does right now: state and reason, counters, devices, the last frames in hex and in words. */
import { Alert, Drawer, Skeleton } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { ChannelStateBadge, HeartbeatBar } from '@/components/HeartbeatBar';
import { RelativeTime } from '@/components/RelativeTime';
import { worstFirst } from '@/components/link/list';
import { Figure, Frames, Recording } from '@/components/link/Wire';
import { CertificateLink } from '@/components/link/TestResult';
import { ErrorState } from '@/components/states';
import { useApi } from '@/lib/resources';
import type { DeviceStatus, Diagnostics as DiagnosticsDoc } from '@/lib/types';
import { formatDuration } from '@/lib/time';
import { formatCount } from '@/lib/units';

/* +3.2 s: ahead of ours. */
const clockText = (ms: number) => {
  const off = Math.round(Math.abs(ms) / 100) * 100;
  return `${off === 0 ? '' : ms < 0 ? '−' : '+'}${formatDuration(off)}`;
};

function Counters({ d }: { d: DiagnosticsDoc }) {
  const { t } = useTranslation();
  const share = d.requests > 0 ? (100 * d.errors) / d.requests : 0;
  return (
    <div className="figures">
      <Figure label={t('connections.col.rtt')}>{d.rtt_ms === null || d.state === 'down' ? '—' : `${d.rtt_ms.toFixed(1)} ms`}</Figure>
      <Figure label={t('connections.col.rate')}>{d.samples_per_s.toFixed(1)}</Figure>
      <Figure label={t('connections.diag.requests')}>{formatCount(d.requests)}</Figure>
      <Figure label={t('connections.diag.errors')} bad={d.errors > 0}>{formatCount(d.errors)}{d.errors > 0 && <span className="muted small"> {share.toFixed(share < 1 ? 2 : 0)} %</span>}</Figure>
      <Figure label={t('connections.diag.timeouts')} bad={d.timeouts > 0}>{formatCount(d.timeouts)}</Figure>
      <Figure label={t('connections.diag.reconnects')}>{formatCount(d.reconnects)}</Figure>
      <Figure label={t('connections.diag.late')} bad={(d.late ?? 0) > 0}>{formatCount(d.late)}</Figure>
      <Figure label={t('connections.diag.writes')}>{formatCount(d.writes)}</Figure>
      <Figure label={t('connections.diag.links')}>{formatCount(d.connections)}</Figure>
      {d.clock_ms !== null && <Figure label={t('connections.diag.clock')} bad={Math.abs(d.clock_ms) >= 2000}>{clockText(d.clock_ms)}</Figure>}
      <Figure label={t('connections.diag.lastOk')}><RelativeTime at={d.last_ok} /></Figure>
    </div>
  );
}

function Devices({ devices }: { devices: DeviceStatus[] }) {
  const { t } = useTranslation();
  const clocks = devices.some((d) => d.clock_ms !== null);
  if (devices.length === 0) return <div className="muted">{t('connections.diag.noDevices')}</div>;
  return (
    <div className="plain-scroll">
      <table className="plain-table">
        <thead><tr><th>{t('connections.col.device')}</th><th>{t('connections.col.state')}</th><th className="num">{t('connections.col.points')}</th><th className="num">{t('connections.col.bad')}</th><th>{t('connections.diag.lastOk')}</th>{clocks && <th className="num" title={t('connections.diag.clockHelp')}>{t('connections.diag.clock')}</th>}</tr></thead>
        <tbody>
          {worstFirst(devices).map((d) => (
            <tr key={d.code}>
              <td><Link to={`/points?filter=${encodeURIComponent(`device.code='${d.code.replaceAll("'", "''")}'`)}`}><span className="mono">{d.code}</span></Link> {d.name !== d.code && <span className="soft">{d.name}</span>}</td>
              <td><ChannelStateBadge state={d.state} />{d.reason && <div className="small soft reason">{d.reason}</div>}</td>
              <td className="num">{d.points}</td>
              <td className={`num${d.bad > 0 ? ' bad-text' : ''}`}>{d.bad}</td>
              <td><RelativeTime at={d.last_ok} /></td>
              {clocks && <td className={`num${Math.abs(d.clock_ms ?? 0) >= 2000 ? ' bad-text' : ''}`}>{d.clock_ms === null ? '—' : clockText(d.clock_ms)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Diagnostics({ id, actions, note, onClose }: { id: string; actions: ReactNode; note: ReactNode; onClose: () => void }) {
  const { t } = useTranslation();
  const { data: d, error, refetch } = useApi<DiagnosticsDoc>(`/channels/${encodeURIComponent(id)}/diagnostics`, undefined, { every: 1500, keep: true });
  const mine = d && (d.id === id || d.code === id) ? d : undefined;
  return (
    <Drawer open onClose={onClose} size="min(880px, 100vw)" title={mine ? <span><span className="mono">{mine.code}</span> {mine.name !== mine.code && mine.name}</span> : t('connections.diag.title')} extra={actions}>
      {error && !mine ? <ErrorState error={error} retry={() => void refetch()} /> : !mine ? <Skeleton active paragraph={{ rows: 8 }} /> : (
        <div className="col diag">
          {note}
          {error && <Alert type="warning" showIcon title={t('connections.diag.old')} />}
          <div className="row wrap">
            <ChannelStateBadge state={mine.state} />
            <span className="muted small">{t('connections.diag.since')} <RelativeTime at={mine.since} /></span>
            <span className="grow" />
            <HeartbeatBar history={mine.history} />
          </div>
          {mine.reason && mine.state !== 'up' && <Alert type={mine.state === 'down' ? 'error' : mine.state === 'off' ? 'info' : 'warning'} showIcon title={mine.reason} action={<CertificateLink text={mine.reason} />} />}
          <Counters d={mine} />
          <div className="row"><b>{t('connections.diag.devices')}</b><span className="muted small">{mine.devices.length}</span></div>
          <Devices devices={mine.devices} />
          <Recording d={mine} path={`/channels/${encodeURIComponent(mine.id)}`} onChange={() => void refetch()} />
          <Frames frames={mine.frames} />
        </div>
      )}
    </Drawer>
  );
}
