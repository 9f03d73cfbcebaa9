/* Keys of a page: none while somebody types, or while a dialog or menu lies above the page. */
import { useEffect, useRef } from 'react';

const ABOVE = '.ant-modal-wrap:not([style*="display: none"]), .ant-drawer-open, .ant-dropdown:not(.ant-dropdown-hidden), .ant-select-dropdown:not(.ant-select-dropdown-hidden), .ant-popover:not(.ant-popover-hidden)';

export type Hotkeys = Record<string, (e: KeyboardEvent) => void>;

/* "Ctrl+s", "Shift+ArrowDown", "?", "e": what the key gives, with Ctrl (or ⌘) and, for named keys, Shift. */
export function keyName(e: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'shiftKey' | 'altKey'>): string {
  const named = e.key.length > 1;
  return `${e.ctrlKey || e.metaKey ? 'Ctrl+' : ''}${e.altKey ? 'Alt+' : ''}${named && e.shiftKey ? 'Shift+' : ''}${named ? e.key : e.key === '?' ? '?' : e.key.toLowerCase()}`;
}

export function useHotkeys(keys: Hotkeys, options: { typing?: string[] } = {}): void {
  const ref = useRef({ keys, options });
  useEffect(() => { ref.current = { keys, options }; });
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if (e.defaultPrevented || e.isComposing) return;
      const name = keyName(e);
      const run = ref.current.keys[name];
      if (!run) return;
      const target = e.target as HTMLElement | null;
      const anywhere = ref.current.options.typing?.includes(name) ?? false;
      if (!anywhere && target?.closest?.('input,textarea,select,[contenteditable="true"],[role="combobox"],[role="menu"]')
        && !(target as HTMLInputElement).matches('input[type=checkbox]')) return;
      if (['Enter', ' '].includes(e.key) && target?.closest?.('button,a,[role="tab"]')) return;
      if (document.querySelector(ABOVE)) return;
      e.preventDefault();
      run(e);
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
}
