/* The registration table of the UI's modules: one row each. */
import type { ComponentType } from 'react';
import { alarms } from '@/modules/alarms';
import { backup } from '@/modules/backup';
import { core } from '@/modules/core';
import { collect } from '@/modules/collect';
import { forward } from '@/modules/forward';
import { history } from '@/modules/history';
import { live } from '@/modules/live';
import { mqtt } from '@/modules/mqtt';
import { notice } from '@/modules/notice';
import { push } from '@/modules/push';
import { trust } from '@/modules/trust';
import type { MenuEntry, WebModule } from './module';

export const modules: WebModule[] = [live, alarms, history, collect, forward, push, mqtt, notice, backup, trust, core];

export const menuEntries: MenuEntry[] = modules.flatMap((m) => m.menu).sort((a, b) => a.order - b.order);

export const barItems: ComponentType[] = modules.flatMap((m) => m.bar ?? []);

export const tabsOf = (kind: string) => modules.flatMap((m) => m.tabs ?? []).filter((x) => x.kind === kind);

export const headsOf = (kind: string) => modules.flatMap((m) => m.heads ?? []).filter((x) => x.kind === kind);

export function editorOf(kind: string, field: string) {
  for (const m of modules) {
    const editor = m.editors?.[`${kind}.${field}`];
    if (editor) return editor;
  }
  return undefined;
}

export function pathOf(kind: string, plural: string, id: string): string {
  for (const m of modules) {
    const open = m.open?.[kind];
    if (open) return open(id);
  }
  return `/r/${plural}/${encodeURIComponent(id)}`;
}
