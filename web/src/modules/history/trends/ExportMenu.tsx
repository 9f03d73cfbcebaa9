/* CSV from the server (streamed by it), PNG from the canvas, the link of what is shown. */
import { DownloadOutlined, LinkOutlined } from '@ant-design/icons';
import { Button, Dropdown, Space } from 'antd';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { BASE, withQuery } from '@/lib/api';
import { copyText, download } from '@/lib/browser';
import dayjs from 'dayjs';
import type { Engine } from './engine';
import { visible } from './model';
import { pngOf } from './png';

interface Props {
  engine: Engine;
  title: string;
  canvas: () => HTMLCanvasElement | null;
}

/* About 2,000 rows a pen, in steps that people use. */
export function stepFor(span: number): string {
  const steps: [number, string][] = [[1000, '1s'], [5000, '5s'], [10000, '10s'], [30000, '30s'], [60000, '1m'], [300000, '5m'], [600000, '10m'], [1800000, '30m'], [3600000, '1h'], [86400000, '1d']];
  return (steps.find(([ms]) => span / ms <= 2000) ?? steps[steps.length - 1])[1];
}

export function ExportMenu({ engine, title, canvas }: Props) {
  const { t } = useTranslation();
  const notify = useNotify();
  const span = engine.model.view.to - engine.model.view.from;
  const step = stepFor(span);
  const csv = (mode: 'recorded' | 'interpolated') => {
    const { from, to } = engine.model.view;
    const a = document.createElement('a');
    a.href = withQuery(`${BASE}/history/export`, {
      points: visible(engine.model).map((p) => p.code).join(','), from: Math.round(from), to: Math.round(Math.min(to, engine.now())), mode, interval: mode === 'interpolated' ? stepFor(to - from) : undefined,
    });
    a.download = `trend-${dayjs().format('YYYYMMDD-HHmmss')}.csv`;
    a.click();
  };
  const png = async () => {
    const c = canvas();
    const blob = c && await pngOf(c, engine.model, title);
    if (blob) download(`trend-${dayjs().format('YYYYMMDD-HHmmss')}.png`, blob);
    else notify.failed(new Error(t('trends.export.noPicture')));
  };
  const share = async () => {
    if (await copyText(location.href)) notify.done(t('trends.export.copied'));
    else notify.failed(new Error(location.href));
  };
  return (
    <Space.Compact>
      <Dropdown trigger={['click']} menu={{ items: [
        { key: 'recorded', label: t('trends.export.recorded'), onClick: () => csv('recorded') },
        { key: 'interpolated', label: t('trends.export.interpolated', { step }), onClick: () => csv('interpolated') },
        { key: 'png', label: t('trends.export.png'), onClick: () => void png() },
      ] }}>
        <Button icon={<DownloadOutlined />} aria-label={t('action.export')} title={t('action.export')} />
      </Dropdown>
      <Button icon={<LinkOutlined />} aria-label={t('trends.export.share')} title={t('trends.export.share')} onClick={() => void share()} />
    </Space.Compact>
  );
}
