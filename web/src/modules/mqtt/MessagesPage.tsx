/* The last messages of every topic, what became of them, and why not: from here to a mapping. */
import { Button, Drawer, Input, Segmented } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { DataTable, type DataColumn } from '@/components/DataTable';
import { PageHeader } from '@/components/PageHeader';
import { RelativeTime } from '@/components/RelativeTime';
import { EmptyState, ErrorState } from '@/components/states';
import { seg } from '@/lib/api';
import type { MqttRecentAnswer } from '@/lib/pending';
import { useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { formatCount } from '@/lib/units';
import { useDebounced } from '@/lib/useDebounced';
import './map/map.css';

type Topic = MqttRecentAnswer['items'][number];
type Message = Topic['messages'][number];
type Outcome = '' | Topic['outcome'];
const SHOWN: Record<Topic['outcome'], string> = { stored: 'good', passed: 'uncertain', refused: 'bad' };

function OutcomeText({ outcome, samples }: { outcome: Topic['outcome']; samples?: number }) {
  const { t } = useTranslation();
  return <span className={`quality ${SHOWN[outcome]}`}>{t(`mqtt.outcome.${outcome}`)}{samples ? ` (${formatCount(samples)})` : ''}</span>;
}

function One({ m }: { m: Message }) {
  const { t } = useTranslation();
  return (
    <div className="panel panel-body col">
      <div className="row wrap small">
        <RelativeTime at={m.at} /><OutcomeText outcome={m.outcome} samples={m.samples} />
        {m.device ? <Link to={`/r/push-devices/${seg(m.device)}`}>{m.from}</Link> : <span>{m.from}</span>}
        {m.mapping && <Link to={`/r/payload-mappings/${seg(m.mapping)}`}>{m.mapping}</Link>}
        <span className="muted">{t('mqtt.bytes', { n: formatCount(m.size) })}</span>
      </div>
      <pre className="map-payload">{m.payload ?? m.payload_hex}</pre>
      {m.cut && <div className="muted small">{t('mqtt.map.cut')}</div>}
    </div>
  );
}

function Messages({ topic, close }: { topic: string; close: () => void }) {
  const { t } = useTranslation();
  const may = useCan()('payload_mapping', 'write');
  const { data, error, refetch } = useApi<MqttRecentAnswer>('/mqtt/recent', { topic, size: 50 }, { every: 3000, keep: true });
  return (
    <Drawer open onClose={close} title={<span className="mono">{topic}</span>} size={640}
      extra={may && <Link to={`/r/payload-mappings/new?sample=${encodeURIComponent(topic)}`}><Button type="primary">{t('mqtt.map.make')}</Button></Link>}>
      {error && !data && <ErrorState error={error} retry={() => void refetch()} />}
      <div className="col">
        {data?.items.map((x) => (
          <div key={x.messages[0]?.device ?? x.topic} className="col">
            {x.problem && <div className={x.outcome === 'stored' ? 'muted small' : 'map-fault small'}>{x.problem} · <RelativeTime at={x.problem_at} /></div>}
            {x.messages.map((m) => <One key={m.at + m.from} m={m} />)}
          </div>
        ))}
        {data?.items.length === 0 && <EmptyState title={t('mqtt.messagesEmpty')} />}
      </div>
    </Drawer>
  );
}

export function MessagesPage() {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const [outcome, setOutcome] = useState<Outcome>('');
  const [open, setOpen] = useState<string | null>(null);
  const q = useDebounced(text, 250);
  const list = useApi<MqttRecentAnswer>('/mqtt/recent', { q, outcome, size: 200 }, { every: 3000, keep: true });
  const columns: DataColumn<Topic>[] = [
    { key: 'topic', title: t('mqtt.topic'), width: 230, render: (_v, r) => <Button type="link" size="small" className="mono" onClick={() => setOpen(r.topic)}>{r.topic}</Button> },
    { key: 'from', title: t('mqtt.who'), width: 120, render: (_v, r) => r.messages[0]?.from ?? '—' },
    { key: 'last', title: t('mqtt.last'), width: 100, render: (_v, r) => <RelativeTime at={r.last} /> },
    { key: 'outcome', title: t('mqtt.became'), width: 140, render: (_v, r) => <OutcomeText outcome={r.outcome} samples={r.messages[0]?.samples} /> },
    { key: 'reason', title: t('mqtt.reason'), width: 360, render: (_v, r) => r.reason },
    { key: 'mapping', title: t('mqtt.map.mapping'), width: 150, render: (_v, r) => (r.messages[0]?.mapping ? <Link to={`/r/payload-mappings/${seg(r.messages[0].mapping)}`}>{r.messages[0].mapping}</Link> : '—') },
    { key: 'not', title: t('mqtt.notStored'), width: 110, align: 'right', render: (_v, r) => formatCount(r.passed + r.refused) },
    { key: 'payload', title: t('mqtt.payload'), width: 320, render: (_v, r) => <span className="mono small">{(r.messages[0]?.payload ?? r.messages[0]?.payload_hex ?? '').slice(0, 120)}</span> },
  ];
  return (
    <div className="page fixed">
      <PageHeader title={t('mqtt.messages')} extra={<Link to="/r/payload-mappings">{t('mqtt.map.mappings')}</Link>} />
      <div className="row wrap">
        <Input.Search allowClear value={text} onChange={(e) => setText(e.target.value)} placeholder={t('mqtt.searchTopic')} aria-label={t('mqtt.searchTopic')} style={{ width: 'min(320px, 100%)' }} />
        <Segmented<Outcome> value={outcome} onChange={setOutcome} options={[{ value: '', label: t('mqtt.allStates') }, ...(['stored', 'passed', 'refused'] as const).map((v) => ({ value: v, label: t(`mqtt.outcome.${v}`) }))]} />
      </div>
      {list.error && !list.data ? <ErrorState error={list.error} retry={() => void list.refetch()} />
        : <DataTable id="mqtt-messages" columns={columns} rows={list.data?.items ?? []} rowKey={(r) => `${r.topic}\n${r.messages[0]?.device ?? ''}`} loading={list.isPending} empty={<EmptyState title={t('mqtt.messagesEmpty')} help={t('mqtt.messagesHelp')} />} />}
      {open !== null && <Messages topic={open} close={() => setOpen(null)} />}
    </div>
  );
}
