/* A point at this moment: value, quality, age; when it is not good, why: the words of the driver, since when, what to
 * do, and the way there. */
import { ApiOutlined, EditOutlined, LineChartOutlined, SyncOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Button, Skeleton } from 'antd';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { LiveAge, LiveQuality, LiveValue } from '@/components/LiveValue';
import { RelativeTime } from '@/components/RelativeTime';
import { asError, get, post, seg } from '@/lib/api';
import { connectionPath, trendPath } from '@/lib/links';
import { QUALITY, REASONS } from '@/lib/quality';
import { useApi, useResource } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { useLive } from '@/lib/stream';
import { useTag } from '@/lib/tagStore';
import { formatDuration } from '@/lib/time';
import type { GetHistoryRecordedAnswer as RecordedAnswer, GetHistorySummaryAnswer as SummaryAnswer } from '@/lib/api.gen';
import type { Diagnostics, PointSpec, ReadAnswer, Resource } from '@/lib/types';
import { badSince, clockState, driverWords, worthAsking } from './why';
import './now.css';

const spec = (r: Resource) => r.spec as PointSpec & { device?: string };

/* The device and the channel behind a point; nothing for points that are calculated, pushed or typed in. */
function useSource(point: Resource) {
  const can = useCan();
  const allowed = can('channel', 'read') && can('device', 'read');
  const device = useResource('devices', allowed && spec(point).device ? spec(point).device : undefined).data;
  const channel = String(device?.spec.channel ?? '');
  const { data } = useApi<Diagnostics>(channel ? `/channels/${seg(channel)}/diagnostics` : null, undefined, { every: 3000, keep: true });
  return { device, channel, diagnostics: data, status: data?.devices.find((d) => d.code === device?.code) };
}

/* Asks the device for this one point: the answer in the words of its driver. */
function useAsked(point: Resource, channel: string, wanted: boolean) {
  const { device, address, type, ...rest } = spec(point);
  const options = (rest as Record<string, unknown>).options;
  return useQuery({
    queryKey: ['/channels:read', point.id, point.rev],
    queryFn: async () => (await post<ReadAnswer>('/channels:read', { channel, device, points: [{ address, type, ...((rest as Record<string, unknown>).byte_order ? { byte_order: (rest as Record<string, unknown>).byte_order } : {}), ...(options ? { options } : {}) }] })).items[0] ?? null,
    enabled: wanted && channel !== '' && Boolean(address),
    retry: false,
    staleTime: 15000,
  });
}

/* Since when it is not good, from its history; looked up once. */
function useSince(point: Resource) {
  return useQuery({
    queryKey: ['/history/since', point.id],
    queryFn: ({ signal }) => badSince({
      windows: async (from, to, interval) => (await get<SummaryAnswer>('/history/summary', { points: point.code, from, to, interval }, signal)).series?.[0]?.rows ?? [],
      samples: async (from, to) => (await get<RecordedAnswer>('/history/recorded', { points: point.code, from, to, limit: 10000 }, signal)).series[0] ?? { t: [], q: [] },
    }, Date.now()),
    retry: false,
    staleTime: 60000,
  });
}

function Clock({ ms }: { ms: number | null | undefined }) {
  const { t } = useTranslation();
  const state = clockState(ms);
  if (state === 'none' || ms === null || ms === undefined) return null;
  return <span className={`quality ${state}`}>{t(state === 'good' ? 'now.clockGood' : ms > 0 ? 'now.clockAhead' : 'now.clockBehind', { span: formatDuration(Math.round(Math.abs(ms) / 100) * 100) })}</span>;
}

function Why({ point, reason, at, source }: { point: Resource; reason: string; at: number; source: ReturnType<typeof useSource> }) {
  const { t, i18n } = useTranslation();
  const can = useCan();
  const { diagnostics: d, status, channel } = source;
  const mayAsk = can('channel', 'write') && channel !== '';
  const asked = useAsked(point, channel, mayAsk && worthAsking(reason));
  const words = driverWords(d, status, asked.data ?? undefined);
  const since = useSince(point).data;
  const known = i18n.exists(`now.means.${reason}`);
  return (
    <div className="why" role="status">
      <div className="why-head"><b>{t(reason ? `quality.reason.${reason}` : 'now.unknown')}</b>{known && <span className="soft">{t(`now.means.${reason}`)}</span>}</div>
      <dl className="facts">
        {words.map((w) => <div key={w.of} className="own-attribute"><dt>{t(`now.says.${w.of}`)}</dt><dd className="why-words">{w.text}</dd></div>)}
        {asked.data?.quality === 'good' && <><dt>{t('now.says.point')}</dt><dd>{t('now.readGood', { value: String(asked.data.value) })}</dd></>}
        {asked.error && <><dt>{t('now.says.point')}</dt><dd className="why-words">{asError(asked.error).message}</dd></>}
        <dt>{t('now.since')}</dt><dd>{since?.at ? <RelativeTime at={since.at} /> : since ? t(since.lastGood ? 'now.justNow' : 'now.long') : '…'} {since && since.at !== at && <span className="soft">{t('now.newest')} <RelativeTime at={at} /></span>}</dd>
        {status && <><dt>{t('now.lastOk')}</dt><dd>{status.last_ok ? <RelativeTime at={status.last_ok} /> : t('now.never')} {status.bad > 1 && <span className="soft">{t('now.others', { n: status.bad - 1 })}</span>}</dd></>}
        {i18n.exists(`now.todo.${reason}`) && <><dt>{t('now.todoTitle')}</dt><dd>{t(`now.todo.${reason}`)}</dd></>}
      </dl>
      <div className="row wrap">
        {mayAsk && <Button size="small" icon={<SyncOutlined />} loading={asked.isFetching} onClick={() => void asked.refetch()}>{t('now.ask')}</Button>}
        {d && <Link to={connectionPath(d.code)}><Button size="small" icon={<ApiOutlined />}>{t('now.channel', { code: d.code })}</Button></Link>}
      </div>
    </div>
  );
}

export function PointNow({ resource: point, links }: { resource: Resource; links?: boolean }) {
  const { t } = useTranslation();
  useLive(point.num ? [point.num] : []);
  const tag = useTag(point.num);
  const source = useSource(point);
  const { unit, decimals } = spec(point);
  const bad = tag !== undefined && tag.q !== 0;
  return (
    <div className={`point-now panel panel-body ${tag ? QUALITY[tag.q] ?? 'bad' : ''}`}>
      <div className="row wrap">
        <span className="now-value"><LiveValue num={point.num} unit={unit} decimals={decimals} /></span>
        <LiveQuality num={point.num} />
        {tag && <span className="small"><LiveAge num={point.num} /></span>}
        <Clock ms={source.status?.clock_ms} />
        <span className="grow" />
        {source.diagnostics && !bad && <Link className="small" to={connectionPath(source.diagnostics.code)}>{source.diagnostics.code}</Link>}
        {links && <><Link to={trendPath([point.code])}><Button size="small" icon={<LineChartOutlined />}>{t('points.trend')}</Button></Link><Link to={`/r/points/${seg(point.id)}`}><Button size="small" icon={<EditOutlined />}>{t('now.open')}</Button></Link></>}
      </div>
      {!tag && (source.diagnostics || !spec(point).device ? <div className="soft small">{t('now.nothing')}</div> : <Skeleton active title={false} paragraph={{ rows: 1 }} />)}
      {bad && <Why key={point.id} point={point} reason={REASONS[tag.r] ?? ''} at={tag.t} source={source} />}
    </div>
  );
}
