/**
 * The newest items of a tail (`stream:`), in order, bounded; gaps are counted, never hidden.
 *
 * Items get a running number of their own, so that a list on screen knows which of them are new.
 */

import type { Cell, Column, ResetReason, TailDelta, TailSnapshot } from './protocol.js';

/** What a page keeps of a tail unless told otherwise; older items are in the log, not in the tab. */
export const TAIL_ROWS_MAX = 1_000;

/** A place where items are missing. */
export interface TailGap {
  /** The running number of the first item after the gap. */
  readonly before: number;
  readonly reason: ResetReason;
  /** How many are missing, null if nobody knows. */
  readonly missed: number | null;
}

export class TailBuffer {
  #columns: readonly Column[] = [];
  #rows: (readonly Cell[])[] = [];
  #first = 0;
  #loaded = false;
  #gaps: TailGap[] = [];
  readonly #rowsMax: number;

  constructor(rowsMax = TAIL_ROWS_MAX) {
    this.#rowsMax = rowsMax;
  }

  get loaded(): boolean {
    return this.#loaded;
  }

  get columns(): readonly Column[] {
    return this.#columns;
  }

  /** The items held, oldest first. Rows from before a column was added are shorter than `columns`. */
  get rows(): readonly (readonly Cell[])[] {
    return this.#rows;
  }

  /** The running number of `rows[0]`. */
  get first(): number {
    return this.#first;
  }

  get gaps(): readonly TailGap[] {
    return this.#gaps;
  }

  /** The items held, in the form in which the server sends a fresh join. */
  toSnapshot(): TailSnapshot {
    return { columns: this.#columns, rows: this.#rows };
  }

  /** Forgets everything, as if nothing had ever come. */
  clear(): void {
    this.#first += this.#rows.length;
    this.#rows = [];
    this.#gaps = [];
    this.#loaded = false;
  }

  /** Adds the rows to those held; a reset leaves a mark where items may be missing. */
  applySnapshot(snapshot: TailSnapshot, reset: ResetReason | undefined, missed: number | null): void {
    this.#columns = snapshot.columns;
    if (this.#rows.length > 0 && reset !== undefined) {
      this.#gaps.push({ before: this.#first + this.#rows.length, reason: reset, missed });
    }
    // A fresh join may start with rows that are already here; offsets rise, except across a reset to another log.
    const held = reset === undefined ? offsetOf(this.#rows.at(-1)) : null;
    const isNew = (row: readonly Cell[]) => held === null || (offsetOf(row) ?? 0) > held;
    this.#loaded = true;
    this.#append(snapshot.rows.filter(isNew));
  }

  applyDelta(delta: TailDelta): void {
    if (delta.columns !== undefined) {
      this.#columns = delta.columns;
    }
    this.#loaded = true;
    this.#append(delta.append);
  }

  #append(rows: readonly (readonly Cell[])[]): void {
    // Only the last `rowsMax` of a long batch can survive, so the rest is not even copied.
    const skipped = Math.max(0, rows.length - this.#rowsMax);
    this.#rows.push(...rows.slice(skipped));
    const excess = Math.max(0, this.#rows.length - this.#rowsMax);
    this.#rows.splice(0, excess);
    this.#first += skipped + excess;
    this.#gaps = this.#gaps.filter((gap) => gap.before > this.#first);
  }
}

/** The item's place in the log: the last column of every tail. */
function offsetOf(row: readonly Cell[] | undefined): number | null {
  const offset = Number(row?.at(-1) ?? Number.NaN);
  return Number.isNaN(offset) ? null : offset;
}
