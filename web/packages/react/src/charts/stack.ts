/** Columns on top of each other: each series stands on the sum of those before it. */

/** Where nothing is known of any series there is a gap; one that is unknown beside others adds nothing. */
export function stacked(columns: readonly (readonly (number | null)[])[]): (number | null)[][] {
  const sums: (number | null)[] = [];
  return columns.map((values) =>
    values.map((value, index) => {
      const below = sums[index] ?? null;
      sums[index] = value === null && below === null ? null : (below ?? 0) + (value ?? 0);
      return sums[index] ?? null;
    }),
  );
}
