/**
 * Events on their way to the server: kept in order while it is away, bounded, and sent with a key so that a retry never
 * writes twice.
 *
 * Goes over HTTP whatever the live connection runs on, one request at a time. Never throws anything away in silence:
 * every `publish` is a promise, and what happens at the bound is chosen and counted.
 */

import { type BackoffOptions, backoffDelay } from './backoff.js';
import type { CircuitBreaker } from './breaker.js';
import type { Cancel, Environment } from './environment.js';
import { RequestError, type Requests } from './requests.js';

/** What a `publish` that finds the outbox full does. */
export type FullPolicy =
  /** The new events are refused: their promise rejects with `outbox_full`. */
  | 'refuse'
  /** The oldest that are not on their way make room: their promise rejects with `dropped`. */
  | 'drop_oldest';

export interface OutboxOptions {
  /** Publishes waiting at most. Default 1,000. */
  readonly entries_max: number;
  /** Their bodies together at most. Default 1 MiB. */
  readonly bytes_max: number;
  /** Default `refuse`. */
  readonly full: FullPolicy;
}

export const DEFAULT_OUTBOX: OutboxOptions = { entries_max: 1_000, bytes_max: 1_048_576, full: 'refuse' };

/** The server keeps a key for 10 minutes; a retry after that could write twice, so there is none. */
const KEY_KEPT_MS = 9 * 60_000;

export type EventFields = { readonly [field: string]: unknown };

/** What became of events that were published. */
export interface PublishAck {
  readonly accepted: number;
  readonly rejected: number;
  readonly errors: readonly { readonly row: number; readonly field?: string; readonly reason: string }[];
  /** Includes the last of the rows; give it as `min_position` to read what was written. */
  readonly position: string;
}

export interface OutboxStatus {
  readonly entries: number;
  readonly bytes: number;
  /** Publishes refused because it was full, since the client was made. */
  readonly refused: number;
  /** Publishes that made room for newer ones. */
  readonly dropped: number;
}

interface Entry {
  readonly stream: string;
  readonly body: string;
  readonly key: string;
  readonly resolve: (ack: PublishAck) => void;
  readonly reject: (error: RequestError) => void;
  firstTriedAt_ms: number | null;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #backoff: BackoffOptions;
  readonly #environment: Environment;
  readonly #requests: Requests;
  readonly #breaker: CircuitBreaker;
  readonly #entries: Entry[] = [];
  #bytes = 0;
  #refused = 0;
  #dropped = 0;
  #failures = 0;
  #failingSince_ms = 0;
  #sending = false;
  #cancelRetry: Cancel = () => {};

  constructor(
    options: OutboxOptions,
    backoff: BackoffOptions,
    environment: Environment,
    requests: Requests,
    breaker: CircuitBreaker,
  ) {
    this.#options = options;
    this.#backoff = backoff;
    this.#environment = environment;
    this.#requests = requests;
    this.#breaker = breaker;
  }

  get status(): OutboxStatus {
    return {
      entries: this.#entries.length,
      bytes: this.#bytes,
      refused: this.#refused,
      dropped: this.#dropped,
    };
  }

  publish(stream: string, events: EventFields | readonly EventFields[], key?: string): Promise<PublishAck> {
    const body = JSON.stringify(events);
    return new Promise((resolve, reject) => {
      if (!this.#makeRoom(body.length)) {
        this.#refused += 1;
        reject(new RequestError('outbox_full', 'too much waits to be sent', {}, true));
        return;
      }
      this.#bytes += body.length;
      this.#entries.push({
        stream,
        body,
        key: key ?? this.#environment.unique(),
        resolve,
        reject,
        firstTriedAt_ms: null,
      });
      void this.#pump();
    });
  }

  /** The server can be reached again. */
  wake(): void {
    void this.#pump();
  }

  close(): void {
    this.#cancelRetry();
    for (const entry of this.#entries.splice(0)) {
      entry.reject(new RequestError('closed', 'closed before this was sent'));
    }
    this.#bytes = 0;
  }

  #makeRoom(bytes: number): boolean {
    const { entries_max, bytes_max, full } = this.#options;
    const isFull = () => this.#entries.length >= entries_max || this.#bytes + bytes > bytes_max;
    while (full === 'drop_oldest' && isFull()) {
      const oldest = this.#sending ? 1 : 0;
      const entry = this.#entries[oldest];
      if (entry === undefined) {
        break;
      }
      this.#remove(entry);
      this.#dropped += 1;
      entry.reject(new RequestError('dropped', 'newer events took the place of these'));
    }
    return !isFull();
  }

  #remove(entry: Entry): void {
    const at = this.#entries.indexOf(entry);
    if (at >= 0) {
      this.#entries.splice(at, 1);
      this.#bytes -= entry.body.length;
    }
  }

  async #pump(): Promise<void> {
    this.#cancelRetry();
    const entry = this.#entries[0];
    if (this.#sending || entry === undefined) {
      return;
    }
    this.#sending = true;
    const outcome = await this.#send(entry);
    this.#sending = false;
    if (outcome === 'retry') {
      this.#pumpLater();
      return;
    }
    this.#failures = 0;
    this.#remove(entry);
    outcome();
    void this.#pump();
  }

  /** Says `retry`, or gives what tells the page. */
  async #send(entry: Entry): Promise<'retry' | (() => void)> {
    const now_ms = this.#environment.now();
    if (entry.firstTriedAt_ms !== null && now_ms - entry.firstTriedAt_ms > KEY_KEPT_MS) {
      const error = new RequestError('uncertain', 'whether these were written is not known');
      return () => entry.reject(error);
    }
    try {
      const ack = await this.#requests.json<PublishAck>(`streams/${encodeURIComponent(entry.stream)}/events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': entry.key },
        body: entry.body,
      });
      return () => entry.resolve(ack);
    } catch (error) {
      if (!(error instanceof RequestError) || !error.temporary) {
        return () => entry.reject(error as RequestError);
      }
      if (error.code !== 'breaker_open') {
        entry.firstTriedAt_ms ??= now_ms;
        this.#noteFailure(error.after_ms);
      }
      return 'retry';
    }
  }

  #after_ms: number | null = null;

  #noteFailure(after_ms: number | null): void {
    this.#failingSince_ms = this.#failures === 0 ? this.#environment.now() : this.#failingSince_ms;
    this.#failures += 1;
    this.#after_ms = after_ms;
  }

  #pumpLater(): void {
    const now_ms = this.#environment.now();
    const { openUntil_ms } = this.#breaker;
    const attempt = Math.max(0, this.#failures - 1);
    const outage_ms = now_ms - this.#failingSince_ms;
    const backoff_ms = backoffDelay(attempt, outage_ms, this.#environment.random(), this.#backoff);
    const delay_ms = Math.max(this.#after_ms ?? backoff_ms, (openUntil_ms ?? now_ms) - now_ms);
    this.#cancelRetry = this.#environment.after(delay_ms, () => void this.#pump());
  }
}
