/* Connections: every channel with its state, what is wrong with it, and what can be done about it. */
import { CopyOutlined, DeleteOutlined, EditOutlined, MoreOutlined, PauseCircleOutlined, PlayCircleOutlined, PlusOutlined, SearchOutlined, ThunderboltOutlined } from '@ant-design/icons';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Button, Dropdown, Input, type MenuProps } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate, useSearchParams } from 'react-router';
import { ChannelStateBadge, HeartbeatBar } from '@/components/HeartbeatBar';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { call, post, seg, type ApiError } from '@/lib/api';
import { staleKind, textOf, useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import type { ChannelStatus, ChannelsAnswer, TestAnswer } from '@/lib/types';
import { formatCount } from '@/lib/units';
import { ChannelEditor } from './ChannelEditor';
import { DeleteChannel } from './DeleteChannel';
import { useDrivers } from './drivers';
import { Diagnostics } from './Diagnostics';
import { matching } from '@/components/link/list';
import { StateFilter } from '@/components/link/StateFilter';
import { TestAlert } from '@/components/link/TestResult';
import '@/components/link/link.css';

type Doing = { what: 'edit' | 'copy' | 'delete'; channel: ChannelStatus } | null;

function useActions(setDoing: (d: Doing) => void, setTested: (t: Tested) => void) {
  const { t } = useTranslation();
  const can = useCan();
  const navigate = useNavigate();
  const client = useQueryClient();
  const notify = useNotify();
  const enable = useMutation<unknown, ApiError, { id: string; on: boolean }>({
    mutationFn: ({ id, on }) => call('PATCH', `/channels/${seg(id)}`, { body: { spec: { enabled: on } } }),
    onSuccess: () => staleKind(client, 'channels'),
    onError: (e) => notify.failed(e),
  });
  const test = async (c: ChannelStatus) => {
    setTested({ id: c.id, busy: true, answer: null, error: null });
    try {
      setTested({ id: c.id, busy: false, answer: await post<TestAnswer>(`/channels/${seg(c.id)}:test`), error: null });
    } catch (error) {
      setTested({ id: c.id, busy: false, answer: null, error });
    }
  };
  return (c: ChannelStatus): MenuProps['items'] => [
    ...(can('channel', 'write') ? [
      { key: 'test', icon: <ThunderboltOutlined />, label: t('connections.test.button'), onClick: () => void test(c) },
      { key: 'device', icon: <PlusOutlined />, label: t('connections.action.addDevice'), onClick: () => void navigate(`/connections/new?channel=${encodeURIComponent(c.id)}`) },
      { key: 'edit', icon: <EditOutlined />, label: t('connections.action.edit'), onClick: () => setDoing({ what: 'edit', channel: c }) },
      { key: 'copy', icon: <CopyOutlined />, label: t('connections.action.duplicate'), onClick: () => setDoing({ what: 'copy', channel: c }) },
      { key: 'enable', icon: c.state === 'off' ? <PlayCircleOutlined /> : <PauseCircleOutlined />, label: t(c.state === 'off' ? 'connections.action.enable' : 'connections.action.disable'), onClick: () => enable.mutate({ id: c.id, on: c.state === 'off' }) },
    ] : []),
    ...(can('channel', 'delete') ? [{ type: 'divider' as const }, { key: 'delete', danger: true, icon: <DeleteOutlined />, label: t('action.delete'), onClick: () => setDoing({ what: 'delete', channel: c }) }] : []),
  ];
}

interface Tested {
  id: string;
  busy: boolean;
  answer: TestAnswer | null;
  error: unknown;
}

function Row({ c, driver, items, tested, onOpen, onTested }: { c: ChannelStatus; driver: string; items: MenuProps['items']; tested: Tested | null; onOpen: () => void; onTested: () => void }) {
  const { t } = useTranslation();
  const alive = c.state === 'up' || c.state === 'degraded';
  return (
    <div className={`conn ${c.state}`} role="listitem">
      {/* eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions */}
      <div className="conn-row" onClick={onOpen}>
        <span className="conn-state"><ChannelStateBadge state={c.state} /></span>
        <span className="conn-name">
          <button type="button" className="link-button mono" onClick={(e) => { e.stopPropagation(); onOpen(); }} aria-label={t('connections.openDiag', { code: c.code })}>{c.code}</button>
          <span className="soft ellipsis">{c.name !== c.code && c.name}</span>
          <span className="muted small ellipsis" title={driver}>{driver}</span>
        </span>
        <span className="conn-beat"><HeartbeatBar history={c.history} /></span>
        <span className="conn-num num" data-label={t('connections.col.rtt')}>{alive && c.rtt_ms !== null ? `${c.rtt_ms.toFixed(1)} ms` : <span className="muted">—</span>}</span>
        <span className="conn-num num" data-label={t('connections.col.rate')}>{c.samples_per_s.toFixed(1)}</span>
        <span className="conn-num num" data-label={t('connections.col.goodOf')}>{formatCount(c.good)} / {formatCount(c.points)}{c.bad > 0 && <span className="bad-text"> {t('connections.badCount', { n: c.bad })}</span>}</span>
        <span className="conn-reason" title={c.reason}>{c.reason}</span>
        {/* eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions */}
        <span className="conn-menu" onClick={(e) => e.stopPropagation()}>
          {items && items.length > 0 && <Dropdown menu={{ items }} trigger={['click']} placement="bottomRight"><Button type="text" loading={tested?.busy ?? false} icon={<MoreOutlined />} aria-label={t('connections.actions', { code: c.code })} /></Dropdown>}
        </span>
      </div>
      {tested && !tested.busy && <div className="conn-tested"><TestAlert answer={tested.answer} error={tested.error} onClose={onTested} /></div>}
    </div>
  );
}

export function ConnectionsPage() {
  const { t, i18n } = useTranslation();
  const can = useCan();
  const navigate = useNavigate();
  const [params, setParams] = useSearchParams();
  const [doing, setDoing] = useState<Doing>(null);
  const [tested, setTested] = useState<Tested | null>(null);
  const { data, error, refetch } = useApi<ChannelsAnswer>('/channels:status', undefined, { every: 2000, keep: true });
  const title = new Map((useDrivers().data ?? []).map((d) => [d.name, textOf(d.title, i18n.language, d.name)]));
  const itemsOf = useActions(setDoing, setTested);
  const [q, state, open] = ['q', 'state', 'open'].map((k) => params.get(k) ?? '');
  const set = (key: string, value: string) => setParams((p) => {
    if (value) p.set(key, value);
    else p.delete(key);
    return p;
  }, { replace: true, flushSync: true });
  const all = data?.items ?? [];
  const shown = matching(all, q, state, (c) => title.get(c.driver ?? '') ?? '');
  const opened = all.find((c) => c.id === open || c.code === open);
  const add = can('channel', 'write') && <Button type="primary" icon={<PlusOutlined />} onClick={() => void navigate('/connections/new')}>{t('connections.new')}</Button>;
  return (
    <div className="page">
      <PageHeader title={t('connections.title')} sub={data ? t('connections.sub', { n: all.length, points: formatCount(all.reduce((n, c) => n + c.points, 0)) }) : undefined} extra={add} />
      {data && all.length > 0 && (
        <div className="row wrap">
          <Input className="conn-search" allowClear prefix={<SearchOutlined />} defaultValue={q} onChange={(e) => set('q', e.target.value)} placeholder={t('connections.search')} aria-label={t('connections.search')} />
          <StateFilter items={all} value={state} onChange={(s) => set('state', s)} />
        </div>
      )}
      {error && !data ? <ErrorState error={error} retry={() => void refetch()} />
        : !data ? <div className="panel"><Loading rows={8} /></div>
        : all.length === 0 ? <div className="panel"><EmptyState title={t('connections.empty')} help={t('connections.emptyHelp')} action={add} /></div>
        : shown.length === 0 ? <div className="panel"><EmptyState title={t('state.nothingFound')} /></div>
        : (
          <div className="panel conn-list" role="list" aria-label={t('connections.title')} aria-busy={Boolean(error)}>
            <div className="conn-head" aria-hidden="true">
              <span>{t('connections.col.state')}</span><span>{t('connections.col.channel')}</span><span>{t('connections.col.beat')}</span><span className="num">{t('connections.col.rtt')}</span><span className="num">{t('connections.col.rate')}</span><span className="num">{t('connections.col.goodOf')}</span><span>{t('connections.col.reason')}</span><span />
            </div>
            {shown.map((c) => <Row key={c.id} c={c} driver={title.get(c.driver ?? '') ?? c.driver ?? ''} items={itemsOf(c)} tested={tested?.id === c.id ? tested : null} onOpen={() => set('open', c.id)} onTested={() => setTested(null)} />)}
          </div>
        )}
      {open && (
        <Diagnostics key={open} id={open} note={tested && opened?.id === tested.id && !tested.busy && <TestAlert answer={tested.answer} error={tested.error} onClose={() => setTested(null)} />} onClose={() => set('open', '')} actions={opened && (
          <Dropdown menu={{ items: itemsOf(opened) }} trigger={['click']} placement="bottomRight"><Button icon={<MoreOutlined />} aria-label={t('connections.actions', { code: opened.code })} /></Dropdown>
        )} />
      )}
      {doing && doing.what !== 'delete' && <ChannelEditor id={doing.channel.id} copy={doing.what === 'copy'} taken={all.map((c) => c.code)} onClose={() => setDoing(null)} />}
      {doing?.what === 'delete' && <DeleteChannel channel={doing.channel} onClose={() => setDoing(null)} onGone={() => set('open', '')} />}
    </div>
  );
}
