/* A certificate as text: of a peer that has not come yet, or for this node, with its key. */
import { FolderOpenOutlined } from '@ant-design/icons';
import { Button, Form, Input, Modal, Upload } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { asError } from '@/lib/api';
import { pemOf } from './types';

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
      form.setFields([{ name: /key/.test(asError(e).where) ? 'key' : 'certificate', errors: [asError(e).message] }]);
    } finally {
      setBusy(false);
    }
  };
  const read = async (name: 'certificate' | 'key', file: File) => {
    const text = pemOf(new Uint8Array(await file.arrayBuffer()));
    if (text === null) notify.failed(new Error(t('trust.noFile', { name: file.name })));
    else form.setFieldsValue({ [name]: text });
    await form.validateFields([name]).catch(() => {});
  };
  const fileOf = (name: 'certificate' | 'key') => (
    <Upload accept=".pem,.crt,.cer,.der,.key,.txt" showUploadList={false} beforeUpload={(file) => { void read(name, file); return false; }}><Button size="small" icon={<FolderOpenOutlined />}>{t('trust.chooseFile')}</Button></Upload>
  );
  const required = [{ required: true, message: t('trust.required') }];
  return (
    <Modal open={open} title={title} okText={t('action.done')} cancelText={t('action.cancel')} confirmLoading={busy} onCancel={onClose} onOk={() => form.submit()} destroyOnHidden>
      <p className="soft">{help}</p>
      <Form form={form} layout="vertical" onFinish={(v) => void send(v)}>
        <Form.Item name="certificate" label={t('trust.certificatePem')} extra={fileOf('certificate')} rules={required}>
          <Input.TextArea rows={6} className="mono" placeholder="-----BEGIN CERTIFICATE-----" spellCheck={false} />
        </Form.Item>
        {withKey && (
          <Form.Item name="key" label={t('trust.keyPem')} extra={fileOf('key')} rules={required}>
            <Input.TextArea rows={6} className="mono" placeholder="-----BEGIN PRIVATE KEY-----" spellCheck={false} autoComplete="off" />
          </Form.Item>
        )}
      </Form>
    </Modal>
  );
}
