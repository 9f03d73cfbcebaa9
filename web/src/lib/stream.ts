/* The one WebSocket of this tab. Components say which points they show (useLive); the union is sent as
 * one "set", a moment after the last change. Opens with the first point; reconnects for ever, 1 to 30 s
 * apart and at once when a request is answered after an outage, and subscribes again. */
import { useEffect } from 'react';
import { BASE } from './api';
import { decodeFrame } from './frame';
import { netFrame, netStream, onRecovered, useNet } from './net';
import { putTags } from './tagStore';

const GATHER_MS = 120;
const PING_MS = 20000;
const SILENCE_MS = 45000;
const ALIVE_MS = 3000;
export const MAX_POINTS = 20000;

export function backoff(attempt: number, random = Math.random()): number {
  const base = Math.min(30000, 1000 * 2 ** Math.min(attempt, 10));
  return Math.max(1000, Math.round(base * (0.75 + 0.25 * random)));
}

export class StreamClient {
  private wanted = new Map<number, number>();
  private strings = new Map<number, string>();
  private socket: WebSocket | null = null;
  private attempt = 0;
  private gather = 0;
  private retry = 0;
  private ping = 0;
  private heard = 0;
  private sent = '';

  private url: string;

  constructor(url: string) {
    this.url = url;
  }

  want(nums: Iterable<number>): void {
    for (const num of nums) this.wanted.set(num, (this.wanted.get(num) ?? 0) + 1);
    this.later();
  }

  unwant(nums: Iterable<number>): void {
    for (const num of nums) {
      const count = (this.wanted.get(num) ?? 0) - 1;
      if (count > 0) this.wanted.set(num, count);
      else this.wanted.delete(num);
    }
    this.later();
  }

  points(): number[] {
    return [...this.wanted.keys()].sort((a, b) => a - b).slice(0, MAX_POINTS);
  }

  close(): void {
    clearTimeout(this.retry);
    this.retry = 0;
    clearTimeout(this.gather);
    this.gather = 0;
    this.drop();
    useNet.setState({ streamLost: false });
    netStream('idle');
  }

  /* The server answers again: no more waiting. A socket that was heard just now is left alone. */
  reconnectNow(): void {
    if (this.wanted.size === 0) return;
    if (this.socket?.readyState === WebSocket.OPEN && Date.now() - this.heard < ALIVE_MS) return;
    if (!this.socket && !this.retry) return;
    clearTimeout(this.retry);
    this.retry = 0;
    this.attempt = 0;
    this.drop();
    this.connect();
  }

  private drop(): void {
    clearInterval(this.ping);
    const socket = this.socket;
    this.socket = null;
    this.sent = '';
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
      socket.close();
    }
  }

  private later(): void {
    if (this.gather) return;
    this.gather = window.setTimeout(() => {
      this.gather = 0;
      this.sync();
    }, GATHER_MS);
  }

  private sync(): void {
    if (!this.socket) {
      if (this.wanted.size > 0 && !this.retry) this.connect();
      return;
    }
    if (this.socket.readyState !== WebSocket.OPEN) return;
    const message = JSON.stringify({ op: 'set', points: this.points(), interval_ms: 1000 });
    if (message === this.sent) return;
    this.sent = message;
    this.socket.send(message);
  }

  private connect(): void {
    netStream('connecting');
    const socket = new WebSocket(this.url);
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    socket.onopen = () => {
      this.attempt = 0;
      this.heard = Date.now();
      netStream('open');
      this.sync();
      this.ping = window.setInterval(() => this.alive(), PING_MS);
    };
    socket.onmessage = (event) => this.receive(event.data as ArrayBuffer | string);
    socket.onclose = () => this.lost();
  }

  private alive(): void {
    if (Date.now() - this.heard > SILENCE_MS) this.lost();
    else this.socket?.send('{"op":"ping"}');
  }

  private lost(): void {
    this.drop();
    useNet.setState({ streamLost: true });
    netStream('waiting');
    this.retry = window.setTimeout(() => {
      this.retry = 0;
      if (this.wanted.size > 0) this.connect();
      else netStream('idle');
    }, backoff(this.attempt++));
  }

  private receive(data: ArrayBuffer | string): void {
    this.heard = Date.now();
    if (typeof data === 'string') {
      const message = JSON.parse(data) as { op: string; items?: Record<string, string> };
      if (message.op === 'strings') {
        for (const [id, text] of Object.entries(message.items ?? {})) this.strings.set(Number(id), text);
      }
      return;
    }
    const frame = decodeFrame(data, this.strings);
    if (!frame) return;
    putTags(frame.values);
    netFrame(this.heard);
  }
}

let client: StreamClient | null = null;
onRecovered(() => client?.reconnectNow());

export function stream(): StreamClient {
  if (!client) {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    client = new StreamClient(`${scheme}://${location.host}${BASE}/stream`);
  }
  return client;
}

export function closeStream(): void {
  client?.close();
  client = null;
}

/* Keep these points live while the component is there. */
export function useLive(nums: number[]): void {
  const key = nums.join(',');
  useEffect(() => {
    const list = key ? key.split(',').map(Number) : [];
    if (list.length === 0) return undefined;
    const s = stream();
    s.want(list);
    return () => s.unwant(list);
  }, [key]);
}
