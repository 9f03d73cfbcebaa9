import { Button } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSession } from '@/lib/session';

const PasswordDialog = lazy(async () => ({ default: (await import('@/modules/core/login/PasswordDialog')).PasswordDialog }));

const SecondFactor = lazy(async () => ({ default: (await import('@/modules/core/login/SecondFactor')).SecondFactor }));

/* A role asks for a second factor that is not set up yet. */
function FactorBanner() {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <div className="banner" role="status">
      <span className="grow">{t('factor.needed')}</span>
      <Button size="small" type="primary" onClick={() => setOpen(true)}>{t('factor.title')}</Button>
      {open && <Suspense fallback={null}><SecondFactor onClose={() => setOpen(false)} /></Suspense>}
    </div>
  );
}

/* While somebody signed in by link and has no password yet. Dismissed for this tab only. */
export function PasswordBanner() {
  const { t } = useTranslation();
  const { data } = useSession();
  const [hidden, setHidden] = useState(false);
  const [open, setOpen] = useState(false);
  if (data?.must_add_second_factor && !data.must_set_password) return <FactorBanner />;
  if (!data?.must_set_password || hidden) return null;
  return (
    <div className="banner" role="status">
      <span className="grow">{t('user.setPasswordHint')}</span>
      <Button size="small" type="primary" onClick={() => setOpen(true)}>{t('user.setPassword')}</Button>
      <Button size="small" type="text" onClick={() => setHidden(true)}>{t('action.later')}</Button>
      {open && <Suspense fallback={null}><PasswordDialog open onClose={() => setOpen(false)} /></Suspense>}
    </div>
  );
}
