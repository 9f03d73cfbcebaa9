/* Module live: the overview and the points with their live values. */
import { DashboardOutlined, UnorderedListOutlined } from '@ant-design/icons';
import { lazy } from 'react';
import { lazyPage } from '@/app/lazyPage';
import type { WebModule } from '@/app/module';

const PointNow = lazy(async () => ({ default: (await import('./now/PointNow')).PointNow }));

export const live: WebModule = {
  name: 'live',
  menu: [
    { path: '/', title: 'live.menu.overview', icon: <DashboardOutlined />, group: 'home', order: 1 },
    { path: '/points', title: 'live.menu.points', icon: <UnorderedListOutlined />, group: 'monitor', order: 21, need: ['point', 'read'] },
  ],
  heads: [{ kind: 'point', component: PointNow }],
  routes: [
    { index: true, lazy: lazyPage(() => import('./overview/OverviewPage'), 'OverviewPage') },
    { path: 'points', lazy: lazyPage(() => import('./points/PointsPage'), 'PointsPage') },
  ],
};
