/* Where a resource stands in its life and what may happen next: states in order, transitions as buttons; what
 * may not be done says why. */
import { SafetyCertificateOutlined } from '@ant-design/icons';
import { Button, Form, Input, Modal, Tooltip } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { textOf, useTransitions, useVerb } from '@/lib/resources';
import type { TransitionItem } from '@/lib/pending';
import type { KindDoc, Resource } from '@/lib/types';

interface DialogProps {
  item: TransitionItem;
  busy: boolean;
  onRun: (comment: string) => void;
  onClose: () => void;
  to: string;
}

function CommentDialog({ item, busy, onRun, onClose, to }: DialogProps) {
  const { t, i18n } = useTranslation();
  const [comment, setComment] = useState('');
  const needs = item.comment === 'required';
  return (
    <Modal open width={480} title={t('life.dialog', { what: textOf(item.title, i18n.language, item.name), to })} okText={textOf(item.title, i18n.language, item.name)} cancelText={t('action.cancel')}
      confirmLoading={busy} okButtonProps={{ disabled: needs && !comment.trim() }} onOk={() => onRun(comment.trim())} onCancel={onClose}>
      <Form layout="vertical">
        <Form.Item label={t('life.comment')} required={needs} extra={item.four_eyes ? t('life.fourEyes') : undefined}>
          <Input.TextArea autoFocus autoSize={{ minRows: 3, maxRows: 8 }} maxLength={2000} value={comment} onChange={(e) => setComment(e.target.value)} aria-label={t('life.comment')} />
        </Form.Item>
      </Form>
    </Modal>
  );
}

export function LifeBar({ kind, resource, dirty }: { kind: KindDoc; resource: Resource; dirty: boolean }) {
  const { t, i18n } = useTranslation();
  const notify = useNotify();
  const query = useTransitions(kind, resource.id);
  const run = useVerb(kind.plural, 'transition');
  const [asked, setAsked] = useState<TransitionItem | null>(null);
  const states = kind.lifecycle?.states ?? [];
  const title = (s: string) => textOf(states.find((x) => x.state === s)?.title, i18n.language, s);
  const at = states.findIndex((s) => s.state === resource.state);
  const go = async (item: TransitionItem, comment: string) => {
    try {
      await run.mutateAsync({ id: resource.id, rev: resource.rev, body: { transition: item.name, comment: comment || undefined } });
      setAsked(null);
      notify.done(t('life.done', { state: title(item.to) }));
    } catch (e) {
      notify.failed(e);
    }
  };
  const items = query.data?.items ?? [];
  return (
    <section className="panel life-bar" aria-label={t('life.title')}>
      <ol className="life-states">
        {states.map((s, i) => <li key={s.state} className={i === at ? 'now' : ''} aria-current={i === at ? 'step' : undefined}>{title(s.state)}</li>)}
      </ol>
      <span className="grow" />
      <div className="row wrap">
        {items.map((item) => {
          const why = !item.allowed ? item.why_not || t('life.notAllowed') : dirty ? t('life.saveFirst') : '';
          return (
            <Tooltip key={item.name} title={why || t('life.to', { state: title(item.to) })}>
              <Button type={item.allowed && !dirty ? 'primary' : 'default'} ghost={item.allowed && !dirty} disabled={Boolean(why)} icon={item.four_eyes ? <SafetyCertificateOutlined /> : undefined} loading={run.isPending && run.variables?.body?.transition === item.name}
                onClick={() => (item.comment === 'none' ? void go(item, '') : setAsked(item))}>{textOf(item.title, i18n.language, item.name)}</Button>
            </Tooltip>
          );
        })}
        {query.data && items.length === 0 && <span className="soft">{t('life.end')}</span>}
      </div>
      {asked && <CommentDialog item={asked} to={title(asked.to)} busy={run.isPending} onRun={(c) => void go(asked, c)} onClose={() => setAsked(null)} />}
    </section>
  );
}
