/* Which columns a table shows and in which order; labels become columns by their key. */
import { CloseOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Input } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { moved, SortList } from './SortList';

interface Props {
  columns: { key: string; title: string }[];
  shown: string[];
  onChange: (shown: string[] | null) => void;   /* null: back to the default */
  labels?: boolean;                              /* label columns may be added */
}

export function ColumnPicker({ columns, shown, onChange, labels }: Props) {
  const { t } = useTranslation();
  const [find, setFind] = useState('');
  const [label, setLabel] = useState('');
  const titles = new Map(columns.map((c) => [c.key, c.title]));
  const matches = (key: string) => `${key} ${titles.get(key) ?? ''}`.toLowerCase().includes(find.trim().toLowerCase());
  const rest = columns.filter((c) => c.title && !shown.includes(c.key) && matches(c.key));
  const listed = shown.filter((k) => titles.get(k) !== '');
  const add = () => {
    const key = `labels.${label.trim()}`;
    if (label.trim() && !shown.includes(key)) onChange([...shown, key]);
    setLabel('');
  };
  return (
    <div className="col column-picker">
      <Input size="small" allowClear value={find} onChange={(e) => setFind(e.target.value)} placeholder={t('table.findColumn')} aria-label={t('table.findColumn')} />
      <div className="column-lists">
        <SortList items={listed} itemKey={(k) => k} label={(k) => titles.get(k) ?? k} disabled={find !== ''}
          onMove={(a, b) => onChange(moved(listed, a, b))}
          render={(k) => (
            <div className={`row${matches(k) ? '' : ' muted'}`}>
              <span className="grow ellipsis" title={k}>{titles.get(k) ?? k.replace(/^labels\./, '')}</span>
              <Button type="text" size="small" icon={<CloseOutlined />} disabled={listed.length === 1} aria-label={`${t('table.hide')} ${titles.get(k) ?? k}`} onClick={() => onChange(shown.filter((x) => x !== k))} />
            </div>
          )} />
        {rest.length > 0 && <div className="column-rest">{rest.map((c) => (
          <button key={c.key} type="button" className="column-add" title={c.key} onClick={() => onChange([...shown, c.key])}><PlusOutlined /> <span className="ellipsis">{c.title}</span></button>
        ))}</div>}
      </div>
      {labels && (
        <div className="row">
          <Input size="small" value={label} onChange={(e) => setLabel(e.target.value)} onPressEnter={add} placeholder={t('table.labelColumn')} aria-label={t('table.labelColumn')} />
          <Button size="small" icon={<PlusOutlined />} disabled={!label.trim()} aria-label={t('table.labelColumn')} onClick={add} />
        </div>
      )}
      <Button size="small" type="link" onClick={() => onChange(null)}>{t('table.reset')}</Button>
    </div>
  );
}
