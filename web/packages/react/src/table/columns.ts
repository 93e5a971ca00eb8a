/** What a table's columns are: their heads, how cells are written, how rows are sorted by them. No React. */

import type { Column } from '@pulseboard/client';
import { isNumeric } from '../format/format.js';

export type TableRow = { readonly [column: string]: unknown };

export interface DataColumn<Row extends TableRow = TableRow> {
  readonly key: keyof Row & string;
  /** Default the key. */
  readonly title?: string | undefined;
  /** Stands to the right, sorts largest first, flashes in the direction of a change. */
  readonly isNumeric?: boolean | undefined;
  /** The type on the wire, if there is one: `time`, `decimal(12,2)`, … */
  readonly type?: string | undefined;
  /** As in `formatUnit`. */
  readonly unit?: string | undefined;
  readonly format?: ((value: unknown, row: Row) => string) | undefined;
  /** Pixels, or any track of a CSS grid. */
  readonly width?: number | string | undefined;
  /** False does not flash when it changes: for ages and the like. Default true. */
  readonly flash?: boolean | undefined;
}

export interface SortOrder {
  readonly key: string;
  readonly descending: boolean;
}

/** What a row's columns look like, as a text: the same for rows of the same kind. */
export function shapeOf(row: TableRow | undefined): string {
  return JSON.stringify(Object.entries(row ?? {}).map(([key, value]) => [key, typeof value === 'number']));
}

/** The columns that a result says it has; without any word, those of the shape of its rows. */
export function columnsOf<Row extends TableRow>(columns: readonly Column[], shape: string): readonly DataColumn<Row>[] {
  if (columns.length > 0) {
    return columns.map(({ name, type }) => ({ key: name, type, isNumeric: isNumeric(type) }));
  }
  return (JSON.parse(shape) as [string, boolean][]).map(([key, numeric]) => ({ key, isNumeric: numeric }));
}

/** The keys in the order to show. What is unknown comes last, whichever way; equals keep their order. */
export function sortedKeys<Row extends TableRow>(
  rows: ReadonlyMap<string, Row>,
  sort: SortOrder | null,
): readonly string[] {
  const keys = [...rows.keys()];
  if (sort === null) {
    return keys;
  }
  const values = new Map(keys.map((key) => [key, rows.get(key)?.[sort.key]]));
  return keys.sort((a, b) => compare(values.get(a), values.get(b), sort.descending));
}

function compare(a: unknown, b: unknown, descending: boolean): number {
  const [noA, noB] = [a === null || a === undefined, b === null || b === undefined];
  if (noA || noB) {
    return Number(noA) - Number(noB);
  }
  const [x, y] = [Number(a), Number(b)];
  const way = Number.isNaN(x) || Number.isNaN(y) ? String(a).localeCompare(String(b)) : x - y;
  return descending ? -way : way;
}
