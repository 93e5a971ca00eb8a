/**
 * Columns that grow at their end: points are appended one at a time, the oldest go at the bounds. Knows no chart.
 *
 * A series that a point says nothing of has null there: unknown is a gap, never zero.
 */

import type { Series } from '@pulseboard/client';

export interface ColumnBounds {
  /** How many points are kept. */
  readonly points_max: number;
  /** How far back from the newest point they reach. */
  readonly range_ms?: number | undefined;
}

/** What one point says: a value, one per series in order, or by name. */
export type PointValues = number | null | readonly (number | null)[] | { readonly [series: string]: number | null };

/** The name of a series that has none. */
export const ONLY_SERIES = 'value';

export class ColumnBuffer {
  readonly #bounds: ColumnBounds;
  #times: number[] = [];
  #series: { name: string; values: (number | null)[] }[] = [];

  constructor(bounds: ColumnBounds) {
    this.#bounds = bounds;
  }

  get times(): readonly number[] {
    return this.#times;
  }

  get series(): readonly Series[] {
    return this.#series;
  }

  /** A point at the time of the last one replaces what it says; an older one is left out. */
  append(time_ms: number, values: PointValues): void {
    const last_ms = this.#times.at(-1);
    if (last_ms !== undefined && time_ms < last_ms) {
      return;
    }
    if (time_ms !== last_ms) {
      this.#times.push(time_ms);
      for (const series of this.#series) {
        series.values.push(null);
      }
    }
    for (const [name, value] of this.#named(values)) {
      this.#column(name)[this.#times.length - 1] = value;
    }
    this.#trim();
  }

  /** Takes over whole columns, cut to the bounds. */
  set(
    times: readonly number[],
    series: readonly { readonly name: string; readonly values: readonly (number | null)[] }[],
  ): void {
    this.#times = [...times];
    this.#series = series.map(({ name, values }) => ({ name, values: [...values] }));
    this.#trim();
  }

  clear(): void {
    this.#times = [];
    this.#series = [];
  }

  #named(values: PointValues): readonly (readonly [string, number | null])[] {
    if (values === null || typeof values === 'number') {
      return [[this.#series[0]?.name ?? ONLY_SERIES, values]];
    }
    return Array.isArray(values)
      ? values.map(
          (value: number | null, index) => [this.#series[index]?.name ?? `series ${index + 1}`, value] as const,
        )
      : Object.entries(values);
  }

  #column(name: string): (number | null)[] {
    let series = this.#series.find((each) => each.name === name);
    if (series === undefined) {
      series = { name, values: new Array<number | null>(this.#times.length).fill(null) };
      this.#series.push(series);
    }
    return series.values;
  }

  #trim(): void {
    const { points_max, range_ms } = this.#bounds;
    const from_ms = range_ms === undefined ? Number.NEGATIVE_INFINITY : (this.#times.at(-1) ?? 0) - range_ms;
    // One point before the range stays, so that the line reaches the edge.
    const old = Math.max(0, this.#times.findIndex((time_ms) => time_ms >= from_ms) - 1);
    const excess = Math.max(old, this.#times.length - points_max);
    if (excess > 0) {
      this.#times.splice(0, excess);
      for (const { values } of this.#series) {
        values.splice(0, excess);
      }
    }
  }
}
