/* Writing to the plant: value within its range, a reason, a second look at what will happen, then the
 * outcome as the server tells it, with the value read back. Never optimistic; unknown stays unknown. */
import { Alert, Button, Form, Input, InputNumber, Modal, Segmented } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { LiveQuality, LiveValue } from '@/components/LiveValue';
import { FaultList } from '@/components/states';
import { asError, post, seg } from '@/lib/api';
import { useLive } from '@/lib/stream';
import type { Resource, WriteAnswer } from '@/lib/types';
import { formatValue, unitText } from '@/lib/units';
import { nameOf, specOf } from './query';

interface Values {
  value: number | string;
  reason: string;
}

const EXPIRES_MS = 5000;

function Result({ result, point }: { result: WriteAnswer; point: Resource }) {
  const { t } = useTranslation();
  const { unit, decimals } = specOf(point);
  const show = (v: unknown) => `${formatValue(v, decimals)} ${unitText(unit)}`.trim();
  const type = result.outcome === 'done' ? 'success' : result.outcome === 'unknown' ? 'warning' : 'error';
  return (
    <div className="col">
      <Alert type={type} showIcon title={t(`write.outcome.${result.outcome}`)} description={result.detail || undefined} />
      <table className="diff"><tbody>
        <tr><th>{t('write.before')}</th><td>{show(result.before)}</td></tr>
        <tr><th>{t('write.readback')}</th><td><strong>{show(result.readback)}</strong></td></tr>
        <tr><th>{t('write.took')}</th><td>{result.ms} ms</td></tr>
        <tr><th>{t('write.command')}</th><td className="mono">{result.command}</td></tr>
      </tbody></table>
    </div>
  );
}

function ValueInput({ point, value, onChange, id }: { point: Resource; id?: string; value?: number | string; onChange?: (v: number | string | null) => void }) {
  const spec = specOf(point);
  if (spec.type === 'bool') return <Segmented id={id} options={[{ value: 0, label: '0' }, { value: 1, label: '1' }]} value={value as number} onChange={(v) => onChange?.(v)} />;
  if (spec.type === 'string') return <Input id={id} value={value as string} onChange={(e) => onChange?.(e.target.value)} />;
  return <InputNumber id={id} autoFocus style={{ width: '100%' }} value={value as number} suffix={unitText(spec.unit)} onChange={(v) => onChange?.(v)} />;
}

export function WriteDialog({ point, onClose }: { point: Resource; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const spec = specOf(point);
  const [form] = Form.useForm<Values>();
  const [confirm, setConfirm] = useState<Values | null>(null);
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState<WriteAnswer | null>(null);
  const [error, setError] = useState<unknown>(null);
  useLive(point.num ? [point.num] : []);
  const lo = spec.write_lo ?? spec.lo;
  const hi = spec.write_hi ?? spec.hi;
  const send = async (values: Values) => {
    setBusy(true);
    setError(null);
    try {
      setResult(await post<WriteAnswer>(`/points/${seg(point.id)}:write`, { ...values, confirm: true, expires_ms: EXPIRES_MS }));
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  const footer = result ? [<Button key="done" type="primary" onClick={onClose}>{t('action.done')}</Button>]
    : confirm ? [<Button key="b" disabled={busy} onClick={() => setConfirm(null)}>{t('action.back')}</Button>, <Button key="w" danger type="primary" loading={busy} onClick={() => void send(confirm)}>{t('write.confirm')}</Button>]
      : [<Button key="c" onClick={onClose}>{t('action.cancel')}</Button>, <Button key="n" type="primary" onClick={() => form.submit()}>{t('action.next')}</Button>];
  return (
    <Modal open title={t('write.title', { what: point.code })} onCancel={onClose} footer={footer} mask={{ closable: false }} closable={!busy}>
      <div className="col">
        <div className="row wrap"><span className="soft grow">{nameOf(point, i18n.language)}</span><LiveValue num={point.num} unit={spec.unit} decimals={spec.decimals} /><LiveQuality num={point.num} /></div>
        {error !== null && <Alert type="error" showIcon title={asError(error).message} description={<FaultList error={asError(error)} />} />}
        {result && <Result result={result} point={point} />}
        {!result && confirm && (
          <Alert type="warning" showIcon title={t('write.ask')}
            description={<><div className="write-ask">{point.code} ← <strong>{String(confirm.value)} {unitText(spec.unit)}</strong></div><div>{t('write.reason')}: {confirm.reason}</div></>} />
        )}
        <Form<Values> form={form} layout="vertical" onFinish={setConfirm} hidden={Boolean(confirm) || Boolean(result)}>
          <Form.Item name="value" label={t('write.value')} extra={lo !== undefined || hi !== undefined ? t('write.range', { lo: lo ?? '−∞', hi: hi ?? '∞', unit: unitText(spec.unit) }) : undefined}
            rules={[{ required: true, message: t('form.required') }, {
              validator: (_r, v) => (typeof v === 'number' && ((lo !== undefined && v < lo) || (hi !== undefined && v > hi)) ? Promise.reject(new Error(t('write.outside'))) : Promise.resolve()),
            }]}>
            <ValueInput point={point} />
          </Form.Item>
          <Form.Item name="reason" label={t('write.reason')} extra={t('write.reasonHelp')} rules={[{ required: true, whitespace: true, message: t('form.required') }]}><Input maxLength={200} /></Form.Item>
        </Form>
      </div>
    </Modal>
  );
}
