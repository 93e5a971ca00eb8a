/**
 * How long to wait: before the next attempt, the next climb, the next poll.
 *
 * Attempts have full jitter, so that a thousand pages cut at once do not come back at once. Pure arithmetic; the caller
 * brings chance and elapsed time.
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
  /** Failed attempts in a row before the client gives up until it is told to try again. Default Infinity. */
  readonly attempts_max: number;
}

export const DEFAULT_BACKOFF: BackoffOptions = {
  base_ms: 500,
  early_cap_ms: 2_000,
  early_ms: 30_000,
  late_cap_ms: 10_000,
  attempts_max: Number.POSITIVE_INFINITY,
};

export interface PollOptions {
  /** The pause after an answer with something new. Default 5,000 ms. */
  readonly min_ms: number;
  /** What the pause grows to, doubling, while nothing changes; also the pause of a hidden page. Default 60,000 ms. */
  readonly max_ms: number;
  /** How long the server may hold a long poll. Default 25,000 ms. */
  readonly wait_ms: number;
}

export const DEFAULT_POLL: PollOptions = { min_ms: 5_000, max_ms: 60_000, wait_ms: 25_000 };

export interface ClimbOptions {
  /** The ceiling of the wait before a better transport is tried for the first time. Default 5,000 ms. */
  readonly first_ms: number;
  /** What that ceiling doubles up to while better transports go on failing. Default 300,000 ms. */
  readonly cap_ms: number;
}

export const DEFAULT_CLIMB: ClimbOptions = { first_ms: 5_000, cap_ms: 300_000 };

/** The wait before attempt number `attempt` (0 for the first retry), `outage_ms` into the outage. */
export function backoffDelay(attempt: number, outage_ms: number, random: number, options: BackoffOptions): number {
  const cap_ms = outage_ms < options.early_ms ? options.early_cap_ms : options.late_cap_ms;
  return Math.floor(random * doubled(options.base_ms, attempt, cap_ms));
}

/** The wait before climb number `climb`: between half the ceiling and all of it. */
export function climbDelay(climb: number, random: number, options: ClimbOptions): number {
  return Math.floor(((1 + random) / 2) * doubled(options.first_ms, climb, options.cap_ms));
}

/** The pause before the next poll after `quiet` answers in a row without news. */
export function pollDelay(quiet: number, hidden: 'hidden' | 'seen', options: PollOptions): number {
  return hidden === 'hidden' ? options.max_ms : doubled(options.min_ms, quiet, options.max_ms);
}

function doubled(base_ms: number, times: number, cap_ms: number): number {
  // The exponent is bounded, so that a week of outage does not overflow into infinity.
  return Math.min(cap_ms, base_ms * 2 ** Math.min(times, 16));
}
