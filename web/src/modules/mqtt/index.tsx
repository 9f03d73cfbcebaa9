/* Module mqtt: the broker inside: its listeners, who is connected, what comes, how it is read. */
import { ApiOutlined, BranchesOutlined, ClusterOutlined, MailOutlined, SafetyOutlined } from '@ant-design/icons';
import { lazy } from 'react';
import { lazyPage } from '@/app/lazyPage';
import type { WebModule } from '@/app/module';

const DevicePanel = lazy(async () => ({ default: (await import('./device/DevicePanel')).DevicePanel }));
const RowsEditor = lazy(async () => ({ default: (await import('./map/RowsEditor')).RowsEditor }));

export const mqtt: WebModule = {
  name: 'mqtt',
  menu: [
    { path: '/mqtt-messages', title: 'mqtt.messages', icon: <MailOutlined />, group: 'iot', order: 46.5, need: ['mqtt', 'read'] },
    { path: '/r/payload-mappings', title: 'mqtt.map.mappings', icon: <BranchesOutlined />, group: 'iot', order: 46.6, need: ['payload_mapping', 'read'] },
    { path: '/mqtt-clients', title: 'mqtt.menu', icon: <ClusterOutlined />, group: 'iot', order: 47, need: ['mqtt', 'read'] },
    { path: '/r/mqtt-listeners', title: 'mqtt.listeners', icon: <ApiOutlined />, group: 'iot', order: 48, need: ['mqtt_listener', 'read'] },
    { path: '/r/mqtt-acls', title: 'mqtt.rules', icon: <SafetyOutlined />, group: 'iot', order: 49, need: ['mqtt_acl', 'read'] },
  ],
  routes: [
    { path: 'mqtt-clients', lazy: lazyPage(() => import('./ClientsPage'), 'ClientsPage') },
    { path: 'mqtt-messages', lazy: lazyPage(() => import('./MessagesPage'), 'MessagesPage') },
  ],
  tabs: [{ kind: 'push_device', key: 'down', title: 'mqtt.device.tab', component: DevicePanel }],
  editors: { 'payload_mapping.rows': RowsEditor },
};
