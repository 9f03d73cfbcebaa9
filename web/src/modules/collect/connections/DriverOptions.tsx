/* The options of a protocol in the generic forms of channels, devices and points: only those of the driver at hand,
 * laid out as in the wizard. */
import { Form, Skeleton } from 'antd';
import { useTranslation } from 'react-i18next';
import type { FieldEditorProps } from '@/app/module';
import { ProtocolSelect } from '@/components/link/ProtocolSelect';
import { OptionFields } from '@/components/link/OptionFields';
import { useResource } from '@/lib/resources';
import { useDrivers } from './drivers';
import '@/components/link/link.css';

type Part = 'channel' | 'device' | 'point';
const PREFIX = ['spec', 'options'];

/* From the reference that the form holds to the driver, by way of device and channel. */
function useDriverName(part: Part): { name: string; chosen: boolean } {
  const form = Form.useFormInstance();
  const watch = (name: string) => ['spec', name];
  const own = Form.useWatch(watch('driver'), { form, preserve: true }) as string | undefined;
  const deviceId = Form.useWatch(watch('device'), { form, preserve: true }) as string | undefined;
  const channelOfForm = Form.useWatch(watch('channel'), { form, preserve: true }) as string | undefined;
  const device = useResource('devices', part === 'point' && deviceId ? deviceId : undefined).data;
  const channelId = part === 'device' ? channelOfForm : part === 'point' ? (device?.spec.channel as string | undefined) : undefined;
  const channel = useResource('channels', channelId || undefined).data;
  if (part === 'channel') return { name: own ?? '', chosen: Boolean(own) };
  return { name: String(channel?.spec.driver ?? ''), chosen: Boolean(part === 'device' ? channelOfForm : deviceId) };
}

function Options({ part, disabled }: { part: Part; disabled?: boolean }) {
  const { t } = useTranslation();
  const { name, chosen } = useDriverName(part);
  const drivers = useDrivers();
  const driver = drivers.data?.find((d) => d.name === name);
  if (!chosen) return <span className="muted">{t(`connections.form.noneYet.${part}`)}</span>;
  if (!driver) return <Skeleton active title={false} paragraph={{ rows: 2 }} />;
  const fields = driver[part];
  if (fields.length === 0) return <span className="muted">{t('connections.form.noOptions')}</span>;
  return <OptionFields fields={fields} of={driver.name} prefix={PREFIX} creating={false} disabled={disabled} />;
}

/* Choosing the protocol by name and use. */
export function ChannelDriver({ value, onChange, disabled, id }: FieldEditorProps & { id?: string }) {
  const drivers = useDrivers();
  return <ProtocolSelect id={id} value={value as string} onChange={onChange} onPick={() => {}} disabled={disabled} groups={[{ label: '', items: drivers.data ?? [] }]} />;
}

export const ChannelOptions = ({ disabled }: FieldEditorProps) => <Options part="channel" disabled={disabled} />;
export const DeviceOptions = ({ disabled }: FieldEditorProps) => <Options part="device" disabled={disabled} />;
export const PointOptions = ({ disabled }: FieldEditorProps) => <Options part="point" disabled={disabled} />;
