/* Module trust: certificates of this node and of its peers. */
import { SafetyCertificateOutlined } from '@ant-design/icons';
import { lazy } from 'react';
import { lazyPage } from '@/app/lazyPage';
import type { WebModule } from '@/app/module';

const FilePanel = lazy(async () => ({ default: (await import('./FilePanel')).FilePanel }));

export const trust: WebModule = {
  name: 'trust',
  menu: [{ path: '/certificates', title: 'trust.menu', icon: <SafetyCertificateOutlined />, group: 'system', order: 86, need: ['peer_certificate', 'read'] }],
  routes: [{ path: 'certificates', lazy: lazyPage(() => import('./CertificatesPage'), 'CertificatesPage') }],
  tabs: [
    { kind: 'peer_certificate', key: 'file', title: 'trust.file', component: FilePanel },
    { kind: 'own_certificate', key: 'file', title: 'trust.file', component: FilePanel },
  ],
};
