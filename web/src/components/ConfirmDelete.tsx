/* Destructive actions type the name: the code of one thing, the count of many. */
import { Alert, Input, Modal } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { asError } from '@/lib/api';
import { FaultList } from './states';

interface Props {
  open: boolean;
  what: string;            /* what is deleted, in words */
  type: string;            /* what has to be typed */
  onDelete: () => Promise<unknown>;
  onClose: () => void;
}

export function ConfirmDelete({ open, what, type, onDelete, onClose }: Props) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const close = () => {
    setText('');
    setError(null);
    onClose();
  };
  const run = async () => {
    setBusy(true);
    try {
      await onDelete();
      close();
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal open={open} title={t('confirm.deleteTitle', { what })} onCancel={close} onOk={() => void run()} okText={t('action.delete')} cancelText={t('action.cancel')}
      okButtonProps={{ danger: true, disabled: text.trim() !== type, loading: busy }} destroyOnHidden>
      <div className="col">
        <div>{t('confirm.deleteHelp')}</div>
        <label className="col">
          <span>{t('confirm.typeToDelete')} <code className="mono">{type}</code></span>
          <Input value={text} onChange={(e) => setText(e.target.value)} autoFocus onPressEnter={() => text.trim() === type && void run()} aria-label={t('confirm.typeToDelete')} />
        </label>
        {error !== null && <Alert type="error" title={asError(error).message} description={<FaultList error={asError(error)} />} />}
      </div>
    </Modal>
  );
}
