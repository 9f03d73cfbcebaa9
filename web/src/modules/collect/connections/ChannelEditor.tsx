/* Changing a channel, or making one like it. */
import { Alert, Button, Drawer, Form, Skeleton, Space, type FormInstance } from 'antd';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { ErrorState } from '@/components/states';
import { useResource, useSave } from '@/lib/resources';
import type { Driver, Resource } from '@/lib/types';
import { placeFaults } from '@/components/link/faults';
import { freeCode } from '@/components/link/options';
import { TestButton } from '@/components/link/TestResult';
import { ChannelFields, channelInput, valuesOf, type ChannelValues } from './ChannelForm';
import { useDrivers } from './drivers';

interface Props {
  id: string;
  copy: boolean;
  taken: string[];
  onClose: () => void;
}

function Editor({ channel, drivers, copy, taken, onClose }: Omit<Props, 'id'> & { channel: Resource; drivers: Driver[] }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const [form] = Form.useForm<ChannelValues>();
  const save = useSave('channels');
  const [rest, setRest] = useState<string[]>([]);
  const driver = drivers.find((d) => d.name === channel.spec.driver);
  useEffect(() => {
    const values = valuesOf(driver, channel);
    form.setFieldsValue(copy ? { ...values, code: freeCode(`${channel.code}-2`, taken), name: t('connections.copyName', { name: channel.name }) } : values);
  }, [channel.id]); // eslint-disable-line react/exhaustive-deps
  const input = async () => {
    await form.validateFields();
    return channelInput(driver, form.getFieldsValue(true) as ChannelValues, !copy);
  };
  const store = async () => {
    const what = await input().catch(() => null);
    if (!what) return;
    setRest([]);
    try {
      await save.mutateAsync(copy ? { input: what } : { id: channel.id, rev: channel.rev, input: what });
      notify.done(t('connections.saved', { code: what.code }));
      onClose();
    } catch (e) {
      setRest(placeFaults(form, e));
    }
  };
  return (
    <>
      <Form form={form} layout="vertical" onFinish={() => void store()}>
        <ChannelFields drivers={drivers} driver={driver} creating={false} onDriver={() => {}} />
        <button type="submit" hidden />
      </Form>
      <TestButton form={form as FormInstance} path="/channels:test" body={async () => ({ spec: channelInput(driver, (await input(), form.getFieldsValue(true) as ChannelValues), false).spec })} />
      <div className="drawer-foot sticky">
        {rest.length > 0 && <Alert type="error" showIcon title={rest.join('；')} />}
        <Space>
        <Button type="primary" loading={save.isPending} onClick={() => void store()}>{t('action.save')}</Button>
        <Button onClick={onClose}>{t('action.cancel')}</Button>
        </Space>
      </div>
    </>
  );
}

export function ChannelEditor(props: Props) {
  const { t } = useTranslation();
  const channel = useResource('channels', props.id);
  const drivers = useDrivers();
  const error = channel.error ?? drivers.error;
  return (
    <Drawer open keyboard={false} mask={{ closable: false }} onClose={props.onClose} size="min(640px, 100vw)" title={t(props.copy ? 'connections.duplicateTitle' : 'connections.editTitle', { code: channel.data?.code ?? '' })}>
      {error ? <ErrorState error={error} retry={() => { void channel.refetch(); void drivers.refetch(); }} />
        : channel.data && drivers.data ? <Editor key={channel.data.id} {...props} channel={channel.data} drivers={drivers.data} />
        : <Skeleton active />}
    </Drawer>
  );
}
