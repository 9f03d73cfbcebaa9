/* Who did what, when, from where, before and after, and how it ended; searched, exported, and its chain
 * verified. */
import { DownloadOutlined, SafetyCertificateOutlined } from '@ant-design/icons';
import { Alert, Button, Drawer, Dropdown, Input, Select } from 'antd';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSearchParams } from 'react-router';
import { DataTable, type DataColumn } from '@/components/DataTable';
import { DiffTable, type Change } from '@/components/DiffTable';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState } from '@/components/states';
import { TimeRange, useRange } from '@/components/TimeRange';
import { asError, BASE, get, withQuery } from '@/lib/api';
import { textOf, useApi, useKinds } from '@/lib/resources';
import { formatTime, resolveRange } from '@/lib/time';
import { useDebounced } from '@/lib/useDebounced';
import type { AuditAnswer, AuditRow as Row } from '@/lib/types';

type AuditRow = Row & { before_after?: Change[] | null };

interface Verdict {
  ok: boolean;
  records: number;
  checkpoints?: number;
  first_bad?: number | null;
  signed_until?: number | null;
  detail?: string;
}

const words = (v: unknown) => (v === undefined || v === null ? '' : typeof v === 'string' ? v : JSON.stringify(v));
const CLASSES = ['change', 'control', 'security'];
const OUTCOMES = ['done', 'denied', 'failed'];

function Record({ row, onClose }: { row: AuditRow; onClose: () => void }) {
  const { t } = useTranslation();
  const diff = row.before_after ?? [];
  return (
    <Drawer open onClose={onClose} title={t('audit.recordN', { n: row.seq })} size={640}>
      <dl className="facts">
        <dt>{t('audit.at')}</dt><dd>{formatTime(row.at, true)}</dd>
        <dt>{t('audit.by')}</dt><dd>{row.login || '—'}</dd>
        <dt>{t('sessions.address')}</dt><dd>{row.peer || '—'}</dd>
        <dt>{t('audit.action')}</dt><dd className="mono">{row.action}</dd>
        <dt>{t('audit.target')}</dt><dd className="mono">{[row.kind, row.resource].filter(Boolean).join(' ')}</dd>
        <dt>{t('audit.outcome')}</dt><dd>{t(`audit.outcomes.${row.outcome}`, row.outcome)}{row.status ? ` (${row.status})` : ''}</dd>
        {words(row.detail) && <><dt>{t('audit.detail')}</dt><dd className="mono">{words(row.detail)}</dd></>}
      </dl>
      {diff.length > 0 && <DiffTable changes={diff} heads={[t('audit.before'), t('audit.after')]} />}
    </Drawer>
  );
}

function Verify() {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const [error, setError] = useState<unknown>(null);
  const run = async () => {
    setBusy(true);
    setError(null);
    try {
      setVerdict(await get<Verdict>('/audit:verify'));
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Button icon={<SafetyCertificateOutlined />} loading={busy} onClick={() => void run()}>{t('audit.verify')}</Button>
      {error !== null && <Alert type="error" showIcon title={asError(error).message} />}
      {verdict && (verdict.ok
        ? <Alert type="success" showIcon closable={{ onClose: () => setVerdict(null) }} title={t('audit.intact', { n: verdict.records, checkpoints: verdict.checkpoints ?? 0 })} />
        : <Alert type="error" showIcon title={verdict.detail || t('audit.broken', { n: verdict.first_bad ?? 0 })} />)}
    </>
  );
}

export function AuditPage() {
  const { t, i18n } = useTranslation();
  const notify = useNotify();
  const [range, setRange] = useRange({ from: 'now-24h', to: 'now' });
  const [params, setParams] = useSearchParams();
  const [open, setOpen] = useState<AuditRow | null>(null);
  const { data: kinds } = useKinds();
  const [text, setText] = useState(params.get('q') ?? '');
  const q = useDebounced(text.trim(), 300);
  const page = Number(params.get('page') ?? 1);
  const size = Number(params.get('size') ?? 50);
  // "now" is pinned per range: a moving end would be a new query every render
  const abs = useMemo(() => resolveRange(range), [range.from, range.to]); // eslint-disable-line react/exhaustive-deps
  const query = { from: Math.round(abs.from), to: Math.round(abs.to), q, kind: params.get('kind') ?? '', class: params.get('class') ?? '', outcome: params.get('outcome') ?? '' };
  const list = useApi<AuditAnswer>('/audit', { ...query, page, size }, { keep: true });
  const set = (key: string, value: string | undefined) => setParams((p) => {
    if (value) p.set(key, value); else p.delete(key);
    p.delete('page');
    return p;
  }, { replace: true });
  const kindText = (kind: string) => textOf(kinds?.find((k) => k.kind === kind)?.title, i18n.language, t(`access.kind.${kind}`, kind));
  const columns: DataColumn<AuditRow>[] = [
    { key: 'at', title: t('audit.at'), width: 170, render: (_v, r) => <button type="button" className="link-button" onClick={() => setOpen(r)}>{formatTime(r.at)}</button> },
    { key: 'login', title: t('audit.by'), width: 120, dataIndex: 'login' },
    { key: 'class', title: t('audit.class'), width: 90, render: (_v, r) => t(`audit.classes.${r.class}`, r.class) },
    { key: 'resource', title: t('audit.target'), width: 260, render: (_v, r) => <>{r.kind ? kindText(r.kind) : ''} <span className="mono">{r.resource}</span></> },
    { key: 'action', title: t('audit.action'), width: 260, dataIndex: 'action', render: (_v, r) => <span className="mono">{r.action}</span> },
    { key: 'changes', title: t('audit.changes'), width: 260, render: (_v, r) => (r.before_after ?? []).map((c) => c.path).join(', ') },
    { key: 'outcome', title: t('audit.outcome'), width: 110, render: (_v, r) => <span className={r.outcome !== 'done' ? 'quality bad' : ''}>{t(`audit.outcomes.${r.outcome}`, r.outcome)}{r.status >= 400 ? ` (${r.status})` : ''}</span> },
    { key: 'peer', title: t('sessions.address'), width: 150, dataIndex: 'peer' },
    { key: 'detail', title: t('audit.detail'), width: 300, hidden: true, render: (_v, r) => <span className="mono">{words(r.detail)}</span> },
  ];
  const download = (format: string) => {
    const a = document.createElement('a');
    a.href = withQuery(`${BASE}/audit:export`, { ...query, format });
    a.download = '';
    a.click();
    notify.done(t('audit.exporting'));
  };
  const tools = (
    <>
      <Input.Search allowClear value={text} onChange={(e) => setText(e.target.value)} placeholder={t('audit.find')} aria-label={t('audit.find')} style={{ maxWidth: 260 }} />
      <Select allowClear showSearch={{ optionFilterProp: 'label' }} style={{ minWidth: 150 }} value={query.kind || undefined} onChange={(v?: string) => set('kind', v)} placeholder={t('access.kindColumn')} aria-label={t('access.kindColumn')}
        options={(kinds ?? []).map((k) => ({ value: k.kind, label: textOf(k.title, i18n.language, k.kind) }))} />
      <Select allowClear style={{ minWidth: 110 }} value={query.class || undefined} onChange={(v?: string) => set('class', v)} placeholder={t('audit.class')} aria-label={t('audit.class')} options={CLASSES.map((c) => ({ value: c, label: t(`audit.classes.${c}`) }))} />
      <Select allowClear style={{ minWidth: 110 }} value={query.outcome || undefined} onChange={(v?: string) => set('outcome', v)} placeholder={t('audit.outcome')} aria-label={t('audit.outcome')} options={OUTCOMES.map((o) => ({ value: o, label: t(`audit.outcomes.${o}`) }))} />
      <Dropdown trigger={['click']} menu={{ items: [{ key: 'csv', label: 'CSV' }, { key: 'xlsx', label: 'XLSX' }], onClick: ({ key }) => download(key) }}>
        <Button icon={<DownloadOutlined />}>{t('action.export')}</Button>
      </Dropdown>
    </>
  );
  return (
    <div className="page fixed">
      <PageHeader title={t('audit.title')} extra={<><Verify /><TimeRange value={range} onChange={setRange} /></>} />
      {list.error && !list.data ? <ErrorState error={list.error} retry={() => void list.refetch()} /> : (
        <DataTable id="audit" columns={columns} rows={(list.data?.items ?? []) as AuditRow[]} rowKey={(r) => String(r.seq)} loading={list.isPending} tools={tools}
          empty={<EmptyState title={t('audit.empty')} help={t('audit.emptyHelp')} />} onOpen={setOpen} total={list.data?.total} page={page} size={size}
          onPage={(p, s) => setParams((was) => { was.set('page', String(p)); was.set('size', String(s)); return was; }, { replace: true })} />
      )}
      {open && <Record row={open} onClose={() => setOpen(null)} />}
    </div>
  );
}
