/* Chips with the number of connections in each state; one filters. */
import { useTranslation } from 'react-i18next';
import { ChannelStateBadge } from '@/components/HeartbeatBar';
import type { ChannelState } from '@/lib/types';
import { STATES } from './list';

export function StateFilter({ items, value, onChange }: { items: { state: ChannelState }[]; value: string; onChange: (s: string) => void }) {
  const { t } = useTranslation();
  return (
    <div className="row wrap state-filter" role="group" aria-label={t('connections.col.state')}>
      {STATES.map((s) => {
        const n = items.filter((c) => c.state === s).length;
        if (n === 0 && value !== s) return null;
        return <button key={s} type="button" aria-pressed={value === s} className={`chip${value === s ? ' on' : ''}`} onClick={() => onChange(value === s ? '' : s)}><ChannelStateBadge state={s} /> <b className="num">{n}</b></button>;
      })}
    </div>
  );
}
