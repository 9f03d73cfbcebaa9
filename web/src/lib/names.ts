/* What a resource is called on the screen: its code, unless that is only its id; roles in the language of
 * the page. */
import { useTranslation } from 'react-i18next';
import { useApi } from './resources';
import { useCan } from './session';
import type { Page, Resource } from './types';

interface Named {
  id: string;
  code: string;
  name: string;
  spec?: object;
}

export function coded(r: { id: string; code: string }): boolean {
  return r.code !== '' && r.code !== r.id;
}

/* The name; a role's Chinese one stands in its spec. */
export function nameOf(r: Named, lang: string): string {
  const zh = (r.spec as { name_zh?: unknown } | undefined)?.name_zh;
  return (lang !== 'en' && typeof zh === 'string' && zh) || r.name;
}

export function labelOf(r: Named, lang = 'en'): string {
  return coded(r) ? r.code : nameOf(r, lang) || r.code;
}

/* Code or id of a role -> its name. Who may not read roles knows the built-in ones. */
export function useRoleName(on = true): (role: string) => string {
  const { t, i18n } = useTranslation();
  const can = useCan();
  const zh = i18n.language !== 'en';
  const { data } = useApi<Page<Resource>>(on && zh && can('role', 'read') ? '/roles' : null, { size: 200 }, { stale: 60000 });
  return (role) => {
    if (!zh) return role;
    const found = data?.items.find((r) => r.code === role || r.id === role);
    const code = found?.code ?? role;
    return (found?.spec as { name_zh?: string } | undefined)?.name_zh || t(`role.${code}`, { defaultValue: code });
  };
}
