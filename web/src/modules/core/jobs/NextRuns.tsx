/* When a schedule would run next, by its stored rule. */
import { useTranslation } from 'react-i18next';
import { seg } from '@/lib/api';
import { useApi } from '@/lib/resources';
import { formatTime } from '@/lib/time';
import type { Resource } from '@/lib/types';

export function NextRuns({ resource }: { resource: Resource }) {
  const { t } = useTranslation();
  const next = useApi<{ items: string[] }>(`/schedules/${seg(resource.id)}/next`, { n: 5 });
  if (next.error) return <div className="muted small">{next.error.message}</div>;
  return (
    <section className="form-group">
      <div className="form-group-title">{t('jobs.next')}</div>
      {(next.data?.items ?? []).map((at) => <div key={at}>{formatTime(at)}</div>)}
      {next.data?.items.length === 0 && <div className="muted">{t('jobs.never')}</div>}
    </section>
  );
}
