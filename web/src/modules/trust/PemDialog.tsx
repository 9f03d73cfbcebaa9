/* A certificate as text: of a peer that has not come yet, or for this node, with its key. */
import { Form, Input, Modal } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';

interface Props {
  open: boolean;
  title: string;
  help: string;
  withKey?: boolean;
  onSend: (values: { certificate: string; key?: string }) => Promise<unknown>;
  onClose: () => void;
}

export function PemDialog({ open, title, help, withKey, onSend, onClose }: Props) {
  const { t } = useTranslation();
  const notify = useNotify();
  const [form] = Form.useForm<{ certificate: string; key?: string }>();
  const [busy, setBusy] = useState(false);
  const send = async (values: { certificate: string; key?: string }) => {
    setBusy(true);
    try {
      await onSend(values);
      form.resetFields();
      onClose();
    } catch (e) {
      notify.failed(e);
    } finally {
      setBusy(false);
    }
  };
  const required = [{ required: true, message: t('trust.required') }];
  return (
    <Modal open={open} title={title} okText={t('action.done')} cancelText={t('action.cancel')} confirmLoading={busy} onCancel={onClose} onOk={() => form.submit()} destroyOnHidden>
      <p className="soft">{help}</p>
      <Form form={form} layout="vertical" onFinish={(v) => void send(v)}>
        <Form.Item name="certificate" label={t('trust.certificatePem')} rules={required}>
          <Input.TextArea rows={6} className="mono" placeholder="-----BEGIN CERTIFICATE-----" spellCheck={false} />
        </Form.Item>
        {withKey && (
          <Form.Item name="key" label={t('trust.keyPem')} rules={required}>
            <Input.TextArea rows={6} className="mono" placeholder="-----BEGIN PRIVATE KEY-----" spellCheck={false} autoComplete="off" />
          </Form.Item>
        )}
      </Form>
    </Modal>
  );
}
