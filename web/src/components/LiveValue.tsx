/* One live value of a point, with unit; rendered again only when this point changes. While nothing comes
 * from the server it is shown as stale with its age. */
import { useTranslation } from 'react-i18next';
import type { LiveValue as Tag } from '@/lib/frame';
import { useStale } from '@/lib/net';
import { useTag } from '@/lib/tagStore';
import { useNow } from '@/lib/clock';
import { QUALITY, REASONS } from '@/lib/quality';
import { formatDuration } from '@/lib/time';
import { formatValue, unitText } from '@/lib/units';
import { QualityBadge } from './QualityBadge';
import './components.css';

const STALE = REASONS.indexOf('stale');

function ageText(ms: number): string {
  return ms < 1000 ? '<1s' : formatDuration(Math.floor(ms / 1000) * 1000);
}

function Age({ tag }: { tag: Tag }) {
  return <>{ageText(useNow() - tag.t)}</>;
}

/* Where there is no quality beside the value, `age` puts the age of a stale value behind it. */
export function LiveValue({ num, unit, decimals, age }: { num: number | undefined; unit?: string; decimals?: number; age?: boolean }) {
  const { t } = useTranslation();
  const tag = useTag(num);
  const stale = useStale();
  if (!tag) return <span className="live none">—</span>;
  return (
    <span className={`live ${QUALITY[tag.q] ?? 'bad'}${stale ? ' stale' : ''}`} title={stale ? t('quality.reason.stale') : undefined}>
      {formatValue(tag.v, decimals)}
      {unit && <span className="unit">{unitText(unit)}</span>}
      {stale && age && <span className="unit">{t('quality.reason.stale')} <Age tag={tag} /></span>}
    </span>
  );
}

export function LiveQuality({ num, compact, age }: { num: number | undefined; compact?: boolean; age?: boolean }) {
  const tag = useTag(num);
  const stale = useStale();
  if (!tag) return <span className="muted">—</span>;
  if (stale && tag.q !== 2) return <span className="row small"><QualityBadge q={1} r={STALE} compact={compact} />{(age || !compact) && <span className="quality uncertain"><Age tag={tag} /></span>}</span>;
  return <QualityBadge q={tag.q} r={tag.r} compact={compact} />;
}

export function LiveAge({ num }: { num: number | undefined }) {
  const tag = useTag(num);
  const now = useNow();
  if (!tag) return <span className="muted">—</span>;
  return <span className="muted">{ageText(now - tag.t)}</span>;
}
