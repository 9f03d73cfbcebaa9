/* The life cycle of a kind: states and transitions as tables, and how it looks. */
import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Checkbox, Input, Radio, Select, Switch } from 'antd';
import { useTranslation } from 'react-i18next';
import { textOf } from '@/lib/resources';
import type { CommentRule, Lifecycle, StateDoc, TransitionDoc } from '@/lib/pending';
import { BiText } from './BiText';
import { LifeGraph } from './LifeGraph';
import { firstLifecycle, freeName, removeState, renameState, type DesignField } from './model';

const COLORS = ['default', 'blue', 'cyan', 'green', 'gold', 'orange', 'red', 'purple'];
const ACTIONS = ['write', 'approve', 'delete', 'control', 'admin'];
const COMMENTS: CommentRule[] = ['none', 'optional', 'required'];

interface Props {
  life: Lifecycle | undefined;
  fields: DesignField[];
  fault: (where: string) => string | undefined;
  onChange: (life: Lifecycle | undefined) => void;
}

function States({ life, fault, onChange }: { life: Lifecycle; fault: Props['fault']; onChange: (l: Lifecycle) => void }) {
  const { t } = useTranslation();
  const put = (i: number, s: StateDoc) => onChange({ ...life, states: life.states.map((o, k) => (k === i ? s : o)) });
  return (
    <div className="design-scroll">
      <table className="design-table">
        <thead><tr><th>{t('design.initial')}</th><th>{t('design.name')}</th><th>{t('design.title')}</th><th>{t('design.color')}</th><th>{t('design.editable')}</th><th>{t('design.deletable')}</th><th /></tr></thead>
        <tbody>{life.states.map((s, i) => (
          <tr key={i}>
            <td><Radio checked={life.initial === s.state} aria-label={`${t('design.initial')} ${s.state}`} onChange={() => onChange({ ...life, initial: s.state })} /></td>
            <td><Input className="mono" status={fault(`lifecycle.states[${i}].state`) ? 'error' : undefined} value={s.state} aria-label={t('design.name')} onChange={(e) => onChange(renameState(life, i, e.target.value))} /></td>
            <td><BiText label={t('design.title')} value={s.title} onChange={(title) => put(i, { ...s, title })} /></td>
            <td><Select value={s.color ?? 'default'} style={{ width: 96 }} options={COLORS.map((c) => ({ value: c, label: t(`design.colors.${c}`) }))} onChange={(c) => put(i, { ...s, color: c === 'default' ? undefined : c })} /></td>
            <td><Checkbox checked={s.edit !== false} aria-label={t('design.editable')} onChange={(e) => put(i, { ...s, edit: e.target.checked ? undefined : false })} /></td>
            <td><Checkbox checked={s.delete !== false} aria-label={t('design.deletable')} onChange={(e) => put(i, { ...s, delete: e.target.checked ? undefined : false })} /></td>
            <td><Button type="text" icon={<DeleteOutlined />} disabled={life.states.length === 1} aria-label={`${t('action.delete')} ${s.state}`} onClick={() => onChange(removeState(life, i))} /></td>
          </tr>
        ))}</tbody>
      </table>
      <Button size="small" icon={<PlusOutlined />} onClick={() => onChange({ ...life, states: [...life.states, { state: freeName(life.states.map((s) => s.state), 'state'), title: { zh: '', en: '' } }] })}>{t('design.addState')}</Button>
    </div>
  );
}

function Transitions({ life, fields, fault, onChange }: Required<Omit<Props, 'life'>> & { life: Lifecycle }) {
  const { t, i18n } = useTranslation();
  const put = (i: number, x: TransitionDoc) => onChange({ ...life, transitions: life.transitions.map((o, k) => (k === i ? x : o)) });
  const states = life.states.map((s) => ({ value: s.state, label: textOf(s.title, i18n.language, s.state) || s.state }));
  const needs = fields.map((f) => ({ value: f.name, label: textOf(f.title, i18n.language, f.name) || f.name }));
  return (
    <div className="design-scroll">
      <table className="design-table">
        <thead><tr><th>{t('design.name')}</th><th>{t('design.title')}</th><th>{t('design.from')}</th><th>{t('design.to')}</th><th>{t('design.action')}</th><th>{t('design.requires')}</th><th>{t('life.comment')}</th><th>{t('design.fourEyes')}</th><th>{t('design.notify')}</th><th /></tr></thead>
        <tbody>{life.transitions.map((x, i) => (
          <tr key={i}>
            <td><Input className="mono" style={{ width: 110 }} status={fault(`lifecycle.transitions[${i}].name`) ? 'error' : undefined} value={x.name} aria-label={t('design.name')} onChange={(e) => put(i, { ...x, name: e.target.value })} /></td>
            <td><BiText label={t('design.title')} value={x.title} onChange={(title) => put(i, { ...x, title })} /></td>
            <td><Select mode="multiple" style={{ minWidth: 120, width: '100%' }} status={fault(`lifecycle.transitions[${i}].to`) ? 'error' : undefined} value={x.from} options={states} aria-label={t('design.from')} onChange={(from) => put(i, { ...x, from })} /></td>
            <td><Select style={{ width: 110 }} value={x.to} options={states} aria-label={t('design.to')} onChange={(to) => put(i, { ...x, to })} /></td>
            <td><Select style={{ width: 110 }} value={x.action ?? 'write'} options={ACTIONS.map((a) => ({ value: a, label: t(`access.${a}`, { defaultValue: t(`design.actions.${a}`) }) }))} aria-label={t('design.action')} onChange={(a) => put(i, { ...x, action: a === 'write' ? undefined : a })} /></td>
            <td><Select mode="multiple" style={{ minWidth: 120, width: '100%' }} value={x.requires ?? []} options={needs} aria-label={t('design.requires')} onChange={(requires) => put(i, { ...x, requires: requires.length ? requires : undefined })} /></td>
            <td><Select style={{ width: 96 }} value={x.comment ?? 'none'} options={COMMENTS.map((c) => ({ value: c, label: t(`design.comments.${c}`) }))} aria-label={t('life.comment')} onChange={(c) => put(i, { ...x, comment: c === 'none' ? undefined : c })} /></td>
            <td><Checkbox checked={Boolean(x.four_eyes)} aria-label={t('design.fourEyes')} onChange={(e) => put(i, { ...x, four_eyes: e.target.checked || undefined })} /></td>
            <td><Checkbox checked={Boolean(x.notify)} aria-label={t('design.notify')} onChange={(e) => put(i, { ...x, notify: e.target.checked || undefined })} /></td>
            <td><Button type="text" icon={<DeleteOutlined />} aria-label={`${t('action.delete')} ${x.name}`} onClick={() => onChange({ ...life, transitions: life.transitions.filter((_x, k) => k !== i) })} /></td>
          </tr>
        ))}</tbody>
      </table>
      <Button size="small" icon={<PlusOutlined />} onClick={() => onChange({ ...life, transitions: [...life.transitions, { name: freeName(life.transitions.map((x) => x.name), 'step'), title: { zh: '', en: '' }, from: [life.initial], to: life.states[life.states.length - 1].state }] })}>{t('design.addTransition')}</Button>
    </div>
  );
}

export function LifeEditor({ life, fields, fault, onChange }: Props) {
  const { t } = useTranslation();
  return (
    <div className="col">
      <label className="row"><Switch checked={life !== undefined} onChange={(on) => onChange(on ? firstLifecycle() : undefined)} aria-label={t('design.hasLife')} /> {t('design.hasLife')} <span className="soft">{t('design.lifeHelp')}</span></label>
      {life && (
        <>
          <LifeGraph life={life} />
          <b>{t('design.states')}</b>
          <States life={life} fault={fault} onChange={onChange} />
          <b>{t('design.transitions')}</b>
          <Transitions life={life} fields={fields} fault={fault} onChange={onChange} />
        </>
      )}
    </div>
  );
}
