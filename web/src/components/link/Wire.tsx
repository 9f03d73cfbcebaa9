/* What goes over the wire: a figure, a recording for Wireshark, the last frames in hex and in words. */
import { CopyOutlined, DownloadOutlined, PauseOutlined, PlayCircleOutlined, SearchOutlined, VideoCameraOutlined } from '@ant-design/icons';
import { Button, Input, Switch } from 'antd';
import { useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { EmptyState } from '@/components/states';
import { post } from '@/lib/api';
import { copyText } from '@/lib/browser';
import { useNow } from '@/lib/clock';
import type { Diagnostics, Frame } from '@/lib/types';
import { formatBytes, formatCount } from '@/lib/units';
import { findFrames, framesText, frameTime, hexPairs, newestFirst } from './frames';

export function Figure({ label, children, bad }: { label: string; children: ReactNode; bad?: boolean }) {
  return <div className={`figure${bad ? ' bad' : ''}`}><span className="muted small">{label}</span><b className="num">{children}</b></div>;
}

/* A recording of whole frames, for Wireshark. */
export function Recording({ d, path, onChange }: { d: Pick<Diagnostics, 'can_capture' | 'capture' | 'code'>; path: string; onChange: () => void }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const now = useNow();
  if (!d.can_capture) return null;
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

export function Frames({ frames }: { frames: Frame[] }) {
  const { t, i18n } = useTranslation();
  const notify = useNotify();
  const [onlyBad, setOnlyBad] = useState(false);
  const [text, setText] = useState('');
  const [held, setHeld] = useState<Frame[] | null>(null);
  const kept = held ?? frames;
  const shown = newestFirst(findFrames(kept, text, onlyBad));
  const copy = async () => {
    if (await copyText(framesText(shown, i18n.language))) notify.done(t('connections.diag.copied', { n: shown.length }));
  };
  return (
    <>
      <div className="row wrap frames-tools">
        <b>{t('connections.diag.frames')}</b>
        <span className="muted small">{t(shown.length < kept.length ? 'connections.diag.framesFound' : 'connections.diag.framesHelp', { n: kept.length, found: shown.length })}</span>
        <span className="grow" />
        <Input size="small" className="frames-find" allowClear prefix={<SearchOutlined />} value={text} onChange={(e) => setText(e.target.value)} placeholder={t('connections.diag.find')} aria-label={t('connections.diag.find')} />
        <label className="row small"><Switch size="small" checked={onlyBad} onChange={setOnlyBad} /> {t('connections.diag.onlyBad')}</label>
        <Button size="small" icon={held ? <PlayCircleOutlined /> : <PauseOutlined />} aria-pressed={held !== null} onClick={() => setHeld(held ? null : frames)}>{t(held ? 'connections.diag.resume' : 'connections.diag.pause')}</Button>
        <Button size="small" icon={<CopyOutlined />} disabled={shown.length === 0} onClick={() => void copy()}>{t('action.copyText')}</Button>
      </div>
      {shown.length === 0 ? <EmptyState title={t(kept.length > 0 && text.trim() ? 'state.nothingFound' : onlyBad ? 'connections.diag.noBadFrames' : 'connections.diag.noFrames')} /> : (
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

