import type { GetDeliveriesAnswer, GetNoticesAnswer } from '@/lib/api.gen';

export type NoticesAnswer = GetNoticesAnswer;
export type Notice = NoticesAnswer['items'][number];
export type Severity = Notice['severity'];
export type DeliveriesAnswer = GetDeliveriesAnswer;
export type Delivery = DeliveriesAnswer['items'][number];
