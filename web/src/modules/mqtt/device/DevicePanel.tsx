/* What goes to a device: is it there, what it was told (shared attributes) and what it made of it, commands. */
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { RelativeTime } from '@/components/RelativeTime';
import type { GetMqttClientsAnswer } from '@/lib/api.gen';
import { useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import type { Resource } from '@/lib/types';
import { Commands } from './Commands';
import { SharedAttributes } from './SharedAttributes';
import { listens } from './values';
import '@/components/link/link.css';
import './device.css';

/* Only for whoever may see the broker's clients; a device behind a gateway has no connection of its own. */
function Presence({ resource }: { resource: Resource }) {
  const { t } = useTranslation();
  const { data } = useApi<GetMqttClientsAnswer>('/mqtt/clients', { q: resource.code, size: 50 }, { every: 3000, keep: true });
  if (!data) return null;
  const mine = data.items.filter((c) => c.owner === resource.id);
  const here = mine.find((c) => c.connected) ?? mine[0];
  const gateway = String(resource.spec.parent ?? '');
  if (!here) return <div className="row wrap small"><span className="quality uncertain">{t('mqtt.device.never')}</span>{gateway && <span className="soft">{t('mqtt.device.behind')} <Link to={`/r/push-devices/${encodeURIComponent(gateway)}`}>{t('mqtt.device.gateway')}</Link></span>}</div>;
  const hears = mine.some((c) => c.connected && listens(c.subscriptions.map((s) => s.filter)));
  return (
    <div className="row wrap small" role="status">
      {here.connected ? <span className="quality good">{t('mqtt.connected')} <RelativeTime at={here.since} /></span> : <span className="quality bad">{t('mqtt.away')} <RelativeTime at={here.away_since} /></span>}
      {here.address && <span className="mono muted">{here.address}</span>}
      <span className="muted">{here.protocol}{here.tls ? ' TLS' : ''}</span>
      {here.connected && <span className={`quality ${hears ? 'good' : 'uncertain'}`}>{t(hears ? 'mqtt.device.listens' : 'mqtt.device.deaf')}</span>}
    </div>
  );
}

export function DevicePanel({ resource }: { resource: Resource }) {
  const can = useCan();
  return (
    <div className="col device-panel">
      {can('mqtt', 'read') && <Presence resource={resource} />}
      <SharedAttributes resource={resource} />
      <Commands resource={resource} />
    </div>
  );
}
