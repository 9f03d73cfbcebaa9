/* Time labels in 24 h clock: the time, and the date below it where the day changes. */
import dayjs from 'dayjs';

const DAY = 86400000;

export function timeTicks(splits: number[], incr: number): string[] {
  let day = '';
  return splits.map((t) => {
    const d = dayjs(t);
    const date = d.format(incr >= 28 * DAY ? 'YYYY' : 'MM-DD');
    const changed = date !== day;
    day = date;
    if (incr >= 28 * DAY) return changed ? `${d.format('MM')}\n${date}` : d.format('MM');
    if (incr >= DAY) return d.format('MM-DD');
    const time = d.format(incr < 1000 ? 'HH:mm:ss.SSS' : incr < 60000 ? 'HH:mm:ss' : 'HH:mm');
    return changed ? `${time}\n${date}` : time;
  });
}
