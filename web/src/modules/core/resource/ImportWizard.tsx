/* Import in four steps: file -> columns to fields -> dry run with a report per row -> the import as a job with
 * its report. A table whose columns are all known goes from the file to the dry run by itself. */
import { Alert, Button, Checkbox, Modal, Progress, Steps } from 'antd';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { asError, post } from '@/lib/api';
import { jobDone, jobEnded, staleKind, textOf, upload, useJob } from '@/lib/resources';
import { FaultList } from '@/components/states';
import { formatCount } from '@/lib/units';
import type { ImportPreview, Job } from '@/lib/pending';
import type { BulkReport, KindDoc } from '@/lib/types';
import { FileStep } from './import/FileStep';
import { MapStep, type Mode } from './import/MapStep';
import { missing, readText, settled, suggest, type Mapping } from './import/mapping';
import { Report } from './Report';
import './resource.css';

type Step = 0 | 1 | 2 | 3;

const faultOf = (job: Job) => job.error?.detail || job.state;

/* Text is sent as UTF-8 whatever Excel wrote; XLSX and JSON as they are. */
async function prepared(file: Blob, name: string): Promise<Blob> {
  if (!/\.(csv|txt|tsv)$/i.test(name)) return file;
  return new Blob([await readText(file)], { type: 'text/csv; charset=utf-8' });
}

function Running({ job, onCancel }: { job: Job | undefined; onCancel: () => void }) {
  const { t } = useTranslation();
  const p = job?.progress;
  return (
    <div className="col" aria-live="polite">
      <Progress percent={p && p.total > 0 ? Math.floor((100 * p.done) / p.total) : 0} status="active" aria-label={t('import.busy')} />
      <div className="row between"><span className="soft">{p ? t('bulk.progress', { done: formatCount(p.done), total: formatCount(p.total) }) : t('import.busy')}</span><Button size="small" onClick={onCancel}>{t('bulk.stop')}</Button></div>
    </div>
  );
}

export function ImportWizard({ kind, onClose }: { kind: KindDoc; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const [step, setStep] = useState<Step>(0);
  const [name, setName] = useState('');
  const [sent, setSent] = useState<number | null>(null);
  const uploaded = useRef('');
  const [preview, setPreview] = useState<ImportPreview | null>(null);
  const [mapping, setMapping] = useState<Mapping>({});
  const [defaults, setDefaults] = useState<Record<string, string>>({});
  const [mode, setMode] = useState<Mode>('upsert');
  const [skip, setSkip] = useState(false);
  const [jobId, setJobId] = useState<string | null>(null);
  const [report, setReport] = useState<BulkReport | null>(null);
  const [last, setLast] = useState<string | null>(null);   /* the job whose report is shown */
  const [error, setError] = useState<unknown>(null);
  const job = useJob(jobId);
  const running = jobId !== null;
  const failed = (e: unknown) => setError(e);

  const start = async (p: ImportPreview, m: Mapping, dry: boolean) => {
    setError(null);
    setReport(null);
    setStep(dry ? 2 : 3);
    try {
      const columns = Object.entries(m).filter(([, field]) => field).map(([column, field]) => ({ column: Number(column), field }));
      const answer = await post<{ job: string }>(`/${kind.plural}:import-run`, {
        upload: uploaded.current, sheet: p.sheet, header_row: p.header_row, mapping: columns, defaults: Object.fromEntries(Object.entries(defaults).filter(([, v]) => v !== '')), mode, dry_run: dry, skip_errors: dry || skip, tz: -new Date().getTimezoneOffset(),
      });
      setJobId(answer.job);
    } catch (e) {
      failed(e);
      if (dry) setStep(1);
    }
  };
  const look = async (sheet?: string, headerRow?: number, arriving = false) => {
    try {
      const p = await post<ImportPreview>(`/${kind.plural}:import-preview`, { upload: uploaded.current, sheet, header_row: headerRow });
      const m = suggest(kind, p.columns, p.fields);
      setPreview(p);
      setMapping(m);
      setStep(1);
      if (arriving && settled(p.fields, p.columns, m)) await start(p, m, true);
    } catch (e) {
      failed(e);
    }
  };
  const take = async (file: Blob, fileName: string) => {
    setError(null);
    setName(fileName);
    setSent(0);
    try {
      uploaded.current = (await upload(await prepared(file, fileName), fileName, setSent)).id;
      await look(undefined, undefined, true);
    } catch (e) {
      failed(e);
    } finally {
      setSent(null);
    }
  };
  useEffect(() => {
    const ended = job.data && jobEnded(job.data) ? job.data : null;
    if (!ended || !jobId) return;
    setJobId(null);
    if (jobDone(ended) || ended.result) setReport({ ...(ended.result as BulkReport), rows: (ended.result as BulkReport).rows ?? [] });
    else setError(new Error(faultOf(ended)));
    if (step === 3) void staleKind(client, kind.plural);
    setLast(ended.id);
  }, [job.data, jobId, step, client, kind.plural]);
  const cancel = () => jobId && void post(`/jobs/${jobId}:cancel`).catch(failed);
  const good = (report?.created ?? 0) + (report?.updated ?? 0);
  const lacking = preview ? missing(preview.fields, mapping, defaults) : [];
  const nothing = Object.values(mapping).every((m) => !m);
  const footer = step === 0 ? [<Button key="c" onClick={onClose}>{t('action.cancel')}</Button>]
    : step === 1 ? [
      <Button key="b" onClick={() => { setStep(0); setPreview(null); }}>{t('action.back')}</Button>,
      <Button key="n" type="primary" disabled={lacking.length > 0 || nothing} onClick={() => preview && void start(preview, mapping, true)}>{t('imp.check')}</Button>,
    ] : step === 2 ? [
      <Button key="b" disabled={running} onClick={() => { setStep(1); setReport(null); setError(null); }}>{t('imp.toMapping')}</Button>,
      <Button key="g" type="primary" loading={running} disabled={!report || good === 0 || (report.failed !== 0 && !skip)} onClick={() => preview && void start(preview, mapping, false)}>{t('import.run', { n: good })}</Button>,
    ] : [<Button key="d" type="primary" loading={running} onClick={onClose}>{t('action.done')}</Button>];
  return (
    <Modal open width={1040} title={t('import.titleOf', { what: textOf(kind.titles ?? kind.title, i18n.language) })} onCancel={onClose} footer={footer} mask={{ closable: false }} keyboard={!running}>
      <div className="col">
        <Steps className="hide-small" size="small" current={step} items={[{ title: t('import.file') }, { title: t('imp.mapping') }, { title: t('import.check') }, { title: t('import.result') }]} />
        {step > 0 && <div className="soft small">{name}</div>}
        {error !== null && <Alert type="error" showIcon title={asError(error).message} description={<FaultList error={asError(error)} />} />}
        {step === 0 && <FileStep kind={kind} progress={sent} onFile={(f, n) => void take(f, n)} />}
        {step === 1 && preview && <MapStep kind={kind} preview={preview} mapping={mapping} defaults={defaults} mode={mode} onSheet={(s, r) => void look(s, r)} onMapping={setMapping} onDefaults={setDefaults} onMode={setMode} />}
        {running && step > 1 && <Running job={job.data} onCancel={cancel} />}
        {report && !running && <Report report={report} dryRun={step === 2} kind={kind} csv={last ? `/jobs/${last}/report.csv` : undefined} />}
        {step === 2 && report && !running && report.failed > 0 && <Checkbox checked={skip} onChange={(e) => setSkip(e.target.checked)}>{t('import.skip')}</Checkbox>}
      </div>
    </Modal>
  );
}
