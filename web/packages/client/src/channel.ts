/**
 * One channel as a page sees it: its data, its state, and listeners that are called once per animation frame.
 *
 * Three kinds, told apart by `kind`: keyed results, tails, board definitions. A channel keeps its last data for as long
 * as it lives, connected or not, and may begin with what was kept from the last visit.
 */

import { Emitter } from './emitter.js';
import type { Cancel } from './environment.js';
import { KeyedTable, type TableChanges } from './keyed.js';
import {
  type BoardSnapshot,
  type Change,
  isBoardChannel,
  isTailChannel,
  type KeyedDelta,
  type KeyedSnapshot,
  type ResetReason,
  type TailDelta,
  type TailSnapshot,
  type ViewState,
} from './protocol.js';
import { TailBuffer } from './tail.js';

interface ChannelBase {
  readonly name: string;
  /** The newest state; null until the server said one. */
  readonly state: ViewState | null;
  /** Why the last snapshot replaced older data; null if none ever did. */
  readonly lastReset: ResetReason | null;
  /** Whether there is data to show. */
  readonly loaded: boolean;
  /** `_arrived_at` of the newest event known to be in the data, µs UTC; null before any. */
  readonly newest_us: number | null;
  /**
   * When the data was kept, wall-clock ms, if it is from an earlier visit and the server has sent none yet; then `state`
   * has the status `cached`. Null once it is live.
   */
  readonly storedAt_ms: number | null;
}

/** A view or a query: rows by key. */
export interface KeyedChannel extends ChannelBase {
  readonly kind: 'keyed';
  readonly table: KeyedTable;
  /** Calls at once if there is data, saying that all of it is new, and then with every change. */
  listen(listener: (changes: TableChanges) => void): Cancel;
}

/** The tail of a stream. */
export interface TailChannel extends ChannelBase {
  readonly kind: 'tail';
  readonly tail: TailBuffer;
  listen(listener: () => void): Cancel;
}

/** A board's definition. */
export interface BoardChannel extends ChannelBase {
  readonly kind: 'board';
  readonly board: BoardSnapshot | null;
  listen(listener: () => void): Cancel;
}

export type Channel = KeyedChannel | TailChannel | BoardChannel;

/** A channel's data as it is kept and handed on. */
export interface ChannelContent {
  readonly snapshot: KeyedSnapshot | TailSnapshot | BoardSnapshot;
  readonly state: ViewState | null;
  readonly newest_us: number | null;
}

/** A channel and the handles by which its subscription feeds it. */
export interface ChannelFeed {
  readonly channel: Channel;
  /**
   * Applies a change that came in a frame whose newest event is `newest_us`.
   * @throws MisfitError if the change does not fit what is held.
   */
  apply(change: Change, newest_us: number | null): void;
  /** Tells the listeners what changed since the last call. */
  flush(): void;
  /** What is held; null if nothing is. */
  content(): ChannelContent | null;
  /** Shows what was kept at `storedAt_ms` until the server sends something. Returns whether there was nothing yet. */
  restore(content: ChannelContent, storedAt_ms: number): boolean;
}

const NOTHING_CHANGED: TableChanges = { replaced: false, changed: new Map(), removed: new Set() };
const EVERYTHING_CHANGED: TableChanges = { ...NOTHING_CHANGED, replaced: true };

/** Makes the channel that `name` calls for. */
export function createChannel(name: string): ChannelFeed {
  if (isTailChannel(name)) {
    return tailFeed(name);
  }
  return isBoardChannel(name) ? boardFeed(name) : keyedFeed(name);
}

/** What differs between the kinds. */
interface Store {
  loaded(): boolean;
  apply(change: Change): void;
  snapshot(): ChannelContent['snapshot'];
  /** What was kept makes room for what is live. */
  forget(): void;
  flush(): void;
}

function keyedFeed(name: string): ChannelFeed {
  const table = new KeyedTable();
  const emitter = new Emitter<TableChanges>();
  const meta = new Meta(name, () => table.loaded);
  const listen = (listener: (changes: TableChanges) => void) => {
    if (table.loaded) {
      listener(EVERYTHING_CHANGED);
    }
    return emitter.listen(listener);
  };
  const channel: KeyedChannel = Object.assign(meta, { kind: 'keyed' as const, table, listen });
  return feed(channel, meta, {
    loaded: () => table.loaded,
    apply({ snapshot, delta }) {
      if (snapshot !== undefined) {
        table.applySnapshot(snapshot as KeyedSnapshot);
      } else if (delta !== undefined) {
        table.applyDelta(delta as KeyedDelta);
      }
    },
    snapshot: () => table.toSnapshot(),
    // The first snapshot replaces everything anyway.
    forget() {},
    flush: () => emitter.emit(table.loaded ? table.takeChanges() : NOTHING_CHANGED),
  });
}

function tailFeed(name: string): ChannelFeed {
  const tail = new TailBuffer();
  const emitter = new Emitter<void>();
  const meta = new Meta(name, () => tail.loaded);
  const listen = (listener: () => void) => emitter.listen(listener);
  const channel: TailChannel = Object.assign(meta, { kind: 'tail' as const, tail, listen });
  return feed(channel, meta, {
    loaded: () => tail.loaded,
    apply({ snapshot, delta, reset, missed }) {
      if (snapshot !== undefined) {
        tail.applySnapshot(snapshot as TailSnapshot, reset, missed ?? null);
      } else if (delta !== undefined) {
        tail.applyDelta(delta as TailDelta);
      }
    },
    snapshot: () => tail.toSnapshot(),
    // Between what was kept and what comes items may be missing, so they are not shown as one list.
    forget: () => tail.clear(),
    flush: () => emitter.emit(),
  });
}

function boardFeed(name: string): ChannelFeed {
  const emitter = new Emitter<void>();
  const meta = new Meta(name, () => channel.board !== null);
  const listen = (listener: () => void) => emitter.listen(listener);
  const channel = Object.assign(meta, { kind: 'board' as const, board: null as BoardSnapshot | null, listen });
  return feed(channel, meta, {
    loaded: () => channel.board !== null,
    apply({ snapshot }) {
      if (snapshot !== undefined) {
        channel.board = snapshot as BoardSnapshot;
      }
    },
    snapshot: () => channel.board ?? { definition_hash: '', panels: {} },
    forget() {},
    flush: () => emitter.emit(),
  });
}

function feed(channel: Channel, meta: Meta, store: Store): ChannelFeed {
  return {
    channel,
    apply(change, newest_us) {
      if (meta.storedAt_ms !== null && (change.snapshot !== undefined || change.delta !== undefined)) {
        store.forget();
        meta.forget();
      }
      store.apply(change);
      meta.note(change, newest_us);
    },
    flush: () => store.flush(),
    content: () =>
      store.loaded() ? { snapshot: store.snapshot(), state: meta.state, newest_us: meta.newest_us } : null,
    restore({ snapshot, state, newest_us }, storedAt_ms) {
      if (store.loaded() || meta.state !== null) {
        return false;
      }
      store.apply({ channel: channel.name, snapshot });
      meta.restore(state, newest_us, storedAt_ms);
      return true;
    },
  };
}

const KEPT = 'kept from the last visit';

class Meta implements ChannelBase {
  readonly name: string;
  state: ViewState | null = null;
  lastReset: ResetReason | null = null;
  newest_us: number | null = null;
  storedAt_ms: number | null = null;
  readonly #isLoaded: () => boolean;

  constructor(name: string, isLoaded: () => boolean) {
    this.name = name;
    this.#isLoaded = isLoaded;
  }

  get loaded(): boolean {
    return this.#isLoaded();
  }

  restore(state: ViewState | null, newest_us: number | null, storedAt_ms: number): void {
    this.state = { mode: 'maintained', ...state, status: 'cached', reason: KEPT };
    this.newest_us = newest_us;
    this.storedAt_ms = storedAt_ms;
  }

  forget(): void {
    this.state = null;
    this.newest_us = null;
    this.storedAt_ms = null;
  }

  note(change: Change, newest_us: number | null): void {
    this.state = change.state ?? this.state;
    this.lastReset = change.reset ?? this.lastReset;
    // A state that says what the query could see is believed. Without one, the newest event of a frame that brought data
    // is the best guess: it may have been another stream's.
    const told_us = this.state?.input_at;
    if (told_us !== undefined) {
      this.newest_us = told_us;
    } else if (newest_us !== null && (change.snapshot !== undefined || change.delta !== undefined)) {
      this.newest_us = newest_us;
    }
  }
}
