/* Module backup: backups, plans, drills, bringing back. */
import { SaveOutlined } from '@ant-design/icons';
import { lazyPage } from '@/app/lazyPage';
import type { WebModule } from '@/app/module';

export const backup: WebModule = {
  name: 'backup',
  menu: [
    { path: '/backups', title: 'backup.menu', icon: <SaveOutlined />, group: 'system', order: 75, need: ['backup', 'read'] },
  ],
  routes: [
    { path: 'backups', lazy: lazyPage(() => import('./BackupsPage'), 'BackupsPage') },
  ],
};
