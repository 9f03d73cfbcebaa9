/* One's own second factor: set up with an app (QR code or the secret typed in), recovery codes shown once;
 * taken away with a code. */
import { Alert, Button, Input, Modal } from 'antd';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { Loading } from '@/components/states';
import { asError, call, post } from '@/lib/api';
import { copyText } from '@/lib/browser';
import { SESSION_KEY, useSession } from '@/lib/session';

interface Setup {
  secret: string;
  uri: string;
  qr_svg: string;
}

/* The server's SVG as a picture, so that nothing in it can act in the page. */
const pictureOf = (svg: string) => `data:image/svg+xml;utf8,${encodeURIComponent(svg)}`;

function Codes({ codes, onClose }: { codes: string[]; onClose: () => void }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const copy = async () => {
    if (await copyText(codes.join('\n'))) notify.done(t('tokens.copied'));
  };
  return (
    <Modal open title={t('factor.codes')} mask={{ closable: false }} onCancel={onClose} footer={<><Button onClick={() => void copy()}>{t('action.copyText')}</Button><Button type="primary" onClick={onClose}>{t('action.done')}</Button></>}>
      <div className="col"><Alert type="warning" showIcon title={t('factor.codesHelp')} /><pre className="mono json-view token-box">{codes.join('\n')}</pre></div>
    </Modal>
  );
}

export function SecondFactor({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const notify = useNotify();
  const { data: session } = useSession();
  const [has] = useState(session?.second_factor ?? false); // what it was when this opened
  const [setup, setSetup] = useState<Setup | null>(null);
  const [code, setCode] = useState('');
  const [codes, setCodes] = useState<string[] | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    if (!has) post<Setup>('/session/totp').then(setSetup, setError);
  }, [has]);
  const run = async () => {
    setBusy(true);
    setError(null);
    try {
      if (has) {
        await call('DELETE', '/session/totp', { body: { code: code.trim() } });
        notify.done(t('factor.removed'));
        onClose();
      } else setCodes((await post<{ recovery_codes: string[] }>('/session/totp:confirm', { code: code.trim() })).recovery_codes);
      await client.invalidateQueries({ queryKey: SESSION_KEY });
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  if (codes) return <Codes codes={codes} onClose={onClose} />;
  return (
    <Modal open title={t('factor.title')} okText={t(has ? 'factor.remove' : 'factor.confirm')} cancelText={t('action.cancel')} confirmLoading={busy}
      okButtonProps={{ danger: has, disabled: code.trim().length < 6 }} onOk={() => void run()} onCancel={onClose}>
      <div className="col">
        {error !== null && <Alert type="error" showIcon title={asError(error).message} />}
        {has ? <div>{t('factor.removeHelp')}</div> : (
          <>
            <div>{t('factor.help')}</div>
            {!setup && error === null && <Loading rows={4} />}
            {setup && <img className="qr" src={pictureOf(setup.qr_svg)} alt={t('factor.qr')} width={200} height={200} />}
            {setup && <div className="small">{t('factor.secret')} <code className="mono">{setup.secret}</code></div>}
          </>
        )}
        <Input autoFocus value={code} onChange={(e) => setCode(e.target.value)} onPressEnter={() => void run()} placeholder={t('login.code')} aria-label={t('login.code')} autoComplete="one-time-code" inputMode="numeric" maxLength={24} />
      </div>
    </Modal>
  );
}
