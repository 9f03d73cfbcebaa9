/* Saved views of a list: choose, save, save as, share, default; "modified" while the list shows something else. */
import { CheckOutlined, DeleteOutlined, DownOutlined, EditOutlined, StarFilled, StarOutlined } from '@ant-design/icons';
import { Button, Form, Input, Modal, Popover, Switch, Tag } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { RefSelect } from '@/components/schema/RefSelect';
import { quote } from '@/lib/filter';
import { readLocal, writeLocal } from '@/lib/browser';
import { useKind, useList, useRemove, useSave } from '@/lib/resources';
import { useCan, useSession } from '@/lib/session';
import type { KindDoc } from '@/lib/types';
import { specOf, viewOf, type View, type ViewState } from './viewState';

const defaultKey = (kind: KindDoc) => `bornite.view.${kind.kind}`;
export const defaultView = (kind: KindDoc) => readLocal<string | null>(defaultKey(kind), null);

export function useViews(kind: KindDoc) {
  const doc = useKind('saved_view');
  const list = useList(doc ? doc.plural : null, { filter: `spec.kind=${quote(kind.kind)}`, size: 200, sort: 'name' });
  return { doc, views: (list.data?.items ?? []).map((r) => viewOf(r, kind)), pending: Boolean(doc) && list.isPending };
}

interface Draft {
  view?: View;          /* to change; none: a new one */
  name: string;
  shared: boolean;
  roles: string[];
}

interface Props {
  kind: KindDoc;
  views: View[];
  doc: KindDoc;
  current: View | undefined;
  changed: boolean;
  state: ViewState;
  onChoose: (id: string | null) => void;
}

function SaveDialog({ draft, onSave, onClose, busy }: { draft: Draft; onSave: (d: Draft) => void; onClose: () => void; busy: boolean }) {
  const { t } = useTranslation();
  const [form] = Form.useForm<Draft>();
  const shared = Form.useWatch('shared', form);
  return (
    <Modal open width={460} title={t(draft.view ? 'view.edit' : 'view.saveAs')} onCancel={onClose} okText={t('action.save')} cancelText={t('action.cancel')} confirmLoading={busy} onOk={() => form.submit()}>
      <Form<Draft> form={form} layout="vertical" initialValues={draft} onFinish={(v) => onSave({ ...draft, ...v })}>
        <Form.Item name="name" label={t('view.name')} rules={[{ required: true, whitespace: true, message: t('form.required') }]}><Input autoFocus maxLength={100} /></Form.Item>
        <Form.Item name="shared" label={t('view.share')} valuePropName="checked" extra={t('view.shareHelp')}><Switch /></Form.Item>
        {shared && <Form.Item name="roles" label={t('view.roles')}><RefSelect kind="role" multiple /></Form.Item>}
      </Form>
    </Modal>
  );
}

export function Views({ kind, views, doc, current, changed, state, onChoose }: Props) {
  const { t } = useTranslation();
  const notify = useNotify();
  const session = useSession().data;
  const can = useCan();
  const roles = useList(can('role', 'read') ? 'roles' : null, { size: 200 }).data?.items ?? [];
  const myRoles = new Set([...(session?.user.roles ?? []), ...roles.filter((r) => session?.user.roles.includes(r.code)).map((r) => r.id)]);
  const save = useSave(doc.plural);
  const remove = useRemove(doc.plural);
  const [open, setOpen] = useState(false);
  const [draft, setDraft] = useState<Draft | null>(null);
  const [usual, setUsual] = useState(() => defaultView(kind));
  const mine = (v: View) => [session?.user.login, session?.user.id].includes(v.by);
  const own = views.filter(mine);
  const others = views.filter((v) => !mine(v) && v.shared && (v.roles.length === 0 || v.roles.some((r) => myRoles.has(r))));
  const pick = (id: string | null) => {
    setOpen(false);
    onChoose(id);
  };
  const store = async (d: Draft, content: ViewState) => {
    try {
      const r = await save.mutateAsync({ id: d.view?.id, rev: d.view?.rev, input: { name: d.name.trim(), spec: specOf(kind, content, { shared: Boolean(d.shared), roles: d.shared ? d.roles ?? [] : [] }, doc) } });
      setDraft(null);
      notify.done(t('view.saved', { name: d.name }));
      pick(r.id);
    } catch (e) {
      notify.failed(e);
    }
  };
  const star = (id: string | null) => {
    setUsual(id);
    writeLocal(defaultKey(kind), id);
  };
  const erase = async (v: View) => {
    try {
      await remove.mutateAsync({ id: v.id });
      if (usual === v.id) star(null);
      if (current?.id === v.id) pick(null);
    } catch (e) {
      notify.failed(e);
    }
  };
  const row = (v: View | null) => (
    <div key={v?.id ?? 'all'} className={`view-row${(current?.id ?? null) === (v?.id ?? null) ? ' active' : ''}`}>
      <button type="button" className="view-pick" onClick={() => pick(v?.id ?? null)}>
        <CheckOutlined className={(current?.id ?? null) === (v?.id ?? null) ? '' : 'hidden'} /> <span className="ellipsis">{v ? v.name : t('view.all')}</span>
        {v?.shared && <Tag>{t('view.shared')}</Tag>}
      </button>
      <Button type="text" size="small" icon={usual === (v?.id ?? null) ? <StarFilled /> : <StarOutlined />} title={t('view.default')} aria-label={`${t('view.default')} ${v?.name ?? t('view.all')}`} onClick={() => star(v?.id ?? null)} />
      {v && mine(v) && <Button type="text" size="small" icon={<EditOutlined />} aria-label={`${t('view.edit')} ${v.name}`} onClick={() => { setOpen(false); setDraft({ view: v, name: v.name, shared: v.shared, roles: v.roles }); }} />}
      {v && mine(v) && <Button type="text" size="small" icon={<DeleteOutlined />} aria-label={`${t('action.delete')} ${v.name}`} onClick={() => void erase(v)} />}
    </div>
  );
  const content = (
    <div className="col view-list">
      {row(null)}
      {own.length > 0 && <div className="menu-group">{t('view.own')}</div>}
      {own.map(row)}
      {others.length > 0 && <div className="menu-group">{t('view.others')}</div>}
      {others.map(row)}
      <div className="row wrap view-actions">
        {current && changed && mine(current) && <Button size="small" type="primary" onClick={() => { setOpen(false); void store({ view: current, name: current.name, shared: current.shared, roles: current.roles }, state); }}>{t('action.save')}</Button>}
        <Button size="small" onClick={() => { setOpen(false); setDraft({ name: current && !mine(current) ? current.name : '', shared: false, roles: [] }); }}>{t('view.saveAs')}</Button>
        {current && changed && <Button size="small" type="text" onClick={() => pick(current.id)}>{t('view.revert')}</Button>}
      </div>
    </div>
  );
  return (
    <>
      <Popover content={content} trigger="click" placement="bottomLeft" open={open} onOpenChange={setOpen}>
        <Button aria-label={t('view.title')}>{current?.name ?? t('view.all')}{changed && <span className="view-changed" title={t('view.modified')}>{t('view.modified')}</span>} <DownOutlined /></Button>
      </Popover>
      {draft && <SaveDialog draft={draft} busy={save.isPending} onClose={() => setDraft(null)} onSave={(d) => void store(d, d.view && d.view.id !== current?.id ? d.view.state : state)} />}
    </>
  );
}
