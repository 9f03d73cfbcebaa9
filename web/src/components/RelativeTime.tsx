import { Tooltip } from 'antd';
import dayjs from 'dayjs';
import { useTranslation } from 'react-i18next';
import { useNow } from '@/lib/clock';
import { formatDuration, formatTime } from '@/lib/time';

/* "3 min ago", the exact time on hover. */
export function RelativeTime({ at }: { at: string | number | null | undefined }) {
  const { t } = useTranslation();
  const now = useNow();
  if (!at || !dayjs(at).isValid()) return <span className="muted">—</span>;
  const ms = now - dayjs(at).valueOf();
  const text = ms < -3000 ? t('time.in', { span: formatDuration(-ms) }) : ms < 3000 ? t('time.justNow') : t('time.ago', { span: formatDuration(Math.round(ms / 1000) * 1000) });
  return <Tooltip title={formatTime(at)}><time dateTime={dayjs(at).toISOString()}>{text}</time></Tooltip>;
}
