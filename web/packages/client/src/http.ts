/**
 * The three transports over plain HTTP, for networks that let no WebSocket through: event stream, long poll, poll.
 *
 * Each subscription has a carrier of its own with the same cursor on all of them. Only so many requests are held open at
 * a time, because a browser allows six per server; what is beyond that is polled. `sse.ts` and `poll.ts` hold the carriers.
 */

import { type Loss, loss } from './codes.js';
import type { Cancel } from './environment.js';
import type { TransportKind } from './machine.js';
import { PollCarrier } from './poll.js';
import type { ErrorBody } from './protocol.js';
import { isTemporary, lossOf, readError } from './refusal.js';
import { SseCarrier } from './sse.js';
import type { OpenTransport, SubscribeRequest, Transport, TransportContext, TransportEvents } from './transport.js';

/** A first answer that takes longer than this does not come. */
const OPEN_MS_MAX = 10_000;
/** How often what is beyond the held requests is polled. */
const CROWDED_POLL_MS = 1_000;

/** One subscription's requests. */
export interface Carrier {
  /** Whether it keeps a request open. */
  readonly held: boolean;
  /** Finds out soon whether it is alive. */
  probe(): void;
  close(): void;
}

/** What a carrier tells its transport. */
export interface CarrierHost {
  readonly context: TransportContext;
  readonly events: TransportEvents;
  /** The first good answer came. */
  opened(): void;
  lose(why: Loss): void;
  /** The URL of `path` with what is asked for, and what may differ from time to time. */
  url(path: string, request: SubscribeRequest, more: Readonly<Record<string, string | null>>): string;
  headers(more?: Readonly<Record<string, string>>): Record<string, string>;
  /** An answer without success. Begins again without the channel that was refused, or loses the connection. */
  refused(request: SubscribeRequest, response: Response): Promise<void>;
}

export const openSse: OpenTransport = (context, events) => new HttpTransport('sse', context, events);
export const openLongPoll: OpenTransport = (context, events) => new HttpTransport('longpoll', context, events);
export const openPoll: OpenTransport = (context, events) => new HttpTransport('poll', context, events);

class HttpTransport implements Transport, CarrierHost {
  readonly kind: Exclude<TransportKind, 'websocket'>;
  readonly context: TransportContext;
  readonly events: TransportEvents;
  readonly #carriers = new Map<number, Carrier>();
  readonly #health = new AbortController();
  #cancelOpen: Cancel;
  #cancelCheck: Cancel;
  #opened = false;
  #over = false;

  constructor(kind: Exclude<TransportKind, 'websocket'>, context: TransportContext, events: TransportEvents) {
    this.kind = kind;
    this.context = context;
    this.events = events;
    const { environment } = context;
    this.#cancelOpen = environment.after(OPEN_MS_MAX, () => this.lose(loss('no_answer')));
    // Without a subscription there is nothing to ask for; whether the server answers at all is still worth knowing.
    this.#cancelCheck = environment.after(0, () => this.#carriers.size === 0 && void this.#checkHealth());
  }

  subscribe(request: SubscribeRequest): void {
    const held = [...this.#carriers.values()].filter((carrier) => carrier.held).length;
    this.#carriers.set(request.id, this.#carry(request, held < this.context.held_max));
  }

  unsubscribe(id: number): void {
    this.#carriers.get(id)?.close();
    this.#carriers.delete(id);
  }

  probe(): void {
    for (const carrier of this.#carriers.values()) {
      carrier.probe();
    }
    if (this.#carriers.size === 0) {
      void this.#checkHealth();
    }
  }

  close(): void {
    this.#over = true;
    this.#cancelOpen();
    this.#cancelCheck();
    this.#health.abort();
    for (const carrier of this.#carriers.values()) {
      carrier.close();
    }
    this.#carriers.clear();
  }

  opened(): void {
    if (!this.#opened && !this.#over) {
      this.#opened = true;
      this.#cancelOpen();
      this.events.opened();
    }
  }

  lose(why: Loss): void {
    if (!this.#over) {
      this.close();
      this.events.lost(why);
    }
  }

  url(path: string, request: SubscribeRequest, more: Readonly<Record<string, string | null>>): string {
    const url = new URL(path, this.context.base);
    for (const channel of request.channels) {
      url.searchParams.append('channel', channel);
    }
    const { max_hz, batch_ms, last, timezone } = request;
    for (const [name, value] of Object.entries({ ...more, max_hz, batch_ms, last, timezone })) {
      if (value !== undefined && value !== null) {
        url.searchParams.set(name, String(value));
      }
    }
    return url.href;
  }

  headers(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    const { token } = this.context;
    return token === null ? { ...more } : { ...more, authorization: `Bearer ${token}` };
  }

  async refused(request: SubscribeRequest, response: Response): Promise<void> {
    const error = await readError(response);
    if (this.#over || !this.#carriers.has(request.id)) {
      return;
    }
    if (error === null || isTemporary(response.status) || response.status === 401) {
      this.lose(lossOf(response, error));
      return;
    }
    this.unsubscribe(request.id);
    const channel = channelOf(request, error);
    this.events.refused(request.id, channel, error);
    const channels = request.channels.filter((each) => each !== channel);
    if (channel !== null && channels.length > 0) {
      this.subscribe({ ...request, channels });
    } else {
      // The server answered, though not with what was hoped for: the way to it is open.
      this.opened();
    }
  }

  #carry(request: SubscribeRequest, room: boolean): Carrier {
    if (!room || this.kind === 'poll') {
      return new PollCarrier(this, request, { wait_ms: 0, pause_ms: this.kind === 'poll' ? null : CROWDED_POLL_MS });
    }
    return this.kind === 'sse'
      ? new SseCarrier(this, request)
      : new PollCarrier(this, request, { wait_ms: this.context.poll.wait_ms, pause_ms: 0 });
  }

  async #checkHealth(): Promise<void> {
    const { base, environment } = this.context;
    const { signal } = this.#health;
    const url = new URL('../../health/live', base).href;
    try {
      const response = await environment.fetch(url, { signal, cache: 'no-store' });
      if (response.ok) {
        this.opened();
      } else {
        this.lose(lossOf(response, null));
      }
    } catch {
      this.lose(loss('cut'));
    }
  }
}

function channelOf(request: SubscribeRequest, error: ErrorBody): string | null {
  const named = error.details?.channel;
  return request.channels.find((channel) => channel === named) ?? null;
}
