/**
 * The last known data, kept across reloads: what a page shows, dimmed and with its age, until the server says something.
 *
 * Saves what changed a few times a minute and when the page goes. Nothing that is kept is ever taken for live: a channel
 * that begins with it says so, and the first snapshot replaces it.
 */

import type { ChannelContent, ChannelFeed } from './channel.js';
import type { Cancel, Environment } from './environment.js';

/** One channel as it is kept. */
export interface StoredChannel extends ChannelContent {
  readonly version: 1;
  /** Wall-clock ms. */
  readonly savedAt_ms: number;
}

/** Where channels are kept. Failing is allowed: then there is nothing to show after a reload. */
export interface StateStore {
  load(name: string): Promise<StoredChannel | null>;
  save(channels: ReadonlyMap<string, StoredChannel>): Promise<void>;
}

const SAVE_EVERY_MS = 5_000;
/** What is older than this is not shown any more. */
const AGE_MS_MAX = 7 * 24 * 3_600_000;
/** A result with more rows is not kept: writing it again and again would be felt. */
const ROWS_MAX = 5_000;

export class Keeper {
  readonly #store: StateStore;
  readonly #environment: Environment;
  readonly #server: string;
  readonly #dirty = new Set<ChannelFeed>();
  readonly #stopLeave: Cancel;
  #cancelSave: Cancel | null = null;

  constructor(store: StateStore, environment: Environment, base: URL) {
    this.#store = store;
    this.#environment = environment;
    this.#server = base.href;
    this.#stopLeave = environment.onLeave(() => this.#save());
  }

  /** Fills a channel that has nothing yet, if something was kept, and calls `restored`. */
  async restore(feed: ChannelFeed, restored: () => void): Promise<void> {
    const stored = await this.#store.load(this.#nameOf(feed)).catch(() => null);
    const age_ms = this.#environment.now() - (stored?.savedAt_ms ?? 0);
    if (stored?.version === 1 && age_ms < AGE_MS_MAX && feed.restore(stored, stored.savedAt_ms)) {
      restored();
    }
  }

  touched(feeds: readonly ChannelFeed[]): void {
    for (const feed of feeds) {
      this.#dirty.add(feed);
    }
    // A tab that nobody looks at has saved when it was hidden, and will when it goes; ten of them would write the same.
    if (!this.#environment.hidden()) {
      this.#cancelSave ??= this.#environment.after(SAVE_EVERY_MS, () => this.#save());
    }
  }

  close(): void {
    this.#save();
    this.#stopLeave();
  }

  #save(): void {
    this.#cancelSave?.();
    this.#cancelSave = null;
    const savedAt_ms = this.#environment.now();
    const channels = new Map<string, StoredChannel>();
    for (const feed of this.#dirty) {
      const content = feed.content();
      if (content !== null && rowsOf(content) <= ROWS_MAX) {
        channels.set(this.#nameOf(feed), { version: 1, savedAt_ms, ...content });
      }
    }
    this.#dirty.clear();
    if (channels.size > 0) {
      this.#store.save(channels).catch(() => {});
    }
  }

  #nameOf(feed: ChannelFeed): string {
    return `${this.#server} ${feed.channel.name}`;
  }
}

function rowsOf({ snapshot }: ChannelContent): number {
  return 'rows' in snapshot ? snapshot.rows.length : 0;
}
