/* Step 1: which protocol and where; a channel that exists or a new one, tried before it is stored. */
import { Form, Segmented, type FormInstance } from 'antd';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { RefSelect } from '@/components/schema/RefSelect';
import type { Driver, Spec } from '@/lib/types';
import { ChannelFields, channelInput, valuesOf, type ChannelValues } from '../ChannelForm';
import { keepPlace, suggestCode } from '../drivers';
import { TestButton } from '@/components/link/TestResult';

interface Props {
  form: FormInstance<ChannelValues>;
  drivers: Driver[];
  driver: Driver | undefined;
  taken: string[];              /* codes of the channels that exist */
  existing: string | null;      /* undefined choice: a new one */
  mode: 'new' | 'existing';
  onMode: (m: 'new' | 'existing') => void;
  onExisting: (id: string | null) => void;
  onDriver: (name: string) => void;
  onNext: () => void;           /* Enter in a field */
}

export function ChannelStep({ form, drivers, driver, taken, existing, mode, onMode, onExisting, onDriver, onNext }: Props) {
  const { t } = useTranslation();
  const typed = useRef(false);
  const options = Form.useWatch('options', { form, preserve: true });
  useEffect(() => {
    if (mode !== 'new' || !driver || typed.current) return;
    form.setFieldValue('code', suggestCode(driver.name, options, driver.channel, taken));
  }, [options, driver, mode, taken, form]);
  const pickDriver = (name: string) => {
    onDriver(name);
    const next = drivers.find((d) => d.name === name);
    const { options: fresh, ...rest } = valuesOf(next);
    form.setFieldValue('options', keepPlace(fresh, form.getFieldValue('options') as Spec | undefined, next));   /* as a whole: nothing of the other protocol stays */
    form.setFieldsValue({ driver: rest.driver, code: typed.current ? form.getFieldValue('code') : '' });
  };
  return (
    <div className="col wizard-form">
      {taken.length > 0 && (
        <Segmented value={mode} onChange={(v) => onMode(v as 'new' | 'existing')} options={[{ value: 'new', label: t('connections.wizard.newChannel') }, { value: 'existing', label: t('connections.wizard.oldChannel') }]} />
      )}
      <Form form={form} name="channel" layout="vertical" onFinish={onNext} hidden={mode !== 'new'} className={mode === 'new' ? '' : 'hidden'}>
        <ChannelFields drivers={drivers} driver={driver} creating onDriver={pickDriver} onCode={() => { typed.current = true; }} />
        <button type="submit" hidden />
        <TestButton key={driver?.name} form={form as FormInstance} path="/channels:test" body={async () => {
          await form.validateFields(driver?.channel.map((f) => ['options', f.name]) as never);
          return { spec: channelInput(driver, form.getFieldsValue(true) as ChannelValues, false).spec };
        }} />
      </Form>
      {mode === 'existing' && (
        <Form layout="vertical">
          <Form.Item label={t('connections.wizard.channel')} required>
            <RefSelect kind="channel" value={existing ?? undefined} onChange={(v) => onExisting((v as string | null) ?? null)} />
          </Form.Item>
          {existing && <TestButton key={existing} path={`/channels/${encodeURIComponent(existing)}:test`} body={async () => ({})} />}
        </Form>
      )}
    </div>
  );
}
