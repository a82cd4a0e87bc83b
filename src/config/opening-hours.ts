export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof weekdays)[number];

/** Minutes from midnight; `to` may be less than `from`: then the night between counts. */
export interface OpeningHours {
  readonly text: string;
  readonly from: number;
  readonly to: number;
}

export interface OpeningDays {
  readonly text: string;
  readonly days: readonly Weekday[];
}

/** `08:00-18:00`, `22:00-06:00`; otherwise what is wrong. */
export function parseHours(text: string): OpeningHours | string {
  const [from, to, ...more] = text.split('-').map(minuteOf);
  return from === undefined || to === undefined || more.length > 0 || from === to
    ? `must be like 08:00-18:00, not "${text}"`
    : { text, from, to };
}

/** `mon-fri`, `sat`, `fri-mon`; otherwise what is wrong. */
export function parseDays(text: string): OpeningDays | string {
  const names: readonly string[] = weekdays;
  const [first = -1, last = first, ...more] = text.split('-').map((day) => names.indexOf(day));
  if (first < 0 || last < 0 || more.length > 0) return `must be like mon-fri, or one day, not "${text}"`;
  const length = ((last - first + weekdays.length) % weekdays.length) + 1;
  const days = Array.from({ length }, (_, i) => weekdays[(first + i) % weekdays.length] ?? 'mon');
  return { text, days };
}

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-GB', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function minuteOf(text: string): number | undefined {
  const [hours, minutes, ...more] = text.split(':').map(twoDigits);
  if (hours === undefined || minutes === undefined || more.length > 0) return undefined;
  const total = hours * 60 + minutes;
  return minutes < 60 && total <= 24 * 60 ? total : undefined;
}

function twoDigits(text: string): number | undefined {
  const digits = text.length === 2 && Array.from(text).every((c) => c >= '0' && c <= '9');
  return digits ? Number(text) : undefined;
}
