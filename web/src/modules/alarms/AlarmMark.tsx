/* Priority and state of an alarm in one mark: shape and colour say the priority, a filled mark that
 * blinks (unless motion is reduced) says that nobody has acknowledged it. */
import { useTranslation } from 'react-i18next';
import { Shape } from '@/components/Shape';
import { needsAck, priorityLook, type Alarm } from './types';
import './alarms.css';

export function PriorityMark({ priority, blink = false }: { priority: number; blink?: boolean }) {
  const { t } = useTranslation();
  const [shape, color] = priorityLook(priority);
  return (
    <span className={`alarm-mark${blink ? ' blink' : ''}`} title={t(`alarms.priorities.${priority}`)}>
      <Shape name={shape} color={color} /><span>{t(`alarms.priorities.${priority}`)}</span>
    </span>
  );
}

export function AlarmMark({ alarm }: { alarm: Alarm }) {
  return <PriorityMark priority={alarm.priority ?? 4} blink={needsAck(alarm)} />;
}
