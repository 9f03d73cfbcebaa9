/* Run a job now: choose what, fill its parameters (the form comes from the job type). */
import { Alert, Form, Modal, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { SchemaFields } from '@/components/schema/SchemaForm';
import { FaultList } from '@/components/states';
import { asError, post } from '@/lib/api';
import { textOf, useApi } from '@/lib/resources';
import type { JobType } from './types';

export function RunDialog({ onClose, onStarted }: { onClose: () => void; onStarted: (id: string) => void }) {
  const { t, i18n } = useTranslation();
  const types = useApi<{ items: JobType[] }>('/job-types');
  const [form] = Form.useForm<Record<string, unknown>>();
  const [type, setType] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const offered = (types.data?.items ?? []).filter((x) => x.by_user);
  const chosen = offered.find((x) => x.name === type);
  const run = async () => {
    const values = await form.validateFields().catch(() => null);
    if (!values || !type) return;
    setBusy(true);
    setError(null);
    try {
      onStarted((await post<{ id: string }>('/jobs', { type, params: values.params ?? {} })).id);
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal open title={t('jobs.run')} okText={t('jobs.start')} cancelText={t('action.cancel')} onOk={() => void run()} onCancel={onClose} confirmLoading={busy} okButtonProps={{ disabled: !type }}>
      <div className="col">
        {error !== null && <Alert type="error" showIcon title={asError(error).message} description={<FaultList error={asError(error)} />} />}
        <Select autoFocus value={type} onChange={setType} placeholder={t('jobs.type')} aria-label={t('jobs.type')}
          options={offered.map((x) => ({ value: x.name, label: textOf(x.title, i18n.language, x.name) }))} loading={types.isPending} />
        <Form form={form} layout="vertical">{chosen?.params && <SchemaFields key={chosen.name} fields={chosen.params} prefix={['params']} creating />}</Form>
      </div>
    </Modal>
  );
}
