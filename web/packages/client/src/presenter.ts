/**
 * Hands out what came in: listeners are called once per animation frame, however many frames came, and how long the
 * newest event took to the screen is measured.
 */

import type { ChannelFeed } from './channel.js';
import { LatencyEstimate, type ServerClock } from './clock.js';
import { Emitter } from './emitter.js';
import type { Cancel, Environment } from './environment.js';
import type { Frame } from './protocol.js';

/** What is said of each batch of frames once listeners have been called. */
export interface FrameInfo {
  /** The server's clock of the newest frame in the batch, µs UTC. */
  readonly time_us: number;
  readonly position: string;
}

export class Presenter {
  readonly #environment: Environment;
  readonly #clock: ServerClock;
  readonly #frames = new Emitter<FrameInfo>();
  readonly #latency = new LatencyEstimate();
  readonly #dirty = new Set<ChannelFeed>();
  #cancelFlush: Cancel | null = null;
  #pendingInfo: FrameInfo | null = null;
  /** `_arrived_at` in ms of the newest live event that the next flush shows. */
  #pendingNewest_ms: number | null = null;
  #lastFrameAt_ms: number | null = null;

  constructor(environment: Environment, clock: ServerClock) {
    this.#environment = environment;
    this.#clock = clock;
  }

  get latency_ms(): number | null {
    return this.#latency.median_ms;
  }

  get lastFrameAt_ms(): number | null {
    return this.#lastFrameAt_ms;
  }

  onFrame(listener: (info: FrameInfo) => void): Cancel {
    return this.#frames.listen(listener);
  }

  markDirty(feeds: readonly ChannelFeed[]): void {
    for (const feed of feeds) {
      this.#dirty.add(feed);
    }
    this.#cancelFlush ??= this.#environment.nextFrame(() => this.#flush());
  }

  /** A frame came in. */
  received(frame: Frame): void {
    this.#lastFrameAt_ms = this.#environment.now();
    this.#clock.observeFrame(frame.time / 1_000, this.#lastFrameAt_ms);
  }

  /** It was applied; `first` if there was nothing before it. */
  applied(frame: Frame, first: 'first' | 'later'): void {
    this.#pendingInfo = { time_us: frame.time, position: frame.position };
    const isLive =
      first === 'later' && frame.resumed !== true && frame.changes.every(({ reset }) => reset === undefined);
    if (isLive && frame.newest !== null) {
      this.#pendingNewest_ms = frame.newest / 1_000;
    }
  }

  close(): void {
    this.#cancelFlush?.();
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
      this.#environment.afterPaint(() =>
        this.#latency.record(this.#clock.serverTime(this.#environment.now()) - newest_ms),
      );
    }
  }
}
