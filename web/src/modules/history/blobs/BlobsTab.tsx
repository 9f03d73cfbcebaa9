/* Tab of a point: its values that are no numbers, newest first, one of them in full; files can be added. */
import { UploadOutlined } from '@ant-design/icons';
import { Button, Upload } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { TimeRange, useRange } from '@/components/TimeRange';
import { call } from '@/lib/api';
import { useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { formatTime, resolveRange } from '@/lib/time';
import type { Resource } from '@/lib/types';
import { formatBytes } from '@/lib/units';
import { BlobView } from './BlobView';
import type { BlobItem, BlobsAnswer } from './types';
import './blobs.css';

const SIZE_MAX = 16 << 20;
const LIST_MAX = 1000;

function Row({ item, open, onOpen }: { item: BlobItem; open: boolean; onOpen: () => void }) {
  const { t } = useTranslation();
  return (
    <button type="button" className={`blob-row${open ? ' open' : ''}`} aria-pressed={open} disabled={item.gone} onClick={onOpen}>
      <span className="num">{formatTime(Date.parse(item.t))}</span>
      <span className="soft small">{item.gone ? t('blobs.gone') : item.waveform ? t('blobs.waveOf', { n: item.waveform.count }) : item.type}</span>
      <span className="muted small num">{item.gone ? '' : formatBytes(item.size)}</span>
    </button>
  );
}

export function BlobsTab({ resource }: { resource: Resource }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const may = useCan()('point', 'write');
  const [range, setRange] = useRange({ from: 'now-7d', to: 'now' });
  const [picked, setPicked] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const abs = resolveRange(range);
  const live = range.to === 'now';
  const { data, error, refetch } = useApi<BlobsAnswer>('/history/blobs', { points: resource.code, from: live ? `*-${Math.round((abs.to - abs.from) / 1000)}s` : Math.round(abs.from), to: live ? '*' : Math.round(abs.to), limit: LIST_MAX }, { every: live ? 5000 : undefined, keep: true });
  const items = [...(data?.items ?? [])].reverse();
  const shown = items.find((i) => i.t === picked && !i.gone) ?? items.find((i) => !i.gone);
  const upload = (file: File) => {
    if (file.size > SIZE_MAX) {
      notify.failed(new Error(t('blobs.tooLarge', { name: file.name, size: formatBytes(SIZE_MAX) })));
      return false;
    }
    setBusy(true);
    void call('POST', `/points/${encodeURIComponent(resource.code)}/blobs`, { text: file, contentType: file.type || 'application/octet-stream' }).then(async () => {
      notify.done(t('blobs.kept', { name: file.name }));
      setPicked(null);
      await refetch();
    }, notify.failed).finally(() => setBusy(false));
    return false;
  };
  return (
    <div className="col">
      <div className="row wrap between">
        <TimeRange value={range} onChange={setRange} />
        {may && <Upload showUploadList={false} beforeUpload={upload}><Button icon={<UploadOutlined />} loading={busy}>{t('blobs.add')}</Button></Upload>}
      </div>
      {error ? <ErrorState error={error} retry={() => void refetch()} /> : !data ? <Loading rows={5} /> : items.length === 0 ? <EmptyState title={t('blobs.empty')} help={t('blobs.emptyHelp')} /> : (
        <div className="blobs">
          <div className="blob-list" role="group" aria-label={t('blobs.tab')}>
            {items.map((i) => <Row key={i.t} item={i} open={i === shown} onOpen={() => setPicked(i.t)} />)}
            {data.next && <div className="muted small">{t('blobs.more', { n: LIST_MAX })}</div>}
          </div>
          {shown && <BlobView code={resource.code} item={shown} />}
        </div>
      )}
    </div>
  );
}
