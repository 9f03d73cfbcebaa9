/* Making what a reference needs on the way: forms give a function that opens a small form for the kind. */
import { createContext } from 'react';
import type { KindDoc, Resource } from '@/lib/types';

export type QuickCreate = (kind: KindDoc, text: string, done: (r: Resource) => void) => void;

export const QuickCreateContext = createContext<QuickCreate | null>(null);
