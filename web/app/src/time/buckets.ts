/**
 * How wide the server makes the buckets of a range: the narrowest width on its list that needs no more of them than a chart has room for.
 *
 * The page works it out itself so that it knows the name of the live channel before the first answer. See docs/guide/ranges.md.
 */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const WIDTHS: readonly (readonly [number, string])[] = [
  ...[1, 2, 5, 10, 15, 30].map((n) => [n * 1_000, `${n} second${n === 1 ? '' : 's'}`] as const),
  ...[1, 2, 5, 10, 15, 30].map((n) => [n * MINUTE, `${n} minute${n === 1 ? '' : 's'}`] as const),
  ...[1, 2, 3, 6, 12].map((n) => [n * HOUR, `${n} hour${n === 1 ? '' : 's'}`] as const),
  ...[1, 2, 7, 14].map((n) => [n * DAY, `${n} day${n === 1 ? '' : 's'}`] as const),
  ...[1, 2, 3, 6].map((n) => [n * 30 * DAY, `${n} month${n === 1 ? '' : 's'}`] as const),
];

/** The width in ms and as the server writes it. */
export function bucketFor(length_ms: number, points: number): { readonly width_ms: number; readonly text: string } {
  const [width_ms, text] = WIDTHS.find(([width]) => length_ms / width <= points) ?? [365 * DAY, '1 year'];
  return { width_ms, text };
}
