/**
 * Columns for charts: a keyed result with a time column, turned into sorted times and one array of values per series.
 *
 * Fed with the changes of a table once per frame; touches only what changed. A missing value is null, never 0.
 */

import type { KeyedTable, Row, TableChanges } from './keyed.js';
import type { Cell } from './protocol.js';

export interface SeriesShape {
  /** The column with the time. */
  readonly time: string;
  /** The column whose values name the series; without one, each value column is a series. */
  readonly by: string | null;
  /** The columns with the values. With `by` only the first is used. */
  readonly values: readonly string[];
}

export interface Series {
  readonly name: string;
  readonly values: (number | null)[];
}

/** Which points a row wrote. */
interface Place {
  readonly time_ms: number;
  readonly series: readonly number[];
}

export class SeriesBuffer {
  readonly #shape: SeriesShape;
  #times: number[] = [];
  #series: Series[] = [];
  #byName = new Map<string, number>();
  #places = new Map<string, Place>();
  #timeIndex = -1;
  #byIndex = -1;
  #valueIndexes: number[] = [];

  constructor(shape: SeriesShape) {
    this.#shape = shape;
  }

  /** Times in ms, ascending, each once. */
  get times(): readonly number[] {
    return this.#times;
  }

  /** The series in natural order of their names (`core 2` before `core 10`). */
  get series(): readonly Series[] {
    return this.#series;
  }

  /** Brings the columns up to date. Returns whether the set of series changed. */
  apply(table: KeyedTable, changes: TableChanges): boolean {
    if (changes.replaced) {
      return this.#rebuild(table);
    }
    const count = this.#series.length;
    for (const key of changes.removed) {
      this.#clear(key);
    }
    for (const key of changes.changed.keys()) {
      this.#clear(key);
      const row = table.row(key);
      if (row !== undefined) {
        this.#write(key, row);
      }
    }
    this.#compact();
    if (this.#series.length !== count) {
      this.#sortSeries();
      return true;
    }
    return false;
  }

  #rebuild(table: KeyedTable): boolean {
    const before = this.#series.map((series) => series.name).join('\u0000');
    this.#times = [];
    this.#series = [];
    this.#byName.clear();
    this.#places.clear();
    this.#timeIndex = table.columnIndex(this.#shape.time);
    this.#byIndex = this.#shape.by === null ? -1 : table.columnIndex(this.#shape.by);
    this.#valueIndexes = this.#shape.values.map((name) => table.columnIndex(name));
    if (this.#shape.by === null) {
      for (const name of this.#shape.values) {
        this.#seriesIndex(name);
      }
    }
    // In order of time every point lands at the end, which spares an insertion in the middle for each.
    const rows = [...table.rows()].sort(([, a], [, b]) => this.#time(a) - this.#time(b));
    for (const [key, row] of rows) {
      this.#write(key, row);
    }
    this.#sortSeries();
    return before !== this.#series.map((series) => series.name).join('\u0000');
  }

  #time(row: Row): number {
    return numeric(row[this.#timeIndex] ?? null) ?? Number.NaN;
  }

  #write(key: string, row: Row): void {
    const time_us = this.#time(row);
    if (Number.isNaN(time_us)) {
      return;
    }
    const time_ms = time_us / 1_000;
    const at = this.#slot(time_ms);
    const written: number[] = [];
    if (this.#shape.by === null) {
      this.#valueIndexes.forEach((column, series) => {
        this.#put(series, at, row[column] ?? null);
        written.push(series);
      });
    } else {
      const series = this.#seriesIndex(String(row[this.#byIndex] ?? '–'));
      this.#put(series, at, row[this.#valueIndexes[0] ?? -1] ?? null);
      written.push(series);
    }
    this.#places.set(key, { time_ms, series: written });
  }

  #put(series: number, at: number, cell: Cell): void {
    const target = this.#series[series];
    if (target !== undefined) {
      target.values[at] = numeric(cell);
    }
  }

  #clear(key: string): void {
    const place = this.#places.get(key);
    if (place === undefined) {
      return;
    }
    this.#places.delete(key);
    const at = this.#find(place.time_ms);
    for (const series of place.series) {
      const values = this.#series[series]?.values;
      if (values !== undefined && this.#times[at] === place.time_ms) {
        values[at] = null;
      }
    }
  }

  /** Drops the times at the front that no series has a value for any more: a window that moved on. */
  #compact(): void {
    let empty = 0;
    while (empty < this.#times.length && this.#series.every((series) => series.values[empty] == null)) {
      empty += 1;
    }
    if (empty > 0) {
      this.#times.splice(0, empty);
      for (const series of this.#series) {
        series.values.splice(0, empty);
      }
    }
  }

  #slot(time_ms: number): number {
    const at = this.#find(time_ms);
    if (this.#times[at] !== time_ms) {
      this.#times.splice(at, 0, time_ms);
      for (const series of this.#series) {
        series.values.splice(at, 0, null);
      }
    }
    return at;
  }

  /** The first place whose time is not before `time_ms`. New points mostly belong at the end. */
  #find(time_ms: number): number {
    let low = 0;
    let high = this.#times.length;
    const last = this.#times[high - 1];
    if (last === undefined || last < time_ms) {
      return high;
    }
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#times[middle] ?? 0) < time_ms) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  #seriesIndex(name: string): number {
    const known = this.#byName.get(name);
    if (known !== undefined) {
      return known;
    }
    const index = this.#series.length;
    this.#byName.set(name, index);
    this.#series.push({ name, values: new Array<number | null>(this.#times.length).fill(null) });
    return index;
  }

  /** Only series named by data are sorted; value columns keep the order they were asked for in. */
  #sortSeries(): void {
    if (this.#shape.by === null) {
      return;
    }
    const before = this.#series;
    const order = before
      .map((series, index) => ({ series, index }))
      .sort((a, b) => a.series.name.localeCompare(b.series.name, 'en', { numeric: true }));
    const moved = new Map(order.map(({ index }, to) => [index, to]));
    this.#series = order.map(({ series }) => series);
    this.#byName = new Map(this.#series.map((series, index) => [series.name, index]));
    for (const [key, place] of this.#places) {
      const series = place.series.map((index) => moved.get(index) ?? index);
      this.#places.set(key, { time_ms: place.time_ms, series });
    }
  }
}

/** A cell as a number, for drawing: large integers and decimals lose digits here and nowhere else. */
export function numeric(cell: Cell): number | null {
  if (typeof cell === 'number') {
    return cell;
  }
  if (typeof cell === 'string' && cell !== '') {
    const value = Number(cell);
    return Number.isFinite(value) ? value : null;
  }
  return null;
}
