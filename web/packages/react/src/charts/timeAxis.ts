/** Ticks of time axes: round by the clock on the wall of their zone, and labelled with what changes between them. */

import { formatClock, formatDay, formatMinute } from '../format/format.js';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;

const STEPS_MS = [
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800].map((seconds) => seconds * SECOND),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 7, 14, 30, 91, 182, 365].map((days) => days * DAY),
];

const formats = new Map<string, Intl.DateTimeFormat>();

/** Clocks are changed on the quarter of an hour. */
const QUARTER = 15 * 60 * SECOND;
const OFFSETS_MAX = 500;
const offsets = new Map<string, number>();

/** How far the wall clock of a zone is ahead of UTC at an instant. Asked for each mark of each axis of each frame. */
function zoneOffset_ms(time_ms: number, zone: string | undefined): number {
  const quarter = `${zone} ${Math.floor(time_ms / QUARTER)}`;
  const known = offsets.get(quarter);
  if (known !== undefined) {
    return known;
  }
  if (offsets.size >= OFFSETS_MAX) {
    offsets.clear();
  }
  const offset_ms = readOffset_ms(time_ms, zone);
  offsets.set(quarter, offset_ms);
  return offset_ms;
}

function readOffset_ms(time_ms: number, zone: string | undefined): number {
  const key = zone ?? '';
  let format = formats.get(key);
  if (format === undefined) {
    const place = zone === undefined ? {} : { timeZone: zone };
    format = new Intl.DateTimeFormat('en-US', { ...place, timeZoneName: 'longOffset' });
    formats.set(key, format);
  }
  const name = format.formatToParts(time_ms).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const [, sign, hours, minutes] = /GMT([+-])(\d+)(?::(\d+))?/.exec(name) ?? [];
  return sign === undefined ? 0 : Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes ?? 0)) * 60 * SECOND;
}

/** At most `room` ticks between two instants. */
export function timeSplits(from_ms: number, to_ms: number, room: number, zone: string | undefined): number[] {
  const step_ms = STEPS_MS.find((step) => (to_ms - from_ms) / step <= room) ?? 365 * DAY;
  const splits: number[] = [];
  let wall_ms = Math.ceil((from_ms + zoneOffset_ms(from_ms, zone)) / step_ms) * step_ms;
  for (let count = 0; count <= room + 2; count += 1, wall_ms += step_ms) {
    // The offset at the tick itself: the clock may have been changed since the last one.
    const guess_ms = wall_ms - zoneOffset_ms(wall_ms, zone);
    const time_ms = wall_ms - zoneOffset_ms(guess_ms, zone);
    if (time_ms > to_ms) {
      break;
    }
    if (time_ms >= from_ms) {
      splits.push(time_ms);
    }
  }
  return splits;
}

/** A tick's label; `step_ms` is how far the ticks are apart. Midnight is named by its day. */
export function timeLabel(time_ms: number, step_ms: number, zone: string | undefined): string {
  if (step_ms < 60 * SECOND) {
    return formatClock(time_ms, zone);
  }
  const clock = formatMinute(time_ms, zone);
  return step_ms >= DAY || (clock === '00:00' && step_ms >= 60 * 60 * SECOND) ? formatDay(time_ms, zone) : clock;
}
