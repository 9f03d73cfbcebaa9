/* What a person sets for himself in this browser. */
import { create } from 'zustand';
import { readLocal, writeLocal } from '@/lib/browser';

export type ThemeName = 'light' | 'dark' | 'control';
export type Lang = 'zh' | 'en';

interface Settings {
  theme: ThemeName;
  lang: Lang;
  collapsed: boolean;
}

const KEY = 'bornite.settings';

function initial(): Settings {
  const dark = window.matchMedia?.('(prefers-color-scheme: dark)').matches ?? false;
  const defaults: Settings = { theme: dark ? 'dark' : 'light', lang: 'zh', collapsed: false };
  return { ...defaults, ...readLocal<Partial<Settings>>(KEY, {}) };
}

export const useSettings = create<Settings>(() => initial());

/* What is set in one window holds in the others of this browser at once. */
window.addEventListener('storage', (e) => {
  if (e.key === KEY) useSettings.setState(initial());
});

export function setSettings(change: Partial<Settings>): void {
  useSettings.setState(change);
  writeLocal(KEY, useSettings.getState());
}
