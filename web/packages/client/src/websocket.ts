/**
 * The WebSocket transport: many subscriptions on one connection.
 *
 * The server counts subscriptions itself, so frames are mapped from its numbers to ours. A ping on a fixed beat
 * measures the round trip and finds dead connections, because a browser does not show the server's own pings.
 */

import { GAVE_UP, type Loss, loss, readClose } from './codes.js';
import type { Cancel, Environment, SocketLike } from './environment.js';
import { parseMessage, type ServerMessage } from './protocol.js';
import type { OpenTransport, SubscribeRequest, Transport, TransportContext, TransportEvents } from './transport.js';

/** A connection that does not open within this is given up. */
const OPEN_MS_MAX = 6_000;
const PING_EVERY_MS = 10_000;
/** Any message within this after a ping counts as life. */
const PONG_MS_MAX = 8_000;
/** After a wake-up the answer should come fast: the page is being looked at. */
const PROBE_MS_MAX = 2_500;

export const openWebSocket: OpenTransport = (context, events) => new WebSocketTransport(context, events);

class WebSocketTransport implements Transport {
  readonly kind = 'websocket';
  readonly #environment: Environment;
  readonly #events: TransportEvents;
  readonly #renew: () => Promise<string>;
  readonly #socket: SocketLike | null;
  /** Server's number of a subscription → ours. */
  readonly #ids = new Map<number, number>();
  /** Our number → server's, undefined while it has not answered. */
  readonly #subs = new Map<number, number | undefined>();
  /** Unsubscribed before the server had answered. */
  readonly #unwanted = new Set<number>();
  /** What was asked before the connection stood: at most one message per subscription. Null once it stands. */
  #early: string[] | null = [];
  #cancelTimer: Cancel = () => {};
  #pingSentAt_ms: number | null = null;
  #heardSincePing = true;
  #over = false;

  constructor({ environment, socketUrl, renew }: TransportContext, events: TransportEvents) {
    this.#environment = environment;
    this.#events = events;
    this.#renew = renew;
    this.#cancelTimer = environment.after(OPEN_MS_MAX, () => this.#lose(loss('no_answer')));
    this.#socket = this.#connect(socketUrl);
  }

  #connect(url: string): SocketLike | null {
    let socket: SocketLike | undefined;
    try {
      socket = this.#environment.openSocket?.(url);
    } catch {
      // A page's policy may forbid it.
    }
    if (socket === undefined) {
      this.#cancelTimer = this.#environment.after(0, () => this.#lose(loss('refused')));
      return null;
    }
    socket.onopen = () => {
      for (const text of this.#early ?? []) {
        socket.send(text);
      }
      this.#early = null;
      this.#events.opened();
      // The first ping goes out at once: it sets the clock that the latency is measured by.
      this.#ping(PONG_MS_MAX);
    };
    socket.onmessage = ({ data }) => this.#receive(String(data));
    socket.onclose = ({ code, reason }) => this.#lose(readClose(code, reason));
    // A close always follows. Without a listener Node's `ws` would end the program.
    socket.onerror = () => {};
    return socket;
  }

  subscribe(request: SubscribeRequest): void {
    this.#subs.set(request.id, undefined);
    const { id, channels, since, max_hz = 60, batch_ms, last, timezone } = request;
    // What is undefined is left out of the JSON.
    this.#send({ id, type: 'subscribe', channels, since: since ?? undefined, max_hz, batch_ms, last, timezone });
  }

  unsubscribe(id: number): void {
    if (!this.#subs.has(id)) {
      return;
    }
    const sub = this.#subs.get(id);
    this.#subs.delete(id);
    if (sub === undefined) {
      this.#unwanted.add(id);
    } else {
      this.#ids.delete(sub);
      this.#send({ type: 'unsubscribe', sub });
    }
  }

  probe(): void {
    this.#ping(PROBE_MS_MAX);
  }

  close(): void {
    if (!this.#over) {
      this.#end();
      this.#socket?.close(1000, 'done');
    }
  }

  #receive(text: string): void {
    if (this.#over) {
      return;
    }
    this.#heardSincePing = true;
    let message: ServerMessage | null;
    try {
      message = parseMessage(text);
    } catch {
      this.#lose(loss('garbled'));
      return;
    }
    if (message !== null) {
      this.#dispatch(message);
    }
  }

  #dispatch(message: ServerMessage): void {
    switch (message.type) {
      case 'subscribed':
        this.#subscribed(message.id, message.sub);
        break;
      case 'frame':
        this.#withId(message.sub, (id) => this.#events.frame(id, message));
        break;
      case 'error':
        this.#events.refused(
          typeof message.id === 'number' ? message.id : null,
          message.channel ?? null,
          message.error,
        );
        break;
      case 'pong':
        if (this.#pingSentAt_ms !== null) {
          this.#events.pong(message.time / 1_000, this.#pingSentAt_ms);
          this.#pingSentAt_ms = null;
        }
        break;
      case 'expired':
        // Without another token the server closes, and the way over a new connection says what is wrong.
        this.#renew().then(
          (token) => this.#send({ type: 'auth', token }),
          () => {},
        );
        break;
      case 'ack':
      case 'authenticated':
        break;
    }
  }

  #subscribed(id: number | string | undefined, sub: number): void {
    if (typeof id !== 'number') {
      return;
    }
    if (this.#unwanted.delete(id)) {
      this.#send({ type: 'unsubscribe', sub });
    } else if (this.#subs.has(id)) {
      this.#subs.set(id, sub);
      this.#ids.set(sub, id);
      this.#events.accepted(id);
    }
  }

  #withId(sub: number, run: (id: number) => void): void {
    const id = this.#ids.get(sub);
    if (id !== undefined) {
      run(id);
    }
  }

  #schedulePing(): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#environment.after(PING_EVERY_MS, () => this.#ping(PONG_MS_MAX));
  }

  #ping(deadline_ms: number): void {
    this.#pingSentAt_ms = this.#environment.now();
    this.#heardSincePing = false;
    this.#send({ type: 'ping' });
    this.#cancelTimer();
    this.#cancelTimer = this.#environment.after(deadline_ms, () => {
      if (this.#heardSincePing) {
        this.#schedulePing();
      } else {
        this.#lose(loss('silent'));
      }
    });
  }

  #send(message: object): void {
    if (this.#over) {
      return;
    }
    const text = JSON.stringify(message);
    if (this.#early === null) {
      this.#socket?.send(text);
    } else {
      this.#early.push(text);
    }
  }

  #lose(why: Loss): void {
    if (!this.#over) {
      this.#end();
      this.#socket?.close(GAVE_UP, why.reason);
      this.#events.lost(why);
    }
  }

  #end(): void {
    this.#over = true;
    this.#cancelTimer();
    if (this.#socket !== null) {
      this.#socket.onopen = null;
      this.#socket.onmessage = null;
      this.#socket.onclose = null;
    }
  }
}
