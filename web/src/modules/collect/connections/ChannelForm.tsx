/* Fields of a channel: protocol, name, its driver's options. Lives inside an antd form whose values are
 * { driver, code, name, enabled, description, options }. */
import { Form, Input, Switch } from 'antd';
import { useTranslation } from 'react-i18next';
import { ProtocolSelect } from '@/components/link/ProtocolSelect';
import { OptionFields } from '@/components/link/OptionFields';
import { fromForm, toForm } from '@/components/schema/convert';
import { textOf } from '@/lib/resources';
import type { Driver, Resource, ResourceInput, Spec } from '@/lib/types';
import { Discover } from './Discover';

export interface ChannelValues {
  driver: string;
  code: string;
  name?: string;
  enabled?: boolean;
  description?: string;
  options?: Spec;
}

export function valuesOf(driver: Driver | undefined, from?: Resource): ChannelValues {
  const options = (from?.spec.options ?? {}) as Spec;
  const fields = driver?.channel ?? [];
  const filled = toForm(fields, {}, true);
  return {
    driver: driver?.name ?? String(from?.spec.driver ?? ''), code: from?.code ?? '', name: from?.name ?? '',
    enabled: from ? from.spec.enabled !== false : true, description: String(from?.spec.description ?? ''),
    options: { ...filled, ...toForm(fields, options, false) },
  };
}

/* `full`: clears what is empty (changing); else leaves it out (creating). */
export function channelInput(driver: Driver | undefined, v: ChannelValues, full: boolean): ResourceInput {
  return {
    code: v.code.trim(), name: (v.name ?? '').trim() || v.code.trim(),
    spec: { driver: v.driver, enabled: v.enabled ?? true, ...(v.description || full ? { description: v.description || null } : {}), options: fromForm(driver?.channel ?? [], v.options, full) },
  };
}

interface Props {
  drivers: Driver[];
  driver: Driver | undefined;
  creating: boolean;
  onDriver: (name: string) => void;
  onCode?: () => void;
}

export function ChannelFields({ drivers, driver, creating, onDriver, onCode }: Props) {
  const { t, i18n } = useTranslation();
  return (
    <>
      <Form.Item name="driver" label={t('connections.form.protocol')} extra={textOf(driver?.help, i18n.language) || undefined} rules={[{ required: true, message: t('form.required') }]}>
        <ProtocolSelect disabled={!creating} onPick={onDriver} groups={[{ label: '', items: drivers }]} />
      </Form.Item>
      {driver && <OptionFields fields={driver.channel} of={driver.name} creating={creating} />}
      {driver?.discover && <Discover key={driver.name} driver={driver} />}
      <div className="form-grid">
        <Form.Item name="code" label={t('connections.form.code')} extra={t('connections.form.codeHelp')} rules={[{ required: true, message: t('form.required') }, { pattern: /^[^ ,;'"]+$/u, message: t('connections.fault.code') }]}>
          <Input onChange={onCode} />
        </Form.Item>
        <Form.Item name="name" label={t('connections.form.name')}><Input /></Form.Item>
        <Form.Item name="description" label={t('connections.form.description')} hidden={creating}><Input.TextArea autoSize={{ minRows: 1, maxRows: 5 }} /></Form.Item>
        <Form.Item name="enabled" label={t('connections.form.enabled')} valuePropName="checked" hidden={creating}><Switch /></Form.Item>
      </div>
    </>
  );
}
