import { TableOutlined } from '@ant-design/icons';
import { Tooltip } from 'antd';
import { Fragment } from 'react';
import { useTranslation } from 'react-i18next';
import { NavLink } from 'react-router';
import { menuEntries } from '@/app/modules';
import type { MenuEntry, MenuGroup } from '@/app/module';
import { isUserKind, textOf, useKinds } from '@/lib/resources';
import { useCan } from '@/lib/session';
import type { KindDoc } from '@/lib/types';

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

/* Kinds that users made have a group of their own. */
function OwnKinds({ kinds, small, onGo }: { kinds: KindDoc[]; small: boolean; onGo?: () => void }) {
  const { t, i18n } = useTranslation();
  if (kinds.length === 0) return null;
  return (
    <div>
      {!small && <div className="menu-group">{t('nav.group.own')}</div>}
      {kinds.map((k) => {
        const title = textOf(k.titles ?? k.title, i18n.language, k.kind);
        return (
          <Tooltip key={k.kind} title={small ? title : ''} placement="right">
            <NavLink to={`/r/${k.plural}`} onClick={onGo} aria-label={title} className={({ isActive }) => `menu-item${isActive ? ' active' : ''}`}>
              <TableOutlined />
              {!small && <span className="ellipsis">{title}</span>}
            </NavLink>
          </Tooltip>
        );
      })}
    </div>
  );
}

export function SideMenu({ small, onGo }: { small: boolean; onGo?: () => void }) {
  const { t } = useTranslation();
  const can = useCan();
  const own = (useKinds().data ?? []).filter((k) => isUserKind(k) && can(k.kind, 'read'));
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
            <Fragment key={group}>
            {group === 'system' && <OwnKinds kinds={own} small={small} onGo={onGo} />}
            <div>
              {!small && <div className="menu-group">{t(`nav.group.${group}`)}</div>}
              {entries.map((e) => <Item key={e.path} entry={e} small={small} onGo={onGo} />)}
            </div>
            </Fragment>
          );
        })}
      </nav>
    </>
  );
}
