/** Where a line must break: an outage is a hole that is long against the usual beat and wide enough to be seen. */

/** How many usual beats without a point are an outage. */
const BEATS = 5;
/** A narrower hole than this share of the picture is not shown as one. */
const SHARE = 1 / 40;
/** The usual beat is taken from at most this many of the newest steps. */
const STEPS_MAX = 240;

/** The holes as pairs of times, each from the last point before to the first point after. `times` ascend. */
export function outages(
  times: readonly number[],
  values: readonly (number | null)[],
  range_ms: number,
): readonly (readonly [number, number])[] {
  const points = times.filter((_, at) => (values[at] ?? null) !== null);
  const steps = points.slice(1).map((time, at) => time - (points[at] ?? time));
  const usual = [...steps.slice(-STEPS_MAX)].sort((a, b) => a - b)[Math.floor(Math.min(steps.length, STEPS_MAX) / 2)];
  if (usual === undefined) {
    return [];
  }
  const longest_ms = Math.max(usual * BEATS, range_ms * SHARE);
  return steps.flatMap((step, at) => (step > longest_ms ? [[points[at] ?? 0, points[at + 1] ?? 0] as const] : []));
}
