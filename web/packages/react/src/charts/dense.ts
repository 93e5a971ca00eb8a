/**
 * Lines with more points than the picture has pixels, drawn as what they come to: a bar from the least to the most of each column.
 *
 * A path of ten thousand points costs a frame many times over, and looks the same. Every peak stays, however narrow. The picture
 * is kept, and moves by whole columns, so that only those columns are painted of which something changed.
 */

import type uPlot from 'uplot';

/** One line and its looks. */
export interface DenseLine {
  readonly values: readonly (number | null | undefined)[];
  readonly stroke: string;
  /** What is under the line, if anything. */
  readonly fill: string | null;
  /** A hole that is at least as long as this is left open. */
  readonly longest_ms: number;
}

/** What lines are drawn with, in pixels of the canvas. */
export interface Pen {
  readonly line_px: number;
  /** How wide a column is: as a line, in whole pixels. */
  readonly column_px: number;
}

/** Where points come to lie. */
export interface Place extends Pen {
  /** How much time is a column, and which since the beginning of time is the picture's first; what is before is left out. */
  readonly column_ms: number;
  readonly first: number;
  /** How far from the top, in pixels. */
  readonly y: (value: number) => number;
  readonly longest_ms: number;
}

/**
 * Writes the pixels that the points from index `from` to index `to` take of each column: the first, and the first that is not
 * taken any more. Columns are joined to the one before unless there is a hole; where there is nothing both are 0.
 */
export function columnsOf(
  times: readonly number[],
  values: readonly (number | null | undefined)[],
  [from, to]: readonly [number, number],
  { column_ms, first, y, line_px, column_px, longest_ms }: Place,
  into: Int32Array,
): void {
  into.fill(0);
  const half_px = line_px / 2;
  // The column being filled: until when it lasts, its least and most, and where the line comes from.
  let at = Number.NaN;
  let until_ms = Number.NEGATIVE_INFINITY;
  let least = 0;
  let most = 0;
  let edge = 0;
  let last_ms = Number.NaN;
  let last = 0;
  const put = (column: number, one: number, other: number, more = one) => {
    if (column >= 0 && 2 * column < into.length) {
      const begin = Math.round(Math.min(one, other, more) - half_px);
      into[2 * column] = begin;
      into[2 * column + 1] = Math.max(begin + column_px, Math.round(Math.max(one, other, more) + half_px));
    }
  };
  for (let index = from; index <= to; index += 1) {
    const time_ms = times[index];
    const value = values[index];
    if (time_ms === undefined || value === null || value === undefined) {
      continue;
    }
    if (time_ms < until_ms) {
      // Nearly all points end here.
      if (value < least) {
        least = value;
      } else if (value > most) {
        most = value;
      }
    } else {
      put(at, y(least), y(most), edge);
      const here = Math.floor(time_ms / column_ms) - first;
      const place = y(value);
      const joined = time_ms - last_ms < longest_ms;
      const last_y = y(last);
      // Columns without a point of their own lie on the way to this one.
      const steps = joined ? Math.max(1, here - at) : 1;
      for (let step = 1; step < steps; step += 1) {
        put(at + step, last_y + ((place - last_y) * (step - 1)) / steps, last_y + ((place - last_y) * step) / steps);
      }
      edge = joined ? last_y + ((place - last_y) * (steps - 1)) / steps : place;
      at = here;
      until_ms = (here + first + 1) * column_ms;
      least = value;
      most = value;
    }
    last_ms = time_ms;
    last = value;
  }
  put(at, y(least), y(most), edge);
}

/** The dense lines of one plot. */
export class DensePicture {
  readonly #canvas = document.createElement('canvas');
  readonly #ctx = this.#canvas.getContext('2d');
  /** What every column depends on. */
  #looks = '';
  #column_ms = 0;
  /** Which column since the beginning of time is the last one. */
  #newest = 0;
  /** What is painted, line by line. */
  #painted = new Int32Array();
  #next = new Int32Array();

  /** Draws the points of all lines from one index to another into their plot. */
  draw(
    plot: uPlot,
    times: readonly number[],
    lines: readonly DenseLine[],
    range: readonly [number, number],
    { line_px, column_px }: Pen,
  ): void {
    const { bbox, scales } = plot;
    const { min: from_ms = 0, max: to_ms = 1 } = scales.x ?? {};
    const { min: low = 0, max: high = 1 } = scales.y ?? {};
    const count = Math.ceil(bbox.width / column_px);
    // A line may stick out by its own width.
    const edge_px = Math.ceil(line_px);
    const floor_px = edge_px + bbox.height;
    const up = bbox.height / ((high ?? 1) - (low ?? 0) || 1);
    const span_ms = Math.max(1, (to_ms ?? 1) - (from_ms ?? 0));
    // A span that is longer by less than half a column keeps its columns, so that what is painted still fits.
    if (Math.abs(span_ms / this.#column_ms - count) > 0.5) {
      this.#column_ms = span_ms / count;
      this.#looks = '';
    }
    const column_ms = this.#column_ms;
    const newest = Math.floor((to_ms ?? 1) / column_ms);
    const first = newest - count + 1;
    this.#fit(newest, count, floor_px + edge_px, column_px, lines);
    lines.forEach(({ values, longest_ms }, line) => {
      const place: Place = {
        column_ms,
        first,
        y: (value) => floor_px - (value - (low ?? 0)) * up,
        line_px,
        column_px,
        longest_ms,
      };
      columnsOf(times, values, range, place, this.#next.subarray(2 * count * line, 2 * count * (line + 1)));
    });
    this.#paint(count, floor_px, column_px, lines);
    plot.ctx.drawImage(this.#canvas, bbox.left, bbox.top - edge_px);
  }

  /** Makes what is painted lie where it has to by now: columns that left are gone, new ones are empty. */
  #fit(newest: number, count: number, height_px: number, column_px: number, lines: readonly DenseLine[]): void {
    const looks = JSON.stringify([count, height_px, column_px, lines.map(({ stroke, fill }) => [stroke, fill])]);
    const moved = newest - this.#newest;
    this.#newest = newest;
    if (looks !== this.#looks || moved < 0 || moved >= count) {
      this.#looks = looks;
      // Whoever is given a size is empty.
      this.#canvas.width = count * column_px;
      this.#canvas.height = height_px;
      this.#painted = new Int32Array(2 * count * lines.length);
      this.#next = new Int32Array(this.#painted.length);
    } else if (moved > 0 && this.#ctx !== null) {
      this.#ctx.globalCompositeOperation = 'copy';
      this.#ctx.drawImage(this.#canvas, -moved * column_px, 0);
      this.#ctx.globalCompositeOperation = 'source-over';
      for (let begin = 0; begin < this.#painted.length; begin += 2 * count) {
        const line = this.#painted.subarray(begin, begin + 2 * count);
        line.copyWithin(0, 2 * moved);
        line.fill(0, 2 * (count - moved));
      }
    }
  }

  /** Paints the columns of which something changed, in all lines: they lie over one another. */
  #paint(count: number, floor_px: number, column_px: number, lines: readonly DenseLine[]): void {
    const [ctx, next, painted] = [this.#ctx, this.#next, this.#painted];
    if (ctx === null) {
      return;
    }
    const changed: number[] = [];
    for (let column = 0; column < count; column += 1) {
      for (let at = 2 * column; at < next.length; at += 2 * count) {
        if (next[at] !== painted[at] || next[at + 1] !== painted[at + 1]) {
          changed.push(column);
          ctx.clearRect(column * column_px, 0, column_px, this.#canvas.height);
          break;
        }
      }
    }
    // On whole pixels: nothing has to be smoothed, which is what makes a path dear.
    lines.forEach(({ stroke, fill }, line) => {
      const begin_of = (column: number) => next[2 * (count * line + column)] ?? 0;
      const end_of = (column: number) => next[2 * (count * line + column) + 1] ?? 0;
      const rows = changed.filter((column) => end_of(column) > begin_of(column));
      if (fill !== null) {
        ctx.fillStyle = fill;
        for (const column of rows) {
          ctx.fillRect(column * column_px, begin_of(column), column_px, floor_px - begin_of(column));
        }
      }
      ctx.fillStyle = stroke;
      for (const column of rows) {
        ctx.fillRect(column * column_px, begin_of(column), column_px, end_of(column) - begin_of(column));
      }
    });
    this.#painted = next;
    this.#next = painted;
  }
}
