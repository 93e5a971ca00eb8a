/**
 * A circuit breaker for single requests: after enough failures in a row it lets none through for a while, then one.
 *
 * It guards `request`, `range` and `publish`. The live connection never asks it: reconnecting has its own back-off, and
 * a connection that opens closes the breaker.
 */

export interface BreakerOptions {
  /** Failures in a row that open it: no answer, or a 5xx. Default 5. */
  readonly failures_max: number;
  /** How long it stays open before one request may try. Default 10,000 ms. */
  readonly open_ms: number;
}

export const DEFAULT_BREAKER: BreakerOptions = { failures_max: 5, open_ms: 10_000 };

/** `closed`: requests pass. `open`: they fail at once. `trial`: one is on its way, the others fail at once. */
export type BreakerState = 'closed' | 'open' | 'trial';

export class CircuitBreaker {
  readonly #options: BreakerOptions;
  readonly #now: () => number;
  #failures = 0;
  #openUntil_ms: number | null = null;
  #trial = false;

  constructor(options: BreakerOptions, now: () => number) {
    this.#options = options;
    this.#now = now;
  }

  get state(): BreakerState {
    if (this.#openUntil_ms === null) {
      return 'closed';
    }
    return this.#trial ? 'trial' : 'open';
  }

  /** When a request may pass again, wall-clock ms; null while all may. */
  get openUntil_ms(): number | null {
    return this.#openUntil_ms;
  }

  /** Whether a request may go out now. One that may must be followed by one of the next three. */
  admit(): boolean {
    if (this.#openUntil_ms === null) {
      return true;
    }
    if (this.#trial || this.#now() < this.#openUntil_ms) {
      return false;
    }
    this.#trial = true;
    return true;
  }

  /** The request ended without saying anything about the server. */
  release(): void {
    this.#trial = false;
  }

  succeed(): void {
    this.#failures = 0;
    this.#openUntil_ms = null;
    this.#trial = false;
  }

  fail(): void {
    this.#failures += 1;
    this.#trial = false;
    if (this.#failures >= this.#options.failures_max) {
      this.#openUntil_ms = this.#now() + this.#options.open_ms;
    }
  }
}
