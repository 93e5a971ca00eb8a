/**
 * What a panel draws from: rows by key that change. A live channel is one; so is an answer that was asked for once.
 *
 * `PanelFeed` is the one that a panel holds on to while what stands behind it changes: it goes over to the better source in one
 * step, and keeps what is on screen until there is something to replace it.
 */

import { type ErrorBody, KeyedTable, type TableChanges, type ViewState } from '@pulseboard/client';
import { drawNoMore, writeSoon } from '@pulseboard/react/charts';

export interface PanelSource {
  readonly table: KeyedTable;
  readonly loaded: boolean;
  readonly state: ViewState | null;
  /** `_arrived_at` of the newest event in it, µs UTC. */
  readonly newest_us: number | null;
  /** Calls at once if there is data, saying that all of it is new, and then with every change. */
  listen(listener: (changes: TableChanges) => void): () => void;
}

/** An answer in rows, as HTTP brings it. */
export interface Rows {
  readonly columns: KeyedTable['columns'];
  readonly rows: readonly (readonly KeyedTableCell[])[];
  readonly keys?: readonly string[];
  readonly order?: readonly string[];
}
type KeyedTableCell = Parameters<KeyedTable['applySnapshot']>[0]['rows'][number][number];

export const ALL_NEW: TableChanges = { replaced: true, changed: new Map(), removed: new Set() };

/** An answer that was asked for once; or why there is none. */
export class AskedSource implements PanelSource {
  readonly table = new KeyedTable();
  state: ViewState | null = null;
  newest_us: number | null = null;
  refused: ErrorBody | null = null;
  readonly #listeners = new Set<(changes: TableChanges) => void>();

  get loaded(): boolean {
    return this.table.loaded;
  }

  answer(rows: Rows, state: ViewState | null, newest_us: number | null): void {
    const keys = rows.keys ?? rows.rows.map((_, index) => String(index));
    const order = rows.order === undefined ? {} : { order: rows.order };
    this.table.applySnapshot({ columns: rows.columns, keys, rows: rows.rows, ...order });
    this.table.takeChanges();
    this.state = state;
    this.newest_us = newest_us;
    this.refused = null;
    this.#tell();
  }

  refuse(error: ErrorBody): void {
    this.refused = error;
    this.#tell();
  }

  listen(listener: (changes: TableChanges) => void): () => void {
    this.#listeners.add(listener);
    if (this.loaded) {
      listener(ALL_NEW);
    }
    return () => this.#listeners.delete(listener);
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) {
      listener(ALL_NEW);
    }
  }
}

const NOTHING = new KeyedTable();

/** Whether it was not the server that refused, but the way to it: it is asked again. */
export function isAway({ code }: ErrorBody): boolean {
  return code === 'offline' || code === 'breaker_open';
}

/** Two changes of a table as one: whoever is told of it reads the rows as they are by then. */
function together(one: TableChanges, other: TableChanges): TableChanges {
  const changed = new Map(one.changed);
  for (const [key, columns] of other.changed) {
    const before = changed.get(key);
    const isNew = before === 'new' || columns === 'new';
    changed.set(key, isNew ? 'new' : new Set([...(before ?? []), ...columns]));
  }
  return { replaced: false, changed, removed: new Set([...one.removed, ...other.removed]) };
}

export class PanelFeed implements PanelSource {
  readonly #listeners = new Set<(changes: TableChanges) => void>();
  #live: PanelSource | null = null;
  #asked: AskedSource | null = null;
  /** What is on screen; it may be of what was followed before. */
  #shown: PanelSource | null = null;
  #stop: (() => void)[] = [];
  #version = 0;
  #untold: TableChanges | null = null;

  /** Follows other sources from now on. `asked` is shown until `live` has more than it, or for good if there is no `live`. */
  follow(live: PanelSource | null, asked: AskedSource | null): void {
    this.#leave();
    this.#live = live;
    this.#asked = asked;
    for (const source of [live, asked]) {
      if (source !== null) {
        this.#stop.push(source.listen((changes) => this.#heard(source, changes)));
      }
    }
    this.#choose();
  }

  close(): void {
    drawNoMore(this);
    this.#leave();
    this.#listeners.clear();
  }

  get table(): KeyedTable {
    return this.#shown?.table ?? NOTHING;
  }

  get loaded(): boolean {
    return this.#shown?.loaded ?? false;
  }

  /** Whether what is on screen is of what is followed now, and not what was there before. */
  get current(): boolean {
    return this.#shown !== null && (this.#shown === this.#live || this.#shown === this.#asked);
  }

  /** The state of what is followed: also while something older is still on screen. */
  get state(): ViewState | null {
    if (this.#shown !== null && this.#shown === this.#asked) {
      return this.#asked.state;
    }
    return this.#live?.state ?? this.#asked?.state ?? null;
  }

  get newest_us(): number | null {
    return this.#shown?.newest_us ?? null;
  }

  /** Why the answer asked for was not given, if nothing live stands in for it. */
  get refused(): ErrorBody | null {
    return this.#live === null ? (this.#asked?.refused ?? null) : null;
  }

  /** Rises with everything that is heard: for whoever wants to know whether anything is new. */
  get version(): number {
    return this.#version;
  }

  listen(listener: (changes: TableChanges) => void): () => void {
    this.#listeners.add(listener);
    if (this.loaded) {
      listener(ALL_NEW);
    }
    return () => this.#listeners.delete(listener);
  }

  #heard(source: PanelSource, changes: TableChanges): void {
    const before = this.#shown;
    if (this.#choose()) {
      return;
    }
    this.#version += 1;
    if (source === before) {
      this.#tell(changes);
    } else {
      // Its state may have changed, and that is shown too.
      this.#tell({ replaced: false, changed: new Map(), removed: new Set() });
    }
  }

  /** Goes over to the best there is; returns whether that is another than before. */
  #choose(): boolean {
    const live = this.#live;
    const asked = this.#asked?.loaded ? this.#asked : null;
    const filling = live?.state?.status === 'backfilling' || live?.state?.status === 'cached';
    const best = live?.loaded && !(filling && asked !== null) ? live : asked;
    // What was asked for will not come: what is on screen is of another span, and would pass for it.
    const gone = best === null && this.refused !== null && !isAway(this.refused);
    if ((best === null && !gone) || best === this.#shown) {
      return false;
    }
    this.#shown = best;
    this.#version += 1;
    this.#tell(ALL_NEW);
    return true;
  }

  /** What is new as a whole is told at once, and what changed when a frame has room for it. */
  #tell(changes: TableChanges): void {
    if (changes.replaced) {
      drawNoMore(this);
      this.#untold = null;
      this.#deliver(changes);
    } else {
      this.#untold = this.#untold === null ? changes : together(this.#untold, changes);
      writeSoon(this);
    }
  }

  /** Tells what changed since the last time. */
  draw(): void {
    const changes = this.#untold;
    this.#untold = null;
    if (changes !== null) {
      this.#deliver(changes);
    }
  }

  #deliver(changes: TableChanges): void {
    for (const listener of [...this.#listeners]) {
      listener(changes);
    }
  }

  #leave(): void {
    for (const stop of this.#stop) {
      stop();
    }
    this.#stop = [];
  }
}
