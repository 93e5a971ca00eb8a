/**
 * One subscription by requests that are answered: held by the server until there is news (long poll), or at a pace.
 *
 * Everything that changed since the cursor comes in one frame. Asking again while an answer is on its way never happens.
 */

import { pollDelay } from './backoff.js';
import { loss } from './codes.js';
import type { Cancel } from './environment.js';
import type { Carrier, CarrierHost } from './http.js';
import { parseMessage } from './protocol.js';
import type { SubscribeRequest } from './transport.js';

/** How much longer than it was told to hold a request the server may take. */
const ANSWER_MS_MAX = 10_000;
/** Long polls of a lively channel are at least this far apart: each is a whole request. */
const GAP_MS_MIN = 100;

/** The first wait is short, so that a quiet channel does not keep one waiting for whether there is a connection. */
const FIRST_WAIT_MS = 1_000;

export interface PollPace {
  /** How long the server may hold a request; 0 for an answer at once. */
  readonly wait_ms: number;
  /** The pause between requests; null for one that grows while nothing changes. */
  readonly pause_ms: number | null;
}

export class PollCarrier implements Carrier {
  readonly held: boolean;
  readonly #host: CarrierHost;
  readonly #request: SubscribeRequest;
  readonly #pace: PollPace;
  readonly #abort = new AbortController();
  #since: string | null;
  #quiet = 0;
  #asking = false;
  #answers = 0;
  #cancelTimer: Cancel = () => {};

  constructor(host: CarrierHost, request: SubscribeRequest, pace: PollPace) {
    this.#host = host;
    this.#request = request;
    this.#pace = pace;
    this.#since = request.since;
    this.held = pace.wait_ms > 0;
    void this.#ask();
  }

  probe(): void {
    if (!this.#asking) {
      void this.#ask();
    }
  }

  close(): void {
    this.#cancelTimer();
    this.#abort.abort();
  }

  async #ask(): Promise<void> {
    const { environment } = this.#host.context;
    const { signal } = this.#abort;
    const wait_ms = this.#answers === 0 ? Math.min(FIRST_WAIT_MS, this.#pace.wait_ms) : this.#pace.wait_ms;
    const wait = wait_ms > 0 ? `${wait_ms}ms` : null;
    const url = this.#host.url('live/poll', this.#request, { since: this.#since, wait });
    const headers = this.#host.headers();
    this.#asking = true;
    this.#cancelTimer();
    this.#cancelTimer = environment.after(wait_ms + ANSWER_MS_MAX, () => this.#host.lose(loss('silent')));
    const askedAt_ms = environment.now();
    try {
      const response = await environment.fetch(url, { headers, signal, cache: 'no-store' });
      if (response.status !== 304 && !response.ok) {
        await this.#host.refused(this.#request, response);
        return;
      }
      const cursor = cursorOf(response);
      this.#take(response.status === 304 ? null : await response.text(), cursor);
    } catch (error) {
      if (!signal.aborted) {
        this.#host.lose(loss(error instanceof SyntaxError ? 'garbled' : 'cut'));
      }
    }
    if (!signal.aborted) {
      this.#askLater(environment.now() - askedAt_ms);
    }
  }

  /** `text` is null if nothing changed; the cursor may have moved on all the same, over what other channels did. */
  #take(text: string | null, cursor: string | null): void {
    if (this.#abort.signal.aborted) {
      return;
    }
    const frame = text === null ? null : parseMessage(text);
    const { events } = this.#host;
    this.#answers += 1;
    this.#host.opened();
    events.accepted(this.#request.id);
    if (frame?.type === 'frame') {
      this.#quiet = 0;
      this.#since = frame.cursor;
      events.frame(this.#request.id, frame);
    } else {
      this.#quiet += 1;
      this.#since = cursor ?? this.#since;
      if (cursor !== null) {
        events.advanced(this.#request.id, cursor);
      }
    }
  }

  #askLater(took_ms: number): void {
    const { environment, poll, hidden } = this.#host.context;
    const pause_ms = this.#pace.pause_ms ?? pollDelay(this.#quiet, hidden() ? 'hidden' : 'seen', poll);
    const gap_ms = Math.max(GAP_MS_MIN, 1_000 / (this.#request.max_hz ?? 60)) - took_ms;
    this.#asking = false;
    this.#cancelTimer();
    this.#cancelTimer = environment.after(Math.max(0, pause_ms, gap_ms), () => void this.#ask());
  }
}

/** The tag of an answer is its cursor: `W/"…"`. */
function cursorOf(response: Response): string | null {
  return /"(.+)"/.exec(response.headers.get('etag') ?? '')?.[1] ?? null;
}
