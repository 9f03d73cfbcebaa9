/* The field's rules, checked while typing; the server checks again and has the last word. */
import type { FormRule } from 'antd';
import { parseDuration } from '@/lib/time';
import { asJson } from './convert';
import type { FieldDoc } from '@/lib/types';

type T = (key: string, opts?: Record<string, unknown>) => string;

function inRange(f: FieldDoc, n: number, read: (v: number | string) => number | null, t: T): string | null {
  const min = f.min === undefined ? null : read(f.min);
  const max = f.max === undefined ? null : read(f.max);
  if (min !== null && n < min) return t('form.min', { min: f.min });
  if (max !== null && n > max) return t('form.max', { max: f.max });
  return null;
}

export function faultOf(f: FieldDoc, value: unknown, t: T): string | null {
  if (value === undefined || value === null || value === '') return null;
  if (f.type === 'duration') {
    const ms = parseDuration(String(value));
    if (ms === null) return t('form.duration');
    return inRange(f, ms, (v) => (typeof v === 'number' ? v / 1000 : parseDuration(v)), t);
  }
  if (f.type === 'integer' || f.type === 'number') return inRange(f, Number(value), Number, t);
  if (f.type === 'string' && typeof value === 'string') {
    if (f.min !== undefined && value.length < Number(f.min)) return t('form.minLength', { min: f.min });
    if (f.max !== undefined && value.length > Number(f.max)) return t('form.maxLength', { max: f.max });
    if (f.pattern && !matches(f.pattern, value)) return t('form.pattern', { pattern: f.pattern });
  }
  if (asJson(f)) {
    try {
      JSON.parse(String(value));
    } catch (e) {
      return t('form.json', { why: (e as Error).message });
    }
  }
  return null;
}

/* POSIX patterns of the server that JavaScript does not know are left to the server. */
function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})$`, 'u').test(value);
  } catch {
    return true;
  }
}

export function rulesOf(f: FieldDoc, t: T, creating: boolean): FormRule[] {
  const rules: FormRule[] = [];
  if (f.required && (f.type !== 'secret' || creating) && f.type !== 'boolean') rules.push({ required: true, message: t('form.required') });
  rules.push({
    validator: (_rule, value: unknown) => {
      const fault = faultOf(f, value, t);
      return fault ? Promise.reject(new Error(fault)) : Promise.resolve();
    },
  });
  return rules;
}
