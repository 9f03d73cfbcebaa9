/* What a channel does right now: state and reason, counters, devices, the last frames in hex and in words. */
import { CopyOutlined, DownloadOutlined, PauseOutlined, PlayCircleOutlined, VideoCameraOutlined } from '@ant-design/icons';
import { Alert, Button, Drawer, Skeleton, Switch } from 'antd';
import { useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { ChannelStateBadge, HeartbeatBar } from '@/components/HeartbeatBar';
import { useNotify } from '@/components/notify';
import { RelativeTime } from '@/components/RelativeTime';
import { EmptyState, ErrorState } from '@/components/states';
import { post } from '@/lib/api';
import { copyText } from '@/lib/browser';
import { useNow } from '@/lib/clock';
import { useApi } from '@/lib/resources';
import type { DeviceStatus, Diagnostics as DiagnosticsDoc, Frame } from '@/lib/types';
import { formatBytes, formatCount } from '@/lib/units';
import { framesText, frameTime, hexPairs, newestFirst } from './frames';

function Figure({ label, children, bad }: { label: string; children: ReactNode; bad?: boolean }) {
  return <div className={`figure${bad ? ' bad' : ''}`}><span className="muted small">{label}</span><b className="num">{children}</b></div>;
}

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
      <Figure label={t('connections.diag.lastOk')}><RelativeTime at={d.last_ok} /></Figure>
    </div>
  );
}

function Devices({ devices }: { devices: DeviceStatus[] }) {
  const { t } = useTranslation();
  if (devices.length === 0) return <div className="muted">{t('connections.diag.noDevices')}</div>;
  return (
    <div className="plain-scroll">
      <table className="plain-table">
        <thead><tr><th>{t('connections.col.device')}</th><th>{t('connections.col.state')}</th><th className="num">{t('connections.col.points')}</th><th className="num">{t('connections.col.bad')}</th><th>{t('connections.diag.lastOk')}</th></tr></thead>
        <tbody>
          {devices.map((d) => (
            <tr key={d.code}>
              <td><Link to={`/points?filter=${encodeURIComponent(`device.code='${d.code.replaceAll("'", "''")}'`)}`}><span className="mono">{d.code}</span></Link> {d.name !== d.code && <span className="soft">{d.name}</span>}</td>
              <td><ChannelStateBadge state={d.state} />{d.reason && <div className="small soft reason">{d.reason}</div>}</td>
              <td className="num">{d.points}</td>
              <td className={`num${d.bad > 0 ? ' bad-text' : ''}`}>{d.bad}</td>
              <td><RelativeTime at={d.last_ok} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/* A recording of whole frames, for Wireshark. */
function Recording({ d, onChange }: { d: DiagnosticsDoc; onChange: () => void }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const now = useNow();
  if (!d.can_capture) return null;
  const path = `/channels/${encodeURIComponent(d.id)}`;
  const running = d.capture !== null && Date.parse(d.capture.until) > now;
  const record = (seconds: number) => void post(`${path}:capture`, { seconds }).then(onChange, notify.failed);
  return (
    <div className="row wrap">
      <b>{t('connections.capture.title')}</b>
      <span className="muted small" role="status">{d.capture ? t(running ? 'connections.capture.running' : 'connections.capture.done', { n: formatCount(d.capture.frames), size: formatBytes(d.capture.bytes), left: formatCount(d.capture.left_out) }) : t('connections.capture.help')}</span>
      <span className="grow" />
      {running ? <Button size="small" onClick={() => record(0)}>{t('connections.capture.stop')}</Button> : <Button size="small" icon={<VideoCameraOutlined />} onClick={() => record(60)}>{t('connections.capture.start')}</Button>}
      <Button size="small" icon={<DownloadOutlined />} href={`/api/v1${path}/capture`} download={`${d.code}.pcap`}>{t('connections.capture.download')}</Button>
    </div>
  );
}

function Frames({ frames, paused, onPause }: { frames: Frame[]; paused: boolean; onPause: () => void }) {
  const { t, i18n } = useTranslation();
  const notify = useNotify();
  const [onlyBad, setOnlyBad] = useState(false);
  const shown = newestFirst(onlyBad ? frames.filter((f) => !f.ok) : frames);
  const copy = async () => {
    if (await copyText(framesText(shown, i18n.language))) notify.done(t('connections.diag.copied', { n: shown.length }));
  };
  return (
    <>
      <div className="row wrap frames-tools">
        <b>{t('connections.diag.frames')}</b>
        <span className="muted small">{t('connections.diag.framesHelp', { n: frames.length })}</span>
        <span className="grow" />
        <label className="row small"><Switch size="small" checked={onlyBad} onChange={setOnlyBad} /> {t('connections.diag.onlyBad')}</label>
        <Button size="small" icon={paused ? <PlayCircleOutlined /> : <PauseOutlined />} aria-pressed={paused} onClick={onPause}>{t(paused ? 'connections.diag.resume' : 'connections.diag.pause')}</Button>
        <Button size="small" icon={<CopyOutlined />} disabled={shown.length === 0} onClick={() => void copy()}>{t('action.copyText')}</Button>
      </div>
      {shown.length === 0 ? <EmptyState title={t(onlyBad ? 'connections.diag.noBadFrames' : 'connections.diag.noFrames')} /> : (
        <div className="frames" role="log" aria-live="off">
          {shown.map((f, i) => (
            <div key={`${f.t}${f.dir}${i}`} className={`frame ${f.dir}${f.ok ? '' : ' bad'}`}>
              <span className="num small muted">{frameTime(f.t)}</span>
              <b className="frame-dir" title={t(`connections.diag.${f.dir}`)}>{f.dir === 'tx' ? '→ TX' : '← RX'}</b>
              <span className="frame-words">{i18n.language === 'en' ? f.words.en : f.words.zh}{!f.ok && f.error && <span className="bad-text"> {f.error}</span>}</span>
              <code className="mono frame-hex">{hexPairs(f.hex)}</code>
            </div>
          ))}
        </div>
      )}
    </>
  );
}

export function Diagnostics({ id, actions, note, onClose }: { id: string; actions: ReactNode; note: ReactNode; onClose: () => void }) {
  const { t } = useTranslation();
  const [held, setHeld] = useState<Frame[] | null>(null);
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
          {mine.reason && mine.state !== 'up' && <Alert type={mine.state === 'down' ? 'error' : mine.state === 'off' ? 'info' : 'warning'} showIcon title={mine.reason} />}
          <Counters d={mine} />
          <div className="row"><b>{t('connections.diag.devices')}</b><span className="muted small">{mine.devices.length}</span></div>
          <Devices devices={mine.devices} />
          <Recording d={mine} onChange={() => void refetch()} />
          <Frames frames={held ?? mine.frames} paused={held !== null} onPause={() => setHeld(held === null ? mine.frames : null)} />
        </div>
      )}
    </Drawer>
  );
}
