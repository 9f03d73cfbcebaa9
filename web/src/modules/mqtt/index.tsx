/* Module mqtt: the broker inside: its listeners, who is connected. */
import { ApiOutlined, ClusterOutlined } from '@ant-design/icons';
import { lazyPage } from '@/app/lazyPage';
import type { WebModule } from '@/app/module';

export const mqtt: WebModule = {
  name: 'mqtt',
  menu: [
    { path: '/mqtt-clients', title: 'mqtt.menu', icon: <ClusterOutlined />, group: 'iot', order: 47, need: ['mqtt', 'read'] },
    { path: '/r/mqtt-listeners', title: 'mqtt.listeners', icon: <ApiOutlined />, group: 'iot', order: 48, need: ['mqtt_listener', 'read'] },
  ],
  routes: [{ path: 'mqtt-clients', lazy: lazyPage(() => import('./ClientsPage'), 'ClientsPage') }],
};
