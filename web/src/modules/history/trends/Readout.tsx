/* What lies under the pointer: the time and each pen's value. Redrawn at most once a frame. */
import { forwardRef, useImperativeHandle, useRef, useState } from 'react';
import { QualityBadge } from '@/components/QualityBadge';
import { formatTime } from '@/lib/time';
import { formatValue, unitText } from '@/lib/units';
import type { Engine } from './engine';
import { readingAt } from './line';
import { msPerPx, visible } from './model';

export interface ReadoutHandle {
  at: (t: number | null) => void;
}

export const Readout = forwardRef<ReadoutHandle, { engine: Engine }>(function Readout({ engine }, ref) {
  const [t, setT] = useState<number | null>(null);
  const frame = useRef(0);
  const next = useRef<number | null>(null);
  useImperativeHandle(ref, () => ({
    at: (at) => {
      next.current = at;
      frame.current ||= requestAnimationFrame(() => {
        frame.current = 0;
        setT(next.current);
      });
    },
  }), []);
  if (t === null) return null;
  const m = engine.model;
  const right = t < (m.view.from + m.view.to) / 2;
  return (
    <div className={`readout${right ? ' right' : ''}`} aria-hidden="true">
      <div className="num readout-time">{formatTime(t, m.view.to - m.view.from < 600000)}</div>
      {visible(m).slice(0, 16).map((p) => {
        const line = m.lines.get(p.code);
        const r = line ? readingAt(line, t, p.gap(msPerPx(m))) : null;
        return (
          <div key={p.code} className="readout-row">
            <i style={{ background: p.color }} />
            <span className="mono ellipsis">{p.code}</span>
            {r && r.q !== 0 && <QualityBadge q={r.q} r={r.r} compact />}
            <b className="num">{r && t <= m.now ? formatValue(r.v, p.decimals) : '—'}</b>
            <span className="muted">{unitText(p.unit)}</span>
          </div>
        );
      })}
    </div>
  );
});
