/* What makes a trend page move: follows the clock while live, takes live values, moves the view when the
 * user pans or zooms, asks the loader for what is in view, and tells the URL when the view has come to
 * rest. Plain object; useEngine binds it to the page. */
import type { LiveValue } from '@/lib/frame';
import { isLive, resolveRange, type Range } from '@/lib/time';
import { MAX_SPAN, MIN_SPAN } from './gestures';
import { PlotLoader, type Fetcher } from './loader';
import { newModel, type ChartModel, type ModelPen } from './model';
import type { AxesMode, CursorPair } from './state';

export interface Sinks {
  repaint: () => void;
  commit: (range: Range) => void;    /* the view rests: into the URL */
}

const REST_MS = 300;
const TELL_MS = 150;

export class Engine {
  readonly model: ChartModel;
  readonly loader: PlotLoader;
  private sinks: Sinks = { repaint: () => {}, commit: () => {} };
  private version = 0;
  private listeners = new Set<() => void>();
  private telling: ReturnType<typeof setTimeout> | undefined;
  private range: Range = { from: 'now-1h', to: 'now' };
  private newest = 0;
  private rest: ReturnType<typeof setTimeout> | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private lastSlide = 0;
  private nums = new Map<number, string>();
  private codes: string[] = [];
  private wall: () => number;

  constructor(fetcher: Fetcher, wall: () => number = Date.now) {
    this.wall = wall;
    this.loader = new PlotLoader(fetcher, () => {
      this.sinks.repaint();
      this.changed();
    }, () => this.now());
    this.model = newModel(this.loader.lines);
  }

  /* The server's clock may be ahead of this machine's: what has happened is not in the future. */
  now(): number {
    return Math.max(this.wall(), this.newest);
  }

  get live(): boolean {
    return isLive(this.range);
  }

  get moving(): boolean {
    return this.rest !== undefined;
  }

  connect(sinks: Sinks): void {
    this.sinks = sinks;
  }

  /* For useSyncExternalStore: what React shows of the engine, not more than a few times a second. */
  readonly subscribe = (fn: () => void): (() => void) => {
    this.listeners.add(fn);
    return () => {
      this.listeners.delete(fn);
    };
  };

  readonly snapshot = (): number => this.version;

  private changed(): void {
    this.telling ??= setTimeout(() => {
      this.telling = undefined;
      this.version++;
      for (const fn of this.listeners) fn();
    }, TELL_MS);
  }

  /* What the page says of the picture besides its range. */
  look(pens: ModelPen[], axes: AxesMode, cursors: CursorPair, focus: string | null): void {
    const m = this.model;
    if (m.axes !== axes) m.settled.clear();
    Object.assign(m, { pens, axes, cursors, focus });
    this.sinks.repaint();
    this.changed();
  }

  setCursor(index: 0 | 1, t: number): CursorPair {
    this.model.active = index;
    this.model.cursors = index === 0 ? [t, this.model.cursors[1]] : [this.model.cursors[0], t];
    this.sinks.repaint();
    this.changed();
    return this.model.cursors;
  }

  start(): void {
    this.timer = setInterval(() => this.slide(), 1000);
  }

  stop(): void {
    clearInterval(this.timer);
    clearTimeout(this.rest);
    clearTimeout(this.telling);
    this.rest = undefined;
    this.telling = undefined;
    this.loader.stop();
  }

  setRange(range: Range): void {
    clearTimeout(this.rest);
    this.rest = undefined;
    this.range = range;
    const at = resolveRange(range, this.now());
    if (!(at.to > at.from)) return;
    this.model.settled.clear();
    this.model.view = at;
    this.update();
    this.changed();
  }

  setPens(codes: string[], nums: Map<number, string>): void {
    this.codes = codes;
    this.nums = nums;
    this.update();
  }

  setSize(px: number): void {
    if (px === this.model.px) return;
    this.model.px = px;
    this.update();
  }

  /* The user moves the view: live stops, the URL follows when it rests. */
  move(from: number, to: number): void {
    const span = Math.min(MAX_SPAN, Math.max(MIN_SPAN, to - from));
    const start = Math.max(0, (from + to) / 2 - span / 2);
    this.model.view = { from: start, to: start + span };
    this.range = { from: String(Math.round(start)), to: String(Math.round(start + span)) };
    this.update();
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      this.rest = undefined;
      this.sinks.commit(this.range);
    }, REST_MS);
    this.changed();
  }

  shift(share: number): void {
    const { from, to } = this.model.view;
    this.move(from + (to - from) * share, to + (to - from) * share);
  }

  take(batch: [number, LiveValue][]): void {
    let fresh = false;
    for (const [num, value] of batch) {
      const code = this.nums.get(num);
      if (!code) continue;
      if (value.t > this.newest && value.t < this.wall() + 3600000) this.newest = value.t;
      if (this.live) fresh = this.loader.push(code, value) || fresh;
    }
    if (fresh) this.slide();
  }

  /* One step of the clock; not more often than a pixel is worth. */
  private slide(): void {
    if (!this.live && this.loader.state.error) this.update(); /* asks again when it is time to */
    if (!this.live || this.moving) return;
    const { from, to } = this.model.view;
    const now = this.now();
    const least = Math.max(900, Math.min(30000, (to - from) / this.model.px));
    if (now - this.lastSlide < least && now >= this.lastSlide) return;
    this.lastSlide = now;
    this.model.view = resolveRange(this.range, now);
    this.update();
    this.changed();
  }

  private update(): void {
    this.model.now = this.now();
    this.loader.want(this.codes, { ...this.model.view, px: this.model.px, live: this.live });
    this.sinks.repaint();
  }
}
