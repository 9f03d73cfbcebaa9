/* What stands over and under the plot: loading, failed, nothing there; the window in words. */
import { Alert, Button, Tag } from 'antd';
import { useTranslation } from 'react-i18next';
import { asError } from '@/lib/api';
import { formatTime, zoneLabel } from '@/lib/time';
import type { Engine } from './engine';
import { lowerBound } from './line';
import { useEngineView } from './useTrend';

function isEmpty(engine: Engine, code: string, from: number, to: number): boolean {
  const line = engine.model.lines.get(code);
  if (!line) return false; /* not asked yet */
  return line.t.length === 0 || line.t[Math.max(0, lowerBound(line.t, to) - 1)] < from;
}

export function StageState({ engine, codes, live }: { engine: Engine; codes: string[]; live: boolean }) {
  const { t } = useTranslation();
  const { from, to } = useEngineView(engine);
  const { loading, error, truncated } = engine.loader.state;
  const nothing = codes.length > 0 && !loading && !error && codes.every((c) => isEmpty(engine, c, from, to));
  return (
    <>
      {loading && <div className="trend-busy" role="progressbar" aria-label={t('trends.loading')} />}
      {error ? <Alert className="trend-note" type="error" showIcon title={asError(error).message} action={<Button size="small" onClick={() => engine.loader.refresh()}>{t('action.retry')}</Button>} /> : null}
      {nothing && <div className="trend-note quiet">{t('trends.noData')}</div>}
      {truncated && <div className="trend-note quiet">{t('trends.truncated')}</div>}
      <div className="trend-foot small muted"><span className="num">{formatTime(from)} – {formatTime(to)}</span><span>{zoneLabel()}</span>{!live && <Tag>{t('trends.paused')}</Tag>}</div>
    </>
  );
}
