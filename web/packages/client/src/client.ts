/**
 * The client: one connection, many subscriptions, and listeners that hear once per animation frame.
 *
 * Performs what the state machine decides, routes messages to subscriptions, and asks again for every active one after
 * a reconnect, each from its own cursor. Data stays in the channels whatever the connection does.
 */

import { type BackoffOptions, DEFAULT_BACKOFF } from './backoff';
import type { ChannelFeed } from './channel';
import { LatencyEstimate, ServerClock } from './clock';
import { Emitter } from './emitter';
import { browserEnvironment, type Cancel, type Environment } from './environment';
import {
  type ConnectionEffect,
  type ConnectionEvent,
  type ConnectionState,
  INITIAL_MACHINE,
  type MachineOptions,
  step,
  type TransportKind,
} from './machine';
import type { ErrorBody, Frame } from './protocol';
import { openSse } from './sse';
import { type SubscribeOptions, Subscription, type SubscriptionHost } from './subscription';
import type { OpenTransport, Transport, TransportEvents } from './transport';
import { openWebSocket } from './websocket';

export interface ClientOptions {
  /** The absolute URL of the server's `/api/v1/`. */
  readonly url: string;
  /** In order of preference; one entry pins the client to it. Default WebSocket, then SSE. */
  readonly transports?: readonly TransportKind[];
  readonly backoff?: Partial<BackoffOptions>;
  /** How long the connection is kept after the last subscription ended. Default 5,000 ms; Infinity keeps it. */
  readonly linger_ms?: number;
  /** The world the client lives in. Default the browser. */
  readonly environment?: Environment;
}

/** What is said of each batch of frames once listeners have been called. */
export interface FrameInfo {
  /** The server's clock of the newest frame in the batch, µs UTC. */
  readonly time_us: number;
  readonly position: string;
}

const OPENERS: Record<TransportKind, OpenTransport> = { websocket: openWebSocket, sse: openSse };

/** A page change ends one subscription and brings the next; the connection should live through that. */
const LINGER_MS = 5_000;

export class PulseClient {
  readonly #environment: Environment;
  readonly #base: URL;
  readonly #machineOptions: MachineOptions;
  readonly #linger_ms: number;
  readonly #connection = new Emitter<ConnectionState>();
  readonly #frames = new Emitter<FrameInfo>();
  readonly #clock = new ServerClock();
  readonly #latency = new LatencyEstimate();
  readonly #stopWake: Cancel;

  #machine = INITIAL_MACHINE;
  #transport: Transport | null = null;
  #cancelRetry: Cancel = () => {};
  #cancelLinger: Cancel = () => {};

  readonly #subscriptions = new Set<Subscription>();
  readonly #active = new Map<number, Subscription>();
  #lastId = 0;

  readonly #dirty = new Set<ChannelFeed>();
  #cancelFlush: Cancel | null = null;
  #pendingInfo: FrameInfo | null = null;
  /** `_arrived_at` in ms of the newest live event that the next flush shows. */
  #pendingNewest_ms: number | null = null;
  #lastFrameAt_ms: number | null = null;

  constructor(options: ClientOptions) {
    this.#environment = options.environment ?? browserEnvironment();
    this.#base = new URL(options.url);
    this.#machineOptions = {
      backoff: { ...DEFAULT_BACKOFF, ...options.backoff },
      transports: options.transports ?? ['websocket', 'sse'],
    };
    this.#linger_ms = options.linger_ms ?? LINGER_MS;
    this.#stopWake = this.#environment.onWake(() => this.#step({ type: 'wake' }));
  }

  get connection(): ConnectionState {
    return this.#machine.state;
  }

  /** Median event→screen time of the last events in ms; null until one was seen. */
  get latency_ms(): number | null {
    return this.#latency.median_ms;
  }

  /** When the last frame came in, local wall clock in ms. */
  get lastFrameAt_ms(): number | null {
    return this.#lastFrameAt_ms;
  }

  /** The server's clock now, as well as it is known from here, in ms. */
  serverNow_ms(): number {
    return this.#clock.serverTime(this.#environment.now());
  }

  onConnection(listener: (state: ConnectionState) => void): Cancel {
    return this.#connection.listen(listener);
  }

  /** Calls once per animation frame in which something was applied, after the channels' listeners. */
  onFrame(listener: (info: FrameInfo) => void): Cancel {
    return this.#frames.listen(listener);
  }

  /** Connects before anything is asked for, so that a page can say how the link is. */
  connect(): void {
    this.#step({ type: 'wanted' });
  }

  /** Asks for channels that move together. The connection is made when the first subscription comes. */
  subscribe(options: SubscribeOptions): Subscription {
    const subscription = new Subscription(options, this.#host);
    this.#subscriptions.add(subscription);
    this.#activate(subscription);
    return subscription;
  }

  /** Tries now instead of waiting for the back-off to end. */
  retryNow(): void {
    this.#step(this.#machine.state.status === 'closed' ? { type: 'wanted' } : { type: 'wake' });
  }

  /** Ends everything. The client is not to be used afterwards. */
  close(): void {
    this.#stopWake();
    this.#cancelLinger();
    this.#subscriptions.clear();
    this.#active.clear();
    this.#cancelFlush?.();
    this.#step({ type: 'unwanted' });
  }

  readonly #host: SubscriptionHost = {
    activate: (subscription) => this.#activate(subscription),
    deactivate: (subscription) => this.#deactivate(subscription),
    remove: (subscription) => {
      this.#deactivate(subscription);
      this.#subscriptions.delete(subscription);
      this.#lingerIfUnused();
    },
    touched: (_, feeds) => this.#markDirty(feeds),
  };

  #activate(subscription: Subscription): void {
    this.#cancelLinger();
    this.#lastId += 1;
    this.#active.set(this.#lastId, subscription);
    this.#ask(this.#lastId, subscription);
    this.#step({ type: 'wanted' });
  }

  #deactivate(subscription: Subscription): void {
    for (const [id, held] of this.#active) {
      if (held === subscription) {
        this.#active.delete(id);
        this.#transport?.unsubscribe(id);
      }
    }
  }

  #ask(id: number, subscription: Subscription): void {
    this.#transport?.subscribe({ ...subscription.options, id, since: subscription.cursor });
  }

  #lingerIfUnused(): void {
    if (this.#subscriptions.size === 0 && Number.isFinite(this.#linger_ms)) {
      this.#cancelLinger = this.#environment.after(this.#linger_ms, () => this.#step({ type: 'unwanted' }));
    }
  }

  #step(event: ConnectionEvent): void {
    const before = this.#machine.state;
    const { now, random } = this.#environment;
    const [machine, effects] = step(this.#machine, event, now(), random, this.#machineOptions);
    this.#machine = machine;
    for (const effect of effects) {
      this.#perform(effect);
    }
    if (machine.state !== before) {
      this.#connection.emit(machine.state);
    }
  }

  #perform(effect: ConnectionEffect): void {
    switch (effect.do) {
      case 'open':
        this.#cancelRetry();
        this.#open(effect.transport);
        break;
      case 'close':
        this.#cancelRetry();
        this.#transport?.close();
        this.#transport = null;
        break;
      case 'wait':
        this.#cancelRetry = this.#environment.after(effect.delay_ms, () => this.#step({ type: 'retry_due' }));
        break;
      case 'probe':
        this.#transport?.probe();
        break;
    }
  }

  #open(kind: TransportKind): void {
    this.#transport?.close();
    this.#clock.reset();
    let transport: Transport | null = null;
    // What a transport says after it was replaced no longer counts.
    const current = () => transport !== null && this.#transport === transport;
    const events: TransportEvents = {
      opened: () => current() && this.#step({ type: 'opened' }),
      lost: (code, reason) => current() && this.#step({ type: 'lost', code, reason }),
      accepted: (id) => this.#active.get(id)?.accepted(),
      refused: (id, channel, error) => this.#refused(id, channel, error),
      frame: (id, frame) => current() && this.#frame(id, frame),
      advanced: (id, cursor) => this.#active.get(id)?.advance(cursor),
      pong: (server_ms, sentAt_ms) => this.#clock.observePong(server_ms, sentAt_ms, this.#environment.now()),
    };
    transport = OPENERS[kind](this.#base, this.#environment, events);
    this.#transport = transport;
    for (const [id, subscription] of this.#active) {
      this.#ask(id, subscription);
    }
  }

  #refused(id: number | null, channel: string | null, error: ErrorBody): void {
    const subscription = id === null ? undefined : this.#active.get(id);
    subscription?.refused(channel, error);
  }

  #frame(id: number, frame: Frame): void {
    const subscription = this.#active.get(id);
    if (subscription === undefined) {
      return;
    }
    const now_ms = this.#environment.now();
    this.#lastFrameAt_ms = now_ms;
    this.#clock.observeFrame(frame.time / 1_000, now_ms);
    const first = subscription.position === null;
    if (!subscription.apply(frame)) {
      // The data on screen stays; asking without a cursor brings a snapshot that replaces it.
      this.#deactivate(subscription);
      this.#activate(subscription);
      return;
    }
    this.#pendingInfo = { time_us: frame.time, position: frame.position };
    const isLive = !first && frame.resumed !== true && frame.changes.every(({ reset }) => reset === undefined);
    if (isLive && frame.newest !== null) {
      this.#pendingNewest_ms = frame.newest / 1_000;
    }
  }

  #markDirty(feeds: readonly ChannelFeed[]): void {
    for (const feed of feeds) {
      this.#dirty.add(feed);
    }
    this.#cancelFlush ??= this.#environment.nextFrame(() => this.#flush());
  }

  #flush(): void {
    this.#cancelFlush = null;
    const feeds = [...this.#dirty];
    this.#dirty.clear();
    for (const feed of feeds) {
      feed.flush();
    }
    if (this.#pendingInfo !== null) {
      this.#frames.emit(this.#pendingInfo);
      this.#pendingInfo = null;
    }
    const newest_ms = this.#pendingNewest_ms;
    this.#pendingNewest_ms = null;
    if (newest_ms !== null) {
      this.#environment.afterPaint(() => this.#latency.record(this.serverNow_ms() - newest_ms));
    }
  }
}
