/* Forwardings: each with its state, what goes out, what waits in its buffer. */
import { CopyOutlined, DeleteOutlined, EditOutlined, MoreOutlined, PauseCircleOutlined, PlayCircleOutlined, PlusOutlined, SearchOutlined, ThunderboltOutlined } from '@ant-design/icons';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Button, Dropdown, Input, type MenuProps } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSearchParams } from 'react-router';
import { ConfirmDelete } from '@/components/ConfirmDelete';
import { ChannelStateBadge, HeartbeatBar } from '@/components/HeartbeatBar';
import { matching } from '@/components/link/list';
import { StateFilter } from '@/components/link/StateFilter';
import { TestAlert } from '@/components/link/TestResult';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { call, post, seg, type ApiError } from '@/lib/api';
import { staleKind, textOf, useApi, useRemove } from '@/lib/resources';
import { useCan } from '@/lib/session';
import type { ForwardStatus, Outlet, TestAnswer } from '@/lib/types';
import { formatCount } from '@/lib/units';
import { ForwardDrawer } from './ForwardDrawer';
import { ForwardEditor } from './ForwardEditor';
import { useOutlets } from './outlets';
import '@/components/link/link.css';

type Doing = { what: 'new' | 'edit' | 'copy' | 'delete'; forward: ForwardStatus | null } | null;

interface Tested {
  id: string;
  busy: boolean;
  answer: TestAnswer | null;
  error: unknown;
}

function useActions(setDoing: (d: Doing) => void, setTested: (t: Tested) => void) {
  const { t } = useTranslation();
  const can = useCan();
  const client = useQueryClient();
  const notify = useNotify();
  const enable = useMutation<unknown, ApiError, { id: string; on: boolean }>({
    mutationFn: ({ id, on }) => call('PATCH', `/forwards/${seg(id)}`, { body: { spec: { enabled: on } } }),
    onSuccess: () => staleKind(client, 'forwards'),
    onError: (e) => notify.failed(e),
  });
  const test = async (f: ForwardStatus) => {
    setTested({ id: f.id, busy: true, answer: null, error: null });
    try {
      setTested({ id: f.id, busy: false, answer: await post<TestAnswer>(`/forwards/${seg(f.id)}:test`), error: null });
    } catch (error) {
      setTested({ id: f.id, busy: false, answer: null, error });
    }
  };
  return (f: ForwardStatus): MenuProps['items'] => [
    ...(can('forward', 'write') ? [
      { key: 'test', icon: <ThunderboltOutlined />, label: t('connections.test.button'), onClick: () => void test(f) },
      { key: 'edit', icon: <EditOutlined />, label: t('connections.action.edit'), onClick: () => setDoing({ what: 'edit', forward: f }) },
      { key: 'copy', icon: <CopyOutlined />, label: t('connections.action.duplicate'), onClick: () => setDoing({ what: 'copy', forward: f }) },
      { key: 'enable', icon: f.state === 'off' ? <PlayCircleOutlined /> : <PauseCircleOutlined />, label: t(f.state === 'off' ? 'connections.action.enable' : 'connections.action.disable'), onClick: () => enable.mutate({ id: f.id, on: f.state === 'off' }) },
    ] : []),
    ...(can('forward', 'delete') ? [{ type: 'divider' as const }, { key: 'delete', danger: true, icon: <DeleteOutlined />, label: t('action.delete'), onClick: () => setDoing({ what: 'delete', forward: f }) }] : []),
  ];
}

function Row({ f, outlet, items, tested, onOpen, onTested }: { f: ForwardStatus; outlet: Outlet | undefined; items: MenuProps['items']; tested: Tested | null; onOpen: () => void; onTested: () => void }) {
  const { t, i18n } = useTranslation();
  const waiting = f.buffer?.backlog ?? 0;
  return (
    <div className={`conn ${f.state}`} role="listitem">
      {/* eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions */}
      <div className="conn-row" onClick={onOpen}>
        <span className="conn-state"><ChannelStateBadge state={f.state} /></span>
        <span className="conn-name">
          <button type="button" className="link-button mono" onClick={(e) => { e.stopPropagation(); onOpen(); }} aria-label={t('connections.openDiag', { code: f.code })}>{f.code}</button>
          <span className="soft ellipsis">{f.name !== f.code && f.name}</span>
          <span className="muted small ellipsis">{textOf(outlet?.title, i18n.language, f.outlet ?? '')}</span>
        </span>
        <span className="conn-beat"><HeartbeatBar history={f.history} /></span>
        <span className="conn-num num" data-label={t('forward.col.points')}>{formatCount(f.points)}{f.faults > 0 && <span className="bad-text"> {t('connections.badCount', { n: f.faults })}</span>}</span>
        <span className="conn-num num" data-label={t('forward.col.rate')}>{f.items_per_s.toFixed(1)}</span>
        <span className="conn-num num" data-label={t('forward.col.buffer')}>{!f.buffer ? <span className="muted">—</span> : waiting > 0 ? <span className="bad-text">{t('forward.waiting', { n: formatCount(waiting) })}</span> : t('forward.noneWaiting')}</span>
        <span className="conn-reason" title={f.reason}>{f.reason}</span>
        {/* eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions */}
        <span className="conn-menu" onClick={(e) => e.stopPropagation()}>
          {items && items.length > 0 && <Dropdown menu={{ items }} trigger={['click']} placement="bottomRight"><Button type="text" loading={tested?.busy ?? false} icon={<MoreOutlined />} aria-label={t('connections.actions', { code: f.code })} /></Dropdown>}
        </span>
      </div>
      {tested && !tested.busy && <div className="conn-tested"><TestAlert answer={tested.answer} error={tested.error} onClose={onTested} /></div>}
    </div>
  );
}

export function ForwardsPage() {
  const { t, i18n } = useTranslation();
  const can = useCan();
  const [params, setParams] = useSearchParams();
  const [doing, setDoing] = useState<Doing>(null);
  const [tested, setTested] = useState<Tested | null>(null);
  const { data, error, refetch } = useApi<{ items: ForwardStatus[] }>('/forwards:status', undefined, { every: 2000, keep: true });
  const outlets = useOutlets().data ?? [];
  const remove = useRemove('forwards');
  const itemsOf = useActions(setDoing, setTested);
  const [q, state, open] = ['q', 'state', 'open'].map((k) => params.get(k) ?? '');
  const set = (key: string, value: string) => setParams((p) => {
    if (value) p.set(key, value);
    else p.delete(key);
    return p;
  }, { replace: true, flushSync: true });
  const all = data?.items ?? [];
  const shown = matching(all, q, state, (f) => textOf(outlets.find((o) => o.name === f.outlet)?.title, i18n.language));
  const opened = all.find((f) => f.id === open || f.code === open);
  const add = can('forward', 'write') && <Button type="primary" icon={<PlusOutlined />} onClick={() => setDoing({ what: 'new', forward: null })}>{t('forward.new')}</Button>;
  return (
    <div className="page">
      <PageHeader title={t('forward.title')} sub={data ? t('forward.sub', { n: all.length }) : undefined} extra={add} />
      {data && all.length > 0 && (
        <div className="row wrap">
          <Input className="conn-search" allowClear prefix={<SearchOutlined />} defaultValue={q} onChange={(e) => set('q', e.target.value)} placeholder={t('forward.search')} aria-label={t('forward.search')} />
          <StateFilter items={all} value={state} onChange={(s) => set('state', s)} />
        </div>
      )}
      {error && !data ? <ErrorState error={error} retry={() => void refetch()} />
        : !data ? <div className="panel"><Loading rows={6} /></div>
        : all.length === 0 ? <div className="panel"><EmptyState title={t('forward.empty')} help={t('forward.emptyHelp')} action={add} /></div>
        : shown.length === 0 ? <div className="panel"><EmptyState title={t('state.nothingFound')} /></div>
        : (
          <div className="panel conn-list" role="list" aria-label={t('forward.title')} aria-busy={Boolean(error)}>
            <div className="conn-head" aria-hidden="true">
              <span>{t('connections.col.state')}</span><span>{t('forward.col.forward')}</span><span>{t('connections.col.beat')}</span><span className="num">{t('forward.col.points')}</span><span className="num">{t('forward.col.rate')}</span><span className="num">{t('forward.col.buffer')}</span><span>{t('connections.col.reason')}</span><span />
            </div>
            {shown.map((f) => <Row key={f.id} f={f} outlet={outlets.find((o) => o.name === f.outlet)} items={itemsOf(f)} tested={tested?.id === f.id ? tested : null} onOpen={() => set('open', f.id)} onTested={() => setTested(null)} />)}
          </div>
        )}
      {open && (
        <ForwardDrawer key={open} id={open} outlets={outlets} note={tested && opened?.id === tested.id && !tested.busy && <TestAlert answer={tested.answer} error={tested.error} onClose={() => setTested(null)} />} onClose={() => set('open', '')} actions={opened && (
          <Dropdown menu={{ items: itemsOf(opened) }} trigger={['click']} placement="bottomRight"><Button icon={<MoreOutlined />} aria-label={t('connections.actions', { code: opened.code })} /></Dropdown>
        )} />
      )}
      {doing && doing.what !== 'delete' && <ForwardEditor id={doing.forward?.id ?? null} copy={doing.what === 'copy'} taken={all.map((f) => f.code)} onClose={() => setDoing(null)} onSaved={(id) => { setDoing(null); void refetch(); if (doing.what === 'new') set('open', id); }} />}
      {doing?.what === 'delete' && doing.forward && <ConfirmDelete open what={doing.forward.code} type={doing.forward.code} onClose={() => setDoing(null)} onDelete={async () => { await remove.mutateAsync({ id: doing.forward?.id ?? '' }); set('open', ''); void refetch(); }} />}
    </div>
  );
}
