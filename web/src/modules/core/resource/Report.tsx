/* The server's report of a bulk change or an import: counts, then what failed, then the rest. */
import { Alert, Table, Tag } from 'antd';
import { useTranslation } from 'react-i18next';
import type { BulkReport, BulkRow } from '@/lib/types';

const counts = ['created', 'updated', 'unchanged', 'deleted', 'failed'] as const;

function Faults({ row }: { row: BulkRow }) {
  return <>{(row.errors ?? []).map((e, i) => <div key={i}>{e.where && <span className="mono">{e.where}: </span>}{e.detail}</div>)}</>;
}

export function Report({ report, dryRun }: { report: BulkReport; dryRun?: boolean }) {
  const { t } = useTranslation();
  const rows = [...(report.rows ?? [])].sort((a, b) => Number(b.status === 'failed') - Number(a.status === 'failed'));
  return (
    <div className="col">
      {dryRun && <Alert type={report.failed > 0 ? 'warning' : 'info'} showIcon title={report.failed > 0 ? t('import.dryFailed', { n: report.failed }) : t('import.dryOk')} />}
      <div className="row wrap">
        {counts.map((c) => (report[c] === undefined ? null : (
          <span key={c} className="report-count"><b>{report[c]}</b><span className="soft">{t(`status.${c}`)}</span></span>
        )))}
      </div>
      <Table<BulkRow & { key: number }> size="small" virtual scroll={{ y: 280, x: 640 }} pagination={false} dataSource={rows.map((r, key) => ({ ...r, key }))}
        columns={[
          { title: t('import.line'), dataIndex: 'line', width: 70, align: 'right' },
          { title: t('import.status'), dataIndex: 'status', width: 110, render: (s: string) => <Tag color={s === 'failed' ? 'error' : undefined}>{t(`status.${s}`)}</Tag> },
          { title: t('envelope.code'), dataIndex: 'code', width: 180, ellipsis: true },
          { title: t('import.faults'), width: 280, render: (_v, r) => <Faults row={r} /> },
        ]} />
    </div>
  );
}
