/* One curve with axes in words: drag to zoom, double click to see all again, the value under the pointer. */
import { useRef, useState, type PointerEvent } from 'react';
import { useTranslation } from 'react-i18next';
import { formatNumber } from '@/lib/units';
import { frameOf, nearest, polylines, type Curve } from './wave';

const WIDTH = 1000;
const HEIGHT = 220;

interface Props {
  curve: Curve;
  zero?: boolean;
  label: string;
  xUnit: string;
  yUnit: string;
  onZoom?: (from: number, to: number) => void;
  onAll?: () => void;
}

export function Plot({ curve, zero, label, xUnit, yUnit, onZoom, onAll }: Props) {
  const { t } = useTranslation();
  const box = useRef<SVGSVGElement>(null);
  const [at, setAt] = useState<number | null>(null);
  const [from, setFrom] = useState<number | null>(null);
  const f = frameOf(curve, zero);
  const xOf = (e: PointerEvent) => {
    const r = box.current?.getBoundingClientRect();
    return r ? f.x0 + Math.min(1, Math.max(0, (e.clientX - r.left) / r.width)) * (f.x1 - f.x0) : f.x0;
  };
  const px = (x: number) => ((x - f.x0) / (f.x1 - f.x0)) * WIDTH;
  const up = (e: PointerEvent) => {
    const to = xOf(e);
    if (from !== null && onZoom && Math.abs(px(to) - px(from)) > 8) onZoom(Math.min(from, to), Math.max(from, to));
    setFrom(null);
  };
  const i = at === null ? -1 : nearest(curve, at);
  const value = i >= 0 ? curve.y[i] : null;
  return (
    <figure className="wave">
      <div className="row between muted small"><span>{formatNumber(f.y1)} {yUnit}</span><span className="num" role="status">{i >= 0 ? `${formatNumber(curve.x[i])} ${xUnit}: ${value === null ? '—' : formatNumber(value)} ${yUnit}` : onZoom ? t('blobs.zoomHelp') : ''}</span></div>
      <svg ref={box} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}
        onPointerMove={(e) => setAt(xOf(e))} onPointerLeave={() => { setAt(null); setFrom(null); }} onDoubleClick={onAll}
        onPointerDown={(e) => { if (onZoom) setFrom(xOf(e)); }} onPointerUp={up}>
        {polylines(curve, f, WIDTH, HEIGHT).map((p) => <polyline key={p.slice(0, 40)} points={p} className="wave-line" />)}
        {from !== null && at !== null && <rect x={Math.min(px(from), px(at))} y={0} width={Math.abs(px(at) - px(from))} height={HEIGHT} className="wave-pick" />}
        {i >= 0 && <line x1={px(curve.x[i])} x2={px(curve.x[i])} y1={0} y2={HEIGHT} className="wave-cursor" />}
      </svg>
      <figcaption className="row between muted small"><span>{formatNumber(f.x0)} {xUnit}</span><span>{formatNumber(f.y0)} {yUnit}</span><span>{formatNumber(f.x1)} {xUnit}</span></figcaption>
    </figure>
  );
}
