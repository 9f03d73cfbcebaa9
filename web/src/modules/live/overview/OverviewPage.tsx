/* The first page: live areas with what is good and what is not, key values, health of the channels, and
 * what is wrong now. Calm while all is well. */
import { LinkOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate } from 'react-router';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { codesFilter } from '@/lib/filter';
import { useApi, useList } from '@/lib/resources';
import { useLive } from '@/lib/stream';
import type { AreaItem, AreasAnswer, ChannelStatus, ChannelsAnswer, HistoryAnswer, Resource, Series } from '@/lib/types';
import { formatCount } from '@/lib/units';
import { AreaCard } from './AreaCard';
import { ChannelHealth } from './ChannelHealth';
import { Problems } from './Problems';
import './overview.css';

const MAX_SPARKS = 64;

function useSparks(areas: AreaItem[]): Map<string, Series> {
  const codes = areas.flatMap((a) => a.key.map((k) => k.code)).slice(0, MAX_SPARKS);
  const { data } = useApi<HistoryAnswer>(codes.length ? '/history/plot' : null, { points: codes.join(','), from: '*-30m', to: '*', px: 100 }, { every: 30000, keep: true });
  return useMemo(() => new Map((data?.series ?? []).map((s) => [s.code, s])), [data]);
}

/* English names and decimals of the key points stand in their resources. */
function useKeyPoints(areas: AreaItem[]): Map<string, Resource> {
  const codes = areas.flatMap((a) => a.key.map((k) => k.code)).slice(0, MAX_SPARKS);
  const { data } = useList(codes.length ? 'points' : null, { filter: codesFilter(codes), size: MAX_SPARKS });
  return useMemo(() => new Map((data?.items ?? []).map((p) => [p.code, p])), [data]);
}

function Totals({ areas, channels }: { areas: AreaItem[]; channels: ChannelStatus[] }) {
  const { t } = useTranslation();
  const sum = (pick: (a: AreaItem) => number) => areas.reduce((n, a) => n + pick(a), 0);
  const points = sum((a) => a.points);
  const good = sum((a) => a.good);
  const running = channels.filter((c) => c.state !== 'off');
  const figures: [string, string, boolean][] = [
    [t('overview.points'), formatCount(points), false],
    [t('overview.goodShare'), points ? `${((100 * good) / points).toFixed(good === points ? 0 : 1)} %` : '—', false],
    [t('overview.bad'), formatCount(sum((a) => a.bad)), sum((a) => a.bad) > 0],
    [t('overview.channels'), `${running.filter((c) => c.state === 'up').length} / ${running.length}`, running.some((c) => c.state === 'down')],
    [t('overview.rate'), formatCount(Math.round(channels.reduce((n, c) => n + (c.samples_per_s ?? 0), 0))), false],
  ];
  return (
    <div className="panel totals">
      {figures.map(([label, value, abnormal]) => (
        <div key={label} className="total"><span className={`total-value${abnormal ? ' abnormal' : ''}`}>{value}</span><span className="soft small">{label}</span></div>
      ))}
    </div>
  );
}

export function OverviewPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const areas = useApi<AreasAnswer>('/areas', undefined, { every: 5000, keep: true });
  const channels = useApi<ChannelsAnswer>('/channels:status', undefined, { every: 5000, keep: true });
  const items = useMemo(() => areas.data?.items ?? [], [areas.data]);
  useLive(useMemo(() => items.flatMap((a) => a.key.map((k) => k.num)), [items]));
  const sparks = useSparks(items);
  const points = useKeyPoints(items);
  if (areas.error && !areas.data) return <ErrorState error={areas.error} retry={() => void areas.refetch()} />;
  if (!areas.data) return <Loading rows={12} />;
  const links = channels.data?.items ?? [];
  return (
    <div className="page">
      <PageHeader title={t('overview.title')} />
      {items.length === 0 ? (
        <div className="panel">
          <EmptyState title={t('overview.empty')} help={t('overview.emptyHelp')}
            action={<Button type="primary" icon={<LinkOutlined />} onClick={() => void navigate('/connections')}>{t('overview.connect')}</Button>} />
        </div>
      ) : (
        <>
          <Totals areas={items} channels={links} />
          <div className="area-cards">{items.map((a) => <AreaCard key={a.path} area={a} sparks={sparks} points={points} />)}</div>
        </>
      )}
      <div className="overview-two">
        <ChannelHealth channels={links} error={channels.error} />
        <Problems areas={items} channels={links} />
      </div>
    </div>
  );
}
