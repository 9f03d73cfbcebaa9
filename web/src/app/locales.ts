/* The locale files of the app and of every module, merged by their top-level keys. */
import en from './locales/en.json';
import zh from './locales/zh.json';
import coreEn from '@/modules/core/locales/en.json';
import coreZh from '@/modules/core/locales/zh.json';
import collectEn from '@/modules/collect/locales/en.json';
import collectZh from '@/modules/collect/locales/zh.json';
import connectionsEn from '@/modules/collect/connections/locales/en.json';
import connectionsZh from '@/modules/collect/connections/locales/zh.json';
import historyEn from '@/modules/history/locales/en.json';
import historyZh from '@/modules/history/locales/zh.json';
import liveEn from '@/modules/live/locales/en.json';
import liveZh from '@/modules/live/locales/zh.json';

export const locales = {
  zh: { ...zh, ...coreZh, ...collectZh, ...connectionsZh, ...historyZh, ...liveZh },
  en: { ...en, ...coreEn, ...collectEn, ...connectionsEn, ...historyEn, ...liveEn },
};
