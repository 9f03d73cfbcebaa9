/* Quality as shape + text + colour. Good is quiet: what is normal does not shout. */
import { useTranslation } from 'react-i18next';
import { QUALITY, reasonKey } from '@/lib/quality';
import { Shape, type ShapeName } from './Shape';
import './components.css';

const look: [ShapeName, string][] = [['dot', 'var(--band)'], ['triangle', 'var(--uncertain)'], ['square', 'var(--bad)']];

export function QualityBadge({ q, r = 0, compact = false }: { q: number; r?: number; compact?: boolean }) {
  const { t } = useTranslation();
  const [shape, color] = look[q] ?? look[2];
  const text = t(`quality.${QUALITY[q] ?? 'bad'}`);
  const reason = reasonKey(r) ? t(reasonKey(r)) : '';
  return (
    <span className={`quality ${QUALITY[q] ?? 'bad'}`} title={reason ? `${text}: ${reason}` : text}>
      <Shape name={shape} color={color} />
      {!compact && <span>{q !== 0 && reason ? reason : text}</span>}
    </span>
  );
}
