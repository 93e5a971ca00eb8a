/** What the tabs of one browser have in common: buses, locks and storage. */

import type { BusLike, LocksLike, TextStore } from '../environment.js';
import type { StateStore, StoredChannel } from '../persist.js';
import type { FakeClock } from './fakeClock.js';

interface LockQueue {
  held: boolean;
  readonly waiting: (() => void)[];
}

export class FakeBrowser {
  readonly #clock: FakeClock;
  readonly #buses = new Map<string, Set<FakeBus>>();
  readonly #locks = new Map<string, LockQueue>();
  readonly #texts = new Map<string, string>();

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  readonly memory: TextStore = {
    getItem: (name) => this.#texts.get(name) ?? null,
    setItem: (name, value) => void this.#texts.set(name, value),
  };

  openBus(name: string): FakeBus {
    const peers = this.#buses.get(name) ?? new Set();
    this.#buses.set(name, peers);
    const bus = new FakeBus(this.#clock, peers);
    peers.add(bus);
    return bus;
  }

  /** Locks as one tab sees them. `onGone` calls when the tab crashes: then it gives up all it holds and waits for. */
  locksOfTab(isGone: () => boolean, onGone: (run: () => void) => void): LocksLike {
    return {
      request: (name, { signal }, hold) => this.#request(name, () => signal.aborted || isGone(), onGone, hold),
    };
  }

  #request(
    name: string,
    gaveUp: () => boolean,
    onGone: (run: () => void) => void,
    hold: () => Promise<void>,
  ): Promise<void> {
    const queue = this.#locks.get(name) ?? { held: false, waiting: [] };
    this.#locks.set(name, queue);
    return new Promise((resolve) => {
      const take = () => {
        queue.held = true;
        const release = () => {
          queue.held = false;
          queue.waiting.shift()?.();
        };
        if (gaveUp()) {
          release();
          return;
        }
        let released = false;
        const once = () => {
          if (!released) {
            released = true;
            release();
            resolve();
          }
        };
        onGone(once);
        // The platform gives locks asynchronously, too.
        this.#clock.after(0, () => void hold().then(once, once));
      };
      if (queue.held) {
        queue.waiting.push(take);
      } else {
        take();
      }
    });
  }
}

export class FakeBus implements BusLike {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  /** Neither says nor hears anything. */
  muted = false;
  readonly #clock: FakeClock;
  readonly #peers: Set<FakeBus>;

  constructor(clock: FakeClock, peers: Set<FakeBus>) {
    this.#clock = clock;
    this.#peers = peers;
  }

  postMessage(message: unknown): void {
    for (const peer of this.#peers) {
      if (peer !== this && !this.muted) {
        // Copied now and heard later, as by a BroadcastChannel.
        const data = structuredClone(message);
        this.#clock.after(0, () => this.#peers.has(peer) && !peer.muted && peer.onmessage?.({ data }));
      }
    }
  }

  close(): void {
    this.#peers.delete(this);
  }
}

/** Keeps channels in memory, for `persist`. Hand the same one to two clients to reload a page. */
export class MemoryStateStore implements StateStore {
  readonly channels = new Map<string, StoredChannel>();

  async load(name: string): Promise<StoredChannel | null> {
    return this.channels.get(name) ?? null;
  }

  async save(channels: ReadonlyMap<string, StoredChannel>): Promise<void> {
    for (const [name, channel] of channels) {
      this.channels.set(name, structuredClone(channel));
    }
  }
}
