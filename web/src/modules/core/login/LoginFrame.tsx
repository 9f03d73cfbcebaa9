import { Button } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { setSettings, useSettings } from '@/app/settings';

export function LoginFrame({ title, children }: { title: string; children: ReactNode }) {
  const { t } = useTranslation();
  const { lang } = useSettings();
  return (
    <div className="login">
      <div className="panel login-card col">
        <div className="row between">
          <div className="row"><img src="/icon.svg" alt="" width="32" height="32" /><strong>{t('app.name')}</strong></div>
          <Button type="text" size="small" onClick={() => setSettings({ lang: lang === 'zh' ? 'en' : 'zh' })}>{lang === 'zh' ? 'English' : '中文'}</Button>
        </div>
        <h1>{title}</h1>
        <div className="soft">{t('app.about')}</div>
        {children}
      </div>
    </div>
  );
}
