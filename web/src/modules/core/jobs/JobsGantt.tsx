/* The day as bars: which job ran when, for how long, how it ended. */
import dayjs from 'dayjs';
import { useTranslation } from 'react-i18next';
import { useNow } from '@/lib/clock';
import { formatDuration, formatTime } from '@/lib/time';
import { lanesOf, marksOf, type Bar } from './gantt';
import type { Job } from './types';
import './jobs.css';

interface Props {
  jobs: Job[];
  from: number;
  to: number;
  titleOf: (type: string) => string;
  onOpen: (job: Job) => void;
}

function tip(bar: Bar, title: string, state: string): string {
  const start = Date.parse(bar.job.started_at as string);
  const end = bar.job.ended_at ? Date.parse(bar.job.ended_at) : Date.now();
  return `${title} · ${state}\n${formatTime(start)} · ${formatDuration(end - start)}${bar.job.error ? `\n${bar.job.error.detail}` : ''}`;
}

export function JobsGantt({ jobs, from, to, titleOf, onOpen }: Props) {
  const { t } = useTranslation();
  const now = useNow();
  const lanes = lanesOf(jobs, from, to, now);
  const at = (ms: number) => `${((ms - from) / (to - from)) * 100}%`;
  return (
    <div className="gantt panel" role="group" aria-label={t('jobs.gantt')}>
      <div className="gantt-axis"><span className="gantt-name" /><div className="gantt-track">
        {marksOf(from, to).map((m) => <span key={m} className="gantt-mark" style={{ left: at(m) }}>{dayjs(m).format(to - from > 2 * 86400000 ? 'MM-DD' : 'HH:mm')}</span>)}
      </div></div>
      {lanes.map((lane) => (
        <div key={lane.type} className="gantt-lane">
          <span className="gantt-name ellipsis" title={lane.type}>{titleOf(lane.type)}</span>
          <div className="gantt-track" style={{ height: lane.rows * 18 + 4 }}>
            {now > from && now < to && <i className="gantt-now" style={{ left: at(now) }} />}
            {lane.bars.map((bar) => (
              <button type="button" key={bar.job.id} className={`gantt-bar ${bar.job.state}`} title={tip(bar, titleOf(lane.type), t(`jobs.states.${bar.job.state}`))}
                aria-label={tip(bar, titleOf(lane.type), t(`jobs.states.${bar.job.state}`))} onClick={() => onOpen(bar.job)}
                style={{ left: `${bar.from * 100}%`, width: `${(bar.to - bar.from) * 100}%`, top: bar.row * 18 + 2 }} />
            ))}
          </div>
        </div>
      ))}
      {lanes.length === 0 && <div className="muted small gantt-empty">{t('jobs.noneThen')}</div>}
    </div>
  );
}
