/**
 * One keyed result as the server holds it: rows by key, an order if the query asks for one, changes since last asked.
 *
 * Applies snapshots and deltas exactly as the contract says. It knows nothing of connections, frames or painting.
 */

import type { Cell, Column, KeyedDelta, KeyedSnapshot } from './protocol.js';

export type Row = readonly Cell[];

/** What happened to a row: it is new, or these columns (by index) changed. */
export type RowChange = 'new' | ReadonlySet<number>;

/** Everything that happened to a table between two looks at it. */
export interface TableChanges {
  /** The table was replaced: `changed` and `removed` are empty, everything must be read again. */
  readonly replaced: boolean;
  readonly changed: ReadonlyMap<string, RowChange>;
  readonly removed: ReadonlySet<string>;
}

/** A delta that does not fit what is held: the reader has to ask for a snapshot. */
export class MisfitError extends Error {
  override readonly name = 'MisfitError';
}

export class KeyedTable {
  #columns: readonly Column[] = [];
  #index = new Map<string, number>();
  #rows = new Map<string, Cell[]>();
  #order: readonly string[] | null = null;
  #loaded = false;

  #replaced = false;
  #changed = new Map<string, 'new' | Set<number>>();
  #removed = new Set<string>();

  /** Whether a snapshot has ever come. Without one there is nothing to show, which is not the same as no rows. */
  get loaded(): boolean {
    return this.#loaded;
  }

  get columns(): readonly Column[] {
    return this.#columns;
  }

  get size(): number {
    return this.#rows.size;
  }

  /** Whether the query says in which order its rows are. */
  get ordered(): boolean {
    return this.#order !== null;
  }

  /** Where a column stands in a row, -1 if there is none of that name. */
  columnIndex(name: string): number {
    return this.#index.get(name) ?? -1;
  }

  row(key: string): Row | undefined {
    return this.#rows.get(key);
  }

  /** The keys in the query's order; without one, in the order they came. */
  keys(): Iterable<string> {
    return this.#order ?? this.#rows.keys();
  }

  /** The rows in the query's order. */
  *rows(): Generator<[string, Row]> {
    for (const key of this.keys()) {
      const row = this.#rows.get(key);
      if (row !== undefined) {
        yield [key, row];
      }
    }
  }

  /** Everything held, in the form in which the server sends it. */
  toSnapshot(): KeyedSnapshot {
    const snapshot = { columns: this.#columns, keys: [...this.#rows.keys()], rows: [...this.#rows.values()] };
    return this.#order === null ? snapshot : { ...snapshot, order: this.#order };
  }

  applySnapshot(snapshot: KeyedSnapshot): void {
    this.#columns = snapshot.columns;
    this.#index = new Map(snapshot.columns.map((column, index) => [column.name, index]));
    this.#rows = new Map();
    snapshot.keys.forEach((key, index) => {
      this.#rows.set(key, [...(snapshot.rows[index] ?? [])]);
    });
    this.#order = snapshot.order ?? null;
    this.#loaded = true;
    this.#replaced = true;
    this.#changed.clear();
    this.#removed.clear();
  }

  /** @throws MisfitError if there is no snapshot to change, or a column is unknown. */
  applyDelta(delta: KeyedDelta): void {
    if (!this.#loaded) {
      throw new MisfitError('no rows');
    }
    // Deletions go first: a key that is in both went and came back, and is present afterwards.
    for (const key of delta.del ?? []) {
      this.#remove(key);
    }
    for (const [key, fields] of Object.entries(delta.set ?? {})) {
      this.#set(key, fields);
    }
    if (delta.order !== undefined) {
      this.#order = delta.order;
    }
    if (this.#order !== null && this.#order.length !== this.#rows.size) {
      throw new MisfitError('other rows');
    }
  }

  /** What changed since this was last called. */
  takeChanges(): TableChanges {
    const changes = { replaced: this.#replaced, changed: this.#changed, removed: this.#removed };
    this.#replaced = false;
    this.#changed = new Map();
    this.#removed = new Set();
    return changes;
  }

  #remove(key: string): void {
    if (!this.#rows.delete(key) || this.#replaced) {
      return;
    }
    // A row that came and went between two looks was never seen; forgetting it keeps a hidden page's list short.
    if (this.#changed.get(key) !== 'new') {
      this.#removed.add(key);
    }
    this.#changed.delete(key);
  }

  #set(key: string, fields: { readonly [column: string]: Cell }): void {
    const known = this.#rows.get(key);
    if (known === undefined && this.#columns.some(({ name }) => !(name in fields))) {
      throw new MisfitError(`a part of the unknown row ${key}`);
    }
    const row = known ?? new Array<Cell>(this.#columns.length).fill(null);
    const touched = new Set<number>();
    for (const [name, value] of Object.entries(fields)) {
      const index = this.#index.get(name);
      if (index === undefined) {
        throw new MisfitError(`a delta for the unknown column ${name}`);
      }
      row[index] = value;
      touched.add(index);
    }
    if (known === undefined) {
      this.#rows.set(key, row);
    }
    if (!this.#replaced) {
      this.#note(key, known === undefined ? 'new' : touched);
    }
  }

  #note(key: string, change: 'new' | Set<number>): void {
    const earlier = this.#changed.get(key);
    if (this.#removed.delete(key) || change === 'new') {
      this.#changed.set(key, 'new');
    } else if (earlier === undefined) {
      this.#changed.set(key, change);
    } else if (earlier !== 'new') {
      for (const index of change) {
        earlier.add(index);
      }
    }
  }
}
