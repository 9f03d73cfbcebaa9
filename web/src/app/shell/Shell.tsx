/* The frame of every page for who is signed in: menu, top bar, banners, content. Who is not signed in is
 * sent to /login with the way back. */
import { Drawer, Spin } from 'antd';
import { Suspense, useState } from 'react';
import { Navigate, Outlet, useLocation } from 'react-router';
import { useTranslation } from 'react-i18next';
import { useSession } from '@/lib/session';
import { useKinds } from '@/lib/resources';
import { useWatch } from '@/lib/watch';
import { asError } from '@/lib/api';
import { ErrorState } from '@/components/states';
import { useSettings } from '@/app/settings';
import { CommandPalette } from './CommandPalette';
import { PasswordBanner } from './PasswordBanner';
import { OfflineBanner } from './NetState';
import { SideMenu } from './SideMenu';
import { TopBar } from './TopBar';

function Frame() {
  const { collapsed } = useSettings();
  const { t } = useTranslation();
  const [drawer, setDrawer] = useState(false);
  const [palette, setPalette] = useState(false);
  const { data: kinds } = useKinds();
  useWatch(kinds);
  return (
    <div className="shell">
      <div className={`shell-menu hide-small${collapsed ? ' small' : ''}`}><SideMenu small={collapsed} /></div>
      <Drawer open={drawer} onClose={() => setDrawer(false)} placement="left" size={264} title={null} closable={false}
        styles={{ body: { padding: 0 } }} aria-label={t('nav.menu')}>
        <div className="only-small"><SideMenu small={false} onGo={() => setDrawer(false)} /></div>
      </Drawer>
      <div className="shell-main">
        <TopBar onMenu={() => setDrawer(true)} onSearch={() => setPalette(true)} />
        <OfflineBanner />
        <PasswordBanner />
        <main className="shell-content">
          <Suspense fallback={<Spin className="page" />}><Outlet /></Suspense>
        </main>
      </div>
      <CommandPalette open={palette} setOpen={setPalette} />
    </div>
  );
}

export function Shell() {
  const session = useSession();
  const place = useLocation();
  if (session.data) return <Frame />;
  if (session.isPending) return <div className="login" aria-busy="true" />;
  const error = asError(session.error);
  if (session.error && error.status !== 401) {
    return <div className="login"><ErrorState error={error} retry={() => void session.refetch()} /></div>;
  }
  const back = place.pathname + place.search;
  return <Navigate to={back === '/' ? '/login' : `/login?to=${encodeURIComponent(back)}`} replace />;
}
