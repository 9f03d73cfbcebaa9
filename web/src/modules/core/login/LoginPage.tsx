import { Alert, Button, Form, Input } from 'antd';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate, useSearchParams } from 'react-router';
import { asError, BASE, post } from '@/lib/api';
import { useApi } from '@/lib/resources';
import { SESSION_KEY } from '@/lib/session';
import type { Session } from '@/lib/types';
import { LoginFrame } from './LoginFrame';

interface Values {
  login: string;
  password: string;
  code?: string;
}

interface Options {
  password: boolean;
  oidc: { code: string; name: string }[];
  ldap: boolean;
}

/* Only paths of our own: "//host" and "https:" would lead away. */
export function safeTarget(to: string | null): string {
  return to && to.startsWith('/') && !to.startsWith('//') && !to.startsWith('/\\') ? to : '/';
}

export function LoginPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [params] = useSearchParams();
  const [error, setError] = useState<unknown>(params.get('error') ? new Error(params.get('error') as string) : null);
  const [busy, setBusy] = useState(false);
  const [second, setSecond] = useState(false);
  const options = useApi<Options>('/session/options', undefined, { stale: 60000 });
  const submit = async (values: Values) => {
    setBusy(true);
    setError(null);
    try {
      const session = await post<Session>('/session', values);
      client.clear(); // nothing of who was here before
      client.setQueryData(SESSION_KEY, session);
      void navigate(safeTarget(params.get('to')), { replace: true });
    } catch (e) {
      const asks = asError(e).code === 'second_factor' && !values.code;
      if (asks) setSecond(true);
      setError(asks ? null : e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <LoginFrame title={t('login.title')}>
      {error !== null && <Alert type="error" showIcon title={asError(error).message} />}
      <Form layout="vertical" onFinish={(v: Values) => void submit(v)} requiredMark={false}>
        <Form.Item name="login" label={t('login.user')} rules={[{ required: true, message: t('form.required') }]}>
          <Input autoFocus autoComplete="username" />
        </Form.Item>
        <Form.Item name="password" label={t('login.password')} rules={[{ required: true, message: t('form.required') }]}>
          <Input.Password autoComplete="current-password" />
        </Form.Item>
        {second && (
          <Form.Item name="code" label={t('login.code')} extra={t('login.codeHelp')} rules={[{ required: true, message: t('form.required') }]}>
            <Input autoFocus autoComplete="one-time-code" inputMode="numeric" maxLength={24} />
          </Form.Item>
        )}
        <Button type="primary" htmlType="submit" block loading={busy}>{t('login.submit')}</Button>
      </Form>
      {(options.data?.oidc ?? []).map((p) => (
        <Button key={p.code} block href={`${BASE}/session/oidc/${encodeURIComponent(p.code)}`}>{t('login.with', { name: p.name || p.code })}</Button>
      ))}
      <p className="muted small">{t('login.linkHelp')}</p>
    </LoginFrame>
  );
}
