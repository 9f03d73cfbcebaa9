/* Module history: trends, queries, archive classes, storage. */
import { DatabaseOutlined, HddOutlined, LineChartOutlined, TableOutlined } from '@ant-design/icons';
import { lazy } from 'react';
import { lazyPage } from '@/app/lazyPage';
import type { WebModule } from '@/app/module';

const BlobsTab = lazy(async () => ({ default: (await import('./blobs/BlobsTab')).BlobsTab }));
const FilterAdvisor = lazy(async () => ({ default: (await import('./advisor/FilterAdvisor')).FilterAdvisor }));
const RetentionPreview = lazy(async () => ({ default: (await import('./storage/RetentionPreview')).RetentionPreview }));

export const history: WebModule = {
  name: 'history',
  menu: [
    { path: '/trends', title: 'trends.menu.trends', icon: <LineChartOutlined />, group: 'monitor', order: 20, need: ['point', 'read'] },
    { path: '/history', title: 'hquery.menu', icon: <TableOutlined />, group: 'monitor', order: 25, need: ['point', 'read'] },
    { path: '/storage', title: 'storage.menu', icon: <HddOutlined />, group: 'iot', order: 44, need: ['archive_class', 'read'] },
    { path: '/r/archive-classes', title: 'trends.menu.classes', icon: <DatabaseOutlined />, group: 'iot', order: 45, need: ['archive_class', 'read'] },
  ],
  routes: [
    { path: 'trends', lazy: lazyPage(() => import('./trends/TrendsPage'), 'TrendsPage') },
    { path: 'history', lazy: lazyPage(() => import('./query/QueryPage'), 'QueryPage') },
    { path: 'storage', lazy: lazyPage(() => import('./storage/StoragePage'), 'StoragePage') },
  ],
  open: { trend: (id) => `/trends?trend=${encodeURIComponent(id)}` },
  tabs: [
    { kind: 'point', key: 'blobs', title: 'blobs.tab', component: BlobsTab },
    { kind: 'point', key: 'advice', title: 'advice.tab', component: FilterAdvisor },
    { kind: 'archive_class', key: 'preview', title: 'storage.previewTab', component: RetentionPreview },
  ],
};
