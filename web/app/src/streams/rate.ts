/** Events per second, measured between two answers that say how many there are. */

/** How much of a new rate counts: enough to follow, not enough to flicker. */
const SMOOTHING = 0.4;

export interface Sample {
  readonly at_ms: number;
  readonly events: number;
  readonly rate: number | null;
}

/** Retention takes events away; then the count says nothing about the rate and the old one stays. */
export function nextRate(before: Sample | undefined, at_ms: number, events: number): number | null {
  if (before === undefined) {
    return null;
  }
  if (events < before.events || at_ms <= before.at_ms) {
    return before.rate;
  }
  const measured = ((events - before.events) * 1_000) / (at_ms - before.at_ms);
  return before.rate === null ? measured : before.rate + SMOOTHING * (measured - before.rate);
}
