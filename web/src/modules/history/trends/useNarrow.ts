import { useSyncExternalStore } from 'react';

const query = '(max-width: 767px)';

/* Is this a phone's width? */
export function useNarrow(): boolean {
  return useSyncExternalStore((fn) => {
    const m = window.matchMedia(query);
    m.addEventListener('change', fn);
    return () => m.removeEventListener('change', fn);
  }, () => window.matchMedia(query).matches);
}
