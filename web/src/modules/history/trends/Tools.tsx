/* The bar above the plot. */
import { AimOutlined, AppstoreAddOutlined, ColumnHeightOutlined, PauseOutlined, PlayCircleOutlined, QuestionCircleOutlined, ZoomInOutlined } from '@ant-design/icons';
import { Button, Popover, Segmented, Space } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { TimeRange } from '@/components/TimeRange';
import type { AxesMode, TrendState } from './state';
import type { Change } from './useTrend';

interface Props {
  state: TrendState;
  live: boolean;
  pickerOpen: boolean;
  change: Change;
  saved: ReactNode;
  out: ReactNode;
  onPicker: () => void;
  onLive: () => void;
  onPause: () => void;
  onZoom: (factor: number) => void;
  onAuto: () => void;
}

const KEYS: [string, string][] = [
  ['← →', 'pan'], ['Shift ← →', 'half'], ['↑ ↓  + −', 'zoom'], ['A  B', 'cursor'], ['[  ]', 'nudge'], ['L', 'live'], ['Space', 'pause'], ['Y', 'auto'], ['Esc', 'clear'],
];
const MOUSE = ['drag', 'wheel', 'box', 'click'];

function Help() {
  const { t } = useTranslation();
  return (
    <div className="trend-help">
      {MOUSE.map((k) => <div key={k} className="wide">{t(`trends.help.${k}`)}</div>)}
      {KEYS.map(([keys, k]) => <div key={k}><kbd>{keys}</kbd> <span>{t(`trends.help.${k}`)}</span></div>)}
    </div>
  );
}

export function Tools({ state, live, pickerOpen, change, saved, out, onPicker, onLive, onPause, onZoom, onAuto }: Props) {
  const { t } = useTranslation();
  const axes: AxesMode[] = ['own', 'unit', 'stacked'];
  const some = state.pens.length > 0;
  return (
    <div className="row wrap trend-tools">
      <Button type={pickerOpen ? 'primary' : 'default'} ghost={pickerOpen} icon={<AppstoreAddOutlined />} aria-pressed={pickerOpen} onClick={onPicker}>{t('trends.pick.button')}</Button>
      {saved}
      <span className="grow" />
      {some && (
        <>
          <Space.Compact className="trend-time"><TimeRange value={state.range} onChange={(range) => change((s) => ({ ...s, range }))} /></Space.Compact>
          <Button icon={<ZoomInOutlined />} aria-label={t('trends.zoomIn')} title={t('trends.zoomIn')} onClick={() => onZoom(0.5)} />
          <Button type={live ? 'primary' : 'default'} icon={live ? <PauseOutlined /> : <PlayCircleOutlined />} aria-pressed={live} title={t(live ? 'trends.pauseHelp' : 'trends.liveHelp')} onClick={live ? onPause : onLive}>{t('trends.live')}</Button>
          <Segmented value={state.axes} onChange={(v) => change((s) => ({ ...s, axes: v as AxesMode }))} options={axes.map((a) => ({ value: a, label: t(`trends.axes.${a}`) }))} aria-label={t('trends.axes.title')} />
          <Space.Compact>
            <Button icon={<AimOutlined />} type={state.limits ? 'primary' : 'default'} ghost={state.limits} aria-pressed={state.limits} title={t('trends.limitsHelp')} onClick={() => change((s) => ({ ...s, limits: !s.limits }))}>{t('trends.limits')}</Button>
            <Button icon={<ColumnHeightOutlined />} aria-label={t('trends.autoScales')} title={t('trends.autoScales')} disabled={!state.pens.some((p) => p.lo !== undefined)} onClick={onAuto} />
          </Space.Compact>
          {out}
          <Popover content={<Help />} trigger="click" placement="bottomRight" title={t('trends.help.title')}><Button className="hide-small" type="text" icon={<QuestionCircleOutlined />} aria-label={t('trends.help.title')} /></Popover>
        </>
      )}
    </div>
  );
}
