/* Step 3: the points, typed, pasted or made by range, read once before they are stored. */
import { ApartmentOutlined, ColumnWidthOutlined, ExperimentOutlined, PlusOutlined, QuestionCircleOutlined, SnippetsOutlined } from '@ant-design/icons';
import { Alert, Button, Input, Modal, Popover, Space, Switch } from 'antd';
import { useCallback, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { asError } from '@/lib/api';
import { textOf } from '@/lib/resources';
import type { Driver, FieldDoc, Spec } from '@/lib/types';
import { BrowseDialog } from './BrowseDialog';
import { askBranch, askSearch, type AskBranch, type AskSearch } from './browse';
import { PointSheet } from './PointSheet';
import { RangeDialog } from './RangeDialog';
import { askServer, readAll, type ReadResult } from './reader';
import { COLUMNS, readPaste, specOf, type Column } from './sheet';
import { filled, type Sheet } from './useSheet';

interface Props {
  sheet: Sheet;
  driver: Driver | undefined;
  fields: FieldDoc[];
  deviceCode: string;
  source: () => { channel: string | Spec; device: string | Spec };
}

const SHORT: Column[] = ['code', 'name', 'address', 'type', 'scale', 'unit', 'lo', 'hi', 'period', 'writable'];

function useReads(props: Props) {
  const [reads, setReads] = useState<Map<number, ReadResult>>(new Map());
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const running = useRef(false);
  const latest = useRef(props);
  useEffect(() => {
    latest.current = props;
  });
  const run = useCallback(async () => {
    if (running.current) return;
    running.current = true;
    setBusy(true);
    setError(null);
    const { sheet, fields, source } = latest.current;
    const rows = filled(sheet.rows).filter((r) => (r.cells.address ?? '').trim() !== '');
    const got = new Map<number, ReadResult>();
    try {
      const { channel, device } = source();
      await readAll(askServer(channel, device), rows.map((r) => ({ key: r.key, spec: specOf(r, fields) })), (key, r) => got.set(key, r));
    } catch (e) {
      setError(e);
    }
    setReads(got);
    setBusy(false);
    running.current = false;
  }, []);
  return { reads, busy, error, run };
}

function PasteDialog({ open, fields, onClose, onRows }: { open: boolean; fields: FieldDoc[]; onClose: () => void; onRows: (rows: Partial<Record<Column, string>>[], unknown: string[]) => void }) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const pasted = readPaste(text, 'code', fields);
  return (
    <Modal open={open} title={t('connections.paste.title')} width={760} okText={t('connections.paste.add', { n: pasted.rows.length })} okButtonProps={{ disabled: pasted.rows.length === 0 }} cancelText={t('action.cancel')} onCancel={onClose} destroyOnHidden
      onOk={() => { onRows(pasted.rows, pasted.unknown); setText(''); onClose(); }}>
      <div className="col">
        <div className="soft">{t('connections.paste.help')}</div>
        <code className="mono small">{COLUMNS.join('  ')}</code>
        <Input.TextArea autoFocus className="mono" rows={10} value={text} onChange={(e) => setText(e.target.value)} aria-label={t('connections.paste.title')} />
        {pasted.unknown.length > 0 && <Alert type="warning" showIcon title={t('connections.paste.unknown', { names: pasted.unknown.join('、') })} />}
      </div>
    </Modal>
  );
}

export function PointsStep(props: Props) {
  const { sheet, driver, fields, deviceCode } = props;
  const { t, i18n } = useTranslation();
  const [dialog, setDialog] = useState<'range' | 'paste' | null>(null);
  const [wide, setWide] = useState(false);
  const [note, setNote] = useState<string | null>(null);
  const [follow, setFollow] = useState(false);
  const { reads, busy, error, run } = useReads(props);
  const rows = filled(sheet.rows);
  const [browse, setBrowse] = useState<{ ask: AskBranch; search: AskSearch } | null>(null);
  useEffect(() => {
    if (!follow) return undefined;
    void run();
    const timer = setInterval(() => void run(), 2000);
    return () => clearInterval(timer);
  }, [follow, run]);
  const pasted = (n: number, unknown: string[]) => setNote([t('connections.paste.done', { n }), unknown.length > 0 ? t('connections.paste.unknown', { names: unknown.join('、') }) : ''].filter(Boolean).join(' '));
  const examples = (driver?.examples ?? []).map(String);
  const good = [...reads.values()].filter((r) => 'item' in r && r.item.quality === 'good').length;
  return (
    <div className="col points-step">
      <div className="row wrap">
        {driver?.browse && <Button icon={<ApartmentOutlined />} type="primary" onClick={() => { const { channel, device } = props.source(); setBrowse({ ask: askBranch(channel, device), search: askSearch(channel, device) }); }}>{t('connections.browse.button')}</Button>}
        <Button icon={<ColumnWidthOutlined />} type="primary" ghost onClick={() => setDialog('range')}>{t('connections.range.button')}</Button>
        <Button icon={<SnippetsOutlined />} onClick={() => setDialog('paste')}>{t('connections.paste.button')}</Button>
        <Button icon={<PlusOutlined />} onClick={() => sheet.append([{}])}>{t('connections.sheet.addRow')}</Button>
        <Space.Compact>
          <Button icon={<ExperimentOutlined />} loading={busy && !follow} disabled={rows.length === 0} onClick={() => void run()}>{t('connections.read.button')}</Button>
          <Button type={follow ? 'primary' : 'default'} aria-pressed={follow} disabled={rows.length === 0} onClick={() => setFollow(!follow)}>{t('connections.read.follow')}</Button>
        </Space.Compact>
        {reads.size > 0 && <span className="soft" role="status">{t('connections.read.result', { good, n: reads.size })}</span>}
        <span className="grow" />
        <label className="row small"><Switch size="small" checked={wide} onChange={setWide} /> {t('connections.sheet.allColumns')}</label>
        {driver && (
          <Popover trigger="click" placement="bottomRight" title={t('connections.sheet.addressHelp')} content={<div className="address-help"><p>{textOf(driver.address_help, i18n.language)}</p><div className="row wrap">{examples.map((x) => <code key={x} className="mono">{x}</code>)}</div><p className="soft small">{t('connections.sheet.keys')}</p></div>}>
            <Button type="text" icon={<QuestionCircleOutlined />}>{t('connections.sheet.addressHelp')}</Button>
          </Popover>
        )}
      </div>
      {note && <Alert type="info" showIcon title={note} closable={{ onClose: () => setNote(null) }} />}
      {error ? <Alert type="error" showIcon title={asError(error).message} /> : null}
      <PointSheet sheet={sheet} columns={wide ? COLUMNS : SHORT} fields={fields} reads={reads} example={examples[0]} onPasted={pasted} />
      <div className="muted small">{t('connections.sheet.count', { n: rows.length })}</div>
      {dialog === 'range' && <RangeDialog device={deviceCode} fields={fields} example={examples[0] ?? ''} next={rows.length + 1} onAdd={sheet.append} onClose={() => setDialog(null)} />}
      {browse && <BrowseDialog ask={browse.ask} search={browse.search} device={deviceCode} taken={new Set(rows.map((r) => r.cells.code ?? ''))} onAdd={sheet.append} onClose={() => setBrowse(null)} />}
      <PasteDialog open={dialog === 'paste'} fields={fields} onClose={() => setDialog(null)} onRows={(cells, unknown) => { sheet.append(cells); pasted(cells.length, unknown); }} />
    </div>
  );
}
