/** Column widths that only grow, so that nothing moves sideways while data runs. */

import type { Column } from '@pulseboard/client';
import { type CellStyle, formatCell, isNumeric } from '@pulseboard/react/format';
import type { RowSource } from './rows';

const SAMPLE_ROWS = 60;
const CHARS_MIN = 5;
const CHARS_MAX = 46;
/** Room beside the text, in characters. */
const PADDING_CHARS = 3;
/** The narrowest column of a table that does not stretch. */
const ROOMY_CHARS_MIN = 16;

/** How wide each column is, in characters. */
export class ColumnWidths {
  #names = '';
  #chars: number[] = [];

  /** Looks at the first rows; returns whether any width changed. */
  fit(source: RowSource, ids: readonly string[], style: (column: Column) => CellStyle): boolean {
    const names = source.columns.map(({ name }) => name).join('\u0000');
    let changed = names !== this.#names;
    if (changed) {
      this.#names = names;
      this.#chars = source.columns.map(({ name, type }) => clamp(Math.max(name.length, type === 'time' ? 12 : 0)));
    }
    for (const id of ids.slice(0, SAMPLE_ROWS)) {
      source.cells(id)?.forEach((cell, index) => {
        const column = source.columns[index];
        const width = column === undefined ? 0 : clamp(formatCell(cell, style(column)).length);
        if (width > (this.#chars[index] ?? 0)) {
          this.#chars[index] = width;
          changed = true;
        }
      });
    }
    return changed;
  }

  /** What goes into `<colgroup>`, the empty last column included, and the width below which the table scrolls sideways. */
  layout(
    columns: readonly Column[],
    stretch: boolean,
  ): { readonly widths: readonly string[]; readonly min_chars: number } {
    const wide = this.#chars.map((chars) => chars + PADDING_CHARS);
    const min_chars = wide.reduce((sum, chars) => sum + chars, 0);
    if (!stretch) {
      return { widths: [...wide.map((chars) => `${Math.max(ROOMY_CHARS_MIN, chars + 2)}ch`), 'auto'], min_chars };
    }
    // Text columns take more of the room that is left over than numbers do.
    const weights = wide.map((chars, index) => chars * (isNumeric(columns[index]?.type ?? '') ? 1 : 1.35));
    const weight = weights.reduce((sum, each) => sum + each, 0);
    // As wide as the weights together, every column still gets the characters it needs.
    return { widths: [...weights.map((each) => `${(100 * each) / weight}%`), '0'], min_chars: weight };
  }
}

function clamp(chars: number): number {
  return Math.min(CHARS_MAX, Math.max(CHARS_MIN, chars));
}
