/* Bring samples of a backup back into the running store: which points or classes, which range, and what happens
 * where samples stand already. */
import { Alert, Form, Modal, Radio, Segmented, Select, DatePicker } from 'antd';
import type { Dayjs } from 'dayjs';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { FaultList } from '@/components/states';
import { asError, post, seg } from '@/lib/api';
import { useApi, useList } from '@/lib/resources';
import type { Page, Resource } from '@/lib/types';
import { useDebounced } from '@/lib/useDebounced';
import type { Backup } from './types';

interface Values { scope: 'points' | 'classes'; points?: string[]; classes?: string[]; range: [Dayjs, Dayjs]; mode: 'missing' | 'replace' }

function Points(props: { value?: string[]; onChange?: (v: string[]) => void }) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const q = useDebounced(text.trim(), 200);
  const found = useApi<Page<Resource>>('/points', { q, sort: 'code', size: 50 }, { keep: true });
  return <Select mode="multiple" {...props} aria-label={t('backup.points')} showSearch={{ filterOption: false, onSearch: setText }} options={(found.data?.items ?? []).map((p) => ({ value: p.code, label: `${p.code} ${p.name}` }))} />;
}

export function RestoreDialog({ backup, onClose, onJob }: { backup: Backup; onClose: () => void; onJob: (job: string) => void }) {
  const { t } = useTranslation();
  const [form] = Form.useForm<Values>();
  const [scope, setScope] = useState<Values['scope']>('points');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const classes = useList(scope === 'classes' ? 'archive-classes' : null, { size: 50 });
  const run = async () => {
    const v = await form.validateFields().catch(() => null);
    if (!v) return;
    setBusy(true);
    setError(null);
    try {
      const what = scope === 'points' ? { points: v.points } : { classes: v.classes };
      onJob((await post<{ job: string }>(`/backups/${seg(backup.id)}:restore`, { ...what, from: v.range[0].valueOf(), to: v.range[1].valueOf(), mode: v.mode })).job);
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  const needed = [{ required: true, message: t('backup.needed') }];
  return (
    <Modal open title={t('backup.restoreTitle')} okText={t('backup.restore')} cancelText={t('action.cancel')} onOk={() => void run()} onCancel={onClose} confirmLoading={busy}>
      <div className="col">
        {error !== null && <Alert type="error" showIcon title={asError(error).message} description={<FaultList error={asError(error)} />} />}
        <Form form={form} layout="vertical" initialValues={{ mode: 'missing' }}>
          <Form.Item label={t('backup.scope')}><Segmented<Values['scope']> value={scope} onChange={setScope} options={(['points', 'classes'] as const).map((v) => ({ value: v, label: t(`backup.${v}`) }))} /></Form.Item>
          {scope === 'points'
            ? <Form.Item name="points" label={t('backup.points')} rules={needed}><Points /></Form.Item>
            : <Form.Item name="classes" label={t('backup.classes')} rules={needed}><Select mode="multiple" options={(classes.data?.items ?? []).map((c) => ({ value: c.code, label: c.name || c.code }))} /></Form.Item>}
          <Form.Item name="range" label={t('backup.range')} rules={needed}><DatePicker.RangePicker showTime style={{ width: '100%' }} /></Form.Item>
          <Form.Item name="mode" label={t('backup.where')}>
            <Radio.Group options={(['missing', 'replace'] as const).map((v) => ({ value: v, label: t(`backup.restoreModes.${v}`) }))} />
          </Form.Item>
        </Form>
      </div>
    </Modal>
  );
}
