/* What stands in place of a page that does not exist or broke. */
import { Button, Result } from 'antd';
import { useTranslation } from 'react-i18next';
import { useNavigate, useRouteError } from 'react-router';

export function NotFound() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  return (
    <Result status="404" title={t('state.noPage')} subTitle={t('state.noPageHelp')}
      extra={<Button type="primary" onClick={() => void navigate('/')}>{t('nav.home')}</Button>} />
  );
}

export function RouteFault() {
  const { t } = useTranslation();
  const error = useRouteError() as Error;
  return (
    <Result status="error" title={t('state.pageBroke')} subTitle={String(error?.message ?? error)}
      extra={<Button type="primary" onClick={() => location.reload()}>{t('action.reload')}</Button>} />
  );
}
