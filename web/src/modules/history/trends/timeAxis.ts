/* Time labels in 24 h clock: the time, and the date below it where the day changes. */
import dayjs from 'dayjs';

const DAY = 86400000;

/* Ticks on the wall clock of this place: from midnight, by days, or by months. */
export function timeSplits(min: number, max: number, incr: number): number[] {
  const out: number[] = [];
  if (incr >= 28 * DAY) {
    const months = Math.max(1, Math.round(incr / (30 * DAY)));
    for (let d = dayjs(min).startOf('year'); d.valueOf() <= max && out.length < 500; d = d.add(months, 'month')) if (d.valueOf() >= min) out.push(d.valueOf());
    return out;
  }
  if (incr >= DAY) {
    const days = Math.round(incr / DAY);
    for (let d = dayjs(min).startOf(days > 1 ? 'month' : 'day'); d.valueOf() <= max && out.length < 500; d = d.add(days, 'day')) if (d.valueOf() >= min) out.push(d.valueOf());
    return out;
  }
  const midnight = dayjs(min).startOf('day').valueOf();
  for (let t = midnight + Math.ceil((min - midnight) / incr) * incr; t <= max && out.length < 500; t += incr) out.push(t);
  return out;
}

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
