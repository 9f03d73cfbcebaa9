import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { LiveQuality, LiveValue } from '@/components/LiveValue';
import { Shape } from '@/components/Shape';
import { Sparkline } from '@/components/Sparkline';
import { areaPath, trendPath } from '@/lib/links';
import { useNet } from '@/lib/net';
import type { AreaItem, Resource, Series } from '@/lib/types';
import { formatCount } from '@/lib/units';

function Shares({ area }: { area: AreaItem }) {
  const { t } = useTranslation();
  const reachable = useNet((s) => s.reachable);
  const of = Math.max(1, area.points);
  const width = (n: number) => ({ width: n === 0 ? 0 : `max(3px, ${(100 * n) / of}%)` });
  return (
    <>
      <div className={`shares${reachable ? '' : ' stale'}`} role="img" aria-label={t('overview.shares', { good: area.good, uncertain: area.uncertain, bad: area.bad })}>
        <span className="good" style={{ flex: 1 }} />
        <span className="uncertain" style={width(area.uncertain)} />
        <span className="bad" style={width(area.bad)} />
      </div>
      <div className="row wrap small soft">
        {!reachable && <span className="quality uncertain"><Shape name="triangle" color="var(--uncertain)" /> {t('quality.reason.stale')}</span>}
        <span className="quality good"><Shape name="dot" color="var(--band)" /> {t('quality.good')} {formatCount(area.good)}</span>
        <span className={`quality${area.uncertain ? ' uncertain' : ''}`}><Shape name="triangle" color={area.uncertain ? 'var(--uncertain)' : 'var(--hatch)'} /> {t('quality.uncertain')} {formatCount(area.uncertain)}</span>
        <span className={`quality${area.bad ? ' bad' : ''}`}><Shape name="square" color={area.bad ? 'var(--bad)' : 'var(--hatch)'} /> {t('quality.bad')} {formatCount(area.bad)}</span>
        {area.stale > 0 && <span className="quality uncertain"><Shape name="ring" color="var(--uncertain)" /> {t('overview.stale')} {formatCount(area.stale)}</span>}
      </div>
    </>
  );
}

export function AreaCard({ area, sparks, points }: { area: AreaItem; sparks: Map<string, Series>; points: Map<string, Resource> }) {
  const { t, i18n } = useTranslation();
  return (
    <section className="panel area-card">
      <div className="row between">
        <Link to={areaPath(area.path)} className="area-name">{area.name || area.path}{area.title && <span className="soft"> {area.title}</span>}</Link>
        <span className="muted small">{t('overview.nPoints', { n: formatCount(area.points) })}</span>
      </div>
      <Shares area={area} />
      {area.key.map((k) => {
        const s = sparks.get(k.code);
        const spec = points.get(k.code)?.spec;
        const name = (i18n.language === 'en' && (spec?.name_en as string)) || k.name || k.code;
        return (
          <Link key={k.code} to={trendPath([k.code])} className="key-value" title={`${k.code} ${name}`}>
            <span className="key-name ellipsis">{name}</span>
            <span className="key-spark">{s && <Sparkline t={s.t} v={s.v} q={s.q} step={s.step} />}</span>
            <span className="key-now"><LiveValue num={k.num} unit={k.unit} decimals={spec?.decimals as number | undefined} /></span>
            <LiveQuality num={k.num} compact age />
          </Link>
        );
      })}
    </section>
  );
}
