/* Module history: trends, archive classes. */
import { DatabaseOutlined } from '@ant-design/icons';
import type { WebModule } from '@/app/module';

export const history: WebModule = {
  name: 'history',
  menu: [
    { path: '/r/archive-classes', title: 'trends.menu.classes', icon: <DatabaseOutlined />, group: 'iot', order: 45, need: ['archive_class', 'read'] },
  ],
  routes: [],
};
