/* Alarms now: most urgent and newest first, acknowledged or shelved one by one or many at once. Everything
 * that was, under "history". */
import { CheckOutlined, ClockCircleOutlined } from '@ant-design/icons';
import { Button, Input, Segmented, Select } from 'antd';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSearchParams } from 'react-router';
import { DataTable } from '@/components/DataTable';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState } from '@/components/states';
import { TimeRange, useRange } from '@/components/TimeRange';
import { post, seg } from '@/lib/api';
import { useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { resolveRange } from '@/lib/time';
import { useDebounced } from '@/lib/useDebounced';
import { alarmColumns, journalColumns } from './columns';
import { AckDialog, ShelveDialog } from './dialogs';
import { needsAck, type Alarm, type AlarmsAnswer, type JournalAnswer } from './types';

const VIEWS = ['open', 'unacked', 'shelved', 'history'] as const;
type View = (typeof VIEWS)[number];

export function AlarmsPage() {
  const { t } = useTranslation();
  const [params, setParams] = useSearchParams();
  const may = useCan()('alarm', 'write');
  const notify = useNotify();
  const [range, setRange] = useRange({ from: 'now-24h', to: 'now' });
  const view = (VIEWS as readonly string[]).includes(params.get('view') ?? '') ? (params.get('view') as View) : 'open';
  const priority = params.get('priority') ?? '';
  const [text, setText] = useState(params.get('q') ?? '');
  const q = useDebounced(text.trim(), 300);
  const page = Number(params.get('page') ?? 1);
  const size = Number(params.get('size') ?? 50);
  const [selected, setSelected] = useState<Alarm[]>([]);
  const [dialog, setDialog] = useState<{ kind: 'ack' | 'shelve'; alarms: Alarm[] } | null>(null);
  const abs = useMemo(() => resolveRange(range), [range.from, range.to]); // eslint-disable-line react/exhaustive-deps
  const past = view === 'history';
  const list = useApi<AlarmsAnswer>(past ? null : '/alarms', { state: view, priority, q, page, size }, { keep: true, every: 30000 });
  const journal = useApi<JournalAnswer>(past ? '/alarms/history' : null, { from: Math.round(abs.from), to: Math.round(abs.to), point: q, page, size }, { keep: true });
  const shown = past ? journal : list;
  const rows = list.data?.items ?? [];
  const set = (change: Record<string, string>) => setParams((p) => {
    for (const [k, v] of Object.entries(change)) if (v) p.set(k, v); else p.delete(k);
    return p;
  }, { replace: true });
  const turn = (p: number, n: number) => set({ page: String(p), size: String(n) });
  const open = selected.filter(needsAck);
  const unshelve = async () => {
    try {
      for (const a of selected) await post(`/alarms/${seg(a.id)}:unshelve`);
      await list.refetch();
      setSelected([]);
    } catch (e) {
      notify.failed(e);
    }
  };
  const tools = (
    <>
      <Segmented value={view} onChange={(v) => { setSelected([]); set({ view: v === 'open' ? '' : String(v), page: '' }); }}
        options={VIEWS.map((v) => ({ value: v, label: t(`alarms.views.${v}`) }))} />
      <Input.Search allowClear value={text} onChange={(e) => setText(e.target.value)} placeholder={t('alarms.find')} aria-label={t('alarms.find')} style={{ maxWidth: 240 }} />
      {!past && <Select allowClear value={priority || undefined} onChange={(v?: string) => set({ priority: v ?? '', page: '' })} placeholder={t('alarms.priority')} aria-label={t('alarms.priority')}
        options={[1, 2, 3, 4].map((p) => ({ value: String(p), label: t(`alarms.priorities.${p}`) }))} style={{ minWidth: 110 }} />}
      {may && view !== 'history' && view !== 'shelved' && (
        <>
          <Button type="primary" icon={<CheckOutlined />} disabled={open.length === 0} onClick={() => setDialog({ kind: 'ack', alarms: open })}>{t('alarms.ackN', { n: open.length })}</Button>
          <Button disabled={rows.filter(needsAck).length === 0} onClick={() => setDialog({ kind: 'ack', alarms: rows.filter(needsAck) })}>{t('alarms.ackPage')}</Button>
          <Button icon={<ClockCircleOutlined />} disabled={selected.length === 0} onClick={() => setDialog({ kind: 'shelve', alarms: selected })}>{t('alarms.shelve')}</Button>
        </>
      )}
      {may && view === 'shelved' && <Button disabled={selected.length === 0} onClick={() => void unshelve()}>{t('alarms.unshelve')}</Button>}
    </>
  );
  return (
    <div className="page fixed">
      <PageHeader title={t('alarms.title')} sub={list.data?.counts ? t('alarms.badge', { active: list.data.counts.active, unacked: list.data.counts.unacked }) : undefined}
        extra={view === 'history' ? <TimeRange value={range} onChange={setRange} /> : undefined} />
      {shown.error && !shown.data && <ErrorState error={shown.error} retry={() => void shown.refetch()} />}
      {past && !(journal.error && !journal.data) && (
        <DataTable id="alarms.history" columns={journalColumns(t)} rows={journal.data?.items ?? []} rowKey={(r) => r.id} loading={journal.isPending} tools={tools}
          empty={<EmptyState title={t('alarms.noHistory')} help={t('alarms.emptyHelp')} />} total={journal.data?.total} page={page} size={size} onPage={turn} />
      )}
      {!past && !(list.error && !list.data) && (
        <DataTable id={`alarms.${view}`} columns={alarmColumns(t)} rows={rows} rowKey={(a) => a.id} loading={list.isPending} tools={tools}
          empty={<EmptyState title={t('alarms.quiet')} help={t('alarms.emptyHelp')} />} total={list.data?.total} page={page} size={size} onPage={turn}
          onOpen={may ? (a) => needsAck(a) && setDialog({ kind: 'ack', alarms: [a] }) : undefined}
          selected={may ? selected.map((a) => a.id) : undefined} onSelect={may ? (_k, some) => setSelected(some) : undefined} />
      )}
      {dialog?.kind === 'ack' && <AckDialog alarms={dialog.alarms} onClose={() => { setDialog(null); setSelected([]); }} />}
      {dialog?.kind === 'shelve' && <ShelveDialog alarms={dialog.alarms} onClose={() => { setDialog(null); setSelected([]); }} />}
    </div>
  );
}
