/* Module push: devices that send by themselves. */
import { CloudUploadOutlined, IdcardOutlined } from '@ant-design/icons';
import { lazy } from 'react';
import type { WebModule } from '@/app/module';

const PushPanel = lazy(async () => ({ default: (await import('./PushPanel')).PushPanel }));

export const push: WebModule = {
  name: 'push',
  menu: [
    { path: '/r/push-devices', title: 'push.menu', icon: <CloudUploadOutlined />, group: 'iot', order: 45, need: ['push_device', 'read'] },
    { path: '/r/provision-profiles', title: 'push.profiles', icon: <IdcardOutlined />, group: 'iot', order: 46, need: ['provision_profile', 'read'] },
  ],
  routes: [],
  tabs: [{ kind: 'push_device', key: 'push', title: 'push.latest', component: PushPanel }],
};
