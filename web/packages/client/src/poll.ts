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
  #etag: string | null = null;
  #quiet = 0;
  #asking = false;
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
    const { wait_ms } = this.#pace;
    const wait = wait_ms > 0 ? `${wait_ms}ms` : null;
    const url = this.#host.url('live/poll', this.#request, { since: this.#since, wait });
    const headers = this.#host.headers(this.#etag === null ? {} : { 'if-none-match': this.#etag });
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
      this.#etag = response.headers.get('etag') ?? this.#etag;
      this.#take(response.status === 304 ? '' : await response.text());
    } catch (error) {
      if (!signal.aborted) {
        this.#host.lose(loss(error instanceof SyntaxError ? 'garbled' : 'cut'));
      }
    }
    if (!signal.aborted) {
      this.#askLater(environment.now() - askedAt_ms);
    }
  }

  #take(text: string): void {
    if (this.#abort.signal.aborted) {
      return;
    }
    const frame = text === '' ? null : parseMessage(text);
    const { events } = this.#host;
    this.#host.opened();
    events.accepted(this.#request.id);
    this.#quiet += 1;
    if (frame?.type === 'frame') {
      this.#quiet = frame.changes.length > 0 ? 0 : this.#quiet;
      this.#since = frame.cursor;
      events.frame(this.#request.id, frame);
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
