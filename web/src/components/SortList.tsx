/* Rows that are put in order: by dragging the handle, or with the arrows while the handle has the focus. */
import { HolderOutlined } from '@ant-design/icons';
import { useState, type KeyboardEvent, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import './components.css';

export function moved<T>(items: readonly T[], from: number, to: number): T[] {
  const out = [...items];
  if (from < 0 || from >= out.length || to < 0 || to >= out.length) return out;
  out.splice(to, 0, ...out.splice(from, 1));
  return out;
}

interface Props<T> {
  items: readonly T[];
  itemKey: (item: T, index: number) => string;
  render: (item: T, index: number) => ReactNode;
  onMove: (from: number, to: number) => void;
  disabled?: boolean;
  label?: (item: T, index: number) => string;
}

export function SortList<T>({ items, itemKey, render, onMove, disabled, label }: Props<T>) {
  const { t } = useTranslation();
  const [from, setFrom] = useState(-1);
  const [over, setOver] = useState(-1);
  const onKey = (e: KeyboardEvent, index: number) => {
    const to = e.key === 'ArrowUp' ? index - 1 : e.key === 'ArrowDown' ? index + 1 : -1;
    if (to < 0 || to >= items.length) return;
    e.preventDefault();
    onMove(index, to);
    const list = (e.currentTarget as HTMLElement).closest('.sort-list');
    requestAnimationFrame(() => (list?.children[to]?.querySelector('.sort-handle') as HTMLElement | null)?.focus());
  };
  const drop = () => {
    if (from >= 0 && over >= 0 && from !== over) onMove(from, over);
    setFrom(-1);
    setOver(-1);
  };
  return (
    <div className="sort-list" role="list">
      {items.map((item, i) => (
        <div key={itemKey(item, i)} role="listitem" className={`sort-item${i === over && from !== i ? (from > i ? ' before' : ' after') : ''}${i === from ? ' dragged' : ''}`}
          onDragOver={(e) => { if (from >= 0) { e.preventDefault(); setOver(i); } }} onDrop={(e) => { e.preventDefault(); drop(); }}>
          {!disabled && (
            <button type="button" className="sort-handle" draggable aria-label={`${t('table.move')} ${label?.(item, i) ?? ''}`} title={t('table.move')} onKeyDown={(e) => onKey(e, i)}
              onDragStart={(e) => { e.dataTransfer.effectAllowed = 'move'; e.dataTransfer.setData('text/plain', String(i)); setFrom(i); }} onDragEnd={() => { setFrom(-1); setOver(-1); }}>
              <HolderOutlined />
            </button>
          )}
          <div className="sort-body">{render(item, i)}</div>
        </div>
      ))}
    </div>
  );
}
