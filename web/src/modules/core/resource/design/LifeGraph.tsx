/* States in a row, transitions as arcs: forward above, back below. */
import { useTranslation } from 'react-i18next';
import { textOf } from '@/lib/resources';
import type { Lifecycle } from '@/lib/pending';

const STEP = 160;
const BOX = 112;
const H = 34;

export function LifeGraph({ life }: { life: Lifecycle }) {
  const { i18n, t } = useTranslation();
  const index = new Map(life.states.map((s, i) => [s.state, i]));
  const arcs = life.transitions.flatMap((x) => x.from.map((f) => ({ x, a: index.get(f) ?? -1, b: index.get(x.to) ?? -1 }))).filter((r) => r.a >= 0 && r.b >= 0);
  const reach = Math.max(1, ...arcs.map((r) => Math.abs(r.a - r.b)));
  const room = 26 + reach * 22;
  const width = Math.max(1, life.states.length) * STEP;
  const mid = (i: number) => i * STEP + STEP / 2;
  return (
    <div className="life-graph">
      <svg viewBox={`0 0 ${width} ${2 * room + H}`} width={width} height={2 * room + H} role="img" aria-label={t('life.title')}>
        <defs><marker id="life-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" /></marker></defs>
        {arcs.map(({ x, a, b }, i) => {
          const up = b >= a;
          const far = Math.max(1, Math.abs(a - b));
          const y = up ? room : room + H;
          const top = up ? y - 16 - far * 20 : y + 16 + far * 20;
          const [from, to] = a === b ? [mid(a) - 20, mid(a) + 20] : [mid(a) + (up ? 24 : -24), mid(b) - (up ? 24 : -24)];
          return (
            <g key={i} className={`life-arc${x.four_eyes ? ' eyes' : ''}`}>
              <path d={`M${from} ${y}C${from} ${top} ${to} ${top} ${to} ${y}`} markerEnd="url(#life-arrow)" />
              <text x={(from + to) / 2} y={up ? top + 12 : top - 4}>{textOf(x.title, i18n.language, x.name)}</text>
            </g>
          );
        })}
        {life.states.map((s, i) => (
          <g key={i} className={`life-box${s.state === life.initial ? ' first' : ''}`}>
            <rect x={mid(i) - BOX / 2} y={room} width={BOX} height={H} rx="17" />
            <text x={mid(i)} y={room + H / 2 + 5}>{textOf(s.title, i18n.language, s.state)}</text>
          </g>
        ))}
      </svg>
    </div>
  );
}
