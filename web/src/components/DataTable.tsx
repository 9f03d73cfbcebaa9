/* antd's virtual Table with what every list needs: columns to pick, to order and to widen, density, all kept
 * in this browser (or by the page: `look`), height that fills its box, keyboard (arrows, Shift to extend,
 * Enter, Space), ranges by Shift-click, paging by the server, cards on a phone. */
import { ColumnHeightOutlined, SettingOutlined } from '@ant-design/icons';
import { Button, Pagination, Popover, Table, type TableProps } from 'antd';
import type { TableRef } from 'antd/es/table';
import type { ColumnType, SorterResult } from 'antd/es/table/interface';
import { useCallback, useEffect, useMemo, useRef, useState, type ComponentProps, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { readLocal, writeLocal } from '@/lib/browser';
import { useNarrow } from '@/lib/useNarrow';
import { ColumnPicker } from './ColumnPicker';
import { RowCards } from './RowCards';
import './components.css';

export interface DataColumn<T> extends ColumnType<T> {
  key: string;
  title: string;
  hidden?: boolean;      /* not shown until picked */
}

export interface Look {
  columns: string[] | null;          /* shown ones in order; null: those that are not hidden */
  widths: Record<string, number>;
  dense: boolean;
}

export type TableCommand = 'down' | 'up' | 'extendDown' | 'extendUp' | 'first' | 'last' | 'toggle' | 'open';

interface Props<T> {
  id: string;
  columns: DataColumn<T>[];
  rows: T[];
  rowKey: (row: T) => string;
  loading?: boolean;
  empty?: ReactNode;
  tools?: ReactNode;
  banner?: ReactNode;
  total?: number;
  page?: number;
  size?: number;
  onPage?: (page: number, size: number) => void;
  sort?: string;
  onSort?: (sort: string) => void;
  onOpen?: (row: T) => void;
  selected?: string[];
  onSelect?: (keys: string[], rows: T[]) => void;
  look?: Look;
  onLook?: (change: Partial<Look>) => void;
  labelColumns?: boolean;
  onCurrent?: (row: T | undefined) => void;
  commands?: (run: (command: TableCommand) => void) => void;   /* the page's keys, given once */
}

export const DEFAULT_LOOK: Look = { columns: null, widths: {}, dense: true };

export function useLook(id: string): [Look, (change: Partial<Look>) => void] {
  const key = `bornite.table.${id}`;
  const [look, setLook] = useState<Look>(() => ({ ...DEFAULT_LOOK, ...readLocal<Partial<Look>>(key, {}) }));
  const change = useCallback((c: Partial<Look>) => setLook((was) => {
    const next = { ...was, ...c };
    writeLocal(key, next);
    return next;
  }), [key]);
  return [look, change];
}

function useBox() {
  const ref = useRef<HTMLDivElement>(null);
  const [box, setBox] = useState({ width: 800, height: 400 });
  useEffect(() => {
    const el = ref.current;
    if (!el || typeof ResizeObserver === 'undefined') return undefined;
    const observer = new ResizeObserver(() => setBox({ width: el.clientWidth, height: el.clientHeight }));
    observer.observe(el);
    return () => observer.disconnect();
  }, []);
  return { ref, box };
}

function sortOf(sort: string | undefined, key: string): 'ascend' | 'descend' | null {
  const first = (sort ?? '').split(',')[0];
  if (first === key) return 'ascend';
  return first === `-${key}` ? 'descend' : null;
}

/* A head whose right edge is dragged to widen the column; a double click gives the width of the kind back. */
function ResizableHead({ onWidth, width, ...rest }: ComponentProps<'th'> & { onWidth?: (w: number | null) => void; width?: number }) {
  const start = useRef<{ x: number; width: number } | null>(null);
  if (!onWidth) return <th {...rest} />;
  const down = (e: PointerEvent<HTMLSpanElement>) => {
    e.stopPropagation();
    start.current = { x: e.clientX, width: (e.currentTarget.parentElement as HTMLElement).offsetWidth || width || 160 };
    e.currentTarget.setPointerCapture(e.pointerId);
  };
  const move = (e: PointerEvent) => {
    if (start.current) onWidth(Math.max(56, Math.round(start.current.width + e.clientX - start.current.x)));
  };
  return (
    <th {...rest}>
      {rest.children}
      <span className="head-grip" aria-hidden onPointerDown={down} onPointerMove={move} onPointerUp={() => { start.current = null; }}
        onClick={(e) => e.stopPropagation()} onDoubleClick={(e) => { e.stopPropagation(); onWidth(null); }} />
    </th>
  );
}

const components = { header: { cell: ResizableHead } };

export function shownColumns<T>(columns: DataColumn<T>[], look: Look): DataColumn<T>[] {
  const usual = columns.filter((c) => !c.hidden);
  if (!look.columns) return usual;
  const byKey = new Map(columns.map((c) => [c.key, c]));
  const actions = usual.filter((c) => !c.title && !look.columns?.includes(c.key));
  return [...look.columns.map((k) => byKey.get(k)).filter((c): c is DataColumn<T> => c !== undefined), ...actions];
}

export function DataTable<T extends object>(props: Props<T>) {
  const { t } = useTranslation();
  const [own, setOwn] = useLook(props.id);
  const look = props.look ?? own;
  const setLook = props.onLook ?? setOwn;
  const { ref, box } = useBox();
  const [at, setAt] = useState(-1);
  const anchor = useRef(-1);
  const table = useRef<TableRef>(null);
  const narrow = useNarrow();
  const { rows, rowKey, onCurrent } = props;
  const go = (index: number) => {
    const to = Math.max(0, Math.min(rows.length - 1, index));
    if (rows.length === 0) return;
    setAt(to);
    table.current?.scrollTo({ key: rowKey(rows[to]) });
  };
  useEffect(() => onCurrent?.(rows[at]), [rows, at, onCurrent]);
  const shown = useMemo(() => shownColumns(props.columns, look), [props.columns, look]);
  const columns = useMemo(() => shown.map((c) => {
    const width = look.widths[c.key] ?? c.width ?? 160;
    return {
      ellipsis: true, ...c, width, hidden: false, sortOrder: c.sorter ? sortOf(props.sort, c.key) : undefined,
      onHeaderCell: () => ({
        width: Number(width),
        onWidth: c.title ? (w: number | null) => {
          const { [c.key]: _old, ...others } = look.widths;
          setLook({ widths: w === null ? others : { ...others, [c.key]: w } });
        } : undefined,
      }) as object,
    };
  }), [shown, props.sort, look, setLook]);
  const width = columns.reduce((sum, c) => sum + Number(c.width ?? 160), props.onSelect ? 40 : 0);

  const change: TableProps<T>['onChange'] = (_p, _f, sorter) => {
    const one = (Array.isArray(sorter) ? sorter[0] : sorter) as SorterResult<T>;
    props.onSort?.(one?.order ? `${one.order === 'descend' ? '-' : ''}${String(one.columnKey)}` : '');
  };
  const give = (keys: string[]) => props.onSelect?.(keys, rows.filter((r) => keys.includes(rowKey(r))));
  const select = (index: number, range: boolean) => {
    if (!props.onSelect || !rows[index]) return;
    const was = props.selected ?? [];
    const key = rowKey(rows[index]);
    if (range && anchor.current >= 0) {
      const [a, b] = [Math.min(anchor.current, index), Math.max(anchor.current, index)];
      give([...new Set([...was, ...rows.slice(a, b + 1).map(rowKey)])]);
      return;
    }
    anchor.current = index;
    give(was.includes(key) ? was.filter((k) => k !== key) : [...was, key]);
  };
  const extend = (to: number) => {
    if (!rows[to]) return;
    if (anchor.current < 0) anchor.current = Math.max(0, at);
    go(to);
    select(to, true);
  };
  const run = (command: TableCommand) => {
    const row = rows[at];
    if (command === 'down') go(at + 1);
    else if (command === 'up') go(at - 1);
    else if (command === 'first') go(0);
    else if (command === 'last') go(rows.length - 1);
    else if (command === 'extendDown') extend(at + 1);
    else if (command === 'extendUp') extend(at - 1);
    else if (command === 'toggle') select(at, false);
    else if (row) props.onOpen?.(row);
  };
  const latest = useRef(run);
  useEffect(() => { latest.current = run; });
  const { commands } = props;
  useEffect(() => commands?.((c) => latest.current(c)), [commands]);
  const onKeyDown = (e: KeyboardEvent) => {
    if ((e.target as HTMLElement).closest('input,button,a,[role="menu"]')) return;
    const keys: Record<string, TableCommand> = {
      ArrowDown: e.shiftKey ? 'extendDown' : 'down', ArrowUp: e.shiftKey ? 'extendUp' : 'up', Home: 'first', End: 'last', Enter: 'open', ' ': 'toggle',
    };
    if (!keys[e.key]) return;
    e.preventDefault();
    run(keys[e.key]);
  };
  const picker = <ColumnPicker columns={props.columns} shown={shown.filter((c) => c.title).map((c) => c.key)} labels={props.labelColumns} onChange={(keys) => setLook({ columns: keys })} />;
  const head = look.dense ? 32 : 40;
  return (
    <div className="panel table-box">
      <div className="table-tools">
        <div className="row wrap grow">{props.tools}</div>
        <Button type="text" className="hide-small" icon={<ColumnHeightOutlined />} title={t('table.density')} aria-label={t('table.density')} onClick={() => setLook({ dense: !look.dense })} />
        <Popover content={picker} trigger="click" placement="bottomRight" title={t('table.columns')}>
          <Button type="text" icon={<SettingOutlined />} title={t('table.columns')} aria-label={t('table.columns')} />
        </Popover>
      </div>
      {props.banner}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="table-scroll" ref={ref} tabIndex={0} onKeyDown={onKeyDown} role="group" aria-label={t('table.title')}>
        {rows.length === 0 && !props.loading && props.empty
          ? props.empty
          : narrow && !props.loading ? <RowCards columns={shown} rows={rows} rowKey={rowKey} selected={props.selected} onToggle={props.onSelect ? (row) => select(rows.indexOf(row), false) : undefined} />
          : <Table<T> ref={table} virtual size={look.dense ? 'small' : 'middle'} columns={columns} dataSource={rows} rowKey={rowKey} loading={props.loading} components={components}
              pagination={false} scroll={{ x: Math.max(width, box.width), y: Math.max(160, box.height - head - 8) }} onChange={change} showSorterTooltip={false}
              rowClassName={(_r, i) => (i === at ? 'table-row-current' : '')}
              onRow={(row, i) => ({
                onClick: (e) => {
                  setAt(i ?? -1);
                  if ((e.target as HTMLElement).closest('a,button,.ant-checkbox-wrapper,.ant-checkbox')) return;
                  if (e.shiftKey) { window.getSelection()?.removeAllRanges(); select(i ?? -1, true); } else if (e.ctrlKey || e.metaKey) select(i ?? -1, false);
                },
                onDoubleClick: () => props.onOpen?.(row),
              })}
              rowSelection={props.onSelect ? {
                columnWidth: 40, selectedRowKeys: props.selected ?? [], preserveSelectedRowKeys: true,
                onChange: (keys, some) => props.onSelect?.(keys.map(String), some),
                onSelect: (row) => { anchor.current = rows.indexOf(row); },
              } : undefined} />}
      </div>
      {props.onPage && (
        <div className="table-foot">
          <span className="muted small">{t('table.total', { n: props.total ?? 0 })}</span>
          <span className="grow" />
          <Pagination size="small" current={props.page ?? 1} pageSize={props.size ?? 50} total={props.total ?? 0} onChange={props.onPage}
            showSizeChanger pageSizeOptions={[50, 200, 1000]} />
        </div>
      )}
    </div>
  );
}
