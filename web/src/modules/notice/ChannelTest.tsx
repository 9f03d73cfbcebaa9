/* Try a message channel: one message now, and what came of it in the receiver's words. */
import { Alert, Button, Input, Space } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { asError, post, seg } from '@/lib/api';
import type { Resource } from '@/lib/types';

interface Outcome {
  ok: boolean;
  detail: string;
  ms: number;
}

export function ChannelTest({ resource }: { resource: Resource }) {
  const { t } = useTranslation();
  const [to, setTo] = useState('');
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [error, setError] = useState<unknown>(null);
  const run = async () => {
    setBusy(true);
    setError(null);
    setOutcome(null);
    try {
      setOutcome(await post<Outcome>(`/message-channels/${seg(resource.id)}:test`, to ? { to } : {}));
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="panel panel-body col">
      <Space wrap>
        <Input value={to} onChange={(e) => setTo(e.target.value)} placeholder={t('channelTest.to')} aria-label={t('channelTest.to')} style={{ width: 260 }} />
        <Button type="primary" loading={busy} onClick={() => void run()}>{t('channelTest.run')}</Button>
      </Space>
      {error !== null && <Alert type="error" showIcon title={asError(error).message} />}
      {outcome && <Alert type={outcome.ok ? 'success' : 'error'} showIcon title={outcome.ok ? t('channelTest.sent', { ms: outcome.ms }) : outcome.detail} description={outcome.ok ? outcome.detail : undefined} />}
    </div>
  );
}
