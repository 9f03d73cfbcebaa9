import { useSyncExternalStore } from 'react';

const query = '(max-width: 767px)';

function subscribe(fn: () => void): () => void {
  const media = window.matchMedia(query);
  media.addEventListener('change', fn);
  return () => media.removeEventListener('change', fn);
}

/* A phone. */
export function useNarrow(): boolean {
  return useSyncExternalStore(subscribe, () => window.matchMedia(query).matches);
}
