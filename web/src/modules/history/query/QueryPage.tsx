/* History as a table: stored samples, even times, aggregates of windows or of calendar periods, or an expression
 * over points. All of it in the URL; what is shown can be taken away as CSV or Arrow, or asked again by the API. */
import { DownloadOutlined } from '@ant-design/icons';
import { Alert, Button, Dropdown, Input, Segmented, Select } from 'antd';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSearchParams } from 'react-router';
import { DataTable, type DataColumn } from '@/components/DataTable';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState } from '@/components/states';
import { TimeRange, useRange } from '@/components/TimeRange';
import { BASE, withQuery } from '@/lib/api';
import type { GetHistoryFunctionsAnswer } from '@/lib/api.gen';
import { copyText } from '@/lib/browser';
import { textOf, useApi } from '@/lib/resources';
import { formatTime, resolveRange } from '@/lib/time';
import { formatValue, unitText } from '@/lib/units';
import { CALENDARS, MODES, ofAggregates, ofCalc, ofSamples, readAsked, requestOf, type AggregateSeries, type Asked, type CalcAnswer, type SampleSeries, type Sheet } from './model';
import { PointSelect } from './PointSelect';

type FunctionRow = GetHistoryFunctionsAnswer['items'][number];
type Answer = { series?: (SampleSeries & AggregateSeries)[] } & Partial<CalcAnswer>;

const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

function csvOf(sheet: Sheet): string {
  const cell = (v: unknown) => (v === null || v === undefined ? '' : /[",\n]/.test(String(v)) ? `"${String(v).replaceAll('"', '""')}"` : String(v));
  const head = ['time', ...sheet.columns.map((c) => (c.unit ? `${c.title} [${c.unit}]` : c.title))];
  return [head, ...sheet.rows.map((r) => [new Date(r.t).toISOString(), ...r.cells])].map((r) => r.map(cell).join(',')).join('\r\n');
}

function save(text: string, name: string) {
  const url = URL.createObjectURL(new Blob([`\ufeff${text}`], { type: 'text/csv' }));
  const a = Object.assign(document.createElement('a'), { href: url, download: name });
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function Controls({ asked, functions, set }: { asked: Asked; functions: FunctionRow[]; set: (c: Record<string, string>) => void }) {
  const { t, i18n } = useTranslation();
  const steps = (
    <>
      {asked.mode === 'aggregate' && <Select style={{ width: 130 }} value={asked.calendar || 'interval'} aria-label={t('hquery.periods')} onChange={(v) => set({ calendar: v === 'interval' ? '' : v })}
        options={[{ value: 'interval', label: t('hquery.interval') }, ...CALENDARS.map((c) => ({ value: c, label: t(`hquery.calendar.${c}`) }))]} />}
      {!asked.calendar && <Input style={{ width: 90 }} defaultValue={asked.interval} key={asked.interval} aria-label={t('hquery.interval')} placeholder="1h" onBlur={(e) => set({ interval: e.target.value.trim() || '1h' })} onPressEnter={(e) => set({ interval: e.currentTarget.value.trim() || '1h' })} />}
    </>
  );
  return (
    <div className="row wrap">
      <Segmented value={asked.mode} onChange={(v) => set({ mode: v })} options={MODES.map((m) => ({ value: m, label: t(`hquery.modes.${m}`) }))} />
      {asked.mode !== 'calc' && <PointSelect value={asked.points} onChange={(v) => set({ points: v.join(',') })} />}
      {asked.mode === 'calc' && <Input.Search className="grow" style={{ minWidth: 260 }} defaultValue={asked.expr} key={asked.expr} enterButton={t('hquery.calculate')} placeholder="'LT-GRD-SAG01.JI' / 'LT-GRD-SAG01.FI' * 100" aria-label={t('hquery.expr')} onSearch={(v) => set({ expr: v })} />}
      {asked.mode === 'aggregate' && <Select mode="multiple" maxTagCount="responsive" style={{ minWidth: 240, maxWidth: 420 }} value={asked.fns} aria-label={t('hquery.functions')} placeholder={t('hquery.functions')} showSearch={{ optionFilterProp: 'label' }}
        onChange={(v: string[]) => set({ fn: v.join(',') })} options={functions.map((f) => ({ value: f.name, label: textOf(f.title, i18n.language, f.name), title: [textOf(f.help, i18n.language), f.part13 ? `OPC UA: ${f.part13}` : ''].filter(Boolean).join('\n') }))} />}
      {asked.mode !== 'recorded' && steps}
      {asked.mode === 'recorded' && <Select style={{ width: 120 }} value={asked.quality} aria-label={t('hquery.quality')} onChange={(v) => set({ quality: v })} options={['all', 'usable', 'good'].map((v) => ({ value: v, label: t(`hquery.qualities.${v}`) }))} />}
      {asked.mode === 'recorded' && <Input style={{ width: 120 }} defaultValue={asked.where} key={`w${asked.where}`} aria-label={t('hquery.where')} placeholder={t('hquery.whereHint')} onBlur={(e) => set({ where: e.target.value.trim() })} onPressEnter={(e) => set({ where: e.currentTarget.value.trim() })} />}
    </div>
  );
}

function sheetFrom(asked: Asked, d: Answer | undefined, titleOf: (fn: string) => string): Sheet | null {
  if (!d) return null;
  if (asked.mode === 'calc') return d.t ? ofCalc({ t: d.t, v: d.v ?? [], q: d.q ?? [] }, asked.expr) : null;
  if (!d.series) return null;
  return asked.mode === 'aggregate' ? ofAggregates(d.series, asked.fns, titleOf) : ofSamples(d.series);
}

export function QueryPage() {
  const { t, i18n } = useTranslation();
  const notify = useNotify();
  const [params, setParams] = useSearchParams();
  const [range, setRange] = useRange({ from: 'now-24h', to: 'now' });
  const [page, setPage] = useState({ page: 1, size: 200 });
  const asked = readAsked(params);
  const functions = useApi<GetHistoryFunctionsAnswer>('/history/functions', undefined, { stale: 600000 });
  const abs = useMemo(() => resolveRange(range), [range.from, range.to]); // eslint-disable-line react/exhaustive-deps
  const request = requestOf(asked, abs.from, abs.to, zone());
  const answer = useApi<Answer>(request?.path ?? null, request?.query);
  const titleOf = (fn: string) => textOf(functions.data?.items.find((f) => f.name === fn)?.title, i18n.language, fn);
  const sheet = sheetFrom(asked, answer.data, titleOf);
  const set = (change: Record<string, string>) => {
    setPage((p) => ({ ...p, page: 1 }));
    setParams((p) => {
      for (const [k, v] of Object.entries(change)) if (v) p.set(k, v); else p.delete(k);
      return p;
    }, { replace: true });
  };
  const columns: DataColumn<Sheet['rows'][number]>[] = [
    { key: 't', title: t('hquery.time'), width: 190, fixed: 'left', render: (_v, r) => formatTime(r.t, asked.mode === 'recorded') },
    ...(sheet?.columns ?? []).map((c, i): DataColumn<Sheet['rows'][number]> => ({
      key: c.key, title: c.unit && c.unit !== '1' ? `${c.title} (${unitText(c.unit)})` : c.title, width: Math.max(150, c.title.length * 9 + 60), align: 'right',
      render: (_v, r) => <span className={r.bad[i] ? 'quality bad' : 'num'} title={String(r.cells[i] ?? '')}>{formatValue(r.cells[i])}</span>,
    })),
  ];
  const url = request ? withQuery(`${BASE}${request.path}`, request.query) : '';
  const takeAway = [
    { key: 'csv', label: t('hquery.csv'), disabled: !sheet, onClick: () => sheet && save(csvOf(sheet), 'history.csv') },
    { key: 'arrow', label: t('hquery.arrow'), disabled: !request || asked.mode === 'calc', onClick: () => window.open(`${url}&format=arrow`) },
    { key: 'url', label: t('hquery.copyUrl'), disabled: !request, onClick: () => void copyText(`${location.origin}${url}`).then(() => notify.done(t('hquery.copied'))) },
  ];
  const rows = sheet?.rows ?? [];
  return (
    <div className="page fixed">
      <PageHeader title={t('hquery.title')} extra={(
        <>
          <TimeRange value={range} onChange={setRange} />
          <Dropdown menu={{ items: takeAway }}><Button icon={<DownloadOutlined />}>{t('hquery.take')}</Button></Dropdown>
        </>
      )} />
      <Controls asked={asked} functions={functions.data?.items ?? []} set={set} />
      {sheet?.truncated && <Alert type="warning" showIcon title={t('hquery.truncated')} />}
      {answer.error
        ? <ErrorState error={answer.error} retry={() => void answer.refetch()} />
        : <DataTable id={`history-${asked.mode}`} columns={columns} rows={rows.slice((page.page - 1) * page.size, page.page * page.size)} rowKey={(r) => r.key} loading={request !== null && answer.isFetching}
            empty={request ? <EmptyState title={t('hquery.nothing')} /> : <EmptyState title={t('hquery.choose')} help={t('hquery.chooseHelp')} />}
            total={rows.length} page={page.page} size={page.size} onPage={(p, s) => setPage({ page: p, size: s })} />}
    </div>
  );
}
