/* Providers around the router: query cache, antd's theme and language, i18n. */
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { App as AntApp, ConfigProvider } from 'antd';
import enUS from 'antd/locale/en_US';
import zhCN from 'antd/locale/zh_CN';
import dayjs from 'dayjs';
import 'dayjs/locale/zh-cn';
import { useEffect, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { RouterProvider } from 'react-router/dom';
import { setUnauthorizedHandler } from '@/lib/api';
import { SESSION_KEY } from '@/lib/session';
import { makeRouter } from './router';
import { useSettings } from './settings';
import { antdTheme } from './theme/theme';

const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: 'always', // a plant network has no internet; the browser's idea of "online" says nothing
      staleTime: 5000,
      refetchOnWindowFocus: false,
      retry: (count, e) => (e as { status?: number }).status === 0 && count < 3,
      retryDelay: (attempt) => Math.min(8000, 1000 * 2 ** attempt),
    },
    mutations: { networkMode: 'always' },
  },
});

setUnauthorizedHandler(() => {
  void queryClient.resetQueries({ queryKey: SESSION_KEY }); // asks again; nobody there leads to /login
});

export function App() {
  const { theme, lang } = useSettings();
  const { i18n } = useTranslation();
  const router = useMemo(() => makeRouter(), []);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  useEffect(() => {
    document.documentElement.lang = lang === 'en' ? 'en' : 'zh-CN';
    dayjs.locale(lang === 'en' ? 'en' : 'zh-cn');
    void i18n.changeLanguage(lang);
  }, [lang, i18n]);
  const config = useMemo(() => antdTheme(theme), [theme]);
  return (
    <ConfigProvider theme={config} locale={lang === 'en' ? enUS : zhCN} componentSize="middle" button={{ autoInsertSpace: false }}>
      <AntApp className="app-root">
        <QueryClientProvider client={queryClient}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </AntApp>
    </ConfigProvider>
  );
}
