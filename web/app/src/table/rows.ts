/** What a table can show: rows by id in an order, seen through one interface whether keyed or a tail. */

import type { Cell, Column, KeyedTable, TailBuffer } from '@pulseboard/client';

export interface RowSource {
  readonly columns: readonly Column[];
  /** Whether ids are running numbers, so that the highest are the newest. */
  readonly numbered: boolean;
  /** Whether rows keep their places as long as none comes or goes. */
  readonly steady: boolean;
  /** The ids in the order to show. */
  ids(): readonly string[];
  /** The cells of a row; null for a row that is a message. */
  cells(id: string): readonly Cell[] | null;
  /** The text of a row that is a message. */
  message(id: string): string;
}

export class KeyedRows implements RowSource {
  readonly numbered = false;
  readonly #table: KeyedTable;

  constructor(table: KeyedTable) {
    this.#table = table;
  }

  get columns(): readonly Column[] {
    return this.#table.columns;
  }

  get steady(): boolean {
    return !this.#table.ordered;
  }

  ids(): readonly string[] {
    return [...this.#table.keys()];
  }

  cells(id: string): readonly Cell[] | null {
    return this.#table.row(id) ?? null;
  }

  message(): string {
    return '';
  }
}

/** The newest items on top; a gap is a row of its own. */
export class TailRows implements RowSource {
  readonly numbered = true;
  readonly steady = false;
  readonly #tail: TailBuffer;

  constructor(tail: TailBuffer) {
    this.#tail = tail;
  }

  get columns(): readonly Column[] {
    return this.#tail.columns;
  }

  ids(): readonly string[] {
    const gaps = new Set(this.#tail.gaps.map(({ before }) => before));
    const ids: string[] = [];
    for (let index = this.#tail.rows.length; index >= 0; index -= 1) {
      const number = this.#tail.first + index;
      if (index < this.#tail.rows.length) {
        ids.push(String(number));
      }
      if (gaps.has(number)) {
        ids.push(`gap ${number}`);
      }
    }
    return ids;
  }

  cells(id: string): readonly Cell[] | null {
    return this.#tail.rows[Number(id) - this.#tail.first] ?? null;
  }

  message(id: string): string {
    const gap = this.#tail.gaps.find(({ before }) => id === `gap ${before}`);
    const missed = gap?.missed === null || gap === undefined ? 'events' : `${gap.missed} events`;
    return `${missed} missing here (${gap?.reason ?? 'gap'})`;
  }
}
