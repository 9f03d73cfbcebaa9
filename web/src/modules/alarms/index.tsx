/* Module alarms: what is wrong now, acknowledging it, and what was. */
import { AlertOutlined } from '@ant-design/icons';
import { lazyPage } from '@/app/lazyPage';
import type { WebModule } from '@/app/module';
import { AlarmBadge } from './AlarmBadge';

export const alarms: WebModule = {
  name: 'alarms',
  menu: [{ path: '/alarms', title: 'alarms.title', icon: <AlertOutlined />, group: 'monitor', order: 20, need: ['alarm', 'read'] }],
  routes: [{ path: 'alarms', lazy: lazyPage(() => import('./AlarmsPage'), 'AlarmsPage') }],
  bar: [AlarmBadge],
};
