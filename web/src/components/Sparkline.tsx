/* A quiet line of the last while: no axes; what is not good is dashed. */
import './components.css';

interface Props {
  t: number[];
  v: (number | string | null)[];
  q?: number[];
  step?: boolean;
  label?: string;
}

const W = 200;
const H = 28;

/* Path pieces of usable values; a null or bad value breaks the line. */
export function sparkPath(t: number[], v: (number | string | null)[], q: number[] | undefined, step: boolean): string {
  const numbers = v.filter((x): x is number => typeof x === 'number' && Number.isFinite(x));
  if (numbers.length === 0 || t.length === 0) return '';
  let min = Math.min(...numbers);
  let max = Math.max(...numbers);
  if (max - min < 1e-9) {
    min -= 1;
    max += 1;
  }
  const t0 = t[0];
  const span = Math.max(1, t[t.length - 1] - t0);
  let path = '';
  let pen = false;
  let lastY = '';
  for (let i = 0; i < t.length; i++) {
    const value = v[i];
    if (typeof value !== 'number' || (q && q[i] === 2)) {
      pen = false;
      continue;
    }
    const x = (((t[i] - t0) / span) * W).toFixed(1);
    const y = (H - 2 - ((value - min) / (max - min)) * (H - 4)).toFixed(1);
    if (pen && step) path += `L${x} ${lastY}`;
    path += `${pen ? 'L' : 'M'}${x} ${y}`;
    lastY = y;
    pen = true;
  }
  return path;
}

export function Sparkline({ t, v, q, step = false, label }: Props) {
  return (
    <svg className="spark" viewBox={`0 0 ${W} ${H}`} preserveAspectRatio="none" role="img" aria-label={label}>
      <path d={sparkPath(t, v, q, step)} />
    </svg>
  );
}
