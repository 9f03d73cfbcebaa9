/* /setup#token: the one-time link that the first start prints. Signs in at once; the token never reaches
 * the server's log (it is behind the #) and leaves the address bar before anything else happens. */
import { Alert, Button, Spin } from 'antd';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useLocation, useNavigate } from 'react-router';
import { asError, post } from '@/lib/api';
import { SESSION_KEY } from '@/lib/session';
import type { Session } from '@/lib/types';
import { LoginFrame } from './LoginFrame';

export function SetupPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const place = useLocation(); // anew for each link that is pasted into this tab
  useEffect(() => {
    const link = decodeURIComponent(place.hash.replace(/^#/, ''));
    window.history.replaceState(window.history.state, '', '/setup');
    if (!link) {
      setError(new Error(t('login.noToken')));
      return;
    }
    setError(null);
    post<Session>('/session', { link }).then((session) => {
      client.setQueryData(SESSION_KEY, session);
      void navigate('/', { replace: true });
    }, setError);
  }, [place, client, navigate, t]);
  return (
    <LoginFrame title={t('login.setupTitle')}>
      {error === null ? <Spin /> : (
        <>
          <Alert type="error" showIcon title={asError(error).message} description={t('login.linkFailed')} />
          <Button onClick={() => void navigate('/login')}>{t('login.withPassword')}</Button>
        </>
      )}
    </LoginFrame>
  );
}
