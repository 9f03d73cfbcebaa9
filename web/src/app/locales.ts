/* The locale files of the app and of every module, merged by their top-level keys. */
const zh = import.meta.glob<object>('/src/**/locales/zh.json', { import: 'default', eager: true });
const en = import.meta.glob<object>('/src/**/locales/en.json', { import: 'default', eager: true });

export const locales = {
  zh: Object.assign({}, ...Object.values(zh)) as object,
  en: Object.assign({}, ...Object.values(en)) as object,
};
