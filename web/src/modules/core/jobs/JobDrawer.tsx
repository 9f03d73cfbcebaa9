/* One job: what it does, how far it is, its log as it grows; cancel and try again. */
import { Alert, Button, Drawer, Progress } from 'antd';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { ErrorState, Loading } from '@/components/states';
import { useNow } from '@/lib/clock';
import { asError, get, post, seg } from '@/lib/api';
import { textOf, useApi } from '@/lib/resources';
import { formatDuration, formatTime } from '@/lib/time';
import { ended, percent, type Job, type JobDetail, type JobLogAnswer } from './types';
import './jobs.css';

/* Lines as they come: asks for what is after the last one, each second while the job runs. */
function useLog(id: string, over: boolean) {
  const [lines, setLines] = useState<JobLogAnswer['items']>([]);
  const [error, setError] = useState<unknown>(null);
  const last = useRef(0);
  useEffect(() => {
    let alive = true;
    let timer = 0;
    const ask = async () => {
      try {
        const answer = await get<JobLogAnswer>(`/jobs/${seg(id)}/log`, { after: last.current });
        if (!alive) return;
        last.current = answer.items.at(-1)?.n ?? last.current;
        if (answer.items.length > 0) setLines((was) => [...was, ...answer.items].slice(-5000));
        setError(null);
        if (!over || answer.items.length > 0) timer = window.setTimeout(() => void ask(), answer.items.length > 0 ? 200 : 1000);
      } catch (e) {
        if (!alive) return;
        setError(e);
        timer = window.setTimeout(() => void ask(), 5000);
      }
    };
    void ask();
    return () => {
      alive = false;
      window.clearTimeout(timer);
    };
  }, [id, over]);
  return { lines, error };
}

function Log({ job }: { job: Job }) {
  const { t } = useTranslation();
  const box = useRef<HTMLDivElement>(null);
  const { lines, error } = useLog(job.id, ended(job));
  useEffect(() => {
    const el = box.current;
    if (el && el.scrollHeight - el.scrollTop - el.clientHeight < 80) el.scrollTop = el.scrollHeight;
  }, [lines]);
  return (
    <>
      {error !== null && <Alert type="warning" showIcon title={asError(error).message} />}
      <div className="job-log" ref={box} role="log" aria-label={t('jobs.log')}>
        {lines.length === 0 && <div className="muted">{t('jobs.noLog')}</div>}
        {lines.map((l) => <div key={l.n} className={l.level}>{formatTime(l.t).slice(11)} {l.text}</div>)}
      </div>
    </>
  );
}

const words = (v: unknown) => (v === undefined || v === null ? '' : typeof v === 'string' ? v : JSON.stringify(v, null, 1));

export function JobDrawer({ id, onClose }: { id: string; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const notify = useNotify();
  const job = useApi<JobDetail>(`/jobs/${seg(id)}`, undefined, { every: 2000, keep: true });
  const j = job.data;
  const now = useNow();
  const act = async (verb: 'cancel' | 'retry') => {
    try {
      await post(`/jobs/${seg(id)}:${verb}`);
      await job.refetch();
    } catch (e) {
      notify.failed(e);
    }
  };
  const title = j ? textOf(j.title, i18n.language, j.type) : t('jobs.title');
  const buttons = j && (ended(j)
    ? j.may.retry && <Button onClick={() => void act('retry')}>{t('action.retry')}</Button>
    : <Button danger disabled={!j.may.cancel || j.state === 'cancelling'} onClick={() => void act('cancel')}>{t('jobs.cancel')}</Button>);
  const took = j?.started_at ? formatDuration((j.ended_at ? Date.parse(j.ended_at) : now) - Date.parse(j.started_at)) : '—';
  return (
    <Drawer open onClose={onClose} title={title} size={640} extra={buttons} styles={{ body: { display: 'flex', flexDirection: 'column', gap: 12 } }}>
      {job.error && !j && <ErrorState error={job.error} retry={() => void job.refetch()} />}
      {!j && !job.error && <Loading />}
      {j && (
        <>
          {j.error && <Alert type="error" showIcon title={j.error.detail} />}
          {!ended(j) && <Progress percent={percent(j)} status="active" />}
          {j.progress.what && !ended(j) && <div className="soft small">{j.progress.what}</div>}
          <dl className="facts">
            <dt>{t('jobs.state')}</dt><dd>{t(`jobs.states.${j.state}`)}{j.attempt > 1 ? ` (${t('jobs.attempt', { n: j.attempt })})` : ''}</dd>
            <dt>{t('jobs.by')}</dt><dd>{j.by || t('jobs.system')}</dd>
            <dt>{t('jobs.started')}</dt><dd>{formatTime(j.started_at)}</dd>
            <dt>{t('jobs.took')}</dt><dd>{took}</dd>
            {words(j.params) && words(j.params) !== '{}' && <><dt>{t('jobs.params')}</dt><dd><pre className="mono json-view">{words(j.params)}</pre></dd></>}
            {words(j.result) && <><dt>{t('jobs.result')}</dt><dd><pre className="mono json-view">{words(j.result).slice(0, 4000)}</pre></dd></>}
          </dl>
          <Log job={j} />
        </>
      )}
    </Drawer>
  );
}
