/* What a module gives the app: pages, menu entries, and editors for fields of its kinds. */
import type { ComponentType, ReactNode } from 'react';
import type { RouteObject } from 'react-router';
import type { FieldDoc, Resource } from '@/lib/types';
import type { Action } from '@/lib/session';

export type MenuGroup = 'home' | 'monitor' | 'iot' | 'system';

export interface MenuEntry {
  path: string;
  title: string;                          /* i18n key */
  icon: ReactNode;
  group: MenuGroup;
  order: number;
  need?: [kind: string, action: Action];  /* hidden without it */
}

export interface FieldEditorProps {
  value?: unknown;
  onChange?: (value: unknown) => void;
  field: FieldDoc;
  disabled?: boolean;
}

export interface DetailTab {
  kind: string;
  key: string;
  title: string;                          /* i18n key */
  need?: [kind: string, action: Action];
  component: ComponentType<{ resource: Resource }>;
}

export interface WebModule {
  name: string;
  menu: MenuEntry[];
  routes: RouteObject[];
  /* "role.permissions" -> editor used by the generic form instead of the one of the field's type */
  editors?: Record<string, ComponentType<FieldEditorProps>>;
  /* own page of a kind's items instead of the generic detail: id -> path */
  open?: Record<string, (id: string) => string>;
  /* own tabs in the detail of a kind */
  tabs?: DetailTab[];
  /* above the tabs in the detail of a kind: what it is now */
  heads?: { kind: string; component: ComponentType<{ resource: Resource }> }[];
  /* small things in the top bar, in order of the modules */
  bar?: ComponentType[];
}
