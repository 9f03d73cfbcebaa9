/* Module core: resources of any kind, users, roles, tokens, sessions, audit. */
import { ApiOutlined, AppstoreAddOutlined, AppstoreOutlined, AuditOutlined, BarcodeOutlined, FieldTimeOutlined, LaptopOutlined, SafetyOutlined, TeamOutlined } from '@ant-design/icons';
import { lazy } from 'react';
import { lazyPage } from '@/app/lazyPage';
import type { WebModule } from '@/app/module';

const PermissionMatrix = lazy(async () => ({ default: (await import('./access/PermissionMatrix')).PermissionMatrix }));

export const core: WebModule = {
  name: 'core',
  menu: [
    { path: '/r/users', title: 'core.menu.users', icon: <TeamOutlined />, group: 'system', order: 80, need: ['user', 'read'] },
    { path: '/r/roles', title: 'core.menu.roles', icon: <SafetyOutlined />, group: 'system', order: 81, need: ['role', 'read'] },
    { path: '/system/tokens', title: 'core.menu.tokens', icon: <ApiOutlined />, group: 'system', order: 82 },
    { path: '/system/sessions', title: 'core.menu.sessions', icon: <LaptopOutlined />, group: 'system', order: 83 },
    { path: '/system/audit', title: 'core.menu.audit', icon: <AuditOutlined />, group: 'system', order: 84, need: ['audit', 'read'] },
    { path: '/r/user-kinds', title: 'design.kinds', icon: <AppstoreAddOutlined />, group: 'system', order: 85, need: ['user_kind', 'read'] },
    { path: '/r/code-rules', title: 'design.codeRules', icon: <BarcodeOutlined />, group: 'system', order: 85, need: ['code_rule', 'read'] },
    { path: '/system/jobs', title: 'jobs.heading', icon: <FieldTimeOutlined />, group: 'system', order: 86 },
    { path: '/r', title: 'core.menu.kinds', icon: <AppstoreOutlined />, group: 'system', order: 85 },
  ],
  routes: [
    { path: 'r', lazy: lazyPage(() => import('./resource/KindsPage'), 'KindsPage') },
    { path: 'r/user-kinds/new', lazy: lazyPage(() => import('./resource/design/DesignerPage'), 'DesignerPage') },
    { path: 'r/user-kinds/:id', lazy: lazyPage(() => import('./resource/design/DesignerPage'), 'DesignerPage') },
    { path: 'r/:plural', lazy: lazyPage(() => import('./resource/ListPage'), 'ListPage') },
    { path: 'r/:plural/new', lazy: lazyPage(() => import('./resource/DetailPage'), 'DetailPage') },
    { path: 'r/:plural/:id', lazy: lazyPage(() => import('./resource/DetailPage'), 'DetailPage') },
    { path: 'system/tokens', lazy: lazyPage(() => import('./access/TokensPage'), 'TokensPage') },
    { path: 'system/sessions', lazy: lazyPage(() => import('./access/SessionsPage'), 'SessionsPage') },
    { path: 'system/jobs', lazy: lazyPage(() => import('./jobs/JobsPage'), 'JobsPage') },
    { path: 'system/audit', lazy: lazyPage(() => import('./access/AuditPage'), 'AuditPage') },
  ],
  editors: { 'role.permissions': PermissionMatrix },
};
