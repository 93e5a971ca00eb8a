/**
 * The SSE transport, for networks that let no WebSocket through: one EventSource per subscription.
 *
 * EventSource would reconnect by itself with its own idea of timing; here it is closed at the first error and the state
 * machine decides, so that both transports behave alike.
 */

import { GAVE_UP } from './codes';
import type { Cancel, Environment, EventSourceLike } from './environment';
import { type ErrorMessage, type Frame, parseMessage } from './protocol';
import type { SubscribeRequest } from './subscription';
import type { OpenTransport, Transport, TransportEvents } from './transport';

/** The server sends a heartbeat each 15 s; after two missed ones the connection is taken for dead. */
const SILENCE_MS_MAX = 35_000;
/** After a wake-up, one missed heartbeat is enough. */
const PROBE_SILENCE_MS_MAX = 16_000;
const CHECK_EVERY_MS = 5_000;

export const openSse: OpenTransport = (base, environment, events) => new SseTransport(base, environment, events);

interface Source {
  readonly stream: EventSourceLike;
  heardAt_ms: number;
}

class SseTransport implements Transport {
  readonly kind = 'sse';
  readonly #base: URL;
  readonly #environment: Environment;
  readonly #events: TransportEvents;
  readonly #sources = new Map<number, Source>();
  #cancelCheck: Cancel;
  #opened = false;
  #over = false;

  constructor(base: URL, environment: Environment, events: TransportEvents) {
    this.#base = base;
    this.#environment = environment;
    this.#events = events;
    this.#cancelCheck = environment.after(CHECK_EVERY_MS, () => this.#check());
  }

  subscribe(request: SubscribeRequest): void {
    const stream = this.#environment.openEventSource(this.#url(request));
    const source: Source = { stream, heardAt_ms: this.#environment.now() };
    this.#sources.set(request.id, source);
    const on = (type: string, handle: (data: string, lastEventId: string) => void) =>
      stream.addEventListener(type, ({ data, lastEventId }) => {
        if (!this.#over && this.#sources.get(request.id) === source) {
          source.heardAt_ms = this.#environment.now();
          handle(data, lastEventId);
        }
      });
    const onFrame = (data: string) => this.#receive(request.id, data);
    on('init', (data) => {
      // The first `init` and not the first byte: a proxy that answers with a login page must not count as open.
      if (!this.#opened) {
        this.#opened = true;
        this.#events.opened();
      }
      this.#events.accepted(request.id);
      onFrame(data);
    });
    on('frame', onFrame);
    on('heartbeat', (_, cursor) => {
      if (cursor !== '') {
        this.#events.advanced(request.id, cursor);
      }
    });
    on('restart', (data) => this.#lose(JSON.stringify({ reason: 'restart', ...readObject(data) })));
    // A server's `error` event carries data; the browser's own error event has none.
    on('error', (data) => {
      if (typeof data === 'string') {
        this.#receive(request.id, data);
      }
    });
    stream.onerror = (event) => {
      if (typeof (event as { data?: unknown }).data !== 'string') {
        this.#lose('the stream ended');
      }
    };
  }

  unsubscribe(id: number): void {
    this.#sources.get(id)?.stream.close();
    this.#sources.delete(id);
  }

  probe(): void {
    this.#loseIfSilent(PROBE_SILENCE_MS_MAX);
  }

  close(): void {
    this.#over = true;
    this.#cancelCheck();
    for (const { stream } of this.#sources.values()) {
      stream.close();
    }
    this.#sources.clear();
  }

  #url(request: SubscribeRequest): string {
    const url = new URL('live/sse', this.#base);
    for (const channel of request.channels) {
      url.searchParams.append('channel', channel);
    }
    const options = {
      since: request.since,
      max_hz: request.max_hz ?? 60,
      batch_ms: request.batch_ms,
      last: request.last,
    };
    for (const [name, value] of Object.entries(options)) {
      if (value !== undefined && value !== null) {
        url.searchParams.set(name, String(value));
      }
    }
    return url.href;
  }

  #receive(id: number, data: string): void {
    try {
      const message = parseMessage(data);
      if (message?.type === 'frame') {
        this.#events.frame(id, message as Frame);
      } else if (message?.type === 'error') {
        const { channel, error } = message as ErrorMessage;
        this.#events.refused(id, channel ?? null, error);
      }
    } catch {
      this.#lose('a message that is not JSON');
    }
  }

  #check(): void {
    this.#cancelCheck = this.#environment.after(CHECK_EVERY_MS, () => this.#check());
    this.#loseIfSilent(SILENCE_MS_MAX);
  }

  #loseIfSilent(silence_ms_max: number): void {
    const now_ms = this.#environment.now();
    if ([...this.#sources.values()].some(({ heardAt_ms }) => now_ms - heardAt_ms > silence_ms_max)) {
      this.#lose('the connection fell silent');
    }
  }

  #lose(reason: string): void {
    if (!this.#over) {
      this.close();
      this.#events.lost(GAVE_UP, reason);
    }
  }
}

function readObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
