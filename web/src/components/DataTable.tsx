/* antd's virtual Table with what every list needs: columns to pick, density, both kept in this browser,
 * height that fills its box, keyboard (arrows, Enter, Space), paging by the server. */
import { ColumnHeightOutlined, SettingOutlined } from '@ant-design/icons';
import { Button, Checkbox, Pagination, Popover, Table, type TableProps } from 'antd';
import type { TableRef } from 'antd/es/table';
import type { ColumnType, SorterResult } from 'antd/es/table/interface';
import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { readLocal, writeLocal } from '@/lib/browser';
import { useNarrow } from '@/lib/useNarrow';
import { RowCards } from './RowCards';
import './components.css';

export interface DataColumn<T> extends ColumnType<T> {
  key: string;
  title: string;
  hidden?: boolean;      /* not shown until picked */
}

interface Props<T> {
  id: string;
  columns: DataColumn<T>[];
  rows: T[];
  rowKey: (row: T) => string;
  loading?: boolean;
  empty?: ReactNode;
  tools?: ReactNode;
  total?: number;
  page?: number;
  size?: number;
  onPage?: (page: number, size: number) => void;
  sort?: string;
  onSort?: (sort: string) => void;
  onOpen?: (row: T) => void;
  selected?: string[];
  onSelect?: (keys: string[], rows: T[]) => void;
}

interface Look {
  hidden: string[] | null;
  dense: boolean;
}

function useLook(id: string): [Look, (change: Partial<Look>) => void] {
  const key = `bornite.table.${id}`;
  const [look, setLook] = useState<Look>(() => ({ hidden: null, dense: true, ...readLocal<Partial<Look>>(key, {}) }));
  const change = (c: Partial<Look>) => setLook((was) => {
    const next = { ...was, ...c };
    writeLocal(key, next);
    return next;
  });
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

export function DataTable<T extends object>(props: Props<T>) {
  const { t } = useTranslation();
  const [look, setLook] = useLook(props.id);
  const { ref, box } = useBox();
  const [at, setAt] = useState(-1);
  const table = useRef<TableRef>(null);
  const narrow = useNarrow();
  const go = (index: number) => {
    setAt(index);
    if (props.rows[index]) table.current?.scrollTo({ key: props.rowKey(props.rows[index]) });
  };
  const hidden = useMemo(() => look.hidden ?? props.columns.filter((c) => c.hidden).map((c) => c.key), [look.hidden, props.columns]);
  const columns = useMemo(() => props.columns.filter((c) => !hidden.includes(c.key)).map((c) => ({
    width: 160, ellipsis: true, ...c, hidden: false,
    sortOrder: c.sorter ? sortOf(props.sort, c.key) : undefined,
  })), [props.columns, hidden, props.sort]);
  const width = columns.reduce((sum, c) => sum + Number(c.width ?? 160), props.onSelect ? 40 : 0);

  const change: TableProps<T>['onChange'] = (_p, _f, sorter) => {
    const one = (Array.isArray(sorter) ? sorter[0] : sorter) as SorterResult<T>;
    props.onSort?.(one?.order ? `${one.order === 'descend' ? '-' : ''}${String(one.columnKey)}` : '');
  };
  const toggle = (row: T) => {
    if (!props.onSelect) return;
    const key = props.rowKey(row);
    const was = props.selected ?? [];
    const keys = was.includes(key) ? was.filter((k) => k !== key) : [...was, key];
    props.onSelect(keys, props.rows.filter((r) => keys.includes(props.rowKey(r))));
  };
  const onKeyDown = (e: KeyboardEvent) => {
    if ((e.target as HTMLElement).closest('input,button,a,[role="menu"]')) return;
    const row = props.rows[at];
    if (e.key === 'ArrowDown') go(Math.min(at + 1, props.rows.length - 1));
    else if (e.key === 'ArrowUp') go(Math.max(at - 1, 0));
    else if (e.key === 'Enter' && row) props.onOpen?.(row);
    else if (e.key === ' ' && row) toggle(row);
    else return;
    e.preventDefault();
  };
  const picker = (
    <div className="col">
      {props.columns.map((c) => (
        <Checkbox key={c.key} checked={!hidden.includes(c.key)}
          onChange={(e) => setLook({ hidden: e.target.checked ? hidden.filter((k) => k !== c.key) : [...hidden, c.key] })}>{c.title}</Checkbox>
      ))}
      <Button size="small" type="link" onClick={() => setLook({ hidden: null })}>{t('table.reset')}</Button>
    </div>
  );
  const head = look.dense ? 32 : 40;
  return (
    <div className="panel table-box">
      <div className="table-tools">
        <div className="row wrap grow">{props.tools}</div>
        <Button type="text" icon={<ColumnHeightOutlined />} title={t('table.density')} aria-label={t('table.density')} onClick={() => setLook({ dense: !look.dense })} />
        <Popover content={picker} trigger="click" placement="bottomRight" title={t('table.columns')}>
          <Button type="text" icon={<SettingOutlined />} title={t('table.columns')} aria-label={t('table.columns')} />
        </Popover>
      </div>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="table-scroll" ref={ref} tabIndex={0} onKeyDown={onKeyDown} role="group" aria-label={t('table.title')}>
        {props.rows.length === 0 && !props.loading && props.empty
          ? props.empty
          : narrow && !props.loading ? <RowCards columns={columns} rows={props.rows} rowKey={props.rowKey} selected={props.selected} onToggle={props.onSelect ? toggle : undefined} />
          : <Table<T> ref={table} virtual size={look.dense ? 'small' : 'middle'} columns={columns} dataSource={props.rows} rowKey={props.rowKey} loading={props.loading}
              pagination={false} scroll={{ x: Math.max(width, box.width), y: Math.max(160, box.height - head - 8) }} onChange={change} showSorterTooltip={false}
              rowClassName={(_r, i) => (i === at ? 'table-row-current' : '')}
              onRow={(row, i) => ({ onClick: () => setAt(i ?? -1), onDoubleClick: () => props.onOpen?.(row) })}
              rowSelection={props.onSelect ? {
                columnWidth: 40, selectedRowKeys: props.selected ?? [], preserveSelectedRowKeys: true,
                onChange: (keys, rows) => props.onSelect?.(keys.map(String), rows),
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
