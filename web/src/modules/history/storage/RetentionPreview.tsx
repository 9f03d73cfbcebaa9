/* Tab of an archive class: try limits and see what they would delete and move, before saving them. */
import { Alert, Button, Form, Input, InputNumber } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ConfirmDelete } from '@/components/ConfirmDelete';
import { useNotify } from '@/components/notify';
import { asError, post } from '@/lib/api';
import { useApi, useSave } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { formatTime } from '@/lib/time';
import type { Resource } from '@/lib/types';
import { formatBytes, formatCount } from '@/lib/units';
import type { PreviewAnswer, StorageAnswer } from './types';

const DURATIONS = ['keep', 'keep_rollups', 'warm_after', 'cold_after'] as const;

function Effect({ answer }: { answer: PreviewAnswer }) {
  const { t } = useTranslation();
  const gone = answer.delete.samples > 0 || answer.delete.bytes > 0;
  const moved = answer.move.warm > 0 || answer.move.cold > 0;
  return (
    <>
      {gone
        ? <Alert type="warning" showIcon title={t('storage.wouldDelete', { n: formatCount(answer.delete.samples), bytes: formatBytes(answer.delete.bytes) })} description={answer.delete.before ? t('storage.wouldDeleteBefore', { at: formatTime(answer.delete.before) }) : undefined} />
        : <Alert type="success" showIcon title={t('storage.wouldDeleteNothing')} />}
      {moved && <Alert type="info" showIcon title={t('storage.wouldMove', { warm: formatBytes(answer.move.warm), cold: formatBytes(answer.move.cold) })} />}
    </>
  );
}

export function RetentionPreview({ resource }: { resource: Resource }) {
  const { t } = useTranslation();
  const can = useCan();
  const notify = useNotify();
  const save = useSave('archive-classes');
  const [form] = Form.useForm<Record<string, string | number | null>>();
  const [answer, setAnswer] = useState<PreviewAnswer | null>(null);
  const [asked, setAsked] = useState<Record<string, unknown> | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [confirm, setConfirm] = useState(false);
  const storage = useApi<StorageAnswer>('/storage', undefined, { stale: 10000 });
  const own = storage.data?.classes.find((c) => c.code === resource.code);
  const spec = () => {
    const v = form.getFieldsValue();
    const out: Record<string, unknown> = { max_mb: v.max_mb ?? null };
    for (const k of DURATIONS) out[k] = typeof v[k] === 'string' && v[k].trim() ? v[k].trim() : null;
    return out;
  };
  const ask = async () => {
    const s = spec();
    setError(null);
    try {
      setAnswer(await post<PreviewAnswer>('/archive-classes:preview', { code: resource.code, spec: { ...resource.spec, ...s } }));
      setAsked(s);
    } catch (e) {
      setAnswer(null);
      setError(e);
    }
  };
  const apply = async () => {
    await save.mutateAsync({ id: resource.id, rev: resource.rev, input: { spec: asked ?? {} } });
    setAnswer(null);
    notify.done(t('storage.applied'));
  };
  const change = () => setAnswer(null);
  return (
    <div className="col storage-preview">
      {own && <div className="soft">{t('storage.classNow', { bytes: formatBytes(own.bytes), n: formatCount(own.samples), at: formatTime(own.oldest) })}</div>}
      <Form form={form} layout="vertical" initialValues={resource.spec} onValuesChange={change} className="form-grid" onFinish={() => void ask()}>
        {DURATIONS.slice(0, 2).map((k) => <Form.Item key={k} name={k} label={t(`storage.fields.${k}`)}><Input allowClear placeholder="365d" /></Form.Item>)}
        <Form.Item name="max_mb" label={t('storage.fields.max_mb')}><InputNumber min={1} style={{ width: '100%' }} /></Form.Item>
        {DURATIONS.slice(2).map((k) => <Form.Item key={k} name={k} label={t(`storage.fields.${k}`)}><Input allowClear placeholder="30d" /></Form.Item>)}
      </Form>
      <div className="row">
        <Button type="primary" onClick={() => form.submit()}>{t('storage.preview')}</Button>
        <Button danger disabled={!answer || !can('archive_class', 'write')} loading={save.isPending} onClick={() => (answer && answer.delete.samples > 0 ? setConfirm(true) : void apply().catch(notify.failed))}>{t('storage.apply')}</Button>
      </div>
      {error !== null && <Alert type="error" showIcon title={asError(error).message} description={asError(error).where} />}
      {answer && <Effect answer={answer} />}
      <ConfirmDelete open={confirm} what={t('storage.samplesOfClass', { name: resource.name || resource.code, n: formatCount(answer?.delete.samples ?? 0) })} type={resource.code} onDelete={apply} onClose={() => setConfirm(false)} />
    </div>
  );
}
