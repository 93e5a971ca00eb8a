/** Options that may be a number or the name of a column that has it. */

/** The number, if it is one. */
export function numberOf(option: number | string | undefined): number | undefined {
  return typeof option === 'number' ? option : undefined;
}

/** The column, if it is one. */
export function columnOf(option: number | string | undefined): string | undefined {
  return typeof option === 'string' ? option : undefined;
}
