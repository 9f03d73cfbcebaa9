/* Module live: the overview and the points with their live values. */
import { DashboardOutlined } from '@ant-design/icons';
import { lazyPage } from '@/app/lazyPage';
import type { WebModule } from '@/app/module';

export const live: WebModule = {
  name: 'live',
  menu: [
    { path: '/', title: 'live.menu.overview', icon: <DashboardOutlined />, group: 'home', order: 1 },
  ],
  routes: [
    { index: true, lazy: lazyPage(() => import('./overview/OverviewPage'), 'OverviewPage') },
  ],
};
