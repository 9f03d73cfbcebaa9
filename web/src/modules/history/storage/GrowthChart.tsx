/* Bytes a day, and dashed where they go at this pace. */
import { useTranslation } from 'react-i18next';
import { EmptyState, Loading } from '@/components/states';
import { formatBytes } from '@/lib/units';
import { shapeOf } from './growth';
import type { GrowthAnswer } from './types';

const WIDTH = 800;
const HEIGHT = 120;

export function GrowthChart({ answer, free }: { answer: GrowthAnswer | undefined; free: number }) {
  const { t } = useTranslation();
  if (!answer) return <Loading rows={3} />;
  if (answer.items.length < 2) return <EmptyState title={t('storage.noGrowth')} help={t('storage.noGrowthHelp')} />;
  const s = shapeOf(answer.items, answer.per_day_bytes, WIDTH, HEIGHT);
  const first = answer.items[0];
  const last = answer.items[answer.items.length - 1];
  const label = t('storage.growthLabel', { from: first.day, to: last.day, bytes: formatBytes(last.bytes), free: formatBytes(free) });
  return (
    <figure className="storage-growth">
      <span className="muted small storage-top">{formatBytes(s.top)}</span>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
        <polygon points={s.area} className="growth-area" />
        <polyline points={s.line} className="growth-line" />
        {s.forecast && <polyline points={s.forecast} className="growth-forecast" />}
        {s.dots.map((d) => <circle key={d.day} cx={d.x} cy={d.y} r={3} className="growth-dot"><title>{`${d.day}  ${formatBytes(d.bytes)}`}</title></circle>)}
      </svg>
      <figcaption className="row between muted small"><span>{first.day}</span><span>{last.day}</span><span>{t('storage.forecast')}</span></figcaption>
    </figure>
  );
}
