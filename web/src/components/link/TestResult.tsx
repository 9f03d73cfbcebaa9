/* Trying a connection: the button, and what came of it in the server's words. */
import { ThunderboltOutlined } from '@ant-design/icons';
import { Alert, Button, type FormInstance } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { asError, post } from '@/lib/api';
import { useCan } from '@/lib/session';
import type { TestAnswer } from '@/lib/types';
import { placeFaults } from './faults';

/* To the list of certificates, where the text is about one. */
export function CertificateLink({ text }: { text: string }) {
  const { t } = useTranslation();
  const may = useCan()('peer_certificate', 'read');
  return may && /certificate|证书/i.test(text) ? <Link to="/certificates">{t('connections.test.certificates')}</Link> : null;
}

const HINTS = ['unavailable', 'timeout', 'protocol'];     /* codes that say what to look at */

export function TestAlert({ answer, error, onClose }: { answer: TestAnswer | null; error: unknown; onClose?: () => void }) {
  const { t } = useTranslation();
  if (error) {
    const e = asError(error);
    return <Alert type="error" showIcon title={e.faults().map((f) => f.detail).join('；')} closable={onClose ? { onClose } : false} />;
  }
  if (!answer) return null;
  const hint = answer.ok || !HINTS.includes(answer.code ?? '') ? '' : t(`connections.test.hint.${answer.code}`);
  return <Alert type={answer.ok ? 'success' : 'error'} showIcon closable={onClose ? { onClose } : false}
    title={t(answer.ok ? 'connections.test.ok' : 'connections.test.failed', { ms: answer.ms })} description={answer.detail || hint ? <><div>{answer.detail}</div>{hint && <div className="soft">{hint}</div>}{!answer.ok && <CertificateLink text={answer.detail} />}</> : undefined} />;
}

/* `form`: faults of its fields are put there. */
export function TestButton({ path, body, form }: { path: string; body: () => Promise<unknown>; form?: FormInstance }) {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<TestAnswer | null>(null);
  const [error, setError] = useState<unknown>(null);
  const run = async () => {
    setAnswer(null);
    setError(null);
    let sent: unknown;
    try {
      sent = await body();
    } catch {
      return; /* the form shows what is missing */
    }
    setBusy(true);
    try {
      setAnswer(await post<TestAnswer>(path, sent));
    } catch (e) {
      const rest = form ? placeFaults(form, e) : null;
      setError(rest?.length === 0 ? new Error(t('connections.test.fields')) : e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="col test-box">
      <div><Button icon={<ThunderboltOutlined />} loading={busy} onClick={() => void run()}>{t('connections.test.button')}</Button></div>
      <div role="status"><TestAlert answer={answer} error={error} /></div>
    </div>
  );
}
