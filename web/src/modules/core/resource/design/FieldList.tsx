/* The fields in their order: drag to move, click to edit, a palette of types to add. */
import { DeleteOutlined, DownOutlined, RightOutlined } from '@ant-design/icons';
import { Button, Tag } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { moved, SortList } from '@/components/SortList';
import { textOf } from '@/lib/resources';
import { FieldEditor } from './FieldEditor';
import { newField, TYPES, type DesignField } from './model';

interface Props {
  fields: DesignField[];
  depth: number;
  fault: (where: string) => string | undefined;    /* "[2].name" */
  onChange: (fields: DesignField[]) => void;
  onName: (index: number, name: string) => void;
  onRemove: (index: number) => void;
}

export function FieldList({ fields, depth, fault, onChange, onName, onRemove }: Props) {
  const { t, i18n } = useTranslation();
  const [open, setOpen] = useState(-1);
  const add = (type: DesignField['type']) => {
    onChange([...fields, newField(type, fields.map((f) => f.name))]);
    setOpen(fields.length);
  };
  const bad = (i: number) => ['.name', '.values', '.kind', '.items.kind', '.min'].some((w) => fault(`[${i}]${w}`));
  return (
    <div className="col field-list">
      <SortList items={fields} itemKey={(_f, i) => String(i)} label={(f) => f.name} onMove={(a, b) => { onChange(moved(fields, a, b)); setOpen(-1); }}
        render={(f, i) => (
          <div className={`field-card${open === i ? ' open' : ''}${bad(i) ? ' bad' : ''}`}>
            <div className="row field-head">
              <button type="button" className="field-title" aria-expanded={open === i} onClick={() => setOpen(open === i ? -1 : i)}>
                {open === i ? <DownOutlined /> : <RightOutlined />} <b className="ellipsis">{textOf(f.title, i18n.language, f.name) || f.name}</b> <span className="mono muted ellipsis">{f.name}</span>
              </button>
              {f.required && <Tag>{t('design.required')}</Tag>}
              {f.sensitive && <Tag>{t('design.sensitive')}</Tag>}
              <Tag>{t(`design.types.${f.type}`)}</Tag>
              <Button type="text" size="small" icon={<DeleteOutlined />} aria-label={`${t('action.delete')} ${f.name}`} onClick={() => { setOpen(-1); onRemove(i); }} />
            </div>
            {open === i && <FieldEditor field={f} siblings={fields} depth={depth} fault={(where) => fault(`[${i}]${where.startsWith('fields') ? `.${where}` : `.${where}`}`)} onName={(name) => onName(i, name)} onChange={(next) => onChange(fields.map((o, k) => (k === i ? next : o)))} />}
          </div>
        )} />
      <div className="palette" role="group" aria-label={t('design.addField')}>
        <span className="soft">{t('design.addField')}</span>
        {TYPES.filter((x) => depth < 2 || x !== 'object').map((x) => <Button key={x} size="small" onClick={() => add(x)}>{t(`design.types.${x}`)}</Button>)}
      </div>
    </div>
  );
}
