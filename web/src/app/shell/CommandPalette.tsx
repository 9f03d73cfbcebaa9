/* Ctrl+K: menu entries and resources (points, devices, channels, saved trends) by one search. */
import { SearchOutlined } from '@ant-design/icons';
import { Input, Modal } from 'antd';
import { useQueries } from '@tanstack/react-query';
import { useEffect, useMemo, useState, type Dispatch, type KeyboardEvent, type SetStateAction } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate } from 'react-router';
import { menuEntries, pathOf } from '@/app/modules';
import { get } from '@/lib/api';
import { textOf, useKinds } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { useDebounced } from '@/lib/useDebounced';
import type { Page, Resource } from '@/lib/types';

const SEARCHED = ['point', 'device', 'channel', 'trend', 'user'];

interface Hit {
  key: string;
  title: string;
  detail: string;
  kind: string;
  path: string;
}

function useHits(text: string): Hit[] {
  const { t, i18n } = useTranslation();
  const can = useCan();
  const { data: kinds } = useKinds();
  const q = useDebounced(text.trim(), 150);
  const searched = (kinds ?? []).filter((k) => SEARCHED.includes(k.kind) && can(k.kind, 'read'));
  const found = useQueries({
    queries: searched.map((k) => ({
      queryKey: [`/${k.plural}`, { q, size: 6 }],
      queryFn: ({ signal }: { signal: AbortSignal }) => get<Page<Resource>>(`/${k.plural}`, { q, size: 6 }, signal),
      enabled: q.length > 0,
    })),
  });
  const needle = text.trim().toLowerCase();
  const pages: Hit[] = menuEntries
    .filter((e) => (!e.need || can(e.need[0], e.need[1])) && (!needle || t(e.title).toLowerCase().includes(needle) || e.path.includes(needle)))
    .map((e) => ({ key: `menu${e.path}`, title: t(e.title), detail: '', kind: t('search.page'), path: e.path }));
  const resources = found.flatMap((r, i) => (q ? (r.data?.items ?? []) : []).map((item) => ({
    key: item.id, title: item.code, detail: item.name, kind: textOf(searched[i].title, i18n.language),
    path: pathOf(item.kind, searched[i].plural, item.id),
  })));
  return [...pages.slice(0, needle ? 5 : 12), ...resources];
}

function Palette({ close }: { close: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const hits = useHits(text);
  const go = (hit: Hit | undefined) => {
    if (!hit) return;
    close();
    void navigate(hit.path);
  };
  const onKey = (e: KeyboardEvent) => {
    if (e.key === 'ArrowDown') setAt((i) => Math.min(i + 1, hits.length - 1));
    else if (e.key === 'ArrowUp') setAt((i) => Math.max(i - 1, 0));
    else if (e.key === 'Enter' && !e.nativeEvent.isComposing) go(hits[at]);
    else return;
    e.preventDefault();
  };
  return (
    <>
      <Input autoFocus size="large" variant="borderless" prefix={<SearchOutlined />} placeholder={t('search.hint')} value={text}
        onChange={(e) => { setText(e.target.value); setAt(0); }} onKeyDown={onKey} aria-label={t('search.title')} />
      <div className="palette-list" role="listbox" aria-label={t('search.title')}>
        {hits.map((hit, i) => (
          <div key={hit.key} role="option" aria-selected={i === at} tabIndex={-1} className={`palette-item${i === at ? ' active' : ''}`}
            onMouseMove={() => setAt(i)} onClick={() => go(hit)} onKeyDown={() => {}}>
            <span className="ellipsis">{hit.title} <span className="muted">{hit.detail}</span></span>
            <span className="kind">{hit.kind}</span>
          </div>
        ))}
        {hits.length === 0 && <div className="muted palette-item">{t('state.nothingFound')}</div>}
      </div>
    </>
  );
}

export function CommandPalette({ open, setOpen }: { open: boolean; setOpen: Dispatch<SetStateAction<boolean>> }) {
  const shortcut = useMemo(() => (e: globalThis.KeyboardEvent) => {
    if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'k') {
      e.preventDefault();
      setOpen((was) => !was);
    }
  }, [setOpen]);
  useEffect(() => {
    window.addEventListener('keydown', shortcut);
    return () => window.removeEventListener('keydown', shortcut);
  }, [shortcut]);
  return (
    <Modal open={open} onCancel={() => setOpen(false)} footer={null} closable={false} destroyOnHidden width={640} style={{ top: '10vh' }}>
      <Palette close={() => setOpen(false)} />
    </Modal>
  );
}
