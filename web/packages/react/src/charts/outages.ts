/** Where a line must break: an outage is a hole that is long against the usual beat and wide enough to be seen. */

/** How many usual beats without a point are an outage. */
const BEATS = 5;
/** A narrower hole than this share of the picture is not shown as one. */
const SHARE = 1 / 40;
/** The usual beat is taken from at most this many of the newest steps. */
const STEPS_MAX = 240;

/** How long a hole may be before it is an outage; infinite where there are not two points. `times` ascend. */
export function longestStep(times: readonly number[], values: readonly (number | null)[], range_ms: number): number {
  const steps: number[] = [];
  let next_ms: number | undefined;
  for (let at = times.length - 1; at >= 0 && steps.length < STEPS_MAX; at -= 1) {
    const time_ms = times[at];
    if (time_ms === undefined || (values[at] ?? null) === null) {
      continue;
    }
    if (next_ms !== undefined) {
      steps.push(next_ms - time_ms);
    }
    next_ms = time_ms;
  }
  const usual = steps.sort((a, b) => a - b)[Math.floor(steps.length / 2)];
  return usual === undefined ? Number.POSITIVE_INFINITY : Math.max(usual * BEATS, range_ms * SHARE);
}

/** The holes as pairs of times, each from the last point before to the first point after. `times` ascend. */
export function outages(
  times: readonly number[],
  values: readonly (number | null)[],
  range_ms: number,
): readonly (readonly [number, number])[] {
  const longest_ms = longestStep(times, values, range_ms);
  const holes: (readonly [number, number])[] = [];
  let before_ms: number | undefined;
  times.forEach((time_ms, at) => {
    if ((values[at] ?? null) === null) {
      return;
    }
    if (before_ms !== undefined && time_ms - before_ms > longest_ms) {
      holes.push([before_ms, time_ms]);
    }
    before_ms = time_ms;
  });
  return holes;
}
