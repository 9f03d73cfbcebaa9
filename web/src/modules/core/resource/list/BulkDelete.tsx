/* Deleting many: the count is typed; afterwards everything that went can be brought back in one step. */
import { App, Button, Input, Modal } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { countOf, runEach, type Selection } from '@/lib/bulk';
import { useNotify } from '@/components/notify';
import { staleKind } from '@/lib/resources';
import type { KindDoc } from '@/lib/types';
import { useQueryClient } from '@tanstack/react-query';
import { Report } from '../Report';
import { RunBox } from './RunBox';
import { useBulkRun } from './useBulkRun';

/* A notice with the way back. */
export function useUndo(kind: KindDoc) {
  const { notification } = App.useApp();
  const { t } = useTranslation();
  const notify = useNotify();
  const client = useQueryClient();
  return (ids: string[], title: string) => {
    const key = `undo-${ids[0]}`;
    const undo = async () => {
      notification.destroy(key);
      const report = await runEach(kind.plural, ids, 'restore', {}, () => {}, new AbortController().signal);
      await staleKind(client, kind.plural);
      if (report.failed > 0) notify.failed(new Error(report.rows.flatMap((r) => r.errors ?? []).map((e) => e.detail).slice(0, 5).join('\n')));
      else notify.done(t('bin.restored', { n: report.updated }));
    };
    notification.success({ key, title, duration: 12, actions: <Button size="small" onClick={() => void undo()}>{t('bin.undo')}</Button> });
  };
}

export function BulkDelete({ kind, what, selection, onClose }: { kind: KindDoc; what: string; selection: Selection; onClose: (done: boolean) => void }) {
  const { t } = useTranslation();
  const run = useBulkRun(kind.plural);
  const undo = useUndo(kind);
  const [text, setText] = useState('');
  const n = countOf(selection);
  const sure = text.trim() === String(n);
  const go = async () => {
    const done = await run.bulk(selection, (id) => ({ op: 'delete', id }));
    if (!done) return;
    const failed = new Set(done.report.rows.filter((r) => r.status === 'failed').map((r) => r.line));
    const gone = done.ids.slice(0, done.report.deleted + done.report.failed).filter((_id, i) => !failed.has(i + 1));
    if (gone.length > 0) undo(gone, t('bulk.deleted', { n: done.report.deleted }));
    if (done.report.failed === 0) onClose(true);
  };
  return (
    <Modal open width={560} title={t('confirm.deleteTitle', { what: t('bulk.count', { n, what }) })} onCancel={() => onClose(run.report !== null)} mask={{ closable: false }}
      footer={run.report ? <Button type="primary" onClick={() => onClose(true)}>{t('action.done')}</Button>
        : <Button danger type="primary" loading={run.progress !== null} disabled={!sure} onClick={() => void go()}>{t('action.delete')}</Button>}>
      <div className="col">
        <RunBox {...run} />
        {run.report ? <Report report={run.report} /> : (
          <>
            <div>{t('confirm.deleteHelp')}</div>
            <label className="col">
              <span>{t('confirm.typeToDelete')} <code className="mono">{n}</code></span>
              <Input value={text} autoFocus disabled={run.progress !== null} onChange={(e) => setText(e.target.value)} onPressEnter={() => sure && void go()} aria-label={t('confirm.typeToDelete')} />
            </label>
          </>
        )}
      </div>
    </Modal>
  );
}
