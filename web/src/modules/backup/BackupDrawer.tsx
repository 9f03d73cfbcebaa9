/* One backup: what is in it, the report of its last drill, and what can be done with it. */
import { Alert, Button, Drawer, Table } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ConfirmDelete } from '@/components/ConfirmDelete';
import { useNotify } from '@/components/notify';
import { ErrorState, Loading } from '@/components/states';
import { call, post, seg } from '@/lib/api';
import { useApi } from '@/lib/resources';
import { formatTime } from '@/lib/time';
import { formatBytes, formatCount } from '@/lib/units';
import { RestoreDialog } from './RestoreDialog';
import type { BackupDetail } from './types';

interface Props { id: string; may: boolean; onClose: () => void; onJob: (job: string) => void; onGone: () => void }

function Report({ report }: { report: unknown }) {
  const { t } = useTranslation();
  if (report === null || report === undefined) return <div className="muted">{t('backup.noReport')}</div>;
  return <pre className="mono json-view">{JSON.stringify(report, null, 1)}</pre>;
}

export function BackupDrawer({ id, may, onClose, onJob, onGone }: Props) {
  const { t } = useTranslation();
  const notify = useNotify();
  const [dialog, setDialog] = useState<'restore' | 'delete' | null>(null);
  const detail = useApi<BackupDetail>(`/backups/${seg(id)}`, undefined, { every: 5000, keep: true });
  const b = detail.data;
  const drill = async () => {
    try {
      onJob((await post<{ job: string }>(`/backups/${seg(id)}:drill`)).job);
    } catch (e) {
      notify.failed(e);
    }
  };
  const ready = b?.state === 'done' && may;
  return (
    <Drawer open onClose={onClose} title={b ? `${b.plan} ${formatTime(b.at)}` : t('backup.title')} size={640} extra={b && (
      <div className="row">
        <Button type="primary" disabled={!ready} onClick={() => void drill()}>{t('backup.doDrill')}</Button>
        <Button disabled={!ready} onClick={() => setDialog('restore')}>{t('backup.restore')}</Button>
        <Button danger disabled={!may || b.state === 'running'} onClick={() => setDialog('delete')}>{t('action.delete')}</Button>
      </div>
    )}>
      {detail.error && !b && <ErrorState error={detail.error} retry={() => void detail.refetch()} />}
      {!b && !detail.error && <Loading />}
      {b && (
        <div className="col">
          {b.error && <Alert type="error" showIcon title={t('backup.error')} description={b.error} />}
          {b.drill && <Alert type={b.drill.ok ? 'success' : 'error'} showIcon title={`${b.drill.ok ? t('backup.drillOk') : t('backup.drillBad')} ${formatTime(b.drill.at)}`} description={b.drill.detail} />}
          <dl className="facts">
            <dt>{t('backup.mode')}</dt><dd>{t(`backup.modes.${b.mode}`)}</dd>
            <dt>{t('backup.state')}</dt><dd>{t(`backup.states.${b.state}`)}</dd>
            <dt>{t('backup.until')}</dt><dd>{b.until ? formatTime(b.until) : '—'}</dd>
            <dt>{t('backup.bytes')}</dt><dd>{t('backup.bytesOf', { all: formatBytes(b.bytes), fresh: formatBytes(b.new_bytes), files: formatCount(b.files) })}</dd>
            <dt>{t('backup.samples')}</dt><dd>{formatCount(b.samples)}</dd>
          </dl>
          <Table<BackupDetail['parts'][number]> size="small" pagination={false} rowKey="what" dataSource={b.parts} columns={[
            { title: t('backup.part'), dataIndex: 'what', render: (v: string) => t(`backup.parts.${v}`, { defaultValue: v }) },
            { title: t('backup.files'), dataIndex: 'files', align: 'right', render: formatCount },
            { title: t('backup.bytes'), dataIndex: 'bytes', align: 'right', render: formatBytes },
          ]} />
          <h3 className="small-head">{t('backup.report')}</h3>
          <Report report={b.report} />
          <p className="muted small">{t('backup.offline')} <code className="mono">{`bornite restore --from URL --backup ${b.id} --data DIR`}</code></p>
        </div>
      )}
      {dialog === 'restore' && b && <RestoreDialog backup={b} onClose={() => setDialog(null)} onJob={onJob} />}
      <ConfirmDelete open={dialog === 'delete'} what={t('backup.one', { at: formatTime(b?.at) })} type={b?.plan ?? ''} onClose={() => setDialog(null)} onDelete={async () => { await call('DELETE', `/backups/${seg(id)}`); onGone(); }} />
    </Drawer>
  );
}
