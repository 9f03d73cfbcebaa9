/* What is wrong now, newest first: channels and their devices with the reason, areas with bad values. */
import { useQueries } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { RelativeTime } from '@/components/RelativeTime';
import { Shape } from '@/components/Shape';
import { EmptyState } from '@/components/states';
import { get, seg } from '@/lib/api';
import { areaPath, connectionPath } from '@/lib/links';
import type { AreaItem, ChannelStatus, Diagnostics } from '@/lib/types';

interface Problem {
  key: string;
  bad: boolean;
  what: string;
  why: string;
  since?: string | null;
  to: string;
}

const LOOKED_AT = 6;

function useProblems(areas: AreaItem[], channels: ChannelStatus[]): Problem[] {
  const { t } = useTranslation();
  const sick = channels.filter((c) => ['down', 'degraded', 'connecting'].includes(c.state));
  const looked = sick.slice(0, LOOKED_AT);
  const details = useQueries({
    queries: looked.map((c) => ({
      queryKey: [`/channels/${seg(c.id)}/diagnostics`, null],
      queryFn: ({ signal }: { signal: AbortSignal }) => get<Diagnostics>(`/channels/${seg(c.id)}/diagnostics`, undefined, signal),
      refetchInterval: 10000,
      retry: false,
    })),
  });
  const ofChannels = sick.map((c): Problem => ({
    key: c.id, bad: c.state === 'down', what: c.code, why: c.reason || t(`channelState.${c.state}`), since: c.since, to: connectionPath(c.code),
  }));
  const ofDevices = details.flatMap((d, i) => (d.data?.devices ?? [])
    .filter((x) => x.reason && x.state !== 'up' && x.state !== 'off' && x.reason !== looked[i].reason)
    .map((x): Problem => ({ key: `d${x.code}`, bad: x.state === 'down', what: x.code, why: x.reason, since: x.last_ok, to: connectionPath(looked[i].code) })));
  const ofAreas = areas.filter((a) => a.bad > 0).map((a): Problem => ({
    key: `a${a.path}`, bad: true, what: a.name || a.path, why: t('overview.badPoints', { n: a.bad }), to: areaPath(a.path, true),
  }));
  const newest = [...ofChannels, ...ofDevices].sort((a, b) => (b.since ?? '').localeCompare(a.since ?? ''));
  return [...newest, ...ofAreas].slice(0, 12);
}

export function Problems({ areas, channels }: { areas: AreaItem[]; channels: ChannelStatus[] }) {
  const { t } = useTranslation();
  const problems = useProblems(areas, channels);
  return (
    <section className="panel">
      <div className="panel-head">{t('overview.problems')}</div>
      {problems.length === 0 && <EmptyState title={t('overview.allWell')} />}
      {problems.map((p) => (
        <Link key={p.key} to={p.to} className="problem-row">
          <Shape name={p.bad ? 'square' : 'triangle'} color={p.bad ? 'var(--bad)' : 'var(--uncertain)'} />
          <strong className="ellipsis">{p.what}</strong>
          <span className="grow ellipsis" title={p.why}>{p.why}</span>
          {p.since && <span className="small soft"><RelativeTime at={p.since} /></span>}
        </Link>
      ))}
    </section>
  );
}
