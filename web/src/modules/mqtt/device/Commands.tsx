/* Commands to a device: sent once, never queued; the outcome is what the device answered, or that it did not. */
import { SendOutlined } from '@ant-design/icons';
import { Alert, AutoComplete, Button, Form, Input, Modal, Progress, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { RelativeTime } from '@/components/RelativeTime';
import { post, seg } from '@/lib/api';
import type { GetPushDevicesIdCommandsAnswer, PostPushDevicesIdRpcAnswer } from '@/lib/api.gen';
import { useNow } from '@/lib/clock';
import { useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import type { Resource } from '@/lib/types';
import { pretty, readParams } from './values';

type Command = GetPushDevicesIdCommandsAnswer['items'][number];
type Outcome = Command['outcome'];
interface Values { method: string; params?: string; timeout: number }
const LOOK: Record<Outcome, 'good' | 'uncertain' | 'bad'> = { done: 'good', refused: 'bad', failed: 'bad', unknown: 'uncertain', expired: 'bad' };
const ALERT = { good: 'success', uncertain: 'warning', bad: 'error' } as const;
const WAITS = [2000, 5000, 15000, 60000];

function Waiting({ since, ms, method }: { since: number; ms: number; method: string }) {
  const { t } = useTranslation();
  const passed = Math.max(0, Math.min(ms, useNow() - since));
  return <div className="command-wait" role="status"><span>{t('mqtt.command.waiting', { method })}</span><Progress percent={Math.round((100 * passed) / ms)} size="small" showInfo={false} status="active" /></div>;
}

function Result({ a, method }: { a: PostPushDevicesIdRpcAnswer; method: string }) {
  const { t } = useTranslation();
  return (
    <Alert type={ALERT[LOOK[a.outcome]]} showIcon title={t(`mqtt.command.is.${a.outcome}`, { method, ms: a.ms })}
      description={<>{a.detail && <div>{a.detail}</div>}{a.outcome === 'failed' && <div className="soft">{t('mqtt.command.failedHelp')}</div>}{a.reply !== null && <pre className="command-reply">{pretty(JSON.stringify(a.reply))}</pre>}</>} />
  );
}

function History({ items, onAgain }: { items: Command[]; onAgain?: (c: Command) => void }) {
  const { t } = useTranslation();
  if (items.length === 0) return <div className="muted">{t('mqtt.command.none')}</div>;
  return (
    <div className="plain-scroll tall">
      <table className="plain-table as-cards">
        <thead><tr><th>{t('mqtt.command.at')}</th><th>{t('mqtt.command.method')}</th><th>{t('mqtt.command.outcome')}</th><th>{t('mqtt.command.reply')}</th><th className="num">{t('mqtt.command.ms')}</th><th>{t('mqtt.command.by')}</th><th /></tr></thead>
        <tbody>
          {items.map((c) => (
            <tr key={c.at + c.method}>
              <td><RelativeTime at={c.at} /></td>
              <td data-label={t('mqtt.command.method')}><b className="mono">{c.method}</b> {c.params !== null && <code className="mono small soft">{c.params}</code>}</td>
              <td data-label={t('mqtt.command.outcome')}><span className={`quality ${LOOK[c.outcome]}`}>{t(`mqtt.command.outcomes.${c.outcome}`)}</span>{c.detail && <div className="small soft">{c.detail}</div>}</td>
              <td data-label={t('mqtt.command.reply')}>{c.reply === null ? <span className="muted">—</span> : <code className="mono small attribute-value">{c.reply}</code>}</td>
              <td className="num" data-label={t('mqtt.command.ms')}>{c.ms} ms</td>
              <td data-label={t('mqtt.command.by')}>{c.by ?? <span className="soft">{t('mqtt.command.write')}</span>}</td>
              <td>{onAgain && c.by !== null && <Button type="link" size="small" onClick={() => onAgain(c)}>{t('mqtt.command.again')}</Button>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Commands({ resource }: { resource: Resource }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const may = useCan()('push_device', 'control');
  const [modal, holder] = Modal.useModal();
  const [form] = Form.useForm<Values>();
  const [sent, setSent] = useState<{ at: number; ms: number; method: string } | null>(null);
  const [got, setGot] = useState<{ a: PostPushDevicesIdRpcAnswer; method: string } | null>(null);
  const path = `/push-devices/${seg(resource.id)}`;
  const history = useApi<GetPushDevicesIdCommandsAnswer>(`${path}/commands`, undefined, { every: 5000, keep: true });
  const items = history.data?.items ?? [];
  const send = async (method: string, params: unknown, ms: number) => {
    setGot(null);
    setSent({ at: Date.now(), ms, method });
    try {
      setGot({ a: await post<PostPushDevicesIdRpcAnswer>(`${path}:rpc`, { method, timeout_ms: ms, ...(params === undefined ? {} : { params }) }), method });
    } catch (e) {
      notify.failed(e);
    } finally {
      setSent(null);
      void history.refetch();
    }
  };
  const ask = (v: Values) => {
    const read = readParams(v.params ?? '');
    if ('fault' in read) return;
    void modal.confirm({
      title: t('mqtt.command.ask', { method: v.method.trim(), device: resource.code }), okText: t('mqtt.command.send'), cancelText: t('action.cancel'), okButtonProps: { danger: true },
      content: <>{read.value !== undefined && <pre className="command-reply">{JSON.stringify(read.value, null, 1)}</pre>}<span className="soft">{t('mqtt.command.askHelp')}</span></>,
      onOk: () => { void send(v.method.trim(), read.value, v.timeout); },
    });
  };
  const methods = [...new Set(items.filter((c) => c.by !== null).map((c) => c.method))];
  return (
    <section className="panel panel-body col">
      {holder}
      <div className="row wrap"><b>{t('mqtt.command.title')}</b><span className="muted small">{t('mqtt.command.sub')}</span></div>
      {may && (
        <Form form={form} name="command" layout="vertical" className="command-form" initialValues={{ timeout: 5000 }} onFinish={ask}>
          <Form.Item name="method" label={t('mqtt.command.method')} rules={[{ required: true, whitespace: true, message: t('form.required') }, { max: 100 }]}><AutoComplete className="mono" options={methods.map((m) => ({ value: m }))} placeholder="reboot" /></Form.Item>
          <Form.Item name="params" label={t('mqtt.command.params')} rules={[{ validator: (_r, v: string) => { const r = readParams(v ?? ''); return 'fault' in r ? Promise.reject(new Error(t('form.json', { why: r.fault }))) : Promise.resolve(); } }]}>
            <Input.TextArea className="mono" autoSize={{ minRows: 1, maxRows: 8 }} spellCheck={false} placeholder='{"delay":5}' />
          </Form.Item>
          <Form.Item name="timeout" label={t('mqtt.command.wait')}><Select options={WAITS.map((ms) => ({ value: ms, label: t('mqtt.command.seconds', { n: ms / 1000 }) }))} /></Form.Item>
          <Form.Item label=" "><Button type="primary" htmlType="submit" icon={<SendOutlined />} loading={sent !== null}>{t('mqtt.command.send')}</Button></Form.Item>
        </Form>
      )}
      {sent && <Waiting since={sent.at} ms={sent.ms} method={sent.method} />}
      {got && <div role="status"><Result a={got.a} method={got.method} /></div>}
      <div className="row wrap"><b>{t('mqtt.command.history')}</b><span className="muted small">{t('mqtt.command.historyHelp')}</span></div>
      {history.data && <History items={items} onAgain={may ? (c) => { form.setFieldsValue({ method: c.method, params: pretty(c.params) }); } : undefined} />}
    </section>
  );
}
