/**
 * Spans of time as links carry them: `now-6h`, `now/d`, ISO 8601, epochs.
 *
 * Relative stays relative until it is resolved at an instant in a zone. Pure: it reads no clock.
 */

import { type CalendarUnit, instantOf, shift, startOf } from './zone';

/** A span as it stands in a link: both ends in the grammar of `resolveInstant`. */
export interface TimeRange {
  readonly from: string;
  readonly to: string;
}

/** A span of time; `live` if it ends now and moves on. */
export interface Span {
  readonly from_ms: number;
  readonly to_ms: number;
  readonly live: boolean;
}

export const QUICK_RANGES: readonly (readonly [string, TimeRange])[] = [
  ['Last 5 minutes', { from: 'now-5m', to: 'now' }],
  ['Last 15 minutes', { from: 'now-15m', to: 'now' }],
  ['Last 30 minutes', { from: 'now-30m', to: 'now' }],
  ['Last hour', { from: 'now-1h', to: 'now' }],
  ['Last 3 hours', { from: 'now-3h', to: 'now' }],
  ['Last 6 hours', { from: 'now-6h', to: 'now' }],
  ['Last 12 hours', { from: 'now-12h', to: 'now' }],
  ['Last 24 hours', { from: 'now-24h', to: 'now' }],
  ['Last 2 days', { from: 'now-2d', to: 'now' }],
  ['Last 7 days', { from: 'now-7d', to: 'now' }],
  ['Last 30 days', { from: 'now-30d', to: 'now' }],
  ['Last 90 days', { from: 'now-90d', to: 'now' }],
  ['Today so far', { from: 'now/d', to: 'now' }],
  ['Yesterday', { from: 'now-1d/d', to: 'now-1d/d' }],
  ['This day last week', { from: 'now-7d/d', to: 'now-7d/d' }],
  ['This week so far', { from: 'now/w', to: 'now' }],
  ['This month so far', { from: 'now/M', to: 'now' }],
];

const RELATIVE = /^now((?:[+-]\d+[smhdwMy])*)(?:\/([smhdwMy]))?$/;
const DATE = /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2}))?)?$/;
/** Below this an epoch is in seconds: in milliseconds it would be before September 2001. */
const EPOCH_MS_MIN = 1e12;

type End = 'from' | 'to';

/** The instant that one end of a range stands for; null if it is not understood. The end `to` rounds up: `now/d` is the day's end. */
export function resolveInstant(text: string, end: End, now_ms: number, zone?: string): number | null {
  const trimmed = text.trim();
  const relative = RELATIVE.exec(trimmed);
  if (relative !== null) {
    let time_ms = now_ms;
    for (const [, sign, count, unit] of (relative[1] ?? '').matchAll(/([+-])(\d+)([smhdwMy])/g)) {
      time_ms = shift(time_ms, Number(`${sign}${count}`), unit as CalendarUnit, zone);
    }
    const unit = relative[2] as CalendarUnit | undefined;
    if (unit === undefined) {
      return time_ms;
    }
    const start_ms = startOf(unit, time_ms, zone);
    return end === 'from' ? start_ms : shift(start_ms, 1, unit, zone);
  }
  if (/^-?\d{9,}$/.test(trimmed)) {
    const number = Number(trimmed);
    return Math.abs(number) < EPOCH_MS_MIN ? number * 1_000 : number;
  }
  const date = DATE.exec(trimmed);
  if (date !== null) {
    const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = date
      .slice(1)
      .map((part) => Number(part ?? 0));
    const time_ms = instantOf({ year, month, day, hour, minute, second }, zone);
    return end === 'to' && date[4] === undefined ? shift(time_ms, 1, 'd', zone) : time_ms;
  }
  const parsed = /[zZ]|[+-]\d{2}:?\d{2}$/.test(trimmed) ? Date.parse(trimmed) : Number.NaN;
  return Number.isNaN(parsed) ? null : parsed;
}

/** The span that a range stands for now; null if it is not understood, or ends before it begins. */
export function resolve(range: TimeRange, now_ms: number, zone?: string): Span | null {
  const from_ms = resolveInstant(range.from, 'from', now_ms, zone);
  const to_ms = resolveInstant(range.to, 'to', now_ms, zone);
  if (from_ms === null || to_ms === null || from_ms >= to_ms) {
    return null;
  }
  // What ends in the future, like this whole day, moves on as well.
  return { from_ms, to_ms, live: range.to === 'now' || (range.to.startsWith('now') && to_ms >= now_ms) };
}

/** `2026-05-01 13:00:00` in a zone: what the picker's fields hold. */
export function formatWall(time_ms: number, zone?: string): string {
  const options = {
    dateStyle: 'short',
    timeStyle: 'medium',
    ...(zone === undefined ? {} : { timeZone: zone }),
  } as const;
  return new Intl.DateTimeFormat('sv-SE', options).format(time_ms);
}

/** A range in a word or two. */
export function describe(range: TimeRange, zone?: string): string {
  const quick = QUICK_RANGES.find(([, { from, to }]) => from === range.from && to === range.to);
  if (quick !== undefined) {
    return quick[0];
  }
  const back = /^now-(\d+)([smhdwMy])$/.exec(range.from);
  if (back !== null && range.to === 'now') {
    const unit = { s: 'second', m: 'minute', h: 'hour', d: 'day', w: 'week', M: 'month', y: 'year' }[
      back[2] as CalendarUnit
    ];
    return `Last ${back[1] === '1' ? '' : `${back[1]} `}${unit}${back[1] === '1' ? '' : 's'}`;
  }
  return `${describeEnd(range.from, 'from', zone)} – ${describeEnd(range.to, 'to', zone)}`;
}

function describeEnd(text: string, end: End, zone?: string): string {
  if (text.startsWith('now')) {
    return text;
  }
  const time_ms = resolveInstant(text, end, 0, zone);
  return time_ms === null ? text : formatWall(time_ms, zone).replace(/:00$/, '');
}

/** The range frozen at what it stands for now. */
export function makeAbsolute(span: Span): TimeRange {
  return { from: String(Math.round(span.from_ms)), to: String(Math.round(span.to_ms)) };
}

/** Moved by half its length, `-1` back or `1` on. */
export function moved(span: Span, direction: -1 | 1): TimeRange {
  const half_ms = ((span.to_ms - span.from_ms) / 2) * direction;
  return makeAbsolute({ ...span, from_ms: span.from_ms + half_ms, to_ms: span.to_ms + half_ms });
}

/** Twice as long around its middle; one that ends now goes on doing so. */
export function zoomedOut(span: Span): TimeRange {
  const length_ms = span.to_ms - span.from_ms;
  if (span.live) {
    return { from: `now-${Math.round((length_ms * 2) / 1_000)}s`, to: 'now' };
  }
  return makeAbsolute({ ...span, from_ms: span.from_ms - length_ms / 2, to_ms: span.to_ms + length_ms / 2 });
}

/** What the server is asked for: `-6h` moves with its clock, an instant stays. `to` is null while the range is live. */
export function toServer(range: TimeRange, span: Span): { readonly from: string; readonly to: string | null } {
  const back = /^now(-\d+[smhd])$/.exec(range.from);
  const from = span.live && back !== null ? (back[1] ?? '') : new Date(span.from_ms).toISOString();
  return { from, to: span.live ? null : new Date(span.to_ms).toISOString() };
}
