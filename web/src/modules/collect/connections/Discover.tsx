/* Who answers at the address of a channel: servers and endpoints, one of which fills the form. */
import { SearchOutlined } from '@ant-design/icons';
import { Alert, Button, Form, Modal } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { placeFaults } from '@/components/link/faults';
import { asError, post } from '@/lib/api';
import type { Driver, Spec } from '@/lib/types';
import { channelInput, type ChannelValues } from './ChannelForm';

interface Found {
  name: string;
  description: string;
  options: Spec;
}

export function Discover({ driver }: { driver: Driver }) {
  const { t } = useTranslation();
  const form = Form.useFormInstance<ChannelValues>();
  const [busy, setBusy] = useState(false);
  const [found, setFound] = useState<Found[] | null>(null);
  const [error, setError] = useState('');
  const ask = async () => {
    setError('');
    setBusy(true);
    try {
      const { spec } = channelInput(driver, { ...form.getFieldsValue(true) as ChannelValues, code: 'x' }, false);
      setFound((await post<{ items: Found[] }>('/channels:discover', { spec })).items);
    } catch (e) {
      const rest = placeFaults(form, e);
      setError(rest.length > 0 ? asError(e).faults().map((f) => f.detail).join('；') : t('connections.test.fields'));
    } finally {
      setBusy(false);
    }
  };
  const take = (f: Found) => {
    for (const [name, value] of Object.entries(f.options)) form.setFieldValue(['options', name], value);
    setFound(null);
  };
  return (
    <div className="col discover">
      <div><Button size="small" icon={<SearchOutlined />} loading={busy} onClick={() => void ask()}>{t('connections.discover.find')}</Button></div>
      {error && <Alert type="error" showIcon title={error} closable={{ onClose: () => setError('') }} />}
      <Modal open={found !== null} title={t('connections.discover.title')} footer={null} onCancel={() => setFound(null)} destroyOnHidden>
        {found?.length === 0 && <p className="soft">{t('connections.discover.none')}</p>}
        <div className="col">
          {found?.map((f) => (
            <div key={JSON.stringify([f.name, f.options])} className="row discover-item">
              <div><div>{f.name}</div><div className="soft small">{f.description}</div></div>
              <Button onClick={() => take(f)}>{t('connections.discover.take')}</Button>
            </div>
          ))}
        </div>
      </Modal>
    </div>
  );
}
