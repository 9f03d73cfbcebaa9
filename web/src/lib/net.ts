/* What we know of the connection to the server: requests (ok or not) and the live stream. */
import { create } from 'zustand';

export type StreamState = 'idle' | 'connecting' | 'open' | 'waiting';

interface NetState {
  reachable: boolean;
  stream: StreamState;
  lastFrameAt: number;
}

export const useNet = create<NetState>(() => ({ reachable: true, stream: 'idle', lastFrameAt: 0 }));

export function netOk(): void {
  if (!useNet.getState().reachable) useNet.setState({ reachable: true });
}

export function netFailed(): void {
  if (useNet.getState().reachable) useNet.setState({ reachable: false });
}

export function netStream(stream: StreamState): void {
  if (useNet.getState().stream !== stream) useNet.setState({ stream });
}
