import { Tooltip } from 'antd';
import { useTranslation } from 'react-i18next';
import { NavLink } from 'react-router';
import { menuEntries } from '@/app/modules';
import type { MenuEntry, MenuGroup } from '@/app/module';
import { useCan } from '@/lib/session';

const groups: MenuGroup[] = ['home', 'monitor', 'iot', 'system'];

function Item({ entry, small, onGo }: { entry: MenuEntry; small: boolean; onGo?: () => void }) {
  const { t } = useTranslation();
  return (
    <Tooltip title={small ? t(entry.title) : ''} placement="right">
      <NavLink to={entry.path} end={entry.path === '/' || entry.path === '/r'} onClick={onGo} aria-label={t(entry.title)}
        className={({ isActive }) => `menu-item${isActive ? ' active' : ''}`}>
        {entry.icon}
        {!small && <span className="ellipsis">{t(entry.title)}</span>}
      </NavLink>
    </Tooltip>
  );
}

export function SideMenu({ small, onGo }: { small: boolean; onGo?: () => void }) {
  const { t } = useTranslation();
  const can = useCan();
  const visible = menuEntries.filter((e) => !e.need || can(e.need[0], e.need[1]));
  return (
    <>
      <NavLink to="/" className="brand" onClick={onGo}>
        <img src="/icon.svg" alt="" />
        {!small && <span>{t('app.name')}</span>}
      </NavLink>
      <nav aria-label={t('nav.menu')}>
        {groups.map((group) => {
          const entries = visible.filter((e) => e.group === group);
          if (entries.length === 0) return null;
          return (
            <div key={group}>
              {!small && <div className="menu-group">{t(`nav.group.${group}`)}</div>}
              {entries.map((e) => <Item key={e.path} entry={e} small={small} onGo={onGo} />)}
            </div>
          );
        })}
      </nav>
    </>
  );
}
