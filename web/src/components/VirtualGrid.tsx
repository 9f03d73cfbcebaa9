/* A grid for a hundred thousand rows: only the rows in view exist, the rest is height. Rows come by index
 * (undefined while their page is on its way). Keyboard: arrows, PgUp/PgDn, Home/End, Space, Enter. */
import { Checkbox } from 'antd';
import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type MouseEvent, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import './components.css';

const ROW = 32;
const OVERSCAN = 6;

export interface GridColumn<T> {
  key: string;
  title: string;
  width: string;            /* a CSS grid track: "120px", "minmax(120px, 1fr)" */
  align?: 'right';
  sorter?: boolean;
  render: (row: T) => ReactNode;
}

interface Props<T> {
  columns: GridColumn<T>[];
  total: number;
  rowAt: (index: number) => T | undefined;
  rowKey: (row: T) => string;
  onRange: (first: number, last: number) => void;
  selected: ReadonlyMap<string, T>;
  onSelect: (selected: Map<string, T>) => void;
  onOpen?: (row: T) => void;
  onCurrent?: (row: T | undefined) => void;
  sort?: string;
  onSort?: (sort: string) => void;
  label: string;
  resetKey?: string;        /* a new list: back to the top */
}

export function visibleRange(scrollTop: number, height: number, total: number): [number, number] {
  const first = Math.max(0, Math.floor(scrollTop / ROW) - OVERSCAN);
  const last = Math.min(total - 1, Math.ceil((scrollTop + height) / ROW) + OVERSCAN);
  return [first, Math.max(first, last)];
}

function SortHead<T>({ column, sort, onSort }: { column: GridColumn<T>; sort?: string; onSort?: (s: string) => void }) {
  const direction = sort === column.key ? 'ascending' : sort === `-${column.key}` ? 'descending' : 'none';
  const mark = direction === 'ascending' ? ' ↑' : direction === 'descending' ? ' ↓' : '';
  const cls = `grid-cell${column.align ? ' num' : ''}`;
  if (!column.sorter || !onSort) return <div role="columnheader" className={cls}>{column.title}</div>;
  return (
    <div role="columnheader" aria-sort={direction} className={`${cls} grid-sort`}>
      <button type="button" className="link-button" onClick={() => onSort(direction === 'ascending' ? `-${column.key}` : column.key)}>{column.title}{mark}</button>
    </div>
  );
}

export function VirtualGrid<T>(props: Props<T>) {
  const { t } = useTranslation();
  const ref = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const [current, setCurrent] = useState(-1);
  const anchor = useRef(-1);
  const [first, last] = visibleRange(Math.max(0, view.top - ROW), view.height, props.total);
  const { onRange } = props;

  useLayoutEffect(() => {
    const el = ref.current;
    if (!el) return undefined;
    const measure = () => setView({ top: el.scrollTop, height: el.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(el);
    return () => observer.disconnect();
  }, []);
  useEffect(() => onRange(first, last), [first, last, onRange]);
  useEffect(() => {
    if (ref.current) ref.current.scrollTop = 0;
    setCurrent(-1);
  }, [props.resetKey]);

  const go = (index: number) => {
    const at = Math.max(0, Math.min(props.total - 1, index));
    setCurrent(at);
    props.onCurrent?.(props.rowAt(at));
    const el = ref.current;
    if (!el) return;
    const top = at * ROW;
    if (top < el.scrollTop) el.scrollTop = top;
    else if (top + 2 * ROW > el.scrollTop + el.clientHeight) el.scrollTop = top + 2 * ROW - el.clientHeight;
  };
  const select = (index: number, range: boolean) => {
    const next = new Map(props.selected);
    const row = props.rowAt(index);
    if (!row) return;
    if (range && anchor.current >= 0) {
      for (let i = Math.min(anchor.current, index); i <= Math.max(anchor.current, index); i++) {
        const r = props.rowAt(i);
        if (r) next.set(props.rowKey(r), r);
      }
    } else if (next.has(props.rowKey(row))) next.delete(props.rowKey(row));
    else next.set(props.rowKey(row), row);
    anchor.current = index;
    props.onSelect(next);
  };
  const onKeyDown = (e: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(view.height / ROW) - 2);
    const moves: Record<string, number> = { ArrowDown: current + 1, ArrowUp: current - 1, PageDown: current + page, PageUp: current - page, Home: 0, End: props.total - 1 };
    if (e.target !== ref.current) return;
    if (e.key in moves) go(moves[e.key]);
    else if (e.key === ' ' && current >= 0) select(current, e.shiftKey);
    else if (e.key === 'Enter' && current >= 0) {
      const row = props.rowAt(current);
      if (row) props.onOpen?.(row);
    } else return;
    e.preventDefault();
  };
  const onClick = (e: MouseEvent, index: number) => {
    go(index);
    if (e.ctrlKey || e.metaKey || e.shiftKey) select(index, e.shiftKey);
  };

  const template = { gridTemplateColumns: `40px ${props.columns.map((c) => c.width).join(' ')}` };
  const indices = props.total > 0 ? Array.from({ length: last - first + 1 }, (_, n) => first + n) : [];
  const rows = indices.map((i): ReactNode => {
    const row = props.rowAt(i);
    const on = row !== undefined && props.selected.has(props.rowKey(row));
    return (
      <div key={i} role="row" aria-rowindex={i + 2} aria-selected={on} tabIndex={-1} className={`grid-row${on ? ' selected' : ''}${i === current ? ' current' : ''}`}
        style={{ top: (i + 1) * ROW, ...template }} onClick={(e) => onClick(e, i)} onDoubleClick={() => row && props.onOpen?.(row)} onKeyDown={() => {}}>
        <div role="gridcell" className="grid-cell"><Checkbox checked={on} disabled={!row} tabIndex={-1} aria-label={t('table.select')} onClick={(e) => { e.stopPropagation(); select(i, e.shiftKey); }} /></div>
        {props.columns.map((c) => (
          <div key={c.key} role="gridcell" className={`grid-cell${c.align ? ' num' : ''}`}>{row ? c.render(row) : <div className="grid-skeleton" />}</div>
        ))}
      </div>
    );
  });
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div ref={ref} className="grid" role="grid" tabIndex={0} aria-label={props.label} aria-rowcount={props.total + 1} onKeyDown={onKeyDown}
      onScroll={(e) => setView({ top: e.currentTarget.scrollTop, height: e.currentTarget.clientHeight })}>
      <div className="grid-canvas" style={{ height: (props.total + 1) * ROW }}>
        <div role="row" className="grid-head" style={template}>
          <div className="grid-cell" />
          {props.columns.map((c) => <SortHead key={c.key} column={c} sort={props.sort} onSort={props.onSort} />)}
        </div>
        {rows}
      </div>
    </div>
  );
}
