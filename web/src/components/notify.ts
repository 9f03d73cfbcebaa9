/* Telling people how an action went: the server's words, with the place. */
import { App } from 'antd';
import { useMemo } from 'react';
import { asError } from '@/lib/api';

export function useNotify() {
  const { message, notification } = App.useApp();
  return useMemo(() => ({
    done: (text: string) => void message.success(text),
    failed: (error: unknown) => {
      const e = asError(error);
      const faults = e.errors.slice(0, 6).map((f) => (f.where ? `${f.where}: ${f.detail}` : f.detail)).join('\n');
      notification.error({ title: e.title || e.message, description: [e.title ? e.message : '', faults || e.where].filter(Boolean).join('\n'), duration: 8 });
    },
  }), [message, notification]);
}
