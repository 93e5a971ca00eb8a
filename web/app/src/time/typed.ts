/** Spans of time as people type them: `3h`, `yesterday`, `6:00 - 13:00`. Only where somebody types. Pure: it reads no clock. */

import { formatWall, resolve, type TimeRange } from './range';
import { startOf } from './zone';

/** Reads what somebody typed: `3h`, `today`, `6:00 - 13:00`, two instants with ` - ` or ` to ` between. */
export function parseTyped(text: string, now_ms: number, zone?: string): TimeRange | null {
  const typed = text.trim().toLowerCase();
  const back = /^(?:last )?(\d+)\s*(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?|months?|y|years?)$/.exec(
    typed,
  );
  if (back !== null) {
    const unit = /^mo/.test(back[2] ?? '') ? 'M' : (back[2] ?? '').charAt(0);
    return { from: `now-${back[1]}${unit}`, to: 'now' };
  }
  const named = NAMED[typed];
  if (named !== undefined) {
    return named;
  }
  const parts = text.trim().split(/\s+(?:-|–|to)\s+/);
  if (parts.length === 1) {
    const only = ofDay(parts[0] ?? '', now_ms, zone);
    return checked({ from: only, to: /^\d{4}-\d{1,2}-\d{1,2}$/.test(only) ? only : 'now' }, now_ms, zone);
  }
  const [from = '', to = ''] = parts.map((part) => ofDay(part, now_ms, zone));
  return parts.length === 2 ? checked({ from, to }, now_ms, zone) : null;
}

const NAMED: Record<string, TimeRange> = {
  today: { from: 'now/d', to: 'now' },
  yesterday: { from: 'now-1d/d', to: 'now-1d/d' },
  'this week': { from: 'now/w', to: 'now' },
  'last week': { from: 'now-1w/w', to: 'now-1w/w' },
  'this month': { from: 'now/M', to: 'now' },
  'last month': { from: 'now-1M/M', to: 'now-1M/M' },
};

/** `13:00` and `1 pm` are of this day. */
function ofDay(text: string, now_ms: number, zone?: string): string {
  const clock = /^(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?\s*(am|pm)?$/i.exec(text);
  if (clock === null || (clock[2] === undefined && clock[4] === undefined)) {
    return text;
  }
  const half = clock[4]?.toLowerCase();
  const hour = half === undefined ? Number(clock[1]) : (Number(clock[1]) % 12) + (half === 'pm' ? 12 : 0);
  const day_ms = startOf('d', now_ms, zone);
  return formatWall(day_ms + ((hour * 60 + Number(clock[2] ?? 0)) * 60 + Number(clock[3] ?? 0)) * 1_000, zone);
}

function checked(range: TimeRange, now_ms: number, zone?: string): TimeRange | null {
  return resolve(range, now_ms, zone) === null ? null : range;
}
