/* Empty, error, loading: each has a design and the next action. */
import { Button, Skeleton } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError, asError } from '@/lib/api';
import { Shape } from './Shape';
import './components.css';

export function EmptyState({ title, help, action }: { title: string; help?: string; action?: ReactNode }) {
  return (
    <div className="state-box">
      <Shape name="ring" color="var(--off)" />
      <div className="state-title">{title}</div>
      {help && <div>{help}</div>}
      {action}
    </div>
  );
}

export function FaultList({ error }: { error: ApiError }) {
  if (error.errors.length === 0) return error.where ? <div className="mono">{error.where}</div> : null;
  return (
    <ul>
      {error.errors.slice(0, 12).map((f, i) => (
        <li key={`${f.where ?? ''}${i}`}>{f.where && <span className="mono">{f.where}: </span>}{f.detail}</li>
      ))}
    </ul>
  );
}

export function ErrorState({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useTranslation();
  const e = asError(error);
  const title = e.status === 403 ? t('state.denied') : e.status === 404 ? t('state.notFound') : e.offline ? t('state.offline') : e.title || t('state.failed');
  return (
    <div className="state-box" role="alert">
      <Shape name={e.offline ? 'triangle' : 'square'} color="var(--bad)" />
      <div className="state-title">{title}</div>
      <div>{e.message}</div>
      <FaultList error={e} />
      {retry && <Button onClick={retry}>{t('action.retry')}</Button>}
    </div>
  );
}

export function Loading({ rows = 6 }: { rows?: number }) {
  return <div className="panel-body" aria-busy="true"><Skeleton active title={false} paragraph={{ rows }} /></div>;
}
