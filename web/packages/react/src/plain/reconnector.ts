/**
 * Keeps one connection up: opens it, waits with full jitter after it was lost, tries at once when the network comes back.
 *
 * Knows nothing of what the connection is: whoever holds it opens it and says what became of it.
 */

import type { Cancel, Environment } from '@pulseboard/client';

export interface ReconnectOptions {
  /** The ceiling of the first wait. Default 1,000 ms. */
  readonly base_ms: number;
  /** What that ceiling doubles up to. Default 10,000 ms. */
  readonly cap_ms: number;
  /** Failed attempts in a row before it gives up until it is told to try again. Default Infinity. */
  readonly attempts_max: number;
}

export const DEFAULT_RECONNECT: ReconnectOptions = {
  base_ms: 1_000,
  cap_ms: 10_000,
  attempts_max: Number.POSITIVE_INFINITY,
};

export type LinkStatus = 'idle' | 'connecting' | 'open' | 'waiting' | 'closed';

export interface LinkState {
  readonly status: LinkStatus;
  /** Failed attempts since it was last open. */
  readonly attempt: number;
  /** When it is tried again, wall-clock ms; null unless waiting. */
  readonly retry_at_ms: number | null;
  /** Why it is not open, for a person. */
  readonly reason: string | null;
}

export const IDLE_LINK: LinkState = { status: 'idle', attempt: 0, retry_at_ms: null, reason: null };

/** What the connection says. Words of one that was given up are not heard. */
export interface LinkEvents {
  opened(): void;
  /** `final`: coming back is no use. */
  lost(reason: string, final?: boolean): void;
}

export interface ReconnectorOptions {
  readonly environment: Environment;
  readonly reconnect: ReconnectOptions;
  /** Opens a connection; returns how to close it. */
  readonly open: (events: LinkEvents) => () => void;
  readonly changed: (state: LinkState) => void;
}

export class Reconnector {
  readonly #options: ReconnectorOptions;
  #state: LinkState = IDLE_LINK;
  #close: () => void = () => {};
  #cancel: Cancel = () => {};
  #stopNetwork: Cancel = () => {};
  #turn = 0;

  constructor(options: ReconnectorOptions) {
    this.#options = options;
  }

  get state(): LinkState {
    return this.#state;
  }

  start(): void {
    if (this.#state.status === 'idle' || this.#state.status === 'closed') {
      this.#stopNetwork();
      this.#stopNetwork = this.#options.environment.onNetwork((hint) => {
        if (hint === 'wake' && this.#state.status === 'waiting') {
          this.retry();
        }
      });
      this.#connect(0);
    }
  }

  /** Tries now; also after it gave up. */
  retry(): void {
    if (this.#state.status === 'closed') {
      this.start();
    } else if (this.#state.status === 'waiting') {
      this.#cancel();
      this.#connect(this.#state.attempt);
    }
  }

  stop(): void {
    this.#turn += 1;
    this.#cancel();
    this.#stopNetwork();
    this.#close();
    this.#close = () => {};
    this.#set({ ...IDLE_LINK });
  }

  #connect(attempt: number): void {
    this.#turn += 1;
    const turn = this.#turn;
    this.#set({ status: 'connecting', attempt, retry_at_ms: null, reason: this.#state.reason });
    this.#close = this.#options.open({
      opened: () => {
        if (turn === this.#turn) {
          this.#set({ status: 'open', attempt: 0, retry_at_ms: null, reason: null });
        }
      },
      lost: (reason, final = false) => {
        if (turn === this.#turn) {
          this.#lost(reason, final);
        }
      },
    });
  }

  #lost(reason: string, final: boolean): void {
    this.#turn += 1;
    this.#close();
    this.#close = () => {};
    const { environment, reconnect } = this.#options;
    const attempt = this.#state.attempt + 1;
    if (final || attempt > reconnect.attempts_max) {
      this.#set({ status: 'closed', attempt, retry_at_ms: null, reason });
      return;
    }
    // The exponent is bounded, so that a week of outage does not overflow into infinity.
    const ceiling_ms = Math.min(reconnect.cap_ms, reconnect.base_ms * 2 ** Math.min(attempt - 1, 16));
    const delay_ms = Math.floor(environment.random() * ceiling_ms);
    this.#set({ status: 'waiting', attempt, retry_at_ms: environment.now() + delay_ms, reason });
    this.#cancel = environment.after(delay_ms, () => this.#connect(attempt));
  }

  #set(state: LinkState): void {
    this.#state = state;
    this.#options.changed(state);
  }
}
