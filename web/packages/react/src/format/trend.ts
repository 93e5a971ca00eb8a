/** Where a value goes against an earlier one. */

export type Trend = 'up' | 'down' | 'stable';

/** The change between two values; `percent` is null where there is no base to measure by. */
export interface Change {
  readonly trend: Trend;
  readonly absolute: number;
  readonly percent: number | null;
}

/** A change smaller than this part of the earlier value counts as none. */
const STABLE = 0.0005;

/** Null if either is unknown. */
export function changeOf(value: number | null | undefined, previous: number | null | undefined): Change | null {
  if (value === null || value === undefined || previous === null || previous === undefined) {
    return null;
  }
  const absolute = value - previous;
  const stable = Math.abs(absolute) <= Math.abs(previous) * STABLE;
  const percent = previous === 0 ? (absolute === 0 ? 0 : null) : (100 * absolute) / Math.abs(previous);
  return { trend: stable ? 'stable' : absolute > 0 ? 'up' : 'down', absolute, percent };
}
