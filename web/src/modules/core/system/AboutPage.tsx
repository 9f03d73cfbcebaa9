/* What runs here, on what, and the licences of all that is shipped with it. */
import { Collapse, Input } from 'antd';
import { Fragment, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import type { GetLicencesAnswer as Licences, GetSystemInfoAnswer } from '@/lib/api.gen';
import { useApi } from '@/lib/resources';
import { formatDuration, formatTime } from '@/lib/time';
import { formatBytes } from '@/lib/units';

function Info() {
  const { t } = useTranslation();
  const { data: d, error, refetch } = useApi<GetSystemInfoAnswer>('/system/info', undefined, { every: 30000 });
  if (error && !d) return <ErrorState error={error} retry={() => void refetch()} />;
  if (!d) return <Loading rows={4} />;
  const rows: [string, string][] = [
    ['version', `${d.version} (${d.build}, ${d.compiler})`],
    ['started', `${formatTime(d.started_at)} (${formatDuration(d.uptime_s * 1000)})`],
    ['host', `${d.host}, ${d.os} ${d.kernel}, ${d.machine}`],
    ['cpus', String(d.cpus)],
    ['memory', formatBytes(d.memory)],
    ['store', `${d.store.engine}, ${formatBytes(d.store.bytes)}`],
    ['url', d.store.url],
    ['disk', t('system.info.diskOf', { free: formatBytes(d.disk.free), total: formatBytes(d.disk.total), path: d.disk.path })],
    ['threads', d.threads.map((x) => `${x.name} ${x.n}`).join(', ')],
  ];
  return (
    <section className="panel panel-body">
      <dl className="facts">
        {rows.map(([k, v]) => <Fragment key={k}><dt>{t(`system.info.${k}`)}</dt><dd>{v}</dd></Fragment>)}
      </dl>
    </section>
  );
}

export function AboutPage() {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const { data, error, refetch } = useApi<Licences>('/licences', undefined, { stale: 600000 });
  const shown = (data?.items ?? []).filter((l) => !text || `${l.name} ${l.licence}`.toLowerCase().includes(text.toLowerCase()));
  return (
    <div className="page">
      <PageHeader title={t('system.about')} />
      <Info />
      <div className="row between wrap"><h2 className="small-head">{t('system.licences')} {data ? `(${data.items.length})` : ''}</h2>
        <Input.Search allowClear value={text} onChange={(e) => setText(e.target.value)} placeholder={t('system.findLicence')} aria-label={t('system.findLicence')} style={{ width: 240 }} /></div>
      {error && !data && <ErrorState error={error} retry={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data && shown.length === 0 && <EmptyState title={t('state.nothingFound')} />}
      {shown.length > 0 && <Collapse size="small" items={shown.map((l) => ({ key: `${l.name}@${l.version}`, label: <span className="row wrap"><b>{l.name}</b><span className="muted mono">{l.version}</span><span>{l.licence}</span></span>, children: <pre className="mono json-view">{l.text}</pre> }))} />}
    </div>
  );
}
