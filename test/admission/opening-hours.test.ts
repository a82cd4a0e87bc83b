import { describe, expect, test } from 'vitest';
import { isWithin, LocalTime } from '../../src/admission/index.ts';
import { parseDays, parseHours, weekdays } from '../../src/config/index.ts';

function hours(text: string): { from: number; to: number } {
  const parsed = parseHours(text);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
}

describe('opening hours', () => {
  test.each([
    ['08:00-18:00', 'mon', 480, true],
    ['08:00-18:00', 'mon', 1079, true],
    ['08:00-18:00', 'mon', 1080, false],
    ['08:00-18:00', 'mon', 479, false],
    ['08:00-18:00', 'sun', 600, false],
    ['22:00-06:00', 'mon', 1330, true],
    ['22:00-06:00', 'tue', 100, true],
    ['22:00-06:00', 'mon', 100, false],
    ['22:00-06:00', 'sat', 100, true],
    ['00:00-24:00', 'fri', 1439, true],
  ] as const)('mon-fri %s: %s, minute %i: %s', (text, day, minute, open) => {
    const days = parseDays('mon-fri');
    if (typeof days === 'string') throw new Error(days);
    expect(isWithin(hours(text), days.days, { day, minute })).toBe(open);
  });

  test.each(['8-18', '08:00', '08:00-25:00', '08:60-09:00', '08:00-08:00', '08:00-09:00-10:00', ''])(
    'what is no span is told: "%s"',
    (text) => expect(parseHours(text)).toContain('must be like'),
  );

  test('days wrap over the weekend, and what is no day is told', () => {
    expect(parseDays('fri-mon')).toMatchObject({ days: ['fri', 'sat', 'sun', 'mon'] });
    expect(parseDays('sun')).toMatchObject({ days: ['sun'] });
    expect(parseDays('monday')).toContain('must be like');
    expect(weekdays).toHaveLength(7);
  });

  test('a place has its own time, summer time included', () => {
    const berlin = new LocalTime('Europe/Berlin');
    expect(berlin.at(Date.UTC(2026, 0, 5, 7, 30))).toEqual({ day: 'mon', minute: 8 * 60 + 30 });
    expect(berlin.at(Date.UTC(2026, 6, 5, 22, 30))).toEqual({ day: 'mon', minute: 30 });
  });
});
