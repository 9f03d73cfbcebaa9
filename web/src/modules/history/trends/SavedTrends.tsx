/* Saved trends: open, save, save as, delete. */
import { DeleteOutlined, FolderOpenOutlined, SaveOutlined } from '@ant-design/icons';
import { Button, Form, Input, Modal, Popover, Skeleton, Space } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ConfirmDelete } from '@/components/ConfirmDelete';
import { useNotify } from '@/components/notify';
import { RelativeTime } from '@/components/RelativeTime';
import { EmptyState, ErrorState } from '@/components/states';
import { asError } from '@/lib/api';
import { useList, useRemove, useResource, useSave } from '@/lib/resources';
import { useCan } from '@/lib/session';
import type { Resource } from '@/lib/types';
import { useDebounced } from '@/lib/useDebounced';
import { toSpec, type TrendState } from './state';

interface ListProps {
  current: string | null;
  onOpen: (trend: Resource) => void;
  onGone?: (id: string) => void;
}

export function TrendList({ current, onOpen, onGone }: ListProps) {
  const { t } = useTranslation();
  const can = useCan();
  const [text, setText] = useState('');
  const q = useDebounced(text.trim(), 200);
  const { data, error, refetch } = useList('trends', { q: q || undefined, sort: 'name', size: 200 });
  const remove = useRemove('trends');
  const [gone, setGone] = useState<Resource | null>(null);
  if (error && !data) return <ErrorState error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton active title={false} paragraph={{ rows: 3 }} />;
  return (
    <div className="col saved-list">
      {(data.total > 8 || q) && <Input allowClear value={text} onChange={(e) => setText(e.target.value)} placeholder={t('trends.saved.search')} aria-label={t('trends.saved.search')} />}
      {data.items.length === 0 && <EmptyState title={t(q ? 'state.nothingFound' : 'trends.saved.none')} help={q ? undefined : t('trends.saved.noneHelp')} />}
      {data.items.map((r) => (
        <div key={r.id} className={`row saved-row${r.id === current ? ' current' : ''}`}>
          <button type="button" className="link-button grow ellipsis" onClick={() => onOpen(r)}>{r.name || r.code}</button>
          <span className="muted small">{t('trends.saved.pens', { n: Array.isArray(r.spec.pens) ? r.spec.pens.length : 0 })}</span>
          <span className="muted small"><RelativeTime at={r.updated_at} /></span>
          {can('trend', 'delete') && <Button type="text" size="small" icon={<DeleteOutlined />} aria-label={`${t('action.delete')} ${r.name}`} onClick={() => setGone(r)} />}
        </div>
      ))}
      <ConfirmDelete open={gone !== null} what={gone?.name || gone?.code || ''} type={gone?.name || gone?.code || ''} onClose={() => setGone(null)}
        onDelete={async () => {
          if (!gone) return;
          await remove.mutateAsync({ id: gone.id, rev: gone.rev });
          onGone?.(gone.id);
        }} />
    </div>
  );
}

function SaveAs({ open, state, onClose, onSaved }: { open: boolean; state: TrendState; onClose: () => void; onSaved: (r: Resource) => void }) {
  const { t } = useTranslation();
  const [form] = Form.useForm<{ name: string }>();
  const save = useSave('trends');
  const run = async () => {
    const { name } = await form.validateFields();
    try {
      onSaved(await save.mutateAsync({ input: { name: name.trim(), spec: toSpec(state) } }));
      onClose();
    } catch (e) {
      form.setFields([{ name: 'name', errors: asError(e).faults().map((f) => f.detail) }]);
    }
  };
  return (
    <Modal open={open} title={t('trends.saved.saveAs')} okText={t('action.save')} cancelText={t('action.cancel')} confirmLoading={save.isPending} onCancel={onClose} onOk={() => void run()} destroyOnHidden>
      <Form form={form} layout="vertical" preserve={false} onFinish={() => void run()}>
        <Form.Item name="name" label={t('trends.saved.name')} rules={[{ required: true, whitespace: true, message: t('form.required') }]}>
          <Input autoFocus maxLength={200} />
        </Form.Item>
      </Form>
    </Modal>
  );
}

interface MenuProps {
  state: TrendState;
  onOpen: (trend: Resource) => void;
  onSaved: (id: string) => void;
  onGone: (id: string) => void;
}

export function SavedTrends({ state, onOpen, onSaved, onGone }: MenuProps) {
  const { t } = useTranslation();
  const can = useCan();
  const notify = useNotify();
  const [open, setOpen] = useState(false);
  const [naming, setNaming] = useState(false);
  const current = useResource('trends', state.trend ?? undefined);
  const save = useSave('trends');
  const mine = current.data;
  const store = async () => {
    if (!mine) {
      setNaming(true);
      return;
    }
    try {
      await save.mutateAsync({ id: mine.id, rev: mine.rev, input: { spec: toSpec(state) } });
      notify.done(t('trends.saved.done', { name: mine.name }));
    } catch (e) {
      notify.failed(e);
    }
  };
  return (
    <>
      <Space.Compact>
        <Popover open={open} onOpenChange={setOpen} trigger="click" placement="bottomLeft" title={t('trends.saved.title')} content={<TrendList current={state.trend} onOpen={(r) => { setOpen(false); onOpen(r); }} onGone={onGone} />}>
          <Button icon={<FolderOpenOutlined />}><span className="saved-name">{mine ? mine.name || mine.code : t('trends.saved.open')}</span></Button>
        </Popover>
        {can('trend', 'write') && state.pens.length > 0 && (
          <>
            <Button icon={<SaveOutlined />} loading={save.isPending} onClick={() => void store()} title={t('trends.saved.save')} aria-label={t('trends.saved.save')} />
            {mine && <Button onClick={() => setNaming(true)}>{t('trends.saved.saveAs')}</Button>}
          </>
        )}
      </Space.Compact>
      <SaveAs open={naming} state={state} onClose={() => setNaming(false)} onSaved={(r) => { onSaved(r.id); notify.done(t('trends.saved.done', { name: r.name })); }} />
    </>
  );
}
