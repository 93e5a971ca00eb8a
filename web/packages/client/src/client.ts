/**
 * The client: one connection, many subscriptions, and listeners that hear once per animation frame.
 *
 * Routes what the link brings to subscriptions, keeps data whatever the connection does, and carries single requests and
 * publishes beside it. The link, its own or shared, sees to being connected.
 */

import { type BreakerState, CircuitBreaker } from './breaker.js';
import type { ChannelFeed } from './channel.js';
import { ServerClock } from './clock.js';
import { Emitter } from './emitter.js';
import type { Cancel, Environment } from './environment.js';
import type { Link } from './link.js';
import type { ConnectionState } from './machine.js';
import { type ClientOptions, openLink, settle } from './options.js';
import { type EventFields, Outbox, type OutboxStatus, type PublishAck } from './outbox.js';
import { Keeper } from './persist.js';
import { type FrameInfo, Presenter } from './presenter.js';
import type { ErrorBody, Frame } from './protocol.js';
import { type RangeAnswer, type RangeRequest, range } from './range.js';
import { Requests } from './requests.js';
import { type SubscribeOptions, Subscription, type SubscriptionHost } from './subscription.js';

export class PulseClient {
  readonly #environment: Environment;
  readonly #base: URL;
  readonly #linger_ms: number;
  readonly #link: Link;
  readonly #connection = new Emitter<ConnectionState>();
  readonly #clock = new ServerClock();
  readonly #presenter: Presenter;
  readonly #breaker: CircuitBreaker;
  readonly #requests: Requests;
  readonly #outbox: Outbox;
  readonly #keeper: Keeper | null;
  readonly #stopNetwork: Cancel;
  readonly #subscriptions = new Set<Subscription>();
  readonly #active = new Map<number, Subscription>();
  #lastId = 0;
  #storedAt_ms: number | null = null;
  #cancelLinger: Cancel = () => {};

  constructor(options: ClientOptions) {
    const settings = settle(options);
    const { environment, base, credentials, backoff } = settings.direct;
    this.#environment = environment;
    this.#base = base;
    this.#linger_ms = settings.linger_ms;
    this.#presenter = new Presenter(environment, this.#clock);
    this.#breaker = new CircuitBreaker(settings.breaker, () => environment.now());
    this.#requests = new Requests(base, environment, credentials, this.#breaker);
    this.#outbox = new Outbox(settings.outbox, backoff, environment, this.#requests, this.#breaker);
    this.#keeper = settings.store === null ? null : new Keeper(settings.store, environment, base);
    this.#link = openLink(settings, {
      state: (state) => this.#stateChanged(state),
      accepted: (id) => this.#active.get(id)?.accepted(),
      refused: (id, channel, error) => this.#refused(id, channel, error),
      frame: (id, frame) => this.#frame(id, frame),
      advanced: (id, cursor) => this.#active.get(id)?.advance(cursor),
      pong: (server_ms, sentAt_ms, receivedAt_ms) => this.#clock.observePong(server_ms, sentAt_ms, receivedAt_ms),
    });
    this.#stopNetwork = environment.onNetwork((hint) => {
      this.#link.hint(hint);
      if (hint === 'wake') {
        this.#outbox.wake();
      }
    });
  }

  /** Where the connection stands, and why. */
  get connection(): ConnectionState {
    return this.#link.state;
  }

  /** Median event→screen time of the last events in ms; null until one was seen. */
  get latency_ms(): number | null {
    return this.#presenter.latency_ms;
  }

  /** When the last frame came in, local wall clock in ms. */
  get lastFrameAt_ms(): number | null {
    return this.#presenter.lastFrameAt_ms;
  }

  /** When the newest of the data that was kept from an earlier visit was kept, wall-clock ms; null if there was none. */
  get storedAt_ms(): number | null {
    return this.#storedAt_ms;
  }

  /** How far the server's clock is ahead of the local one, in ms; null until something came. */
  get clockOffset_ms(): number | null {
    return this.#clock.offset_ms;
  }

  /** The server's clock now, as well as it is known from here, in ms. */
  serverNow_ms(): number {
    return this.#clock.serverTime(this.#environment.now());
  }

  /** What waits to be published, and what was refused or dropped at the bound. */
  get outbox(): OutboxStatus {
    return this.#outbox.status;
  }

  /** Whether single requests are let through. */
  get breaker(): BreakerState {
    return this.#breaker.state;
  }

  /** Calls whenever `connection` changed. */
  onConnection(listener: (state: ConnectionState) => void): Cancel {
    return this.#connection.listen(listener);
  }

  /** Calls once per animation frame in which something was applied, after the channels' listeners. */
  onFrame(listener: (info: FrameInfo) => void): Cancel {
    return this.#presenter.onFrame(listener);
  }

  /** Connects before anything is asked for, so that a page can say how the link is. */
  connect(): void {
    this.#link.want();
  }

  /** Asks for channels that move together. The connection is made when the first subscription comes. */
  subscribe(options: SubscribeOptions): Subscription {
    const subscription = new Subscription(options, this.#host);
    this.#subscriptions.add(subscription);
    this.#activate(subscription);
    return subscription;
  }

  /**
   * Writes events to a stream, in order, also those that could not be sent at once. Resolves when they are durable.
   *
   * `key` makes it safe to publish the same again within ten minutes, for example after a reload; without one a retry
   * by the client itself is safe. Rejects with a `RequestError`: the server's refusal, `outbox_full` or `dropped` at the
   * bound, `uncertain` if it was under way for longer than the server remembers keys, `closed`.
   */
  publish(stream: string, events: EventFields | readonly EventFields[], key?: string): Promise<PublishAck> {
    return this.#outbox.publish(stream, events, key);
  }

  /** One request, guarded by the breaker; `path` is relative to `/api/v1/`. Rejects with a `RequestError`. */
  request<T>(path: string, init: RequestInit = {}): Promise<T> {
    return this.#requests.json<T>(path, init);
  }

  /** A range query, guarded by the breaker. Rejects with a `RequestError`; aborting ends it in the server, too. */
  range(request: RangeRequest, signal?: AbortSignal): Promise<RangeAnswer> {
    const { fetch } = this.#requests;
    return range(request, { url: this.#base.href, fetch, ...(signal === undefined ? {} : { signal }) });
  }

  /** Tries now instead of waiting for the back-off to end; also after `closed`. */
  retryNow(): void {
    this.#link.retry();
    this.#outbox.wake();
  }

  /** Ends everything. The client is not to be used afterwards. */
  close(): void {
    this.#stopNetwork();
    this.#cancelLinger();
    this.#subscriptions.clear();
    this.#active.clear();
    this.#presenter.close();
    this.#keeper?.close();
    this.#outbox.close();
    this.#link.close();
  }

  readonly #host: SubscriptionHost = {
    activate: (subscription) => this.#activate(subscription),
    deactivate: (subscription) => this.#deactivate(subscription),
    remove: (subscription) => {
      this.#deactivate(subscription);
      this.#subscriptions.delete(subscription);
      this.#lingerIfUnused();
    },
    made: (_, feed) => void this.#keeper?.restore(feed, () => this.#restored(feed)),
    touched: (_, feeds) => this.#touched(feeds),
  };

  #activate(subscription: Subscription): void {
    this.#cancelLinger();
    this.#lastId += 1;
    this.#active.set(this.#lastId, subscription);
    const { options } = subscription;
    this.#link.subscribe({ id: this.#lastId, options, cursor: () => subscription.cursor });
    this.#link.want();
  }

  #deactivate(subscription: Subscription): void {
    for (const [id, held] of this.#active) {
      if (held === subscription) {
        this.#active.delete(id);
        this.#link.unsubscribe(id);
      }
    }
  }

  #lingerIfUnused(): void {
    if (this.#subscriptions.size === 0 && Number.isFinite(this.#linger_ms)) {
      this.#cancelLinger = this.#environment.after(this.#linger_ms, () => this.#link.unwant());
    }
  }

  #stateChanged(state: ConnectionState): void {
    if (state.status === 'connecting') {
      // The next connection may lead to another machine.
      this.#clock.reset();
    } else if (state.status === 'open') {
      this.#breaker.succeed();
      this.#outbox.wake();
    }
    this.#connection.emit(state);
  }

  #refused(id: number, channel: string | null, error: ErrorBody): void {
    this.#active.get(id)?.refused(channel, error);
  }

  #frame(id: number, frame: Frame): void {
    const subscription = this.#active.get(id);
    if (subscription === undefined) {
      return;
    }
    this.#presenter.received(frame);
    const first = subscription.position === null ? 'first' : 'later';
    if (subscription.apply(frame)) {
      this.#presenter.applied(frame, first);
    } else {
      // The data on screen stays; asking without a cursor brings a snapshot that replaces it.
      this.#deactivate(subscription);
      this.#activate(subscription);
    }
  }

  #restored(feed: ChannelFeed): void {
    this.#storedAt_ms = Math.max(this.#storedAt_ms ?? 0, feed.channel.storedAt_ms ?? 0);
    this.#presenter.markDirty([feed]);
  }

  #touched(feeds: readonly ChannelFeed[]): void {
    this.#presenter.markDirty(feeds);
    this.#keeper?.touched(feeds);
  }
}
