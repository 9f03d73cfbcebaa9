/* Jobs: the range as a Gantt chart, the list below it, one job in a drawer; run one now. */
import { PlayCircleOutlined } from '@ant-design/icons';
import { Button, Progress, Select } from 'antd';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useSearchParams } from 'react-router';
import { DataTable, type DataColumn } from '@/components/DataTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState } from '@/components/states';
import { TimeRange, useRange } from '@/components/TimeRange';
import { useNow } from '@/lib/clock';
import { textOf, useApi } from '@/lib/resources';
import { formatDuration, formatTime, resolveRange } from '@/lib/time';
import { JobDrawer } from './JobDrawer';
import { JobsGantt } from './JobsGantt';
import { RunDialog } from './RunDialog';
import { percent, type Job, type JobsAnswer, type JobType } from './types';

const STATES = ['queued', 'waiting', 'running', 'cancelling', 'done', 'failed', 'cancelled'];

export function JobsPage() {
  const { t, i18n } = useTranslation();
  const [range, setRange] = useRange({ from: 'now-24h', to: 'now' });
  const [params, setParams] = useSearchParams();
  const [run, setRun] = useState(false);
  const now = useNow();
  const page = Number(params.get('page') ?? 1);
  const size = Number(params.get('size') ?? 50);
  const state = params.get('state') ?? '';
  const type = params.get('type') ?? '';
  const open = params.get('job') ?? '';
  const abs = useMemo(() => resolveRange(range), [range.from, range.to]); // eslint-disable-line react/exhaustive-deps
  const span = { from: Math.round(abs.from), to: Math.round(abs.to) };
  const live = range.to === 'now' ? { every: 5000 } : {};
  const list = useApi<JobsAnswer>('/jobs', { ...(range.to === 'now' ? { from: span.from } : span), state, type, page, size }, { keep: true, ...live });
  const chart = useApi<JobsAnswer>('/jobs', { ...(range.to === 'now' ? { from: span.from } : span), type, size: 1000 }, { keep: true, ...live });
  const types = useApi<{ items: JobType[] }>('/job-types', undefined, { stale: 60000 });
  const titleOf = (name: string) => textOf(types.data?.items.find((x) => x.name === name)?.title, i18n.language, name);
  const set = (change: Record<string, string>) => setParams((p) => {
    for (const [k, v] of Object.entries(change)) if (v) p.set(k, v); else p.delete(k);
    return p;
  }, { replace: true });
  const took = (j: Job) => (j.started_at ? formatDuration((j.ended_at ? Date.parse(j.ended_at) : now) - Date.parse(j.started_at)) : '—');
  const columns: DataColumn<Job>[] = [
    { key: 'title', title: t('jobs.title'), width: 260, render: (_v, j) => <button type="button" className="link-button" onClick={() => set({ job: j.id })}>{textOf(j.title, i18n.language, j.type)}</button> },
    { key: 'state', title: t('jobs.state'), width: 170, render: (_v, j) => (j.state === 'running' ? <Progress percent={percent(j)} size="small" /> : <span className={j.state === 'failed' ? 'quality bad' : ''}>{t(`jobs.states.${j.state}`)}</span>) },
    { key: 'created_at', title: t('jobs.created'), width: 170, render: (_v, j) => formatTime(j.created_at) },
    { key: 'started_at', title: t('jobs.started'), width: 170, render: (_v, j) => formatTime(j.started_at) },
    { key: 'took', title: t('jobs.took'), width: 100, align: 'right', render: (_v, j) => took(j) },
    { key: 'by', title: t('jobs.by'), width: 130, render: (_v, j) => j.by || t('jobs.system') },
    { key: 'error', title: t('jobs.error'), width: 300, render: (_v, j) => j.error?.detail ?? '' },
    { key: 'type', title: t('jobs.type'), width: 180, hidden: true, render: (_v, j) => <span className="mono">{j.type}</span> },
  ];
  const tools = (
    <>
      <Select allowClear style={{ minWidth: 130 }} value={state || undefined} placeholder={t('jobs.state')} aria-label={t('jobs.state')}
        onChange={(v?: string) => set({ state: v ?? '', page: '' })} options={STATES.map((s) => ({ value: s, label: t(`jobs.states.${s}`) }))} />
      <Select allowClear showSearch={{ optionFilterProp: 'label' }} style={{ minWidth: 180 }} value={type || undefined} placeholder={t('jobs.type')} aria-label={t('jobs.type')}
        onChange={(v?: string) => set({ type: v ?? '', page: '' })} options={(types.data?.items ?? []).map((x) => ({ value: x.name, label: textOf(x.title, i18n.language, x.name) }))} />
      <Link to="/r/schedules">{t('jobs.schedules')}</Link>
      <Link to="/r/calendars">{t('jobs.calendars')}</Link>
    </>
  );
  const offered = (types.data?.items ?? []).some((x) => x.by_user);
  return (
    <div className="page fixed">
      <PageHeader title={t('jobs.heading')} extra={(
        <>
          <TimeRange value={range} onChange={setRange} />
          <Button type="primary" icon={<PlayCircleOutlined />} disabled={!offered} onClick={() => setRun(true)}>{t('jobs.run')}</Button>
        </>
      )} />
      {list.error && !list.data ? <ErrorState error={list.error} retry={() => void list.refetch()} /> : (
        <>
          <JobsGantt jobs={chart.data?.items ?? []} from={abs.from} to={abs.to} titleOf={titleOf} onOpen={(j) => set({ job: j.id })} />
          <DataTable id="jobs" columns={columns} rows={list.data?.items ?? []} rowKey={(j) => j.id} loading={list.isPending} tools={tools}
            empty={<EmptyState title={t('jobs.empty')} help={t('jobs.emptyHelp')} />} onOpen={(j) => set({ job: j.id })}
            total={list.data?.total} page={page} size={size} onPage={(p, s) => set({ page: String(p), size: String(s) })} />
        </>
      )}
      {open && <JobDrawer key={open} id={open} onClose={() => set({ job: '' })} />}
      {run && <RunDialog onClose={() => setRun(false)} onStarted={(id) => { setRun(false); set({ job: id }); void list.refetch(); }} />}
    </div>
  );
}
