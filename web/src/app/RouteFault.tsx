/* What stands in place of a page that does not exist or broke. */
import { Button } from 'antd';
import { useTranslation } from 'react-i18next';
import { useNavigate, useRouteError } from 'react-router';
import { EmptyState, ErrorState } from '@/components/states';

export function NotFound() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  return <EmptyState title={t('state.noPage')} help={t('state.noPageHelp')} action={<Button type="primary" onClick={() => void navigate('/')}>{t('nav.home')}</Button>} />;
}

export function RouteFault() {
  const { t } = useTranslation();
  const error = useRouteError() as Error;
  return (
    <div className="login">
      <div className="panel">
        <ErrorState error={new Error(`${t('state.pageBroke')}: ${String(error?.message ?? error)}`)} />
        <div className="row center panel-body"><Button type="primary" onClick={() => location.reload()}>{t('action.reload')}</Button></div>
      </div>
    </div>
  );
}
