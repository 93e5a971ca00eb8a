/** Which column of a result is which, where a panel does not say: by type, and by what is left. */

import { type Cell, type KeyedTable, numeric } from '@pulseboard/client';
import type { Panel } from '../shared/api';

const NUMBERS = /^(int|float|decimal|duration)/;

/** The column of time, if there is one. */
export function timeColumn({ options }: Panel, table: KeyedTable): string | null {
  return options?.time ?? table.columns.find(({ type }) => type === 'time')?.name ?? null;
}

/** The column of names. */
export function labelColumn({ options }: Panel, table: KeyedTable): string | null {
  return options?.label ?? table.columns.find(({ type }) => type === 'string')?.name ?? null;
}

/** The column of the value: the one that is said, else the first number that is none of `taken`. */
export function valueColumn(
  { options }: Panel,
  table: KeyedTable,
  taken: readonly (string | null | undefined)[],
): string {
  const free = table.columns.filter(({ name }) => !taken.includes(name));
  return options?.value ?? (free.find(({ type }) => NUMBERS.test(type)) ?? free[0])?.name ?? '';
}

/** Reads cells of a row by the name of their column. */
export function cellReader(table: KeyedTable, row: readonly Cell[]): (column: string) => Cell {
  return (column) => row[table.columnIndex(column)] ?? null;
}

/** A number that an option gives, by itself or by the column that has it. */
export function optionNumber(option: number | string | undefined, cell: (column: string) => Cell): number | undefined {
  return typeof option === 'string' ? (numeric(cell(option)) ?? undefined) : option;
}
