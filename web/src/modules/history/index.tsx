/* Module history: trends, archive classes. */
import { DatabaseOutlined, LineChartOutlined } from '@ant-design/icons';
import { lazyPage } from '@/app/lazyPage';
import type { WebModule } from '@/app/module';

export const history: WebModule = {
  name: 'history',
  menu: [
    { path: '/trends', title: 'trends.menu.trends', icon: <LineChartOutlined />, group: 'monitor', order: 20, need: ['point', 'read'] },
    { path: '/r/archive-classes', title: 'trends.menu.classes', icon: <DatabaseOutlined />, group: 'iot', order: 45, need: ['archive_class', 'read'] },
  ],
  routes: [
    { path: 'trends', lazy: lazyPage(() => import('./trends/TrendsPage'), 'TrendsPage') },
  ],
  open: { trend: (id) => `/trends?trend=${encodeURIComponent(id)}` },
};
