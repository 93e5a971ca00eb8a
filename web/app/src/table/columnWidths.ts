/** Column widths that only grow, so that nothing moves sideways while data runs. */

import type { Cell, Column, TableChanges } from '@pulseboard/client';
import type { RowSource } from './rows';

const SAMPLE_ROWS = 60;
const CHARS_MIN = 5;
const CHARS_MAX = 46;
/** Room beside the text, in characters. */
const PADDING_CHARS = 3;
/** The narrowest column of a table that does not stretch. */
const ROOMY_CHARS_MIN = 16;

/** How columns are written. */
export interface Written {
  /** What the column's head says. */
  readonly label: (column: Column) => string;
  readonly text: (column: Column, cell: Cell) => string;
  /** How many characters its cells come to, before any is seen. */
  readonly least_chars: (column: Column) => number;
}

/** How wide each column is, in characters. */
export class ColumnWidths {
  #names = '';
  #chars: number[] = [];
  /** The rows that were looked at. */
  #seen: ReadonlySet<string> = new Set();

  /** Looks at the first rows, of those it knows only at what `changes` names; returns whether any width changed. */
  fit(source: RowSource, ids: readonly string[], written: Written, changes: TableChanges | null = null): boolean {
    const names = source.columns.map(({ name }) => name).join('\u0000');
    let changed = names !== this.#names;
    const seen = changed || changes === null || changes.replaced ? new Set<string>() : this.#seen;
    if (changed) {
      this.#names = names;
      this.#chars = source.columns.map((column) =>
        clamp(Math.max(written.label(column).length, written.least_chars(column))),
      );
    }
    const sample = ids.slice(0, SAMPLE_ROWS);
    this.#seen = new Set(sample);
    for (const id of sample.filter((each) => !seen.has(each) || changes?.changed.has(each))) {
      source.cells(id)?.forEach((cell, index) => {
        const column = source.columns[index];
        const width = column === undefined ? 0 : clamp(written.text(column, cell).length);
        if (width > (this.#chars[index] ?? 0)) {
          this.#chars[index] = width;
          changed = true;
        }
      });
    }
    return changed;
  }

  /** What goes into `<colgroup>`, a picture's column and the empty last column included, and the width below which the table scrolls sideways. */
  layout(stretch: boolean, picture_chars = 0): { readonly widths: readonly string[]; readonly min_chars: number } {
    const wide = this.#chars.map((chars) => chars + PADDING_CHARS);
    if (picture_chars > 0) {
      wide.push(picture_chars);
    }
    const min_chars = wide.reduce((sum, chars) => sum + chars, 0);
    if (!stretch) {
      return { widths: [...wide.map((chars) => `${Math.max(ROOMY_CHARS_MIN, chars + 2)}ch`), 'auto'], min_chars };
    }
    return { widths: [...wide.map((chars) => `${(100 * chars) / min_chars}%`), '0'], min_chars };
  }
}

function clamp(chars: number): number {
  return Math.min(CHARS_MAX, Math.max(CHARS_MIN, chars));
}
