/* Honest state of the connection: shape, text and colour; a banner when the server is out of reach. */
import { Button, Tooltip } from 'antd';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { useQueryClient } from '@tanstack/react-query';
import { get } from '@/lib/api';
import { useNow } from '@/lib/clock';
import { useNet } from '@/lib/net';
import { formatDuration } from '@/lib/time';
import { Shape, type ShapeName } from '@/components/Shape';

export function NetState() {
  const { t } = useTranslation();
  const { reachable, stream, lastFrameAt } = useNet();
  const now = useNow();
  let state: string = stream;
  if (!reachable) state = 'offline';
  const look: Record<string, [ShapeName, string]> = {
    offline: ['square', 'var(--bad)'],
    waiting: ['triangle', 'var(--uncertain)'],
    connecting: ['triangle', 'var(--uncertain)'],
    open: ['dot', 'var(--good)'],
    idle: ['ring', 'var(--off)'],
  };
  const [shape, color] = look[state];
  const age = stream === 'open' && lastFrameAt ? t('net.age', { age: formatDuration(Math.max(0, now - lastFrameAt)) }) : '';
  return (
    <Tooltip title={`${t(`net.help.${state}`)}${age ? ` ${age}` : ''}`}>
      <span className="net" role="status" data-net={state}>
        <Shape name={shape} color={color} />
        <span className="hide-small">{t(`net.${state}`)}</span>
      </span>
    </Tooltip>
  );
}

export function OfflineBanner() {
  const { t } = useTranslation();
  const reachable = useNet((s) => s.reachable);
  const stream = useNet((s) => s.stream);
  const client = useQueryClient();
  /* a page that asks nothing learns of a lost server by its stream: look at once whether it still answers */
  useEffect(() => {
    if (stream === 'waiting') get('/session').catch(() => {});
  }, [stream]);
  useEffect(() => {
    if (reachable) return undefined;
    const timer = setInterval(() => {
      get('/session').then(() => client.invalidateQueries(), () => {});
    }, 4000);
    return () => clearInterval(timer);
  }, [reachable, client]);
  if (reachable) return null;
  return (
    <div className="banner bad" role="alert">
      <span className="grow">{t('state.offline')} {t('state.offlineHelp')}</span>
      <Button size="small" onClick={() => void client.invalidateQueries()}>{t('action.retry')}</Button>
    </div>
  );
}
