/* Texts: zh first, en complete (a test compares the key sets). Each module brings its own file; its
 * top-level keys are its namespace. */
import i18n from 'i18next';
import { initReactI18next } from 'react-i18next';
import { locales } from './locales';
import { useSettings } from './settings';

export function initI18n(lang = useSettings.getState().lang): void {
  void i18n.use(initReactI18next).init({
    lng: lang,
    fallbackLng: 'zh',
    resources: {
      zh: { translation: locales.zh },
      en: { translation: locales.en },
    },
    interpolation: { escapeValue: false },
    returnNull: false,
  });
}
