/* Module core: resources of any kind, users, roles, tokens, sessions, audit. */
import { ApartmentOutlined, ApiOutlined, AppstoreAddOutlined, AppstoreOutlined, AuditOutlined, BarcodeOutlined, FieldTimeOutlined, InfoCircleOutlined, LaptopOutlined, PaperClipOutlined, SafetyOutlined, SettingOutlined, TableOutlined, TeamOutlined, UsergroupAddOutlined } from '@ant-design/icons';
import { lazy } from 'react';
import { lazyPage } from '@/app/lazyPage';
import type { WebModule } from '@/app/module';

const PermissionMatrix = lazy(async () => ({ default: (await import('./access/PermissionMatrix')).PermissionMatrix }));

const Permissions = lazy(async () => ({ default: (await import('./access/Permissions')).Permissions }));
const Account = lazy(async () => ({ default: (await import('./access/Account')).Account }));
const NextRuns = lazy(async () => ({ default: (await import('./jobs/NextRuns')).NextRuns }));

export const core: WebModule = {
  name: 'core',
  menu: [
    { path: '/system/orgs', title: 'core.menu.orgs', icon: <ApartmentOutlined />, group: 'system', order: 79, need: ['org', 'read'] },
    { path: '/r/users', title: 'core.menu.users', icon: <TeamOutlined />, group: 'system', order: 80, need: ['user', 'read'] },
    { path: '/r/groups', title: 'core.menu.groups', icon: <UsergroupAddOutlined />, group: 'system', order: 80, need: ['group', 'read'] },
    { path: '/r/roles', title: 'core.menu.roles', icon: <SafetyOutlined />, group: 'system', order: 81, need: ['role', 'read'] },
    { path: '/system/roles', title: 'core.menu.matrix', icon: <TableOutlined />, group: 'system', order: 81, need: ['role', 'read'] },
    { path: '/system/tokens', title: 'core.menu.tokens', icon: <ApiOutlined />, group: 'system', order: 82 },
    { path: '/system/sessions', title: 'core.menu.sessions', icon: <LaptopOutlined />, group: 'system', order: 83 },
    { path: '/system/audit', title: 'core.menu.audit', icon: <AuditOutlined />, group: 'system', order: 84, need: ['audit', 'read'] },
    { path: '/r/user-kinds', title: 'design.kinds', icon: <AppstoreAddOutlined />, group: 'system', order: 85, need: ['user_kind', 'read'] },
    { path: '/r/code-rules', title: 'design.codeRules', icon: <BarcodeOutlined />, group: 'system', order: 85, need: ['code_rule', 'read'] },
    { path: '/system/jobs', title: 'jobs.heading', icon: <FieldTimeOutlined />, group: 'system', order: 86 },
    { path: '/system/attachments', title: 'files.title', icon: <PaperClipOutlined />, group: 'system', order: 88 },
    { path: '/system/settings', title: 'core.menu.settings', icon: <SettingOutlined />, group: 'system', order: 87, need: ['security_settings', 'read'] },
    { path: '/system/about', title: 'core.menu.about', icon: <InfoCircleOutlined />, group: 'system', order: 99 },
    { path: '/r', title: 'core.menu.kinds', icon: <AppstoreOutlined />, group: 'system', order: 98 },
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
    { path: 'system/attachments', lazy: lazyPage(() => import('./files/AttachmentsPage'), 'AttachmentsPage') },
    { path: 'system/orgs', lazy: lazyPage(() => import('./access/OrgsPage'), 'OrgsPage') },
    { path: 'system/roles', lazy: lazyPage(() => import('./access/RolesMatrix'), 'RolesMatrix') },
    { path: 'system/settings', lazy: lazyPage(() => import('./system/SettingsPage'), 'SettingsPage') },
    { path: 'system/settings/:plural', lazy: lazyPage(() => import('./system/SettingsPage'), 'SettingsPage') },
    { path: 'system/about', lazy: lazyPage(() => import('./system/AboutPage'), 'AboutPage') },
    { path: 'system/jobs', lazy: lazyPage(() => import('./jobs/JobsPage'), 'JobsPage') },
    { path: 'system/audit', lazy: lazyPage(() => import('./access/AuditPage'), 'AuditPage') },
  ],
  tabs: [
    { kind: 'user', key: 'access', title: 'access.effective', component: Permissions },
    { kind: 'user', key: 'account', title: 'account.title', component: Account },
    { kind: 'schedule', key: 'next', title: 'jobs.next', component: NextRuns },
  ],
  editors: { 'role.permissions': PermissionMatrix },
};
