/* What runs here, on what, and the licences of all that is shipped with it. */
import { Collapse, Input } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { useApi } from '@/lib/resources';

interface Licences {
  items: { name: string; version: string; licence: string; text: string }[];
}

function Info() {
  const { t } = useTranslation();
  const { data, error, refetch } = useApi<Record<string, unknown>>('/system/info', undefined, { every: 30000 });
  if (error && !data) return <ErrorState error={error} retry={() => void refetch()} />;
  if (!data) return <Loading rows={4} />;
  const rows = Object.entries(data).flatMap(([k, v]) => (v !== null && typeof v === 'object' && !Array.isArray(v)
    ? Object.entries(v as Record<string, unknown>).map(([kk, vv]) => [`${k}.${kk}`, vv] as const) : [[k, v] as const]));
  return (
    <section className="panel panel-body">
      <dl className="job-facts">
        {rows.map(([k, v]) => <div key={k} style={{ display: 'contents' }}><dt>{t(`system.info.${k.replaceAll('.', '_')}`, k)}</dt><dd>{typeof v === 'object' ? JSON.stringify(v) : String(v ?? '—')}</dd></div>)}
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
