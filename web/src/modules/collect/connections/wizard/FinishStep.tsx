/* Storing: how far it is, what exists now, what went wrong and the way on. */
import { Alert, Button, Progress, Result, Space } from 'antd';
import { useTranslation } from 'react-i18next';
import { useNavigate } from 'react-router';
import { quote } from '@/lib/filter';
import type { Made, Outcome, StepName } from './plan';

interface Props {
  made: Made;
  outcome: Outcome | null;
  progress: { step: StepName; done: number };
  total: number;
  codes: string[];
  rows: { n: number; code: string; text: string }[];   /* what is wrong, by row */
  onRetry: () => void;
  onBack: () => void;
  onMore: () => void;
}

const ORDER: StepName[] = ['channel', 'device', 'points'];

/* What is stored by now, in words. */
function Exists({ made, total }: { made: Made; total: number }) {
  const { t } = useTranslation();
  const done = made.points.size;
  return (
    <ul className="exists">
      <li>{made.channel ? t('connections.finish.channelIs', { code: made.channel.code }) : t('connections.finish.channelNot')}</li>
      <li>{made.device ? t('connections.finish.deviceIs', { code: made.device.code }) : t('connections.finish.deviceNot')}</li>
      <li>{t('connections.finish.pointsAre', { n: done, of: total })}</li>
    </ul>
  );
}

export function FinishStep({ made, outcome, progress, total, codes, rows, onRetry, onBack, onMore }: Props) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  if (!outcome) {
    const percent = progress.step === 'points' ? 20 + (80 * progress.done) / Math.max(1, total) : ORDER.indexOf(progress.step) * 10;
    return (
      <div className="col finish" role="status">
        <Progress percent={Math.round(percent)} status="active" />
        <div>{t(`connections.finish.doing.${progress.step}`, { done: progress.done, total })}</div>
      </div>
    );
  }
  if (outcome.ok) {
    return (
      <Result status="success" title={t('connections.finish.ok')} subTitle={<Exists made={made} total={total} />} extra={(
        <Space wrap className="row center">
          {codes.length > 0 && <Button type="primary" onClick={() => void navigate(`/trends?points=${encodeURIComponent(codes.slice(0, 8).join(','))}&from=now-15m&to=now`)}>{t('connections.finish.trend')}</Button>}
          {made.device && codes.length > 0 && <Button onClick={() => void navigate(`/points?filter=${encodeURIComponent(`device.code=${quote(made.device?.code ?? '')}`)}`)}>{t('connections.finish.points')}</Button>}
          {made.channel && <Button onClick={() => void navigate(`/connections?open=${encodeURIComponent(made.channel?.id ?? '')}`)}>{t('connections.finish.channel')}</Button>}
          <Button onClick={onMore}>{t('connections.finish.more')}</Button>
        </Space>
      )} />
    );
  }
  const faults = outcome.error ? outcome.error.faults().map((f) => (f.where ? `${f.where}: ${f.detail}` : f.detail)) : [];
  return (
    <div className="col finish">
      <Alert type="error" showIcon title={t(`connections.finish.failed.${outcome.step}`)} description={(
        <div className="col">
          {faults.map((f) => <div key={f}>{f}</div>)}
          {outcome.rows.size > 0 && <div>{t('connections.finish.rows', { n: outcome.rows.size })}</div>}
          {rows.length > 0 && <ul className="exists">{rows.slice(0, 8).map((r) => <li key={r.n}>{t('connections.finish.row', { n: r.n, code: r.code })} {r.text}</li>)}{rows.length > 8 && <li>…</li>}</ul>}
          <div>{t('connections.finish.now')}</div>
          <Exists made={made} total={total} />
          <div className="soft">{t('connections.finish.retryHelp')}</div>
        </div>
      )} />
      <Space>
        <Button type={rows.length > 0 ? 'default' : 'primary'} onClick={onRetry}>{t('action.retry')}</Button>
        <Button type={rows.length > 0 ? 'primary' : 'default'} onClick={onBack}>{t('connections.finish.fix')}</Button>
      </Space>
    </div>
  );
}
