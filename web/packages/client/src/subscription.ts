/**
 * One subscription: a set of channels that move together, its cursor, and what became of it.
 *
 * Applies a frame to all its channels at once, so that no reader ever sees half of it. The cursor moves only after the
 * whole frame has been applied; it outlives connections and pauses.
 */

import { type Channel, type ChannelFeed, createChannel } from './channel.js';
import { Emitter } from './emitter.js';
import type { Cancel } from './environment.js';
import { MisfitError } from './keyed.js';
import { type Change, type ErrorBody, type Frame, isTailChannel } from './protocol.js';

export interface SubscribeOptions {
  readonly channels: readonly string[];
  /** Frames per second at most; fractions are allowed. Default 60. */
  readonly max_hz?: number;
  /** Collect changes for this long before a frame leaves. Default 0. */
  readonly batch_ms?: number;
  /** For tails: how many of the newest items a fresh join brings. Default 0. */
  readonly last?: number;
  /** An IANA name: views are asked in this zone instead of their own. */
  readonly timezone?: string;
}

/** How a subscription is doing. */
export type SubscriptionStatus = 'pending' | 'active' | 'paused' | 'failed';

/** What a subscription asks of the client that holds it. */
export interface SubscriptionHost {
  activate(subscription: Subscription): void;
  deactivate(subscription: Subscription): void;
  remove(subscription: Subscription): void;
  /** A channel was made: what was kept of it may be shown. */
  made?(subscription: Subscription, feed: ChannelFeed): void;
  touched(subscription: Subscription, feeds: readonly ChannelFeed[]): void;
}

export class Subscription {
  readonly options: SubscribeOptions;
  readonly #host: SubscriptionHost;
  readonly #feeds = new Map<string, ChannelFeed>();
  readonly #status = new Emitter<SubscriptionStatus>();
  readonly #errors = new Map<string, ErrorBody>();
  #state: SubscriptionStatus = 'pending';
  #cursor: string | null = null;
  #position: string | null = null;
  #time_us: number | null = null;

  constructor(options: SubscribeOptions, host: SubscriptionHost) {
    this.options = options;
    this.#host = host;
    for (const name of options.channels) {
      this.#feed(name);
    }
  }

  get status(): SubscriptionStatus {
    return this.#state;
  }

  /** Why channels were refused, by channel; the empty name stands for all of them. */
  get errors(): ReadonlyMap<string, ErrorBody> {
    return this.#errors;
  }

  get cursor(): string | null {
    return this.#cursor;
  }

  /** Where all channels stand: opaque, null before the first frame. */
  get position(): string | null {
    return this.#position;
  }

  /** The server's clock at that position in µs UTC. */
  get time_us(): number | null {
    return this.#time_us;
  }

  /** The channel of that name, made on first use. */
  channel(name: string): Channel {
    return this.#feed(name).channel;
  }

  /** Calls when the status, or the reason for it, changed. */
  onStatus(listener: (status: SubscriptionStatus) => void): Cancel {
    return this.#status.listen(listener);
  }

  /** Stops the flow and keeps the data as it stands. `resume` continues from exactly here. */
  pause(): void {
    if (this.#state !== 'paused') {
      this.#host.deactivate(this);
      this.#setStatus('paused');
    }
  }

  resume(): void {
    if (this.#state === 'paused') {
      this.#setStatus('pending');
      this.#host.activate(this);
    }
  }

  /** Ends it. The channels keep their data but never change again. */
  close(): void {
    this.#host.remove(this);
  }

  /** @internal The server accepted it. The cursor of an empty start counts only once data came. */
  accepted(): void {
    this.#errors.delete('');
    this.#setStatus('active');
  }

  /** @internal The server refused one channel, or all of them. */
  refused(channel: string | null, error: ErrorBody): void {
    this.#errors.set(channel ?? '', error);
    const all = channel === null || this.options.channels.every((name) => this.#errors.has(name));
    if (all) {
      this.#state = 'failed';
    }
    this.#status.emit(this.#state);
  }

  /** @internal Applies one frame. Returns false if it does not fit and a snapshot is needed. */
  apply(frame: Frame): boolean {
    const touched: ChannelFeed[] = [];
    try {
      for (const change of frame.changes) {
        const feed = this.#feed(change.channel);
        feed.apply(change, frame.newest);
        // It was refused before a reconnect and is not any more.
        this.#errors.delete(change.channel);
        touched.push(feed);
      }
    } catch (error) {
      if (error instanceof MisfitError) {
        this.#cursor = null;
        return false;
      }
      throw error;
    }
    this.#cursor = frame.cursor;
    this.#position = frame.position;
    this.#time_us = frame.time;
    this.#host.touched(this, touched);
    return true;
  }

  /** @internal All that is held, as a first frame for a reader that holds nothing; null before the first frame. */
  snapshot(): Frame | null {
    if (this.#cursor === null || this.#position === null || this.#time_us === null) {
      return null;
    }
    const changes: Change[] = [];
    for (const [channel, feed] of this.#feeds) {
      const content = feed.content();
      if (content !== null) {
        const { snapshot, state } = content;
        changes.push(state === null ? { channel, snapshot } : { channel, snapshot, state });
      } else if (feed.channel.state !== null) {
        changes.push({ channel, state: feed.channel.state });
      }
    }
    return {
      type: 'frame',
      sub: 0,
      cursor: this.#cursor,
      position: this.#position,
      time: this.#time_us,
      newest: null,
      resumed: false,
      changes,
    };
  }

  /** @internal A heartbeat moved the cursor without any change. */
  advance(cursor: string): void {
    if (this.#cursor !== null) {
      this.#cursor = cursor;
    }
  }

  #feed(asked: string): ChannelFeed {
    // Frames name a tail without how much of it was asked for.
    const name = isTailChannel(asked) ? (asked.split('?')[0] as string) : asked;
    let feed = this.#feeds.get(name);
    if (feed === undefined) {
      feed = createChannel(name);
      this.#feeds.set(name, feed);
      this.#host.made?.(this, feed);
    }
    return feed;
  }

  #setStatus(status: SubscriptionStatus): void {
    if (this.#state !== status) {
      this.#state = status;
      this.#status.emit(status);
    }
  }
}
