/* The plot as a picture for a report: title line, legend with what the pen table shows, the canvas itself. */
import { formatTime, zoneLabel } from '@/lib/time';
import { unitText } from '@/lib/units';
import { cssColor } from './Chart';
import { visible, type ChartModel } from './model';

export function pngOf(canvas: HTMLCanvasElement, model: ChartModel, title: string): Promise<Blob | null> {
  const ratio = window.devicePixelRatio || 1;
  const pens = visible(model);
  const row = 20 * ratio;
  const head = 34 * ratio;
  const out = document.createElement('canvas');
  out.width = canvas.width;
  out.height = canvas.height + head + pens.length * row + 12 * ratio;
  const ctx = out.getContext('2d');
  if (!ctx) return Promise.resolve(null);
  const font = (px: number, bold = false) => `${bold ? '600 ' : ''}${px * ratio}px Inter, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif`;
  ctx.fillStyle = cssColor('--panel');
  ctx.fillRect(0, 0, out.width, out.height);
  ctx.textBaseline = 'middle';
  ctx.fillStyle = cssColor('--fg');
  ctx.font = font(15, true);
  ctx.fillText(title, 12 * ratio, head / 2);
  ctx.font = font(12);
  ctx.fillStyle = cssColor('--fg-2');
  ctx.textAlign = 'right';
  ctx.fillText(`${formatTime(model.view.from)} – ${formatTime(model.view.to)}  ${zoneLabel()}`, out.width - 12 * ratio, head / 2);
  ctx.textAlign = 'left';
  ctx.drawImage(canvas, 0, head);
  pens.forEach((p, i) => {
    const y = head + canvas.height + 6 * ratio + i * row + row / 2;
    ctx.fillStyle = p.color;
    ctx.fillRect(12 * ratio, y - 2 * ratio, 22 * ratio, 4 * ratio);
    ctx.fillStyle = cssColor('--fg');
    ctx.fillText(`${p.code}   ${p.name}${p.unit ? `   ${unitText(p.unit)}` : ''}`, 42 * ratio, y);
  });
  return new Promise((resolve) => out.toBlob(resolve, 'image/png'));
}
