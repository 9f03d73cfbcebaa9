/* Pointer, wheel and keyboard on the plot: drag pans, shift-drag is a box, wheel and two fingers zoom,
 * a click sets a cursor, a cursor's line can be dragged. Speaks in CSS pixels and times; knows no React. */
export interface Surface {
  el: HTMLElement;
  view: () => { from: number; to: number };
  cursors: () => [number | null, number | null];
}

export interface Box {
  x0: number;
  x1: number;
  y0: number;   /* shares of the height, 0 at the top */
  y1: number;
}

export interface Handlers {
  view: (from: number, to: number) => void;   /* while it moves */
  click: (t: number) => void;
  cursor: (index: 0 | 1, t: number) => void;
  box: (from: number, to: number, y0: number, y1: number, tall: boolean) => void;
  shade: (box: { left: number; top: number; width: number; height: number } | null) => void;
}

export const MIN_SPAN = 1000;
export const MAX_SPAN = 20 * 366 * 86400000;

export function zoomed(from: number, to: number, at: number, factor: number): [number, number] {
  const span = Math.min(MAX_SPAN, Math.max(MIN_SPAN, (to - from) * factor));
  const share = (at - from) / (to - from);
  const start = at - share * span;
  return [start, start + span];
}

const NEAR = 7;
const CLICK = 4;

type Mode = 'none' | 'pan' | 'box' | 'cursor0' | 'cursor1' | 'pinch';

export function attachGestures(s: Surface, on: Handlers): () => void {
  const { el } = s;
  const down = new Map<number, { x: number; y: number }>();
  let mode: Mode = 'none';
  let start = { x: 0, y: 0, from: 0, to: 0, gap: 1 };
  let moved = false;

  const place = (e: { clientX: number; clientY: number }) => {
    const r = el.getBoundingClientRect();
    return { x: e.clientX - r.left, y: e.clientY - r.top, w: r.width, h: r.height };
  };
  const timeAt = (x: number, w: number) => {
    const v = s.view();
    return v.from + (x / w) * (v.to - v.from);
  };
  const nearCursor = (x: number, w: number): Mode | null => {
    const v = s.view();
    const at = s.cursors().map((t) => (t === null ? Infinity : Math.abs(((t - v.from) / (v.to - v.from)) * w - x)));
    if (Math.min(...at) > NEAR) return null;
    return at[0] <= at[1] ? 'cursor0' : 'cursor1';
  };
  const begin = (x: number, y: number, gap = 1) => {
    const v = s.view();
    start = { x, y, from: v.from, to: v.to, gap };
  };

  const onDown = (e: PointerEvent) => {
    if (e.button !== 0) return;
    const p = place(e);
    el.setPointerCapture(e.pointerId);
    down.set(e.pointerId, p);
    moved = false;
    if (down.size === 2) {
      const [a, b] = [...down.values()];
      mode = 'pinch';
      moved = true;
      begin((a.x + b.x) / 2, 0, Math.max(10, Math.abs(a.x - b.x)));
      return;
    }
    mode = e.shiftKey ? 'box' : (nearCursor(p.x, p.w) ?? 'pan');
    begin(p.x, p.y);
  };
  const onMove = (e: PointerEvent) => {
    const p = place(e);
    if (!down.has(e.pointerId)) {
      el.style.cursor = e.shiftKey ? 'crosshair' : nearCursor(p.x, p.w) ? 'ew-resize' : 'grab';
      return;
    }
    down.set(e.pointerId, p);
    if (Math.abs(p.x - start.x) > CLICK || Math.abs(p.y - start.y) > CLICK) moved = true;
    if (!moved) return;
    const span = start.to - start.from;
    if (mode === 'pan') {
      el.style.cursor = 'grabbing';
      const dt = ((p.x - start.x) / p.w) * span;
      on.view(start.from - dt, start.to - dt);
    } else if (mode === 'box') {
      on.shade({ left: Math.min(p.x, start.x), top: Math.min(p.y, start.y), width: Math.abs(p.x - start.x), height: Math.abs(p.y - start.y) });
    } else if (mode === 'cursor0' || mode === 'cursor1') {
      on.cursor(mode === 'cursor0' ? 0 : 1, timeAt(Math.min(p.w, Math.max(0, p.x)), p.w));
    } else if (mode === 'pinch' && down.size === 2) {
      const [a, b] = [...down.values()];
      const factor = start.gap / Math.max(10, Math.abs(a.x - b.x));
      const anchor = start.from + (start.x / p.w) * span;
      const [from, to] = zoomed(start.from, start.to, anchor, factor);
      const dt = (((a.x + b.x) / 2 - start.x) / p.w) * (to - from);
      on.view(from - dt, to - dt);
    }
  };
  const onUp = (e: PointerEvent) => {
    if (!down.delete(e.pointerId)) return;
    const p = place(e);
    if (mode === 'box') {
      on.shade(null);
      const [x0, x1] = [Math.min(p.x, start.x), Math.max(p.x, start.x)].map((x) => Math.min(p.w, Math.max(0, x)));
      const [y0, y1] = [Math.min(p.y, start.y), Math.max(p.y, start.y)].map((y) => Math.min(p.h, Math.max(0, y)));
      if (moved && x1 - x0 > CLICK) on.box(timeAt(x0, p.w), timeAt(x1, p.w), y0 / p.h, y1 / p.h, y1 - y0 > 24);
    } else if (!moved && e.type === 'pointerup') {
      on.click(timeAt(p.x, p.w));
    }
    mode = 'none';
    el.style.cursor = 'grab';
  };
  const onWheel = (e: WheelEvent) => {
    e.preventDefault();
    const p = place(e);
    const v = s.view();
    const unit = e.deltaMode === 1 ? 33 : 1;
    if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
      const dt = ((e.deltaX * unit) / p.w) * (v.to - v.from);
      on.view(v.from + dt, v.to + dt);
      return;
    }
    const [from, to] = zoomed(v.from, v.to, timeAt(p.x, p.w), Math.exp(Math.max(-300, Math.min(300, e.deltaY * unit)) * 0.0018));
    on.view(from, to);
  };
  el.style.touchAction = 'pan-y';
  el.addEventListener('pointerdown', onDown);
  el.addEventListener('pointermove', onMove);
  el.addEventListener('pointerup', onUp);
  el.addEventListener('pointercancel', onUp);
  el.addEventListener('wheel', onWheel, { passive: false });
  return () => {
    el.removeEventListener('pointerdown', onDown);
    el.removeEventListener('pointermove', onMove);
    el.removeEventListener('pointerup', onUp);
    el.removeEventListener('pointercancel', onUp);
    el.removeEventListener('wheel', onWheel);
  };
}
