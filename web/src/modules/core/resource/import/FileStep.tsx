/* A file by choosing or dropping it, or rows copied in Excel. */
import { InboxOutlined, SnippetsOutlined } from '@ant-design/icons';
import { Button, Input, Progress } from 'antd';
import { useRef, useState, type DragEvent } from 'react';
import { useTranslation } from 'react-i18next';
import { BASE } from '@/lib/api';
import type { KindDoc } from '@/lib/types';
import { sheetToCsv } from './mapping';

interface Props {
  kind: KindDoc;
  progress: number | null;
  onFile: (file: Blob, name: string) => void;
}

export function FileStep({ kind, progress, onFile }: Props) {
  const { t } = useTranslation();
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const [pasting, setPasting] = useState(false);
  const [text, setText] = useState('');
  const drop = (e: DragEvent) => {
    e.preventDefault();
    setOver(false);
    const file = e.dataTransfer.files[0];
    if (file) onFile(file, file.name);
  };
  const rows = text ? sheetToCsv(text).split('\r\n').length - 1 : 0;
  if (progress !== null) return <Progress percent={Math.round(progress * 100)} status="active" aria-label={t('import.busy')} />;
  if (pasting) {
    return (
      <div className="col">
        <span className="soft">{t('imp.pasteHelp')}</span>
        <Input.TextArea autoFocus className="mono" rows={10} value={text} onChange={(e) => setText(e.target.value)} aria-label={t('imp.paste')} spellCheck={false} />
        <div className="row">
          <Button type="primary" disabled={rows < 1} onClick={() => onFile(new Blob([`\ufeff${sheetToCsv(text)}`], { type: 'text/csv' }), `${t('imp.pasted')}.csv`)}>{t('imp.takeRows', { n: Math.max(0, rows) })}</Button>
          <Button onClick={() => setPasting(false)}>{t('action.back')}</Button>
        </div>
      </div>
    );
  }
  return (
    <div className={`drop${over ? ' over' : ''}`} onDragOver={(e) => { e.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)} onDrop={drop}>
      <p><InboxOutlined className="drop-icon" /></p>
      <p>{t('imp.drop')}</p>
      <input ref={input} type="file" accept=".csv,.txt,.tsv,.xlsx,.json,text/csv" hidden onChange={(e) => { const f = e.target.files?.[0]; if (f) onFile(f, f.name); e.target.value = ''; }} />
      <div className="row wrap center">
        <Button type="primary" onClick={() => input.current?.click()}>{t('import.choose')}</Button>
        <Button icon={<SnippetsOutlined />} onClick={() => setPasting(true)}>{t('imp.paste')}</Button>
      </div>
      <p className="muted small">{t('imp.help')}</p>
      <p className="small"><a href={`${BASE}/${kind.plural}:template?format=xlsx`} download={`${kind.plural}-template.xlsx`}>{t('imp.templateXlsx')}</a> · <a href={`${BASE}/${kind.plural}:template?format=csv`} download={`${kind.plural}-template.csv`}>{t('imp.templateCsv')}</a></p>
    </div>
  );
}
