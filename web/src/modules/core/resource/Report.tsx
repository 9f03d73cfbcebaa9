/* The server's report of a bulk change or an import: counts, then its rows, what failed first: one line for
 * each fault with the row and the column. */
import { DownloadOutlined } from '@ant-design/icons';
import { Alert, Segmented, Table, Tag } from 'antd';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { pathOf } from '@/app/modules';
import { BASE } from '@/lib/api';
import { formatCount } from '@/lib/units';
import type { BulkReport, BulkRow, KindDoc } from '@/lib/types';

const counts = ['created', 'updated', 'unchanged', 'deleted', 'failed'] as const;

interface Line {
  key: string;
  line: number;
  status: BulkRow['status'];
  code: string;
  where: string;
  detail: string;
}

export function linesOf(rows: BulkRow[]): Line[] {
  const sorted = [...rows].sort((a, b) => Number(b.status === 'failed') - Number(a.status === 'failed') || (a.line ?? 0) - (b.line ?? 0));
  return sorted.flatMap((r, i) => (r.errors?.length ? r.errors : [{ where: '', detail: '' }]).map((e, k) => ({
    key: `${i}.${k}`, line: r.line, status: r.status, code: r.code ?? '', where: (e.where ?? '').replace(/^spec\./, ''), detail: e.detail,
  })));
}

interface Props {
  report: BulkReport;
  dryRun?: boolean;
  kind?: KindDoc;     /* results link to what they made */
  csv?: string;       /* path of the report of failed rows */
}

export function Report({ report, dryRun, kind, csv }: Props) {
  const { t } = useTranslation();
  const [failed, setFailed] = useState(false);
  const lines = useMemo(() => linesOf((report.rows ?? []).filter((r) => !failed || r.status === 'failed')), [report, failed]);
  const code = (r: Line) => (kind && r.code && !dryRun && r.status !== 'failed' && r.status !== 'deleted' ? <Link to={pathOf(kind.kind, kind.plural, r.code)}>{r.code}</Link> : r.code);
  return (
    <div className="col">
      {dryRun && <Alert type={report.failed > 0 ? 'warning' : 'info'} showIcon title={report.failed > 0 ? t('import.dryFailed', { n: report.failed }) : t('import.dryOk')} />}
      <div className="row wrap between">
        <div className="row wrap">
          {counts.map((c) => (report[c] === undefined || (c === 'deleted' && !report.deleted) ? null : (
            <span key={c} className={`report-count${c === 'failed' && report.failed > 0 ? ' bad' : ''}`}><b>{formatCount(report[c])}</b><span className="soft">{t(`status.${c}`)}</span></span>
          )))}
        </div>
        <div className="row">
          {report.failed > 0 && <Segmented size="small" value={failed ? 'failed' : 'all'} onChange={(v) => setFailed(v === 'failed')} options={[{ value: 'all', label: t('imp.allRows') }, { value: 'failed', label: t('imp.failedRows') }]} />}
          {csv && report.failed > 0 && <a href={BASE + csv} download="report.csv"><DownloadOutlined /> {t('imp.report')}</a>}
        </div>
      </div>
      <Table<Line> size="small" virtual scroll={{ y: 320, x: 700 }} pagination={false} dataSource={lines}
        columns={[
          { title: t('import.line'), dataIndex: 'line', width: 70, align: 'right' },
          { title: t('import.status'), dataIndex: 'status', width: 100, render: (s: string) => <Tag color={s === 'failed' ? 'error' : undefined}>{t(`status.${s}`)}</Tag> },
          { title: t('envelope.code'), dataIndex: 'code', width: 180, ellipsis: true, render: (_v, r) => code(r) },
          { title: t('imp.column'), dataIndex: 'where', width: 150, ellipsis: true, render: (v: string) => <span className="mono">{v}</span> },
          { title: t('import.faults'), dataIndex: 'detail', width: 260 },
        ]} />
    </div>
  );
}
