/* Columns of the list and groups of the form. */
import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Form, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { ColumnPicker } from '@/components/ColumnPicker';
import { moved, SortList } from '@/components/SortList';
import { textOf } from '@/lib/resources';
import { fieldPaths } from '../cells';
import { BiText } from './BiText';
import type { Design } from './model';

const ENVELOPE = ['code', 'name', 'org', 'state', 'created_by', 'created_at', 'updated_by', 'updated_at', 'rev'];

export function LayoutEditor({ design, onChange }: { design: Design; onChange: (d: Design) => void }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  const fields = fieldPaths(design.fields, lang).filter((f) => f.field.type !== 'secret').map((f) => ({ key: f.key, title: f.title || f.key }));
  const columns = [...fields, ...ENVELOPE.filter((k) => k !== 'state' || design.lifecycle).map((k) => ({ key: k, title: t(`envelope.${k}`) }))];
  const shown = (design.lists?.columns ?? []).map((c) => c.replace(/^spec\./, ''));
  const groups = design.form?.groups ?? [];
  const setGroups = (next: typeof groups) => onChange({ ...design, form: { ...design.form, groups: next } });
  const used = new Set(groups.flatMap((g) => g.fields));
  const top = design.fields.map((f) => ({ value: f.name, label: textOf(f.title, lang, f.name) || f.name }));
  const sort = design.lists?.sort ?? 'code';
  return (
    <div className="layout-editor">
      <section className="col">
        <b>{t('design.columns')}</b>
        <div className="panel panel-pad"><ColumnPicker columns={columns} shown={shown} onChange={(keys) => onChange({ ...design, lists: { ...design.lists, columns: keys ?? ['code', 'name', 'updated_at'] } })} /></div>
        <Form.Item label={t('design.sort')}>
          <Select value={sort} style={{ width: 220 }} onChange={(v) => onChange({ ...design, lists: { ...design.lists, sort: v } })} options={columns.flatMap((c) => [{ value: c.key, label: `${c.title} ↑` }, { value: `-${c.key}`, label: `${c.title} ↓` }])} />
        </Form.Item>
      </section>
      <section className="col">
        <b>{t('design.groups')}</b>
        <span className="soft small">{t('design.groupsHelp')}</span>
        <SortList items={groups} itemKey={(_g, i) => String(i)} label={(g) => textOf(g.title, lang)} onMove={(a, b) => setGroups(moved(groups, a, b))}
          render={(g, i) => (
            <div className="panel panel-pad col">
              <div className="row"><BiText label={t('design.title')} value={g.title} onChange={(title) => setGroups(groups.map((o, k) => (k === i ? { ...o, title } : o)))} />
                <Button type="text" icon={<DeleteOutlined />} aria-label={t('design.removeGroup')} onClick={() => setGroups(groups.filter((_o, k) => k !== i))} /></div>
              <Select mode="multiple" value={g.fields} aria-label={t('design.groupFields')} options={top.map((o) => ({ ...o, disabled: used.has(o.value) && !g.fields.includes(o.value) }))} onChange={(f) => setGroups(groups.map((o, k) => (k === i ? { ...o, fields: f } : o)))} />
            </div>
          )} />
        <div><Button size="small" icon={<PlusOutlined />} onClick={() => setGroups([...groups, { title: { zh: '', en: '' }, fields: design.fields.map((f) => f.name).filter((n) => !used.has(n)) }])}>{t('design.addGroup')}</Button></div>
      </section>
    </div>
  );
}
