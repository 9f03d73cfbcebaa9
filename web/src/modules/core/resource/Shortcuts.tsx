/* The keys of a page, on "?". */
import { Modal } from 'antd';
import { useTranslation } from 'react-i18next';

export type KeyRow = [keys: string, text: string];

export function Shortcuts({ rows, onClose }: { rows: KeyRow[]; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal open width={480} title={t('keys.title')} footer={null} onCancel={onClose}>
      <dl className="keys">
        {rows.map(([keys, text]) => [<dt key={keys}>{keys.split(' ').map((k) => <kbd key={k}>{k}</kbd>)}</dt>, <dd key={`${keys}t`}>{t(text)}</dd>])}
      </dl>
    </Modal>
  );
}
