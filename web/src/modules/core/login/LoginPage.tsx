import { Alert, Button, Form, Input } from 'antd';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate, useSearchParams } from 'react-router';
import { asError, post } from '@/lib/api';
import { SESSION_KEY } from '@/lib/session';
import type { Session } from '@/lib/types';
import { LoginFrame } from './LoginFrame';

/* Only paths of our own: "//host" and "https:" would lead away. */
export function safeTarget(to: string | null): string {
  return to && to.startsWith('/') && !to.startsWith('//') && !to.startsWith('/\\') ? to : '/';
}

export function LoginPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [params] = useSearchParams();
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (values: { login: string; password: string }) => {
    setBusy(true);
    setError(null);
    try {
      const session = await post<Session>('/session', values);
      client.clear(); // nothing of who was here before
      client.setQueryData(SESSION_KEY, session);
      void navigate(safeTarget(params.get('to')), { replace: true });
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <LoginFrame title={t('login.title')}>
      {error !== null && <Alert type="error" showIcon title={asError(error).message} />}
      <Form layout="vertical" onFinish={(v: { login: string; password: string }) => void submit(v)} requiredMark={false}>
        <Form.Item name="login" label={t('login.user')} rules={[{ required: true, message: t('form.required') }]}>
          <Input autoFocus autoComplete="username" />
        </Form.Item>
        <Form.Item name="password" label={t('login.password')} rules={[{ required: true, message: t('form.required') }]}>
          <Input.Password autoComplete="current-password" />
        </Form.Item>
        <Button type="primary" htmlType="submit" block loading={busy}>{t('login.submit')}</Button>
      </Form>
      <p className="muted small">{t('login.linkHelp')}</p>
    </LoginFrame>
  );
}
