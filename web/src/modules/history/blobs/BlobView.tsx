/* One value that is no number: a waveform with its figures and spectrum, a picture, or a file to fetch. */
import { DownloadOutlined } from '@ant-design/icons';
import { Button, Space } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ErrorState, Loading } from '@/components/states';
import { useApi } from '@/lib/resources';
import { formatBytes, formatNumber, unitText } from '@/lib/units';
import { Plot } from './Plot';
import type { BlobItem, Outline, SpectrumAnswer } from './types';
import { peaks } from './wave';

const WAVE = 'application/vnd.bornite.waveform';
const SHOWN = /^image\/(png|jpeg|gif|webp)$/;
const PX = 1000;
const PEAKS = 6;

function Waveform({ path, item }: { path: string; item: BlobItem }) {
  const { t } = useTranslation();
  const w = item.waveform;
  const [zoom, setZoom] = useState<{ from: number; to: number } | null>(null);
  const outline = useApi<Outline>(path, { px: PX, ...zoom }, { stale: Infinity, keep: true });
  const spectrum = useApi<SpectrumAnswer>(`${path}/spectrum`, undefined, { stale: Infinity });
  if (!w) return null;
  const unit = unitText(w.unit);
  const figure = (name: string, v: number | null | undefined, u = unit) => <div key={name} className="figure"><span className="muted small">{t(`blobs.figure.${name}`)}</span><b className="num">{typeof v === 'number' ? `${formatNumber(v)} ${u}` : '—'}</b></div>;
  return (
    <>
      <div className="figures">
        {figure('count', w.count, '')}{figure('rate', 1 / w.dt_s, 'Hz')}{figure('length', w.count * w.dt_s, 's')}
        {figure('mean', w.mean)}{figure('rms', w.rms)}{figure('peak', w.peak)}{figure('crest', w.crest, '')}
      </div>
      {outline.error ? <ErrorState error={outline.error} retry={() => void outline.refetch()} /> : !outline.data ? <Loading rows={4} /> : (
        <Plot curve={{ x: outline.data.s, y: outline.data.v }} label={t('blobs.waveform')} xUnit="s" yUnit={unit} onZoom={(from, to) => setZoom({ from, to })} onAll={() => setZoom(null)} />
      )}
      {zoom && <div><Button size="small" onClick={() => setZoom(null)}>{t('blobs.all')}</Button></div>}
      <b>{t('blobs.spectrum')}</b>
      {spectrum.error ? <ErrorState error={spectrum.error} retry={() => void spectrum.refetch()} /> : !spectrum.data ? <Loading rows={4} /> : (
        <>
          <Plot zero curve={{ x: spectrum.data.a.map((_v, i) => i * (spectrum.data?.df_hz ?? 1)), y: spectrum.data.a }} label={t('blobs.spectrum')} xUnit="Hz" yUnit={unit} />
          <div className="row wrap small"><span className="muted">{t('blobs.peaks')}</span>{peaks(spectrum.data.a, spectrum.data.df_hz, PEAKS).map((p) => <span key={p.hz} className="num">{formatNumber(p.hz)} Hz <span className="soft">{formatNumber(p.a)} {unit}</span></span>)}</div>
        </>
      )}
    </>
  );
}

export function BlobView({ code, item }: { code: string; item: BlobItem }) {
  const { t } = useTranslation();
  const path = `/points/${encodeURIComponent(code)}/blobs/${encodeURIComponent(item.t)}`;
  const url = `/api/v1${path}`;
  const wave = item.type === WAVE;
  return (
    <div className="col blob-view">
      <Space wrap>
        <Button size="small" icon={<DownloadOutlined />} href={wave ? `${url}?format=csv` : url} download>{wave ? 'CSV' : t('blobs.download')}</Button>
        {wave && <Button size="small" icon={<DownloadOutlined />} href={`${url}?format=json`} download={`${code}.json`}>JSON</Button>}
        <span className="muted small">{item.type} {formatBytes(item.size)}</span>
      </Space>
      {wave ? <Waveform key={item.t} path={path} item={item} /> : SHOWN.test(item.type ?? '') ? <img src={url} alt={`${code} ${item.t}`} className="blob-image" /> : <div className="soft">{t('blobs.noPreview')}</div>}
    </div>
  );
}
