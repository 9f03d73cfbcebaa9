/* The same transition for many resources; those that may not make it are told one by one. */
import { Button, Form, Input, Modal, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { countOf, type Selection } from '@/lib/bulk';
import { textOf } from '@/lib/resources';
import type { KindDoc } from '@/lib/types';
import { Report } from '../Report';
import { RunBox } from './RunBox';
import { useBulkRun } from './useBulkRun';

export function BulkTransition({ kind, selection, onClose }: { kind: KindDoc; selection: Selection; onClose: (done: boolean) => void }) {
  const { t, i18n } = useTranslation();
  const run = useBulkRun(kind.plural);
  const [name, setName] = useState<string>();
  const [comment, setComment] = useState('');
  const transitions = kind.lifecycle?.transitions ?? [];
  const chosen = transitions.find((x) => x.name === name);
  const stateName = (s: string) => textOf(kind.lifecycle?.states.find((x) => x.state === s)?.title, i18n.language, s);
  const needs = chosen?.comment === 'required';
  const n = countOf(selection);
  return (
    <Modal open width={640} title={t('bulk.transitionTitle', { n })} onCancel={() => onClose(run.report !== null)} mask={{ closable: false }}
      footer={run.report ? <Button type="primary" onClick={() => onClose(true)}>{t('action.done')}</Button>
        : <Button type="primary" loading={run.progress !== null} disabled={!chosen || (needs && !comment.trim())} onClick={() => void run.each(selection, 'transition', { transition: name, comment: comment.trim() || undefined })}>{t('bulk.run', { n })}</Button>}>
      <div className="col">
        <RunBox {...run} />
        {run.report ? <Report report={run.report} /> : (
          <Form layout="vertical" disabled={run.progress !== null}>
            <Form.Item label={t('bulk.transition')} required>
              <Select value={name} onChange={setName} options={transitions.map((x) => ({ value: x.name, label: `${textOf(x.title, i18n.language, x.name)}  (${x.from.map(stateName).join(', ')} → ${stateName(x.to)})` }))} />
            </Form.Item>
            {chosen && chosen.comment !== undefined && chosen.comment !== 'none' && (
              <Form.Item label={t('life.comment')} required={needs}><Input.TextArea autoSize={{ minRows: 2 }} value={comment} onChange={(e) => setComment(e.target.value)} /></Form.Item>
            )}
          </Form>
        )}
      </div>
    </Modal>
  );
}
