/* Storage: what the history holds and where, how it grows, who uses it, the engines behind it, and what was damaged. */
import { FileSearchOutlined } from '@ant-design/icons';
import { Badge, Button, Tabs } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { ErrorState, Loading } from '@/components/states';
import { post } from '@/lib/api';
import { useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { DamageTable } from './DamageTable';
import { EngineTable } from './EngineTable';
import { Overview } from './Overview';
import type { StorageAnswer } from './types';
import { UsageTable } from './UsageTable';
import './storage.css';

/* Reads and checks every block: a job, followed on the page of jobs. */
function ScrubButton() {
  const { t } = useTranslation();
  const notify = useNotify();
  const go = useNavigate();
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      const job = await post<{ id: string }>('/jobs', { type: 'history.scrub', params: {} });
      void go(`/system/jobs?job=${encodeURIComponent(job.id)}`);
    } catch (e) {
      notify.failed(e);
    } finally {
      setBusy(false);
    }
  };
  return <Button icon={<FileSearchOutlined />} loading={busy} onClick={() => void run()} title={t('storage.scrubHelp')}>{t('storage.scrub')}</Button>;
}

export function StoragePage() {
  const { t } = useTranslation();
  const can = useCan();
  const [params, setParams] = useSearchParams();
  const tab = params.get('tab') ?? 'overview';
  const storage = useApi<StorageAnswer>('/storage', undefined, { every: 10000, keep: true });
  const damaged = storage.data?.engine.damaged_blocks ?? 0;
  return (
    <div className="page fixed">
      <PageHeader title={t('storage.title')} extra={(
        <>
          <Link to="/r/archive-classes">{t('storage.classes')}</Link>
          {can('archive_class', 'admin') && <ScrubButton />}
        </>
      )} />
      <Tabs className="storage-tabs" activeKey={tab} onChange={(k) => setParams({ tab: k }, { replace: true })} items={[
        { key: 'overview', label: t('storage.overview') },
        { key: 'usage', label: t('storage.usage') },
        { key: 'engines', label: t('storage.engines') },
        { key: 'damage', label: <Badge count={damaged} size="small" offset={[8, 0]}>{t('storage.damage')}</Badge> },
      ]} />
      {tab === 'overview' && (storage.error && !storage.data
        ? <ErrorState error={storage.error} retry={() => void storage.refetch()} />
        : storage.data ? <Overview storage={storage.data} /> : <Loading />)}
      {tab === 'usage' && <UsageTable />}
      {tab === 'engines' && <EngineTable />}
      {tab === 'damage' && <DamageTable />}
    </div>
  );
}
