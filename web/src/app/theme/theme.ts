/* antd's theme from our tokens. The numbers here are the same as in tokens.css: antd derives shades from
 * its seeds by calculation, so it cannot take var(--…). */
import { theme, type ThemeConfig } from 'antd';
import type { ThemeName } from '@/app/settings';

const font = '"Inter Variable", Inter, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", "WenQuanYi Zen Hei", system-ui, sans-serif';

const seeds: Record<ThemeName, ThemeConfig['token']> = {
  light: { colorPrimary: '#0f6fb8', colorLink: '#0f6fb8', colorError: '#b3122b', colorSuccess: '#2e7d4f', colorWarning: '#b26a00', colorBgLayout: '#f3f4f6', colorTextBase: '#1f2933', colorTextDescription: '#56616e', colorTextPlaceholder: '#768290' },
  control: {
    colorPrimary: '#0f5f9f', colorLink: '#0f5f9f', colorError: '#b00d28', colorSuccess: '#4a4a4a', colorWarning: '#7d5200', colorBgLayout: '#dcdcdc',
    colorBgContainer: '#e8e8e8', colorBgElevated: '#eeeeee', colorTextBase: '#333333', colorBorder: '#9a9a9a', colorBorderSecondary: '#bdbdbd',
    colorTextDescription: '#4a4a4a', colorTextPlaceholder: '#666666',
  },
  dark: {
    colorPrimary: '#5aa9ff', colorLink: '#5aa9ff', colorError: '#ff7b7d', colorSuccess: '#7bc796', colorWarning: '#ffd43b', colorBgLayout: '#1b1f25',
    colorBgContainer: '#22272e', colorBgElevated: '#2d333b', colorTextBase: '#dce3ea', colorBorder: '#4a525c', colorBorderSecondary: '#3d444d',
    colorTextDescription: '#a9b4bf', colorTextPlaceholder: '#8b949e', colorTextLightSolid: '#10151b',
  },
};

export function antdTheme(name: ThemeName): ThemeConfig {
  const calm = window.matchMedia?.('(prefers-reduced-motion: reduce)').matches ?? false;
  return {
    cssVar: { key: 'b' },
    hashed: false,
    algorithm: name === 'dark' ? [theme.darkAlgorithm, theme.compactAlgorithm] : [theme.compactAlgorithm],
    token: { fontFamily: font, fontSize: 14, borderRadius: 4, controlHeight: 32, motion: !calm, ...seeds[name] },
    components: {
      Table: { cellPaddingBlockSM: 5, cellPaddingInlineSM: 8 },
      Layout: { headerHeight: 48 },
    },
  };
}
