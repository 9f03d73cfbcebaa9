/* Backups: what there is, whether it was tried, and the three things one does: back up now, drill, bring back. */
import { CloudUploadOutlined } from '@ant-design/icons';
import { Alert, Button, Dropdown, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { DataTable, type DataColumn } from '@/components/DataTable';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { RelativeTime } from '@/components/RelativeTime';
import { EmptyState, ErrorState } from '@/components/states';
import { post, seg } from '@/lib/api';
import { useApi, useList } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { formatDuration, formatTime } from '@/lib/time';
import { formatBytes, formatCount } from '@/lib/units';
import { BackupDrawer } from './BackupDrawer';
import type { Backup, BackupsAnswer } from './types';

function RunButton({ plans, onStarted }: { plans: { id: string; code: string; name: string }[]; onStarted: (job: string) => void }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const run = async (plan: string, mode: string) => {
    try {
      onStarted((await post<{ job: string }>(`/backup-plans/${seg(plan)}:run`, { mode })).job);
    } catch (e) {
      notify.failed(e);
    }
  };
  const items = plans.map((p) => ({
    key: p.id, label: p.name || p.code,
    children: ['incremental', 'full'].map((m) => ({ key: `${p.id}/${m}`, label: t(`backup.modes.${m}`), onClick: () => void run(p.id, m) })),
  }));
  return <Dropdown menu={{ items }} disabled={plans.length === 0} trigger={['click']}><Button type="primary" icon={<CloudUploadOutlined />} disabled={plans.length === 0}>{t('backup.run')}</Button></Dropdown>;
}

export function DrillBadge({ backup }: { backup: Backup }) {
  const { t } = useTranslation();
  if (!backup.drill) return <span className="muted">{t('backup.neverTried')}</span>;
  return <span className={backup.drill.ok ? 'quality good' : 'quality bad'} title={backup.drill.detail}>{backup.drill.ok ? t('backup.drillOk') : t('backup.drillBad')} <RelativeTime at={backup.drill.at} /></span>;
}

export function BackupsPage() {
  const { t } = useTranslation();
  const go = useNavigate();
  const may = useCan()('backup_plan', 'admin');
  const [params, setParams] = useSearchParams();
  const [size, setSize] = useState(50);
  const page = Number(params.get('page') ?? 1);
  const plan = params.get('plan') ?? '';
  const open = params.get('backup') ?? '';
  const list = useApi<BackupsAnswer>('/backups', { plan, page, size }, { every: 5000, keep: true });
  const plans = useList('backup-plans', { size: 200 });
  const set = (change: Record<string, string>) => setParams((p) => {
    for (const [k, v] of Object.entries(change)) if (v) p.set(k, v); else p.delete(k);
    return p;
  }, { replace: true });
  const toJob = (job: string) => void go(`/system/jobs?job=${encodeURIComponent(job)}`);
  const columns: DataColumn<Backup>[] = [
    { key: 'at', title: t('backup.at'), width: 180, render: (_v, b) => <button type="button" className="link-button" onClick={() => set({ backup: b.id })}>{formatTime(b.at)}</button> },
    { key: 'plan', title: t('backup.plan'), width: 150, render: (_v, b) => b.plan },
    { key: 'mode', title: t('backup.mode'), width: 110, render: (_v, b) => t(`backup.modes.${b.mode}`) },
    { key: 'state', title: t('backup.state'), width: 110, render: (_v, b) => <span className={b.state === 'failed' ? 'quality bad' : b.state === 'done' ? 'quality good' : ''}>{t(`backup.states.${b.state}`)}</span> },
    { key: 'bytes', title: t('backup.bytes'), width: 110, align: 'right', render: (_v, b) => formatBytes(b.bytes) },
    { key: 'new_bytes', title: t('backup.newBytes'), width: 110, align: 'right', render: (_v, b) => formatBytes(b.new_bytes) },
    { key: 'samples', title: t('backup.samples'), width: 140, align: 'right', render: (_v, b) => formatCount(b.samples) },
    { key: 'took', title: t('backup.took'), width: 100, align: 'right', render: (_v, b) => (b.ended_at ? formatDuration(Date.parse(b.ended_at) - Date.parse(b.at)) : '—') },
    { key: 'drill', title: t('backup.drill'), width: 200, render: (_v, b) => <DrillBadge backup={b} /> },
  ];
  const good = (list.data?.items ?? []).find((b) => b.state === 'done');
  const none = plans.data !== undefined && plans.data.items.length === 0;
  return (
    <div className="page fixed">
      <PageHeader title={t('backup.title')} extra={(
        <>
          <Link to="/r/backup-plans">{t('backup.plans')}</Link>
          {may && <RunButton plans={plans.data?.items ?? []} onStarted={toJob} />}
        </>
      )} />
      {good && !good.drill && <Alert type="info" showIcon title={t('backup.tryIt')} />}
      {list.error && !list.data ? <ErrorState error={list.error} retry={() => void list.refetch()} /> : (
        <DataTable id="backups" columns={columns} rows={list.data?.items ?? []} rowKey={(b) => b.id} loading={list.isPending} onOpen={(b) => set({ backup: b.id })}
          tools={<Select allowClear style={{ minWidth: 160 }} value={plan || undefined} placeholder={t('backup.plan')} aria-label={t('backup.plan')} onChange={(v?: string) => set({ plan: v ?? '', page: '' })} options={(plans.data?.items ?? []).map((p) => ({ value: p.code, label: p.name || p.code }))} />}
          empty={none
            ? <EmptyState title={t('backup.noPlan')} help={t('backup.noPlanHelp')} action={may ? <Button type="primary" onClick={() => void go('/r/backup-plans/new')}>{t('backup.newPlan')}</Button> : undefined} />
            : <EmptyState title={t('backup.none')} help={t('backup.noneHelp')} />}
          total={list.data?.total} page={page} size={size} onPage={(p, s) => { setSize(s); set({ page: String(p) }); }} />
      )}
      {open && <BackupDrawer key={open} id={open} may={may} onClose={() => set({ backup: '' })} onJob={toJob} onGone={() => { set({ backup: '' }); void list.refetch(); }} />}
    </div>
  );
}
