/* Module notice: messages of the platform, inside and by other channels. */
import { BellOutlined, MailOutlined, NotificationOutlined, SendOutlined } from '@ant-design/icons';
import { lazy } from 'react';
import { lazyPage } from '@/app/lazyPage';
import type { WebModule } from '@/app/module';
import { NoticeBell } from './NoticeBell';

const ChannelTest = lazy(async () => ({ default: (await import('./ChannelTest')).ChannelTest }));

export const notice: WebModule = {
  name: 'notice',
  menu: [
    { path: '/notices', title: 'notice.title', icon: <BellOutlined />, group: 'home', order: 5 },
    { path: '/r/message-channels', title: 'notice.channels', icon: <MailOutlined />, group: 'system', order: 90, need: ['message_channel', 'read'] },
    { path: '/r/subscriptions', title: 'notice.subscriptions', icon: <NotificationOutlined />, group: 'system', order: 91, need: ['subscription', 'read'] },
    { path: '/system/deliveries', title: 'notice.deliveries', icon: <SendOutlined />, group: 'system', order: 92, need: ['message_channel', 'read'] },
  ],
  routes: [
    { path: 'notices', lazy: lazyPage(() => import('./NoticesPage'), 'NoticesPage') },
    { path: 'system/deliveries', lazy: lazyPage(() => import('./DeliveriesPage'), 'DeliveriesPage') },
  ],
  tabs: [{ kind: 'message_channel', key: 'test', title: 'channelTest.title', component: ChannelTest }],
  bar: [NoticeBell],
};
