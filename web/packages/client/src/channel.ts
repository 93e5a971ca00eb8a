/**
 * One channel as a page sees it: its data, its state, and listeners that are called once per animation frame.
 *
 * Three kinds, told apart by `kind`: keyed results, tails, board definitions. A channel keeps its last data for as long
 * as it lives, connected or not.
 */

import { Emitter } from './emitter';
import type { Cancel } from './environment';
import { KeyedTable, type TableChanges } from './keyed';
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
} from './protocol';
import { TailBuffer } from './tail';

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

function keyedFeed(name: string): ChannelFeed {
  const table = new KeyedTable();
  const emitter = new Emitter<TableChanges>();
  const meta = createMeta();
  const channel: KeyedChannel = {
    kind: 'keyed',
    name,
    table,
    get state() {
      return meta.state;
    },
    get lastReset() {
      return meta.lastReset;
    },
    get newest_us() {
      return meta.newest_us;
    },
    get loaded() {
      return table.loaded;
    },
    listen(listener) {
      if (table.loaded) {
        listener(EVERYTHING_CHANGED);
      }
      return emitter.listen(listener);
    },
  };
  return {
    channel,
    apply(change, newest_us) {
      if (change.snapshot !== undefined) {
        table.applySnapshot(change.snapshot as KeyedSnapshot);
      } else if (change.delta !== undefined) {
        table.applyDelta(change.delta as KeyedDelta);
      }
      note(meta, change, newest_us);
    },
    flush() {
      emitter.emit(table.loaded ? table.takeChanges() : NOTHING_CHANGED);
    },
  };
}

function tailFeed(name: string): ChannelFeed {
  const tail = new TailBuffer();
  const emitter = new Emitter<void>();
  const meta = createMeta();
  const channel: TailChannel = {
    kind: 'tail',
    name,
    tail,
    get state() {
      return meta.state;
    },
    get lastReset() {
      return meta.lastReset;
    },
    get newest_us() {
      return meta.newest_us;
    },
    get loaded() {
      return tail.loaded;
    },
    listen: (listener) => emitter.listen(listener),
  };
  return {
    channel,
    apply(change, newest_us) {
      if (change.snapshot !== undefined) {
        tail.applySnapshot(change.snapshot as TailSnapshot, change.reset, change.missed ?? null);
      } else if (change.delta !== undefined) {
        tail.applyDelta(change.delta as TailDelta);
      }
      note(meta, change, newest_us);
    },
    flush: () => emitter.emit(),
  };
}

function boardFeed(name: string): ChannelFeed {
  const emitter = new Emitter<void>();
  const meta = createMeta();
  let board: BoardSnapshot | null = null;
  const channel: BoardChannel = {
    kind: 'board',
    name,
    get board() {
      return board;
    },
    get state() {
      return meta.state;
    },
    get lastReset() {
      return meta.lastReset;
    },
    get newest_us() {
      return meta.newest_us;
    },
    get loaded() {
      return board !== null;
    },
    listen: (listener) => emitter.listen(listener),
  };
  return {
    channel,
    apply(change, newest_us) {
      if (change.snapshot !== undefined) {
        board = change.snapshot as BoardSnapshot;
      }
      note(meta, change, newest_us);
    },
    flush: () => emitter.emit(),
  };
}

interface Meta {
  state: ViewState | null;
  lastReset: ResetReason | null;
  newest_us: number | null;
}

function createMeta(): Meta {
  return { state: null, lastReset: null, newest_us: null };
}

function note(meta: Meta, change: Change, newest_us: number | null): void {
  if (change.state !== undefined) {
    meta.state = change.state;
  }
  if (change.reset !== undefined) {
    meta.lastReset = change.reset;
  }
  // A state that says what the query could see is believed. Without one, the newest event of a frame that brought data
  // is the best guess: it may have been another stream's.
  const told_us = meta.state?.input_at;
  if (told_us !== undefined) {
    meta.newest_us = told_us;
  } else if (newest_us !== null && (change.snapshot !== undefined || change.delta !== undefined)) {
    meta.newest_us = newest_us;
  }
}
