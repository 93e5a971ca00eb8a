/** One subscription as a stream of server-sent events. */

import { loss, readObject } from './codes.js';
import type { Cancel } from './environment.js';
import { EventStreamParser, type ServerEvent } from './eventStream.js';
import type { Carrier, CarrierHost } from './http.js';
import { parseMessage } from './protocol.js';
import type { SubscribeRequest } from './transport.js';

/** The server sends a heartbeat each 15 s; after two missed ones the stream is taken for dead. */
const SILENCE_MS_MAX = 35_000;
/** After a wake-up, one missed heartbeat is enough. */
const PROBE_SILENCE_MS_MAX = 16_000;
const CHECK_EVERY_MS = 5_000;

export class SseCarrier implements Carrier {
  readonly held = true;
  readonly #host: CarrierHost;
  readonly #request: SubscribeRequest;
  readonly #abort = new AbortController();
  #cancelCheck: Cancel;
  #heardAt_ms: number;

  constructor(host: CarrierHost, request: SubscribeRequest) {
    this.#host = host;
    this.#request = request;
    this.#heardAt_ms = host.context.environment.now();
    this.#cancelCheck = this.#checkLater();
    void this.#run();
  }

  probe(): void {
    this.#loseIfSilent(PROBE_SILENCE_MS_MAX);
  }

  close(): void {
    this.#cancelCheck();
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    const { environment } = this.#host.context;
    const { signal } = this.#abort;
    const { since, max_hz = 60 } = this.#request;
    const url = this.#host.url('live/sse', { ...this.#request, max_hz }, { since });
    try {
      const headers = this.#host.headers({ accept: 'text/event-stream' });
      const response = await environment.fetch(url, { headers, signal, cache: 'no-store' });
      if (!response.ok || response.body === null) {
        await this.#host.refused(this.#request, response);
        return;
      }
      await this.#read(response.body.getReader());
    } catch {
      // Lost below, like a stream that ended.
    }
    if (!signal.aborted) {
      this.#host.lose(loss('cut'));
    }
  }

  async #read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const parser = new EventStreamParser();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.#abort.signal.aborted) {
        return;
      }
      this.#heardAt_ms = this.#host.context.environment.now();
      for (const event of parser.push(decoder.decode(value, { stream: true }))) {
        this.#take(event);
        if (this.#abort.signal.aborted) {
          return;
        }
      }
    }
  }

  #take({ type, data, id }: ServerEvent): void {
    const { events } = this.#host;
    if (type === 'restart') {
      const { after_ms } = readObject(data) as { after_ms?: unknown };
      this.#host.lose(loss('restart', '', typeof after_ms === 'number' ? after_ms : null));
    } else if (type === 'heartbeat') {
      events.advanced(this.#request.id, id);
    } else if (type === 'init' || type === 'frame') {
      if (type === 'init') {
        // The first `init` and not the first byte: a proxy that answers with a login page must not count as open.
        this.#host.opened();
        events.accepted(this.#request.id);
      }
      try {
        const message = parseMessage(data);
        if (message?.type === 'frame') {
          events.frame(this.#request.id, message);
        }
      } catch (error) {
        if (!(error instanceof SyntaxError)) {
          throw error;
        }
        this.#host.lose(loss('garbled'));
      }
    }
  }

  #checkLater(): Cancel {
    return this.#host.context.environment.after(CHECK_EVERY_MS, () => {
      this.#cancelCheck = this.#checkLater();
      this.#loseIfSilent(SILENCE_MS_MAX);
    });
  }

  #loseIfSilent(silence_ms_max: number): void {
    if (this.#host.context.environment.now() - this.#heardAt_ms > silence_ms_max) {
      this.#host.lose(loss('silent'));
    }
  }
}
