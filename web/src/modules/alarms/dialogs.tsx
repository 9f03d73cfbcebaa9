/* Acknowledge and shelve: one or many alarms, always with what the person has to say. */
import { Alert, Input, Modal, Radio } from 'antd';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { asError, post, seg } from '@/lib/api';
import { staleKind } from '@/lib/resources';
import type { Alarm } from './types';

interface Props {
  alarms: Alarm[];
  onClose: () => void;
}

function useSend(onClose: () => void, done: string) {
  const client = useQueryClient();
  const notify = useNotify();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const send = async (work: () => Promise<unknown>) => {
    setBusy(true);
    setError(null);
    try {
      await work();
      await staleKind(client, 'alarms');
      notify.done(done);
      onClose();
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, send };
}

function what(alarms: Alarm[], more: string): string {
  return alarms.length <= 3 ? alarms.map((a) => a.code).join(', ') : more;
}

export function AckDialog({ alarms, onClose }: Props) {
  const { t } = useTranslation();
  const [comment, setComment] = useState('');
  const { busy, error, send } = useSend(onClose, t('alarms.acked'));
  const ids = alarms.map((a) => a.id);
  const run = () => send(() => post('/alarms:ack', { ids, comment }));
  return (
    <Modal open title={t('alarms.ackTitle', { what: what(alarms, t('alarms.many', { n: alarms.length })) })} okText={t('alarms.ack')} cancelText={t('action.cancel')}
      onOk={() => void run()} onCancel={onClose} confirmLoading={busy}>
      <div className="col">
        {error !== null && <Alert type="error" showIcon title={asError(error).message} />}
        <Input.TextArea autoFocus rows={3} maxLength={500} value={comment} onChange={(e) => setComment(e.target.value)} placeholder={t('alarms.commentHint')} aria-label={t('alarms.comment')}
          onKeyDown={(e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) void run(); }} />
      </div>
    </Modal>
  );
}

const SPANS: [string, number][] = [['15m', 15], ['1h', 60], ['8h', 480], ['24h', 1440]];

export function ShelveDialog({ alarms, onClose }: Props) {
  const { t } = useTranslation();
  const [minutes, setMinutes] = useState(60);
  const [reason, setReason] = useState('');
  const { busy, error, send } = useSend(onClose, t('alarms.shelved'));
  const run = () => {
    const until = new Date(Date.now() + minutes * 60000).toISOString();
    return send(async () => {
      for (const a of alarms) await post(`/alarms/${seg(a.id)}:shelve`, { until, reason });
    });
  };
  return (
    <Modal open title={t('alarms.shelveTitle', { what: what(alarms, t('alarms.many', { n: alarms.length })) })} okText={t('alarms.shelve')} cancelText={t('action.cancel')}
      onOk={() => void run()} onCancel={onClose} confirmLoading={busy} okButtonProps={{ disabled: !reason.trim() }}>
      <div className="col">
        {error !== null && <Alert type="error" showIcon title={asError(error).message} />}
        <div>{t('alarms.shelveHelp')}</div>
        <Radio.Group value={minutes} onChange={(e) => setMinutes(Number(e.target.value))} optionType="button"
          options={SPANS.map(([label, value]) => ({ label, value }))} />
        <Input.TextArea autoFocus rows={2} maxLength={500} value={reason} onChange={(e) => setReason(e.target.value)} placeholder={t('alarms.reasonHint')} aria-label={t('alarms.reason')} />
      </div>
    </Modal>
  );
}
