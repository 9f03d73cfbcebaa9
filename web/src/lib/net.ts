/* What we know of the connection to the server: requests (ok or not) and the live stream. */
import { create } from 'zustand';

export type StreamState = 'idle' | 'connecting' | 'open' | 'waiting';

interface NetState {
  reachable: boolean;
  stream: StreamState;
  lastFrameAt: number;
  streamLost: boolean;    /* the stream broke and no frame came since */
  failedAt: number;       /* when the server was last found out of reach */
}

export const useNet = create<NetState>(() => ({ reachable: true, stream: 'idle', lastFrameAt: 0, streamLost: false, failedAt: 0 }));

const recovered = new Set<() => void>();

/* Called when the server answers again after it was out of reach. */
export function onRecovered(fn: () => void): () => void {
  recovered.add(fn);
  return () => recovered.delete(fn);
}

export function netOk(): void {
  if (useNet.getState().reachable) return;
  useNet.setState({ reachable: true });
  for (const fn of recovered) fn();
}

export function netFailed(): void {
  if (useNet.getState().reachable) useNet.setState({ reachable: false, failedAt: Date.now() });
}

export function netStream(stream: StreamState): void {
  if (useNet.getState().stream !== stream) useNet.setState({ stream });
}

/* A frame came: what is shown is live again. */
export function netFrame(at: number): void {
  useNet.setState({ lastFrameAt: at, streamLost: false });
}

/* Whether live values are no longer being told: they must not look good. */
export function useStale(): boolean {
  return useNet((s) => s.streamLost || (!s.reachable && s.lastFrameAt <= s.failedAt));
}
