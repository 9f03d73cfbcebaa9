/* Keeps the pens' samples for what is in view: asks the server for the window with some margin, sized by
 * pixels, a moment after the last change; a newer question cancels the older; what is loaded stays drawn
 * until the answer is there. Live values are appended; when their tail grows long the window is asked
 * again (the server then reduces it), so memory stays flat. No React here. */
import type { Series } from '@/lib/types';
import type { LiveValue } from '@/lib/frame';
import { append, lineOf, renew, trim, type Line } from './line';

export interface Window {
  from: number;
  to: number;
  px: number;
  live: boolean;
}

export type Fetcher = (codes: string[], from: number, to: number, px: number, signal: AbortSignal) => Promise<Series[]>;

export interface LoaderState {
  loading: boolean;
  error: unknown;
  truncated: boolean;
}

interface Loaded {
  from: number;
  to: number;
  msPerPx: number;
}

export const TAIL_MAX = 4000;
const MARGIN = 0.25;
const WAIT_MS = 140;
const RETRY_MS = 5000;

export class PlotLoader {
  readonly lines = new Map<string, Line>();
  state: LoaderState = { loading: false, error: null, truncated: false };
  private loaded = new Map<string, Loaded>();
  private codes: string[] = [];
  private window: Window | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running: AbortController | null = null;
  private asked = '';
  private failed = '';
  private retryAt = 0;
  private fetcher: Fetcher;
  private changed: () => void;
  private now: () => number;

  constructor(fetcher: Fetcher, changed: () => void, now: () => number = Date.now) {
    this.fetcher = fetcher;
    this.changed = changed;
    this.now = now;
  }

  /* What is shown now; asks when that is not covered by what is loaded. */
  want(codes: string[], window: Window): void {
    if (window.live && !this.window?.live) this.loaded.clear(); /* nothing was appended while it stood still */
    this.codes = codes;
    this.window = window;
    for (const code of this.lines.keys()) if (!codes.includes(code)) this.forget(code);
    for (const line of this.lines.values()) trim(line, window.from - (window.to - window.from) * (MARGIN + 0.5));
    if (this.lacking().length === 0) {
      this.cancel();
      return;
    }
    const question = this.question();
    if (this.running && question === this.asked) return;
    if (question === this.failed && this.now() < this.retryAt) return;
    this.later(this.loaded.size === 0 ? 0 : WAIT_MS);
  }

  /* Ask again for everything (a lost stream came back, the tail is long, the user retries). */
  refresh(): void {
    this.loaded.clear();
    this.asked = '';
    this.failed = '';
    if (this.window && this.codes.length > 0) this.later(0);
  }

  push(code: string, value: LiveValue): boolean {
    const line = this.lines.get(code);
    if (!line || !this.window?.live) return false;
    const fresh = append(line, value);
    if (line.tail > TAIL_MAX && !this.running) this.refresh();
    return fresh;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.cancel();
  }

  private forget(code: string): void {
    this.lines.delete(code);
    this.loaded.delete(code);
  }

  private covered(code: string): boolean {
    const [l, w] = [this.loaded.get(code), this.window as Window];
    if (!l) return false;
    const msPerPx = (w.to - w.from) / w.px;
    const fine = l.msPerPx <= msPerPx * 1.5 && l.msPerPx >= msPerPx / 4;
    const end = Math.min(w.to, this.now());
    const reach = w.live ? true : end <= l.to + 1000;
    return fine && l.from <= w.from && reach;
  }

  private lacking(): string[] {
    return this.codes.filter((c) => !this.covered(c));
  }

  private question(): string {
    const w = this.window as Window;
    return `${this.lacking().join()}|${w.live ? 'live' : `${Math.round(w.from)}-${Math.round(w.to)}`}|${Math.round((w.to - w.from) / w.px)}|${w.px}`;
  }

  private cancel(): void {
    clearTimeout(this.timer);
    this.running?.abort();
    this.running = null;
    if (this.state.loading) this.set({ loading: false });
  }

  private later(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.ask(), ms);
  }

  private set(change: Partial<LoaderState>): void {
    this.state = { ...this.state, ...change };
    this.changed();
  }

  private async ask(): Promise<void> {
    const w = this.window as Window;
    const codes = this.lacking();
    if (codes.length === 0) return;
    this.running?.abort();
    const run = new AbortController();
    this.running = run;
    this.asked = this.question();
    const margin = (w.to - w.from) * MARGIN;
    const from = Math.round(w.from - margin);
    const to = Math.round(w.live ? w.to + 1000 : Math.min(w.to + margin, Math.max(w.to, this.now())));
    const px = Math.max(50, Math.round((w.px * (to - from)) / (w.to - w.from)));
    this.set({ loading: true });
    try {
      const series = await this.fetcher(codes, from, to, Math.min(10000, px), run.signal);
      if (run.signal.aborted) return;
      for (const s of series) {
        this.lines.set(s.code, renew(lineOf(s), this.lines.get(s.code)));
        this.loaded.set(s.code, { from, to, msPerPx: (to - from) / px });
      }
      this.running = null;
      this.set({ loading: false, error: null, truncated: series.some((s) => s.truncated) });
    } catch (error) {
      if (run.signal.aborted) return;
      this.running = null;
      this.failed = this.asked;
      this.retryAt = this.now() + RETRY_MS;
      this.asked = '';
      this.set({ loading: false, error });
    }
  }
}
