/* What a run over many resources shows while it goes: how far, and the way to stop it. */
import { Alert, Button, Progress } from 'antd';
import { useTranslation } from 'react-i18next';
import { asError } from '@/lib/api';
import type { Progress as Done } from '@/lib/bulk';
import { FaultList } from '@/components/states';
import { formatCount } from '@/lib/units';

export function RunBox({ progress, error, cancel }: { progress: Done | null; error: unknown; cancel: () => void }) {
  const { t } = useTranslation();
  if (error !== null) return <Alert type="error" showIcon title={asError(error).message} description={<FaultList error={asError(error)} />} />;
  if (!progress) return null;
  return (
    <div className="col" aria-live="polite">
      <Progress percent={progress.total > 0 ? Math.floor((100 * progress.done) / progress.total) : 0} status="active" />
      <div className="row between">
        <span className="soft">{t('bulk.progress', { done: formatCount(progress.done), total: formatCount(progress.total) })}</span>
        <Button size="small" onClick={cancel}>{t('bulk.stop')}</Button>
      </div>
    </div>
  );
}
