export type Severity = 'info' | 'warning' | 'error' | 'critical';

export interface Notice {
  id: string;
  at: string;
  topic: string;
  severity: Severity;
  title: string;
  text?: string;
  link?: string;
  read: boolean;
}

export interface NoticesAnswer {
  items: Notice[];
  unread: number;
  total: number;
}

export interface Delivery {
  id: string;
  at: string;
  channel: string;
  topic: string;
  title: string;
  to?: string;
  state: 'waiting' | 'sending' | 'sent' | 'failed' | 'held';
  tries: number;
  error?: string;
  next_at?: string | null;
  sent_at?: string | null;
}

export interface DeliveriesAnswer {
  items: Delivery[];
  total: number;
}
