/* One live value of a point, with unit; rendered again only when this point changes. */
import { useTag } from '@/lib/tagStore';
import { useNow } from '@/lib/clock';
import { QUALITY } from '@/lib/quality';
import { formatDuration } from '@/lib/time';
import { formatValue, unitText } from '@/lib/units';
import { QualityBadge } from './QualityBadge';
import './components.css';

export function LiveValue({ num, unit, decimals }: { num: number | undefined; unit?: string; decimals?: number }) {
  const tag = useTag(num);
  if (!tag) return <span className="live none">—</span>;
  return (
    <span className={`live ${QUALITY[tag.q] ?? 'bad'}`}>
      {formatValue(tag.v, decimals)}
      {unit && <span className="unit">{unitText(unit)}</span>}
    </span>
  );
}

export function LiveQuality({ num, compact }: { num: number | undefined; compact?: boolean }) {
  const tag = useTag(num);
  if (!tag) return <span className="muted">—</span>;
  return <QualityBadge q={tag.q} r={tag.r} compact={compact} />;
}

export function LiveAge({ num }: { num: number | undefined }) {
  const tag = useTag(num);
  const now = useNow();
  if (!tag) return <span className="muted">—</span>;
  return <span className="muted">{now - tag.t < 1000 ? '<1s' : formatDuration(Math.floor((now - tag.t) / 1000) * 1000)}</span>;
}
