import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { ChannelStateBadge, HeartbeatBar } from '@/components/HeartbeatBar';
import { EmptyState, ErrorState } from '@/components/states';
import { connectionPath } from '@/lib/links';
import type { ChannelStatus } from '@/lib/types';
import { formatCount } from '@/lib/units';

const RANK: Record<string, number> = { down: 0, degraded: 1, connecting: 2, up: 3, off: 4 };
const SHOWN = 12;

function worstFirst(channels: ChannelStatus[]): ChannelStatus[] {
  return [...channels].sort((a, b) => RANK[a.state] - RANK[b.state]).slice(0, SHOWN);
}

export function ChannelHealth({ channels, error }: { channels: ChannelStatus[]; error: unknown }) {
  const { t } = useTranslation();
  return (
    <section className="panel">
      <div className="panel-head"><span className="grow">{t('overview.channelHealth')}</span><Link to="/connections">{t('overview.all')}</Link></div>
      {channels.length === 0 && (error ? <ErrorState error={error} /> : <EmptyState title={t('overview.noChannels')} />)}
      {worstFirst(channels).map((c) => (
        <Link key={c.id} to={connectionPath(c.code)} className="channel-row">
          <span className="channel-name ellipsis"><strong>{c.code}</strong> <span className="soft">{c.name}</span></span>
          <ChannelStateBadge state={c.state} />
          <span className="hide-small"><HeartbeatBar history={c.history ?? []} /></span>
          <span className="num small soft">{c.rtt_ms === null || c.rtt_ms === undefined ? '—' : `${c.rtt_ms.toFixed(1)} ms`}</span>
          <span className="num small soft">{t('overview.perSecond', { n: formatCount(Math.round(c.samples_per_s ?? 0)) })}</span>
        </Link>
      ))}
    </section>
  );
}
