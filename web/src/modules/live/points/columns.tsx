import { LineChartOutlined, SendOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { Link } from 'react-router';
import type { GridColumn } from '@/components/VirtualGrid';
import { LiveAge, LiveQuality, LiveValue } from '@/components/LiveValue';
import { useTag } from '@/lib/tagStore';
import { trendPath } from '@/lib/links';
import type { Resource } from '@/lib/types';
import { nameOf, specOf } from './query';

type T = (key: string, values?: Record<string, unknown>) => string;

function Actions({ row, t, write }: { row: Resource; t: T; write?: (r: Resource) => void }) {
  return (
    <span className="row point-actions">
      <Link to={trendPath([row.code])} aria-label={t('points.trend')} title={t('points.trend')} tabIndex={-1}><LineChartOutlined /></Link>
      {write && specOf(row).writable && (
        <Button type="text" size="small" tabIndex={-1} icon={<SendOutlined />} aria-label={t('points.write')} title={t('points.write')} onClick={(e) => { e.stopPropagation(); write(row); }} />
      )}
    </span>
  );
}

/* What is not good can be asked why. */
function QualityCell({ row, t, why, compact }: { row: Resource; t: T; why: (r: Resource) => void; compact?: boolean }) {
  const tag = useTag(row.num);
  if (!tag || tag.q === 0) return <LiveQuality num={row.num} compact={compact} />;
  return <button type="button" className="quality-button" tabIndex={-1} aria-label={t('now.whyOf', { code: row.code })} title={t('now.why')} onClick={(e) => { e.stopPropagation(); why(row); }}><LiveQuality num={row.num} compact={compact} /></button>;
}

export function pointColumns(t: T, lang: string, narrow: boolean, why: (r: Resource) => void, write?: (r: Resource) => void): GridColumn<Resource>[] {
  const value: GridColumn<Resource> = { key: 'value', title: t('points.value'), width: narrow ? '110px' : '150px', align: 'right', render: (r) => <LiveValue num={r.num} unit={specOf(r).unit} decimals={specOf(r).decimals} /> };
  const actions: GridColumn<Resource> = { key: 'x', title: '', width: narrow ? '56px' : '72px', render: (r) => <Actions row={r} t={t} write={write} /> };
  if (narrow) {
    return [
      { key: 'code', title: t('envelope.code'), width: 'minmax(90px, 1fr)', sorter: true, render: (r) => <span title={r.code}>{nameOf(r, lang) || r.code}</span> },
      value,
      { key: 'quality', title: '', width: '34px', render: (r) => <QualityCell row={r} t={t} why={why} compact /> },
      actions,
    ];
  }
  return [
    { key: 'code', title: t('envelope.code'), width: 'minmax(150px, 1fr)', sorter: true, render: (r) => <Link to={`/r/points/${r.id}`} tabIndex={-1} title={r.code}>{r.code}</Link> },
    { key: 'name', title: t('envelope.name'), width: 'minmax(140px, 1.3fr)', sorter: true, render: (r) => <span title={nameOf(r, lang)}>{nameOf(r, lang)}</span> },
    value,
    { key: 'quality', title: t('points.quality'), width: '140px', render: (r) => <QualityCell row={r} t={t} why={why} /> },
    { key: 'age', title: t('points.age'), width: '72px', align: 'right', render: (r) => <LiveAge num={r.num} /> },
    { key: 'address', title: t('points.address'), width: '104px', sorter: true, render: (r) => <span className="mono">{specOf(r).address}</span> },
    actions,
  ];
}
