/* Step 2: the station behind the channel. */
import { Form, Input, Segmented, type FormInstance } from 'antd';
import { useTranslation } from 'react-i18next';
import { RefSelect } from '@/components/schema/RefSelect';
import { fromForm } from '@/components/schema/convert';
import { quote } from '@/lib/filter';
import type { Driver, ResourceInput, Spec } from '@/lib/types';
import { OptionFields } from '@/components/link/OptionFields';
import { AreaInput } from '@/components/AreaInput';

export interface DeviceValues {
  code: string;
  name?: string;
  area?: string;
  options?: Spec;
}

export function deviceInput(driver: Driver | undefined, v: DeviceValues): ResourceInput {
  const area = (v.area ?? '').trim().replace(/\/+$/, '');
  return { code: v.code.trim(), name: (v.name ?? '').trim() || v.code.trim(), spec: { enabled: true, ...(area ? { area } : {}), options: fromForm(driver?.device ?? [], v.options, false) } };
}

interface Props {
  form: FormInstance<DeviceValues>;
  driver: Driver | undefined;
  channelId: string | null;
  existing: string | null;
  mode: 'new' | 'existing';
  onMode: (m: 'new' | 'existing') => void;
  onExisting: (id: string | null) => void;
  onNext: () => void;           /* Enter in a field */
}

export function DeviceStep({ form, driver, channelId, existing, mode, onMode, onExisting, onNext }: Props) {
  const { t } = useTranslation();
  return (
    <div className="col wizard-form">
      {channelId && <Segmented value={mode} onChange={(v) => onMode(v as 'new' | 'existing')} options={[{ value: 'new', label: t('connections.wizard.newDevice') }, { value: 'existing', label: t('connections.wizard.oldDevice') }]} />}
      <Form form={form} name="device" layout="vertical" onFinish={onNext} hidden={mode !== 'new'} className={mode === 'new' ? '' : 'hidden'}>
        <div className="form-grid">
          <Form.Item name="code" label={t('connections.form.code')} rules={[{ required: true, message: t('form.required') }, { pattern: /^[^ ,;'"]+$/u, message: t('connections.fault.code') }]}><Input /></Form.Item>
          <Form.Item name="name" label={t('connections.form.name')}><Input /></Form.Item>
          <Form.Item name="area" label={t('connections.form.area')} extra={t('connections.form.areaHelp')}><AreaInput /></Form.Item>
        </div>
        {driver && <OptionFields fields={driver.device} of={driver.name} creating />}
        <button type="submit" hidden />
      </Form>
      {mode === 'existing' && channelId && (
        <Form layout="vertical">
          <Form.Item label={t('connections.col.device')} required>
            <RefSelect kind="device" filter={`channel=${quote(channelId)}`} value={existing ?? undefined} onChange={(v) => onExisting((v as string | null) ?? null)} />
          </Form.Item>
        </Form>
      )}
    </div>
  );
}
