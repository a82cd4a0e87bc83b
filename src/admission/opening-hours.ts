import { type OpeningHours, type Weekday, weekdays } from '../config/index.ts';

/** A moment as the clock on a wall shows it. */
export interface WallTime {
  readonly day: Weekday;
  /** From midnight. */
  readonly minute: number;
}

/** Day and minute of a moment at a place; the formatter knows its summer time. */
export class LocalTime {
  readonly #format: Intl.DateTimeFormat;

  /** Throws RangeError for a time zone that nobody knows. */
  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat('en-GB', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
  }

  at(ms: number): WallTime {
    const parts = new Map(this.#format.formatToParts(ms).map(({ type, value }) => [type, value]));
    const short = (parts.get('weekday') ?? '').toLowerCase();
    return {
      day: weekdays.find((day) => day === short) ?? 'mon',
      minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')),
    };
  }
}

/** A span over midnight belongs to the day on which it begins. */
export function isWithin(
  { from, to }: Pick<OpeningHours, 'from' | 'to'>,
  days: readonly Weekday[],
  { day, minute }: WallTime,
): boolean {
  if (from < to) return days.includes(day) && minute >= from && minute < to;
  if (minute >= from) return days.includes(day);
  const before = weekdays[(weekdays.indexOf(day) + weekdays.length - 1) % weekdays.length] ?? 'mon';
  return minute < to && days.includes(before);
}
