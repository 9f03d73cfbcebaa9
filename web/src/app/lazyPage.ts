import type { ComponentType } from 'react';

/* A page in its own chunk: { path, lazy: lazyPage(() => import('./X'), 'X') }. */
export function lazyPage<K extends string>(load: () => Promise<Record<K, ComponentType>>, name: K) {
  return async () => ({ Component: (await load())[name] });
}
