import { Alert, Form, Input, Modal } from 'antd';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { asError, post, seg } from '@/lib/api';
import { SESSION_KEY, useSession } from '@/lib/session';
import { useNotify } from '@/components/notify';

interface Values {
  old?: string;
  new: string;
  again: string;
}

/* Own password, or (with `user`) somebody's by an administrator. */
export function PasswordDialog({ open, onClose, user }: { open: boolean; onClose: () => void; user?: { id: string; code: string } }) {
  const { t } = useTranslation();
  const { data } = useSession();
  const client = useQueryClient();
  const notify = useNotify();
  const [form] = Form.useForm<Values>();
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const asksOld = !user && !data?.must_set_password;
  const submit = async () => {
    const values = await form.validateFields().catch(() => null);
    if (!values) return;
    setBusy(true);
    setError(null);
    try {
      if (user) await post(`/users/${seg(user.id)}:password`, { password: values.new });
      else await post('/session/password', asksOld ? { old: values.old, new: values.new } : { new: values.new });
      await client.invalidateQueries({ queryKey: SESSION_KEY });
      notify.done(t('user.passwordSet'));
      onClose();
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal open={open} title={user ? t('user.passwordOf', { who: user.code }) : t('user.password')} okText={t('action.save')} cancelText={t('action.cancel')}
      onOk={() => void submit()} onCancel={onClose} confirmLoading={busy} destroyOnHidden>
      {error !== null && <Alert type="error" showIcon title={asError(error).message} />}
      <Form form={form} layout="vertical" onFinish={() => void submit()}>
        {asksOld && (
          <Form.Item name="old" label={t('user.oldPassword')} rules={[{ required: true, message: t('form.required') }]}>
            <Input.Password autoComplete="current-password" autoFocus />
          </Form.Item>
        )}
        <Form.Item name="new" label={t('user.newPassword')} extra={t('user.passwordRule')} rules={[{ required: true, min: 10, message: t('user.passwordRule') }]}>
          <Input.Password autoComplete="new-password" autoFocus={!asksOld} />
        </Form.Item>
        <Form.Item name="again" label={t('user.passwordAgain')} dependencies={['new']}
          rules={[{ required: true, message: t('form.required') }, ({ getFieldValue }) => ({
            validator: (_r, v) => (v === getFieldValue('new') ? Promise.resolve() : Promise.reject(new Error(t('user.passwordDiffers')))),
          })]}>
          <Input.Password autoComplete="new-password" onPressEnter={() => void submit()} />
        </Form.Item>
      </Form>
    </Modal>
  );
}
