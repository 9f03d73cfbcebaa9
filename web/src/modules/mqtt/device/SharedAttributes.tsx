/* Shared attributes: what the platform tells a device, kept until it asks; beside each what the device says itself. */
import { DeleteOutlined, EditOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Form, Input, Modal, Popconfirm } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { RelativeTime } from '@/components/RelativeTime';
import { ErrorState, Loading } from '@/components/states';
import { asError, call, seg } from '@/lib/api';
import type { GetPushDevicesIdLatestAnswer, GetPushDevicesIdSharedAnswer } from '@/lib/api.gen';
import { useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import type { Resource } from '@/lib/types';
import { readTyped, reportedOf, typed } from './values';

type Attribute = GetPushDevicesIdSharedAnswer['items'][number];
interface Values { key: string; text: string }

function SetDialog({ from, onSend, onClose }: { from: Attribute | null; onSend: (key: string, value: unknown) => Promise<void>; onClose: () => void }) {
  const { t } = useTranslation();
  const [form] = Form.useForm<Values>();
  const [busy, setBusy] = useState(false);
  const send = async ({ key, text }: Values) => {
    const read = readTyped(text ?? '');
    if ('fault' in read) return;
    setBusy(true);
    try {
      await onSend(key.trim(), read.value);
      onClose();
    } catch (e) {
      form.setFields([{ name: 'text', errors: [asError(e).message] }]);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal open title={t(from ? 'mqtt.shared.change' : 'mqtt.shared.add')} okText={t('mqtt.shared.send')} cancelText={t('action.cancel')} confirmLoading={busy} onCancel={onClose} onOk={() => form.submit()} destroyOnHidden>
      <p className="soft">{t('mqtt.shared.help')}</p>
      <Form form={form} layout="vertical" initialValues={{ key: from?.key ?? '', text: from ? typed(from.value) : '' }} onFinish={(v) => void send(v)}>
        <Form.Item name="key" label={t('mqtt.shared.key')} rules={[{ required: true, whitespace: true, message: t('form.required') }]}><Input className="mono" disabled={from !== null} autoFocus={!from} placeholder="period" maxLength={200} /></Form.Item>
        <Form.Item name="text" label={t('mqtt.shared.value')} extra={t('mqtt.shared.valueHelp')} rules={[{
          validator: (_r, v: string) => { const r = readTyped(v ?? ''); return 'fault' in r ? Promise.reject(new Error(t('form.json', { why: r.fault }))) : Promise.resolve(); },
        }]}><Input.TextArea className="mono" autoSize={{ minRows: 1, maxRows: 10 }} autoFocus={from !== null} spellCheck={false} placeholder="5" /></Form.Item>
      </Form>
    </Modal>
  );
}

function Answer({ a, own }: { a: Attribute; own: GetPushDevicesIdLatestAnswer['attributes'] }) {
  const { t } = useTranslation();
  const r = reportedOf(a.key, a.value, own);
  if (r.state === 'none') return <span className="muted">{t('mqtt.shared.silent')}</span>;
  return <span className={`quality ${r.state === 'same' ? 'good' : 'uncertain'}`}>{r.state === 'same' ? t('mqtt.shared.same') : <>{t('mqtt.shared.other')} <code className="mono">{typed(r.value)}</code></>} <RelativeTime at={r.at} /></span>;
}

export function SharedAttributes({ resource }: { resource: Resource }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const may = useCan()('push_device', 'write');
  const path = `/push-devices/${seg(resource.id)}`;
  const told = useApi<GetPushDevicesIdSharedAnswer>(`${path}/shared`, undefined, { every: 5000, keep: true });
  const latest = useApi<GetPushDevicesIdLatestAnswer>(`${path}/latest`, undefined, { every: 5000, keep: true });
  const [editing, setEditing] = useState<Attribute | 'new' | null>(null);
  if (told.error && !told.data) return <ErrorState error={told.error} retry={() => void told.refetch()} />;
  if (!told.data) return <Loading rows={3} />;
  const own = latest.data?.attributes ?? [];
  const { items } = told.data;
  const patch = async (key: string, value: unknown) => {
    await call('PATCH', `${path}/shared`, { body: { [key]: value } });
    notify.done(t(value === null ? 'mqtt.shared.removed' : 'mqtt.shared.sent', { key }));
    await told.refetch();
  };
  const others = own.filter((a) => !items.some((x) => x.key === a.key));
  return (
    <section className="panel panel-body col">
      <div className="row wrap"><b>{t('mqtt.shared.title')}</b><span className="muted small">{t('mqtt.shared.sub')}</span><span className="grow" />{may && <Button icon={<PlusOutlined />} onClick={() => setEditing('new')}>{t('mqtt.shared.add')}</Button>}</div>
      {items.length === 0 ? <div className="muted">{t('mqtt.shared.none')}</div> : (
        <div className="plain-scroll tall">
          <table className="plain-table as-cards">
            <thead><tr><th>{t('mqtt.shared.key')}</th><th>{t('mqtt.shared.value')}</th><th>{t('mqtt.shared.set')}</th><th>{t('mqtt.shared.device')}</th><th /></tr></thead>
            <tbody>
              {items.map((a) => (
                <tr key={a.key}>
                  <td className="mono">{a.key}</td>
                  <td data-label={t('mqtt.shared.value')}><code className="mono attribute-value">{typed(a.value)}</code></td>
                  <td data-label={t('mqtt.shared.set')}><RelativeTime at={a.at} /> <span className="muted">{a.by}</span></td>
                  <td data-label={t('mqtt.shared.device')}><Answer a={a} own={own} /></td>
                  <td className="attribute-do">{may && (
                    <span className="row">
                      <Button type="text" size="small" icon={<EditOutlined />} aria-label={t('mqtt.shared.changeOf', { key: a.key })} onClick={() => setEditing(a)} />
                      <Popconfirm title={t('mqtt.shared.removeAsk', { key: a.key })} okText={t('action.delete')} cancelText={t('action.cancel')} onConfirm={() => patch(a.key, null).catch(notify.failed)}><Button type="text" size="small" danger icon={<DeleteOutlined />} aria-label={t('mqtt.shared.removeOf', { key: a.key })} /></Popconfirm>
                    </span>
                  )}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {others.length > 0 && (
        <>
          <div className="row wrap"><b>{t('mqtt.shared.own')}</b><span className="muted small">{t('mqtt.shared.ownHelp')}</span></div>
          <dl className="facts">{others.map((a) => <div key={a.key} className="own-attribute"><dt className="mono">{a.key}</dt><dd><code className="mono attribute-value">{typed(a.value)}</code> <span className="muted small"><RelativeTime at={a.at} /></span></dd></div>)}</dl>
        </>
      )}
      {editing && <SetDialog from={editing === 'new' ? null : editing} onSend={patch} onClose={() => setEditing(null)} />}
    </section>
  );
}
