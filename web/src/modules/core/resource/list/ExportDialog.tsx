/* What the list shows, or some of it, as a file: form and columns. */
import { Checkbox, Form, Modal, Radio } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { download } from '@/lib/browser';
import { exportList } from '@/lib/resources';
import { formatCount } from '@/lib/units';
import type { Query } from '@/lib/api';
import type { KindDoc } from '@/lib/types';
import { exportColumn } from '../cells';

interface Props {
  kind: KindDoc;
  query: Query;
  total: number;
  columns: { key: string; title: string }[];
  shown: string[];
  onClose: () => void;
}

export function ExportDialog({ kind, query, total, columns, shown, onClose }: Props) {
  const { t } = useTranslation();
  const notify = useNotify();
  const [format, setFormat] = useState<'csv' | 'xlsx' | 'json'>('xlsx');
  const [which, setWhich] = useState<'shown' | 'all' | 'some'>('shown');
  const [some, setSome] = useState<string[]>(shown);
  const [busy, setBusy] = useState(false);
  const keys = which === 'shown' ? shown : some;
  const run = async () => {
    setBusy(true);
    try {
      const names = which === 'all' ? undefined : keys.map((k) => exportColumn(kind, k)).join(',');
      download(`${kind.plural}-${new Date().toISOString().slice(0, 10)}.${format}`, await exportList(kind.plural, { ...query, columns: names }, format));
      onClose();
    } catch (e) {
      notify.failed(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal open width={560} title={t('export.title', { n: formatCount(total) })} onCancel={onClose} okText={t('action.export')} cancelText={t('action.cancel')} confirmLoading={busy}
      okButtonProps={{ disabled: which === 'some' && some.length === 0 }} onOk={() => void run()}>
      <Form layout="vertical">
        <Form.Item label={t('export.format')}>
          <Radio.Group value={format} onChange={(e) => setFormat(e.target.value as typeof format)} optionType="button" options={[{ value: 'xlsx', label: 'Excel (XLSX)' }, { value: 'csv', label: 'CSV' }, { value: 'json', label: 'JSON' }]} />
        </Form.Item>
        <Form.Item label={t('table.columns')}>
          <Radio.Group value={which} onChange={(e) => setWhich(e.target.value as typeof which)} options={(['shown', 'all', 'some'] as const).map((v) => ({ value: v, label: t(`export.columns.${v}`) }))} />
          {which === 'some' && <Checkbox.Group className="export-columns" value={some} onChange={setSome} options={columns.filter((c) => c.title).map((c) => ({ value: c.key, label: c.title }))} />}
        </Form.Item>
      </Form>
    </Modal>
  );
}
