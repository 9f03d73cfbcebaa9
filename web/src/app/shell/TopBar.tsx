import { LogoutOutlined, MenuFoldOutlined, MenuOutlined, MenuUnfoldOutlined, SafetyOutlined, SearchOutlined, UserOutlined, KeyOutlined, BgColorsOutlined, TranslationOutlined, LaptopOutlined } from '@ant-design/icons';
import { Button, Dropdown, type MenuProps } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate } from 'react-router';
import { barItems } from '@/app/modules';
import { setSettings, useSettings, type ThemeName } from '@/app/settings';
import { useRoleName } from '@/lib/names';
import { useSession, useSignOut } from '@/lib/session';
import { NetState } from './NetState';

const PasswordDialog = lazy(async () => ({ default: (await import('@/modules/core/login/PasswordDialog')).PasswordDialog }));
const SecondFactor = lazy(async () => ({ default: (await import('@/modules/core/login/SecondFactor')).SecondFactor }));
const themes: ThemeName[] = ['light', 'dark', 'control'];

function ThemeSwitch() {
  const { t } = useTranslation();
  const { theme } = useSettings();
  const items = themes.map((name) => ({ key: name, label: t(`theme.${name}`) }));
  return (
    <Dropdown trigger={['click']} menu={{ items, selectable: true, selectedKeys: [theme], onClick: ({ key }) => setSettings({ theme: key as ThemeName }) }}>
      <Button type="text" icon={<BgColorsOutlined />} aria-label={t('theme.title')} title={t('theme.title')} />
    </Dropdown>
  );
}

function LangSwitch() {
  const { lang } = useSettings();
  const { t } = useTranslation();
  return (
    <Button type="text" icon={<TranslationOutlined />} aria-label={t('nav.language')} title={t('nav.language')}
      onClick={() => setSettings({ lang: lang === 'zh' ? 'en' : 'zh' })}>
      <span className="hide-small">{lang === 'zh' ? 'EN' : '中文'}</span>
    </Button>
  );
}

function UserMenu() {
  const { t } = useTranslation();
  const { data } = useSession();
  const navigate = useNavigate();
  const signOut = useSignOut();
  const roleName = useRoleName();
  const [password, setPassword] = useState(false);
  const [factor, setFactor] = useState(false);
  const items: MenuProps['items'] = [
    { key: 'who', label: data ? `${data.user.name || data.user.login} (${data.user.roles.map(roleName).join(', ')})` : '', disabled: true },
    { type: 'divider' },
    { key: 'password', icon: <KeyOutlined />, label: t('user.password') },
    { key: 'factor', icon: <SafetyOutlined />, label: t('factor.title') },
    { key: 'sessions', icon: <LaptopOutlined />, label: t('user.sessions') },
    { type: 'divider' },
    { key: 'out', icon: <LogoutOutlined />, label: t('user.signOut') },
  ];
  const onClick = ({ key }: { key: string }) => {
    if (key === 'password') setPassword(true);
    if (key === 'factor') setFactor(true);
    if (key === 'sessions') void navigate('/system/sessions');
    if (key === 'out') void signOut();
  };
  return (
    <>
      <Dropdown trigger={['click']} menu={{ items, onClick }}>
        <Button type="text" icon={<UserOutlined />} aria-label={t('user.menu')}>
          <span className="hide-small">{data?.user.name || data?.user.login}</span>
        </Button>
      </Dropdown>
      {factor && <Suspense fallback={null}><SecondFactor onClose={() => setFactor(false)} /></Suspense>}
      {password && <Suspense fallback={null}><PasswordDialog open onClose={() => setPassword(false)} /></Suspense>}
    </>
  );
}

export function TopBar({ onMenu, onSearch }: { onMenu: () => void; onSearch: () => void }) {
  const { t } = useTranslation();
  const { collapsed } = useSettings();
  return (
    <header className="shell-bar">
      <Button className="only-small" type="text" icon={<MenuOutlined />} aria-label={t('nav.menu')} onClick={onMenu} />
      <Button className="hide-small" type="text" icon={collapsed ? <MenuUnfoldOutlined /> : <MenuFoldOutlined />}
        aria-label={t('nav.collapse')} onClick={() => setSettings({ collapsed: !collapsed })} />
      <button type="button" className="search-button" onClick={onSearch} aria-label={t('search.title')}>
        <SearchOutlined /> <span className="ellipsis hide-small">{t('search.hint')}</span> <kbd className="hide-small">Ctrl K</kbd>
      </button>
      <span className="grow" />
      <NetState />
      {barItems.map((Item, i) => <Item key={i} />)}
      <LangSwitch />
      <ThemeSwitch />
      <UserMenu />
    </header>
  );
}
