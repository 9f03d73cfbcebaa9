/* What the broker does, where it listens, and who is connected or has a session that waits. */
import { Alert, Button, Input, Modal, Pagination, Segmented } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { DataTable, type DataColumn } from '@/components/DataTable';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { RelativeTime } from '@/components/RelativeTime';
import { EmptyState, ErrorState } from '@/components/states';
import { post, seg } from '@/lib/api';
import type { GetMqttClientsAnswer, GetMqttStatusAnswer } from '@/lib/api.gen';
import { useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { formatCount } from '@/lib/units';
import { useDebounced } from '@/lib/useDebounced';

type Client = GetMqttClientsAnswer['items'][number];
type State = '' | 'connected' | 'away';
const SIZE = 100;
const FIGURES = ['connections', 'sessions', 'subscriptions', 'retained', 'received', 'sent', 'samples', 'dropped', 'denied', 'login_failed'] as const;

function Status({ s }: { s: GetMqttStatusAnswer }) {
  const { t } = useTranslation();
  const broken = s.listeners.filter((l) => l.enabled && l.problem);
  return (
    <>
      {broken.map((l) => <Alert key={l.code} type="error" showIcon title={`${l.code}: ${l.problem}`} />)}
      <div className="figures">
        {FIGURES.map((f) => <div key={f} className="figure"><span className="muted small">{t(`mqtt.figure.${f}`)}</span><b className="num">{formatCount(s[f])}</b></div>)}
      </div>
      <div className="row wrap small">
        <span className="muted">{t('mqtt.listeners')}</span>
        {s.listeners.filter((l) => l.enabled && !l.problem).map((l) => <Link key={l.code} to={`/r/mqtt-listeners/${seg(l.code)}`}><span className="mono">{`${l.tls ? 'mqtts' : 'mqtt'}://${l.address}:${l.port}`}</span> ({l.connections})</Link>)}
      </div>
    </>
  );
}

export function ClientsPage() {
  const { t } = useTranslation();
  const notify = useNotify();
  const [modal, holder] = Modal.useModal();
  const may = useCan()('mqtt', 'admin');
  const [text, setText] = useState('');
  const [state, setState] = useState<State>('');
  const [page, setPage] = useState(1);
  const q = useDebounced(text, 250);
  const status = useApi<GetMqttStatusAnswer>('/mqtt/status', undefined, { every: 2000, keep: true });
  const list = useApi<GetMqttClientsAnswer>('/mqtt/clients', { q, state, page, size: SIZE }, { every: 5000, keep: true });
  const end = async (c: Client) => {
    try {
      await post(`/mqtt/clients/${seg(c.id)}:disconnect`);
      notify.done(t('mqtt.ended', { id: c.client_id }));
      await list.refetch();
    } catch (e) {
      notify.failed(e);
    }
  };
  const ask = (c: Client) => void modal.confirm({
    title: t(c.connected ? 'mqtt.endTitle' : 'mqtt.forgetTitle', { id: c.client_id }), content: t(c.connected ? 'mqtt.endHelp' : 'mqtt.forgetHelp', { n: c.queued }),
    okText: t(c.connected ? 'mqtt.end' : 'mqtt.forget'), okButtonProps: { danger: true }, cancelText: t('action.cancel'), onOk: () => end(c),
  });
  const columns: DataColumn<Client>[] = [
    { key: 'client_id', title: t('mqtt.client'), width: 200, render: (_v, r) => <span className="mono">{r.client_id}</span> },
    { key: 'name', title: t('mqtt.who'), width: 180, render: (_v, r) => (r.role === 'device' ? <Link to={`/r/push-devices/${seg(r.owner)}`}>{r.name}</Link> : r.name) },
    { key: 'state', title: t('mqtt.state'), width: 150, render: (_v, r) => (r.connected ? <span className="quality good">{t('mqtt.connected')} <RelativeTime at={r.since} /></span> : <span className="soft">{t('mqtt.away')} <RelativeTime at={r.away_since} /></span>) },
    { key: 'address', title: t('mqtt.address'), width: 170, render: (_v, r) => r.address ?? '—' },
    { key: 'protocol', title: t('mqtt.protocol'), width: 120, render: (_v, r) => `${r.protocol ?? '—'}${r.tls ? ' TLS' : ''}` },
    { key: 'received', title: t('mqtt.figure.received'), width: 110, align: 'right', render: (_v, r) => formatCount(r.received) },
    { key: 'sent', title: t('mqtt.figure.sent'), width: 110, align: 'right', render: (_v, r) => formatCount(r.sent) },
    { key: 'queued', title: t('mqtt.queued'), width: 110, align: 'right', render: (_v, r) => `${formatCount(r.queued)}${r.dropped > 0 ? ` (−${formatCount(r.dropped)})` : ''}` },
    { key: 'subscriptions', title: t('mqtt.figure.subscriptions'), width: 260, render: (_v, r) => <span className="mono small">{r.subscriptions.map((s) => s.filter).join('  ')}</span> },
    { key: 'x', title: '', width: 100, render: (_v, r) => may && <Button size="small" danger onClick={() => ask(r)}>{t(r.connected ? 'mqtt.end' : 'mqtt.forget')}</Button> },
  ];
  return (
    <div className="page fixed">
      {holder}
      <PageHeader title={t('mqtt.title')} />
      {status.data && <Status s={status.data} />}
      <div className="row wrap">
        <Input.Search allowClear value={text} onChange={(e) => { setText(e.target.value); setPage(1); }} placeholder={t('mqtt.search')} aria-label={t('mqtt.search')} style={{ width: 'min(320px, 100%)' }} />
        <Segmented<State> value={state} onChange={(v) => { setState(v); setPage(1); }} options={[{ value: '', label: t('mqtt.allStates') }, { value: 'connected', label: t('mqtt.connected') }, { value: 'away', label: t('mqtt.away') }]} />
      </div>
      {list.error && !list.data ? <ErrorState error={list.error} retry={() => void list.refetch()} />
        : <DataTable id="mqtt-clients" columns={columns} rows={list.data?.items ?? []} rowKey={(r) => r.id} loading={list.isPending} empty={<EmptyState title={t('mqtt.empty')} help={t('mqtt.emptyHelp')} />} />}
      {(list.data?.total ?? 0) > SIZE && <Pagination size="small" current={page} pageSize={SIZE} total={list.data?.total} showSizeChanger={false} onChange={setPage} />}
    </div>
  );
}
