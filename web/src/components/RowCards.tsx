/* A table's rows on a phone: one card each, the first column as its title. */
import { Checkbox } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { DataColumn } from './DataTable';

const SHOWN = 5;

interface Props<T> {
  columns: DataColumn<T>[];
  rows: T[];
  rowKey: (row: T) => string;
  selected?: string[];
  onToggle?: (row: T) => void;
}

function cell<T>(column: DataColumn<T>, row: T, index: number): ReactNode {
  const value = typeof column.dataIndex === 'string' ? (row as Record<string, unknown>)[column.dataIndex] : undefined;
  return column.render ? (column.render(value as never, row, index) as ReactNode) : (value as ReactNode);
}

export function RowCards<T>({ columns, rows, rowKey, selected, onToggle }: Props<T>) {
  const { t } = useTranslation();
  const [title, ...rest] = columns;
  const shown = [...rest.filter((c) => c.title).slice(0, SHOWN), ...rest.filter((c) => !c.title)]; /* without a title: what can be done */
  return (
    <div className="row-cards">
      {rows.map((row, i) => {
        const key = rowKey(row);
        const on = selected?.includes(key) ?? false;
        return (
          <div key={key} className={`row-card${on ? ' selected' : ''}`}>
            {onToggle ? <Checkbox checked={on} aria-label={t('table.select')} onChange={() => onToggle(row)} /> : <span />}
            <div className="row-card-title">{title && cell(title, row, i)}</div>
            <dl>
              {shown.map((c) => [<dt key={`${c.key}t`}>{c.title}</dt>, <dd key={c.key}>{cell(c, row, i)}</dd>])}
            </dl>
          </div>
        );
      })}
    </div>
  );
}
