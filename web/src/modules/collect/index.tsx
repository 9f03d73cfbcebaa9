/* Module collect: connections (channels, devices) and their wizard. */
import { ApiOutlined, ClusterOutlined, HddOutlined, LinkOutlined } from '@ant-design/icons';
import { lazy } from 'react';
import { lazyPage } from '@/app/lazyPage';
import type { WebModule } from '@/app/module';

const own = (name: 'ChannelDriver' | 'ChannelOptions' | 'DeviceOptions' | 'PointOptions') => lazy(async () => ({ default: (await import('./connections/DriverOptions'))[name] }));

export const collect: WebModule = {
  name: 'collect',
  menu: [
    { path: '/connections', title: 'connections.menu', icon: <ApiOutlined />, group: 'iot', order: 40, need: ['channel', 'read'] },
    { path: '/r/channels', title: 'collect.menu.channels', icon: <LinkOutlined />, group: 'iot', order: 41, need: ['channel', 'read'] },
    { path: '/r/devices', title: 'collect.menu.devices', icon: <HddOutlined />, group: 'iot', order: 42, need: ['device', 'read'] },
    { path: '/r/points', title: 'collect.menu.points', icon: <ClusterOutlined />, group: 'iot', order: 43, need: ['point', 'read'] },
  ],
  routes: [
    { path: 'connections', lazy: lazyPage(() => import('./connections/ConnectionsPage'), 'ConnectionsPage') },
    { path: 'connections/new', lazy: lazyPage(() => import('./connections/wizard/WizardPage'), 'WizardPage') },
  ],
  editors: { 'channel.driver': own('ChannelDriver'), 'channel.options': own('ChannelOptions'), 'device.options': own('DeviceOptions'), 'point.options': own('PointOptions') },
};
