/** How a number stands to an earlier one: arrow, sign and size, and whether that is a gain. */

import { fixed, formatMinute, UNKNOWN, unitText } from '@pulseboard/react/format';

export interface Change {
  readonly direction: 'up' | 'down' | 'same' | 'unknown';
  /** What the colour says; it may be the other way round than the arrow. */
  readonly tone: 'gain' | 'loss' | 'none';
  /** With its sign: `+38.2 %`. */
  readonly text: string;
}

interface ChangeOptions {
  readonly unit: string;
  readonly as: 'percent' | 'difference';
  readonly better: 'up' | 'down';
  readonly decimals?: number | undefined;
}

export function changeOf(now: number | null, before: number | null, options: ChangeOptions): Change {
  const { unit, as, better, decimals } = options;
  // Nothing can be said in percent of nothing.
  if (now === null || before === null || (as === 'percent' && before === 0 && now !== 0)) {
    return { direction: 'unknown', tone: 'none', text: UNKNOWN };
  }
  const difference = now - before;
  const percent = before === 0 ? 0 : (100 * difference) / Math.abs(before);
  const size =
    as === 'percent'
      ? `${fixed(Math.abs(percent), Math.abs(percent) >= 1_000 ? 0 : 1)} %`
      : unit === 'percent'
        ? `${fixed(Math.abs(difference), decimals ?? 2)} pt`
        : unitText(Math.abs(difference), unit, decimals);
  if (difference === 0) {
    return { direction: 'same', tone: 'none', text: `±${size}` };
  }
  const direction = difference > 0 ? 'up' : 'down';
  return { direction, tone: direction === better ? 'gain' : 'loss', text: `${difference > 0 ? '+' : '−'}${size}` };
}

/** A label with `{now}` in it, as the clock of the board says it. */
export function changeLabel(label: string, now_ms: number, zone: string | undefined): string {
  return label.replace('{now}', formatMinute(now_ms, zone));
}
