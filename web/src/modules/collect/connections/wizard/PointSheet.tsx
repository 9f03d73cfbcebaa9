/* The table of points: cells as in a spreadsheet (arrows, Enter, paste, Ctrl+D fills down), only the rows
 * in view exist. Errors stand on their cell; the last test read stands at the end of its row. */
import { CloseOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { useEffect, useRef, useState, type ClipboardEvent, type KeyboardEvent } from 'react';
import { useTranslation } from 'react-i18next';
import { QualityBadge } from '@/components/QualityBadge';
import { textOf } from '@/lib/resources';
import { QUALITY } from '@/lib/quality';
import type { FieldDoc, ReadItem } from '@/lib/types';
import { formatValue } from '@/lib/units';
import { readPaste, type Column, type Row } from './sheet';
import type { ReadResult } from './reader';
import type { Sheet } from './useSheet';

const ROW = 34;
const OVER = 8;
const WIDTH: Record<Column, number> = { code: 170, name: 130, address: 170, type: 120, byte_order: 100, scale: 64, offset: 64, unit: 70, decimals: 84, lo: 76, hi: 76, period: 72, deadband: 76, writable: 84 };

interface Props {
  sheet: Sheet;
  columns: Column[];
  fields: FieldDoc[];
  reads: Map<number, ReadResult>;
  example?: string;     /* of an address, in the first row while it is empty */
  onPasted: (rows: number, unknown: string[]) => void;
}

/* As it was read: seven digits, not rounded for a glance. */
function readText(v: ReadItem['value']): string {
  return typeof v === 'number' && !Number.isInteger(v) ? String(Number(v.toPrecision(7))) : formatValue(v);
}

function ReadCells({ result }: { result: ReadResult | undefined }) {
  const { t } = useTranslation();
  if (!result) return <><span className="cell muted num">—</span><span className="cell" /></>;
  if ('fault' in result) return <span className="cell bad-text sheet-fault" title={result.fault}>{result.fault}</span>;
  const { item } = result;
  const q = Math.max(0, QUALITY.indexOf(item.quality));
  return (
    <>
      <span className="cell num read-value" title={item.raw ? t('connections.sheet.raw', { raw: item.raw }) : undefined}>{readText(item.value)}</span>
      <span className={`cell${q === 2 ? ' bad-text' : ''}`} title={item.reason || undefined}>{item.reason && q !== 0 ? <><QualityBadge q={q} compact /> {item.reason}</> : <QualityBadge q={q} />}</span>
    </>
  );
}

function useTitles(fields: FieldDoc[]) {
  const { t, i18n } = useTranslation();
  return (c: Column) => (c === 'code' || c === 'name' ? t(`connections.form.${c}`) : textOf(fields.find((f) => f.name === c)?.title, i18n.language, c));
}

export function PointSheet({ sheet, columns, fields, reads, example, onPasted }: Props) {
  const { t, i18n } = useTranslation();
  const title = useTitles(fields);
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 400 });
  const wanted = useRef<{ row: number; column: Column } | null>(null);
  const { rows } = sheet;
  const first = Math.max(0, Math.floor(view.top / ROW) - OVER);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / ROW) + OVER);
  const grid = {
    gridTemplateColumns: `44px ${columns.map((c) => `${WIDTH[c]}px`).join(' ')} 84px minmax(120px, 1fr) 32px`,
    minWidth: 44 + 84 + 120 + 32 + columns.reduce((sum, c) => sum + WIDTH[c], 0),
  };

  useEffect(() => {
    const el = box.current;
    if (!el) return undefined;
    const measure = () => setView({ top: el.scrollTop, height: el.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(el);
    el.addEventListener('scroll', measure, { passive: true });
    return () => {
      observer.disconnect();
      el.removeEventListener('scroll', measure);
    };
  }, []);

  /* a cell that was asked for while its row did not exist yet */
  useEffect(() => {
    const w = wanted.current;
    const cell = w && box.current?.querySelector<HTMLElement>(`[data-row="${w.row}"][data-column="${w.column}"]`);
    if (!cell) return;
    wanted.current = null;
    cell.focus();
    if (cell instanceof HTMLInputElement) cell.select();
  });

  const go = (row: number, column: Column) => {
    if (row < 0) return;
    if (row >= rows.length) sheet.append([{}]);
    wanted.current = { row, column };
    const el = box.current;
    if (el && (row * ROW < el.scrollTop || (row + 2) * ROW > el.scrollTop + el.clientHeight)) el.scrollTop = Math.max(0, row * ROW - el.clientHeight / 2);
    setView((v) => ({ ...v }));
  };
  const onKey = (e: KeyboardEvent, i: number, row: Row, column: Column) => {
    const select = e.target instanceof HTMLSelectElement;
    if (e.key === 'Enter' || (e.key === 'ArrowDown' && !select)) {
      const ahead = i + 1 < rows.length || e.key === 'Enter';
      if (ahead) go(i + (e.shiftKey ? -1 : 1), column);
    } else if (e.key === 'ArrowUp' && !select) go(i - 1, column);
    else if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'd') sheet.fillDown(row.key, column);
    else return;
    e.preventDefault();
  };
  const onPaste = (e: ClipboardEvent, row: Row, column: Column) => {
    const text = e.clipboardData.getData('text/plain');
    if (!/[\t\n]/.test(text.trim())) return;
    e.preventDefault();
    const pasted = readPaste(text, column, fields);
    sheet.overlay(row.key, pasted.rows);
    onPasted(pasted.rows.length, pasted.unknown);
  };

  const cell = (row: Row, i: number, c: Column) => {
    const f = fields.find((x) => x.name === c);
    const error = row.errors[c];
    const common = {
      'data-row': i, 'data-column': c, 'value': row.cells[c] ?? '', 'aria-label': `${title(c)} ${i + 1}`, 'aria-invalid': Boolean(error), 'title': error,
      'className': `cell-input${error ? ' bad' : ''}`, 'onKeyDown': (e: KeyboardEvent) => onKey(e, i, row, c),
      'onChange': (e: { target: { value: string } }) => sheet.setCell(row.key, c, e.target.value),
    };
    if (f?.type === 'enum') {
      const known = (f.values ?? []).some((v) => String(v.value) === (row.cells[c] ?? ''));
      return (
        <select key={c} {...common}>
          {!known && <option value={row.cells[c] ?? ''}>{row.cells[c] ?? ''}</option>}
          {(f.values ?? []).map((v) => <option key={String(v.value)} value={String(v.value)}>{textOf(v.title, i18n.language, String(v.value))}</option>)}
        </select>
      );
    }
    if (c === 'writable') {
      const text = row.cells[c] ?? '';
      return (
        <select key={c} {...common}>
          {!['', 'true', 'false'].includes(text) && <option value={text}>{text}</option>}
          <option value="" />
          <option value="true">{t('value.yes')}</option>
          <option value="false">{t('value.no')}</option>
        </select>
      );
    }
    return <input key={c} {...common} placeholder={c === 'address' && i === 0 ? example : undefined} autoComplete="off" spellCheck={false} onPaste={(e) => onPaste(e, row, c)} />;
  };

  return (
    <div className="sheet" ref={box} role="table" aria-label={t('connections.sheet.title')} aria-rowcount={rows.length}>
      <div className="sheet-head" style={grid} role="row">
        <span className="cell muted num">#</span>
        {columns.map((c) => <span key={c} className="cell" role="columnheader">{title(c)}{(c === 'code' || c === 'address') && <span className="bad-text"> *</span>}</span>)}
        <span className="cell num" role="columnheader">{t('connections.sheet.value')}</span>
        <span className="cell" role="columnheader">{t('connections.sheet.quality')}</span>
        <span />
      </div>
      <div className="sheet-body" style={{ height: rows.length * ROW }}>
        {rows.slice(first, last).map((row, k) => {
          const i = first + k;
          const fault = row.errors.row ?? Object.values(row.errors)[0];
          return (
            <div key={row.key} className={`sheet-row${row.errors.row ? ' bad' : ''}`} style={{ ...grid, top: i * ROW }} role="row" title={fault}>
              <span className="cell muted num">{i + 1}</span>
              {columns.map((c) => cell(row, i, c))}
              {fault ? <span className="cell bad-text sheet-fault" role="alert">{fault}</span> : <ReadCells result={reads.get(row.key)} />}
              <Button className="sheet-x" type="text" size="small" tabIndex={-1} icon={<CloseOutlined />} aria-label={t('connections.sheet.removeRow', { n: i + 1 })} onClick={() => sheet.remove(row.key)} />
            </div>
          );
        })}
      </div>
    </div>
  );
}
