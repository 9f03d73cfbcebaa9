/* Import in three steps: file -> dry run with a report per row -> import with its report. */
import { InboxOutlined } from '@ant-design/icons';
import { Alert, Button, Checkbox, Modal, Progress, Steps } from 'antd';
import { useQueryClient } from '@tanstack/react-query';
import { useRef, useState, type DragEvent } from 'react';
import { useTranslation } from 'react-i18next';
import { asError } from '@/lib/api';
import { download } from '@/lib/browser';
import { importCsv, staleKind, textOf } from '@/lib/resources';
import { FaultList } from '@/components/states';
import type { BulkReport, KindDoc } from '@/lib/types';
import { Report } from './Report';

/* Excel in China saves CSV as GB18030: what is not UTF-8 is read as that. */
export async function readText(file: Blob): Promise<string> {
  const bytes = await file.arrayBuffer();
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('gb18030').decode(bytes);
  }
}

function template(kind: KindDoc): string {
  const fields = kind.fields.flatMap((f) => (f.type === 'object' ? (f.fields ?? []).map((g) => `${f.name}.${g.name}`) : f.type === 'array' || f.read_only ? [] : [f.name]));
  return `\ufeff${['code', 'name', ...fields].join(',')}\r\n`;
}

export function ImportWizard({ kind, onClose }: { kind: KindDoc; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const input = useRef<HTMLInputElement>(null);
  const [step, setStep] = useState(0);
  const [csv, setCsv] = useState('');
  const [name, setName] = useState('');
  const [over, setOver] = useState(false);
  const [skip, setSkip] = useState(false);
  const [busy, setBusy] = useState(false);
  const [report, setReport] = useState<BulkReport | null>(null);
  const [error, setError] = useState<unknown>(null);
  const run = async (text: string, dry: boolean) => {
    setBusy(true);
    setError(null);
    try {
      setReport(await importCsv(kind.plural, text, dry, dry || skip));
      setStep(dry ? 1 : 2);
      if (!dry) await staleKind(client, kind.plural);
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  const take = async (file: File | undefined) => {
    if (!file) return;
    const text = await readText(file);
    setName(file.name);
    setCsv(text);
    await run(text, true);
  };
  const drop = (e: DragEvent) => {
    e.preventDefault();
    setOver(false);
    void take(e.dataTransfer.files[0]);
  };
  const good = (report?.created ?? 0) + (report?.updated ?? 0);
  const footer = step === 1
    ? [<Button key="back" onClick={() => { setStep(0); setReport(null); }}>{t('action.back')}</Button>,
       <Button key="go" type="primary" loading={busy} disabled={good === 0 || (report?.failed !== 0 && !skip)} onClick={() => void run(csv, false)}>{t('import.run', { n: good })}</Button>]
    : [<Button key="close" type={step === 2 ? 'primary' : 'default'} onClick={onClose}>{t(step === 2 ? 'action.done' : 'action.cancel')}</Button>];
  return (
    <Modal open width={820} title={t('import.titleOf', { what: textOf(kind.titles ?? kind.title, i18n.language) })} onCancel={onClose} footer={footer} mask={{ closable: false }}>
      <div className="col">
        <Steps size="small" current={step} items={[{ title: t('import.file') }, { title: t('import.check') }, { title: t('import.result') }]} />
        {error !== null && <Alert type="error" showIcon title={asError(error).message} description={<FaultList error={asError(error)} />} />}
        {busy && <Progress percent={99} status="active" showInfo={false} aria-label={t('import.busy')} />}
        {step === 0 && (
          <div className={`drop${over ? ' over' : ''}`} onDragOver={(e) => { e.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)} onDrop={drop}>
            <p><InboxOutlined className="drop-icon" /></p>
            <p>{t('import.drop')}</p>
            <input ref={input} type="file" accept=".csv,.txt,text/csv" hidden onChange={(e) => void take(e.target.files?.[0])} />
            <div className="row wrap center">
              <Button type="primary" onClick={() => input.current?.click()}>{t('import.choose')}</Button>
              <Button onClick={() => download(`${kind.plural}-template.csv`, template(kind))}>{t('import.template')}</Button>
            </div>
            <p className="muted small">{t('import.help')}</p>
          </div>
        )}
        {step > 0 && report && (
          <>
            <div className="soft">{name}</div>
            <Report report={report} dryRun={step === 1} />
            {step === 1 && report.failed > 0 && <Checkbox checked={skip} onChange={(e) => setSkip(e.target.checked)}>{t('import.skip')}</Checkbox>}
          </>
        )}
      </div>
    </Modal>
  );
}
