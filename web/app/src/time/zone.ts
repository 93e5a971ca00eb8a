/**
 * Calendar arithmetic in a time zone, on nothing but `Intl`: where a day begins, and what a wall clock's reading is as an instant.
 *
 * Pure: it reads no clock. A zone is an IANA name; undefined is the browser's own.
 */

export interface WallTime {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

export type CalendarUnit = 's' | 'm' | 'h' | 'd' | 'w' | 'M' | 'y';

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string | undefined): Intl.DateTimeFormat {
  const key = zone ?? '';
  let held = formats.get(key);
  if (held === undefined) {
    held = new Intl.DateTimeFormat('en-GB', {
      ...(zone === undefined ? {} : { timeZone: zone }),
      calendar: 'gregory',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(key, held);
  }
  return held;
}

/** Whether the browser knows a zone of this name. */
export function isZone(zone: string): boolean {
  try {
    format(zone);
    return true;
  } catch {
    return false;
  }
}

/** What the clock on the wall says at an instant. */
export function wallTime(time_ms: number, zone?: string): WallTime {
  const read: Record<string, number> = {};
  for (const { type, value } of format(zone).formatToParts(time_ms)) {
    read[type] = Number(value);
  }
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = read;
  return { year, month, day, hour, minute, second };
}

function asUtc({ year, month, day, hour, minute, second }: WallTime): number {
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** The instant at which the clock on the wall says this; months and days may overflow. In a gap of the clock, just after it. */
export function instantOf(wall: WallTime, zone?: string): number {
  const wanted_ms = asUtc(wall);
  // Two looks suffice: the offset at the first guess is that of the answer, or the one beyond a change of the clock.
  let guess_ms = wanted_ms;
  for (let look = 0; look < 2; look += 1) {
    guess_ms += wanted_ms - asUtc(wallTime(guess_ms, zone));
  }
  return guess_ms;
}

/** Where the unit begins that an instant lies in. Weeks begin on Monday. */
export function startOf(unit: CalendarUnit, time_ms: number, zone?: string): number {
  const wall = wallTime(time_ms, zone);
  switch (unit) {
    case 's':
      return Math.floor(time_ms / 1_000) * 1_000;
    case 'm':
      return instantOf({ ...wall, second: 0 }, zone);
    case 'h':
      return instantOf({ ...wall, minute: 0, second: 0 }, zone);
    case 'd':
      return instantOf({ ...wall, hour: 0, minute: 0, second: 0 }, zone);
    case 'w': {
      const sinceMonday = (new Date(asUtc(wall)).getUTCDay() + 6) % 7;
      return instantOf({ ...wall, day: wall.day - sinceMonday, hour: 0, minute: 0, second: 0 }, zone);
    }
    case 'M':
      return instantOf({ ...wall, day: 1, hour: 0, minute: 0, second: 0 }, zone);
    case 'y':
      return instantOf({ ...wall, month: 1, day: 1, hour: 0, minute: 0, second: 0 }, zone);
  }
}

const FIXED_MS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** The same clock reading so many units later; a day that lacks it ends the month. */
export function shift(time_ms: number, count: number, unit: CalendarUnit, zone?: string): number {
  if (unit === 's' || unit === 'm' || unit === 'h') {
    return time_ms + count * FIXED_MS[unit];
  }
  const wall = wallTime(time_ms, zone);
  const rest_ms = ((time_ms % 1_000) + 1_000) % 1_000;
  if (unit === 'd' || unit === 'w') {
    return instantOf({ ...wall, day: wall.day + count * (unit === 'w' ? 7 : 1) }, zone) + rest_ms;
  }
  const month = wall.month + count * (unit === 'y' ? 12 : 1);
  const days = new Date(Date.UTC(wall.year, month, 0)).getUTCDate();
  return instantOf({ ...wall, month, day: Math.min(wall.day, days) }, zone) + rest_ms;
}
