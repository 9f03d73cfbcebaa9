/* In the top bar: how many alarms are active, by priority; red while some are not acknowledged, and the
 * sound that goes with them. */
import { SoundOutlined, AudioMutedOutlined } from '@ant-design/icons';
import { Button, Tooltip } from 'antd';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate } from 'react-router';
import { Shape } from '@/components/Shape';
import { useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { priorityLook, type AlarmsAnswer } from './types';
import { setSoundOn, sound, soundOn } from './sound';
import './alarms.css';

export function AlarmBadge() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const may = useCan()('alarm', 'read');
  const [loud, setLoud] = useState(soundOn);
  const list = useApi<AlarmsAnswer>(may ? '/alarms' : null, { state: 'unacked', size: 1 }, { every: 30000, keep: true });
  const counts = list.data?.counts;
  const worst = list.data?.items[0]?.priority ?? 0; // the server puts the most urgent first
  const pressing = counts && counts.unacked > 0 ? worst || 4 : 0;
  useEffect(() => {
    sound(loud ? pressing : 0);
    return () => sound(0);
  }, [pressing, loud]);
  if (!may) return null;
  const shown = [1, 2, 3, 4].filter((p) => (counts?.by_priority[p] ?? 0) > 0);
  const toggle = () => {
    setSoundOn(!loud);
    setLoud(!loud);
  };
  return (
    <>
      <Tooltip title={t('alarms.badge', { active: counts?.active ?? 0, unacked: counts?.unacked ?? 0 })}>
        <button type="button" className={`alarm-badge${pressing ? ' unacked' : ''}`} onClick={() => void navigate('/alarms')}
          aria-label={t('alarms.badge', { active: counts?.active ?? 0, unacked: counts?.unacked ?? 0 })}>
          {shown.length === 0 ? <span>{t('alarms.none')}</span> : shown.map((p) => (
            <span key={p}><Shape name={priorityLook(p)[0]} color={priorityLook(p)[1]} />{counts?.by_priority[p]}</span>
          ))}
        </button>
      </Tooltip>
      {pressing > 0 && (
        <Button type="text" icon={loud ? <SoundOutlined /> : <AudioMutedOutlined />} onClick={toggle}
          aria-label={t(loud ? 'alarms.mute' : 'alarms.unmute')} title={t(loud ? 'alarms.mute' : 'alarms.unmute')} />
      )}
    </>
  );
}
