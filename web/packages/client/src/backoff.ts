/**
 * How long to wait before the next attempt: full jitter, so that a thousand pages cut at once do not come back at once.
 *
 * Pure arithmetic; the caller brings chance and elapsed time.
 */

export interface BackoffOptions {
  /** The ceiling of the first wait. Default 500 ms. */
  readonly base_ms: number;
  /** The ceiling while an outage is young: a restart should be over within this. Default 2,000 ms. */
  readonly early_cap_ms: number;
  /** How long an outage counts as young. Default 30,000 ms. */
  readonly early_ms: number;
  /** The ceiling afterwards. Default 10,000 ms. */
  readonly late_cap_ms: number;
}

export const DEFAULT_BACKOFF: BackoffOptions = {
  base_ms: 500,
  early_cap_ms: 2_000,
  early_ms: 30_000,
  late_cap_ms: 10_000,
};

/** The wait before attempt number `attempt` (0 for the first retry), `outage_ms` into the outage. */
export function backoffDelay(attempt: number, outage_ms: number, random: number, options: BackoffOptions): number {
  const cap_ms = outage_ms < options.early_ms ? options.early_cap_ms : options.late_cap_ms;
  // The exponent is bounded, so that a week of outage does not overflow into infinity.
  const ceiling_ms = Math.min(cap_ms, options.base_ms * 2 ** Math.min(attempt, 16));
  return Math.floor(random * ceiling_ms);
}
