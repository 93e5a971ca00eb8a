/** A clock that moves only when told, with timers that run in order at their time. */

import type { Cancel } from '../environment.js';

interface Timer {
  readonly due_ms: number;
  readonly order: number;
  readonly run: () => void;
}

type Later = (run: () => void) => unknown;

// Taken at once, so that a test runner that replaces timers does not stop this one.
const realTimeout = globalThis.setTimeout;
const { setImmediate: later = (run) => realTimeout(run, 0) } = globalThis as { setImmediate?: Later };

/** Lets everything that only waits for promises run, streams of fake answers included. */
export function settlePromises(): Promise<void> {
  return new Promise((resolve) => later(resolve));
}

export class FakeClock {
  #now_ms: number;
  #order = 0;
  readonly #timers = new Set<Timer>();

  constructor(start_ms = 1_700_000_000_000) {
    this.#now_ms = start_ms;
  }

  get now_ms(): number {
    return this.#now_ms;
  }

  after(delay_ms: number, run: () => void): Cancel {
    this.#order += 1;
    const timer = { due_ms: this.#now_ms + delay_ms, order: this.#order, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Lets time pass at once. What waits for promises does not run in between: see `advance`. */
  pass(delay_ms: number): void {
    const end_ms = this.#now_ms + delay_ms;
    while (this.#runNext(end_ms)) {
      // Each timer may have set others.
    }
    this.#now_ms = end_ms;
  }

  /** Lets time pass, and promises run after each timer. */
  async advance(delay_ms: number): Promise<void> {
    const end_ms = this.#now_ms + delay_ms;
    do {
      await settlePromises();
    } while (this.#runNext(end_ms));
    this.#now_ms = end_ms;
    await settlePromises();
  }

  #runNext(end_ms: number): boolean {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (
        timer.due_ms <= end_ms &&
        (next === undefined || timer.due_ms < next.due_ms || (timer.due_ms === next.due_ms && timer.order < next.order))
      ) {
        next = timer;
      }
    }
    if (next === undefined) {
      return false;
    }
    this.#timers.delete(next);
    this.#now_ms = Math.max(this.#now_ms, next.due_ms);
    next.run();
    return true;
  }
}
