/* The filter as rows to choose from, in groups of and/or. */
import { CloseOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Checkbox, Segmented, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { emptyGroup, type Condition, type FilterNode, type Group, type Op } from '@/lib/filter';
import { operatorsOf, type FilterField } from './filterFields';
import { FilterValue } from './FilterValue';

interface RowProps {
  node: Condition;
  fields: FilterField[];
  onChange: (node: Condition) => void;
  onRemove: () => void;
}

/* "is empty" is written =null. */
type Choice = Op | 'empty' | 'filled';
const choiceOf = (n: Condition): Choice => (n.values[0] === null && (n.op === '=' || n.op === '!=') ? (n.op === '=' ? 'empty' : 'filled') : n.op);

function Row({ node, fields, onChange, onRemove }: RowProps) {
  const { t } = useTranslation();
  const known = fields.find((f) => f.path === node.field || f.path === `spec.${node.field}` || `spec.${f.path}` === node.field);
  const choice = choiceOf(node);
  const choices: Choice[] = [...operatorsOf(known?.field), 'empty', 'filled'];
  const groups = (['field', 'envelope', 'label'] as const).map((g) => ({ label: t(`filter.group.${g}`), options: fields.filter((f) => f.group === g).map((f) => ({ value: f.path, label: f.title })) })).filter((g) => g.options.length > 0);
  const options = known || !node.field ? groups : [{ label: '', options: [{ value: node.field, label: node.field }] }, ...groups];
  const choose = (c: Choice) => {
    if (c === 'empty' || c === 'filled') return onChange({ ...node, op: c === 'empty' ? '=' : '!=', values: [null] });
    const kept = node.values.filter((v) => v !== null);
    const many = c === 'in' || c === 'not in';
    return onChange({ ...node, op: c, values: many ? kept.filter((v) => v !== '') : [kept[0] ?? ''] });
  };
  const field = (path: string) => {
    const next = fields.find((f) => f.path === path);
    const ops = operatorsOf(next?.field);
    onChange({ ...node, field: path, op: ops.includes(node.op) ? node.op : ops[0], values: next?.field.type === known?.field.type && next?.field.type !== 'enum' && next?.field.type !== 'ref' ? node.values : [''] });
  };
  return (
    <div className="filter-row">
      <Select className="filter-field" aria-label={t('filter.field')} showSearch={{ optionFilterProp: 'label' }} value={known?.path ?? (node.field || undefined)} placeholder={t('filter.field')} options={options} onChange={field} popupMatchSelectWidth={false} />
      <Select className="filter-op" aria-label={t('filter.operator')} value={choices.includes(choice) ? choice : node.op} options={choices.map((c) => ({ value: c, label: t(`filter.op.${OP_KEY[c]}`) }))} onChange={choose} popupMatchSelectWidth={false} />
      {choice === 'empty' || choice === 'filled' ? <span className="filter-value" /> : <FilterValue field={known?.field} op={node.op} values={node.values} onChange={(values) => onChange({ ...node, values })} />}
      <Button type="text" icon={<CloseOutlined />} aria-label={t('action.remove')} onClick={onRemove} />
    </div>
  );
}

export const OP_KEY: Record<Choice, string> = {
  '=': 'eq', '!=': 'ne', '<': 'lt', '<=': 'le', '>': 'gt', '>=': 'ge', '~': 'contains', in: 'in', 'not in': 'notIn', empty: 'empty', filled: 'filled',
};

interface Props {
  group: Group;
  fields: FilterField[];
  onChange: (group: Group) => void;
  onRemove?: () => void;
}

export function FilterBuilder({ group, fields, onChange, onRemove }: Props) {
  const { t } = useTranslation();
  const put = (i: number, node: FilterNode | null) => onChange({ ...group, items: node ? group.items.map((n, k) => (k === i ? node : n)) : group.items.filter((_n, k) => k !== i) });
  const first: Condition = { type: 'condition', field: '', op: '=', values: [''] };
  return (
    <div className={`filter-group${onRemove ? ' inner' : ''}`}>
      <div className="row wrap">
        {group.items.length > 1 && <Segmented<'and' | 'or'> size="small" aria-label={t('filter.join')} value={group.join} onChange={(join) => onChange({ ...group, join })} options={[{ value: 'and', label: t('filter.and') }, { value: 'or', label: t('filter.or') }]} />}
        {(onRemove || group.not) && <Checkbox checked={Boolean(group.not)} onChange={(e) => onChange({ ...group, not: e.target.checked || undefined })}>{t('filter.not')}</Checkbox>}
        {onRemove && <><span className="grow" /><Button size="small" type="text" icon={<CloseOutlined />} aria-label={t('filter.removeGroup')} onClick={onRemove} /></>}
      </div>
      {group.items.map((n, i) => (n.type === 'group'
        ? <FilterBuilder key={i} group={n} fields={fields} onChange={(g) => put(i, g)} onRemove={() => put(i, null)} />
        : <Row key={i} node={n} fields={fields} onChange={(c) => put(i, c)} onRemove={() => put(i, null)} />))}
      <div className="row wrap">
        <Button size="small" icon={<PlusOutlined />} onClick={() => onChange({ ...group, items: [...group.items, first] })}>{t('filter.addCondition')}</Button>
        <Button size="small" type="text" onClick={() => onChange({ ...group, items: [...group.items, { ...emptyGroup(), join: group.join === 'and' ? 'or' : 'and', items: [first, first] }] })}>{t('filter.addGroup')}</Button>
      </div>
    </div>
  );
}
