/* The last states of something, oldest first, one bar a minute: height and colour by state. */
import { useTranslation } from 'react-i18next';
import type { ChannelState } from '@/lib/types';
import { Shape, type ShapeName } from './Shape';
import './components.css';

export function HeartbeatBar({ history, max = 50 }: { history: ChannelState[]; max?: number }) {
  const { t } = useTranslation();
  const shown = history.slice(-max);
  const up = shown.filter((s) => s === 'up').length;
  const label = t('heartbeat.label', { up, of: shown.length });
  return (
    <span className="heartbeat" role="img" aria-label={label} title={label}>
      {shown.map((s, i) => <i key={i} className={s} />)}
    </span>
  );
}

const look: Record<ChannelState, [ShapeName, string, string]> = {
  up: ['dot', 'var(--band)', 'good'],
  degraded: ['triangle', 'var(--uncertain)', 'uncertain'],
  connecting: ['diamond', 'var(--uncertain)', 'uncertain'],
  down: ['square', 'var(--bad)', 'bad'],
  off: ['ring', 'var(--off)', ''],
};

export function ChannelStateBadge({ state }: { state: ChannelState }) {
  const { t } = useTranslation();
  const [shape, color, cls] = look[state] ?? look.off;
  return <span className={`quality ${cls}`}><Shape name={shape} color={color} /> {t(`channelState.${state}`)}</span>;
}
