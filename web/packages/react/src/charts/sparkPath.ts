/** The outline of a small line as SVG has it, in a box of its own that is stretched to its place. No React, no page. */

export const SPARK_WIDTH = 100;
export const SPARK_HEIGHT = 32;
/** Room for the line's own width at the edges. */
const EDGE = 2;
/** Below this part of its own size a series counts as flat and lies low, instead of magnifying noise. */
const FLAT = 0.0005;

/** The line's parts: an unknown value breaks it. */
export function sparkPath(
  values: readonly (number | null | undefined)[],
  min?: number,
  max?: number,
): readonly string[] {
  const known = values.filter((value): value is number => typeof value === 'number' && Number.isFinite(value));
  if (known.length === 0) {
    return [];
  }
  const low = Math.min(min ?? Number.POSITIVE_INFINITY, ...known);
  const high = Math.max(max ?? Number.NEGATIVE_INFINITY, ...known);
  const span = high - low;
  const isFlat = span <= Math.abs(high) * FLAT;
  const step = SPARK_WIDTH / Math.max(1, values.length - 1);
  const place = (value: number) => {
    const part = isFlat ? 0.2 : (value - low) / span;
    return SPARK_HEIGHT - EDGE - part * (SPARK_HEIGHT - 2 * EDGE);
  };
  const parts: string[][] = [[]];
  values.forEach((value, index) => {
    if (typeof value === 'number' && Number.isFinite(value)) {
      parts.at(-1)?.push(`${round(index * step)} ${round(place(value))}`);
    } else if (parts.at(-1)?.length !== 0) {
      parts.push([]);
    }
  });
  return parts.filter((part) => part.length > 1).map((part) => `M${part.join('L')}`);
}

/** What lies under a part of a line. */
export function sparkArea(path: string): string {
  const points = path.slice(1).split('L');
  const x = (point: string | undefined) => point?.split(' ')[0] ?? '0';
  return `${path}L${x(points.at(-1))} ${SPARK_HEIGHT}L${x(points[0])} ${SPARK_HEIGHT}Z`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
