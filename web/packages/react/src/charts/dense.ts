/**
 * Lines with more points than the picture has pixels, drawn as what they come to: a bar from the least to the most of each column.
 *
 * A path of ten thousand points costs a frame many times over, and looks the same. Every peak stays, however narrow.
 */

import type uPlot from 'uplot';

/** So many points for each column, and it cannot be told from a line any more. */
const POINTS_PER_COLUMN = 2;

export interface DenseLook {
  readonly stroke: string;
  /** What is under the line, if anything. */
  readonly fill: string | null;
  /** In pixels of the canvas. */
  readonly line_px: number;
  /** A hole that is at least as long as this is left open. */
  readonly longest_ms: number;
}

/** How wide a column is, in pixels of the canvas: as a line is. */
function columnOf(line_px: number): number {
  return Math.max(1, Math.round(line_px));
}

/** Whether the points from one index to another are too many for a line. */
export function isDense(plot: uPlot, from: number, to: number, line_px: number): boolean {
  return to - from > (POINTS_PER_COLUMN * plot.bbox.width) / columnOf(line_px);
}

/** What one column of the picture has of a line. */
export interface Column {
  /** The left edge. */
  readonly x: number;
  readonly top: number;
  readonly bottom: number;
}

/** Where points come to lie. */
export interface Place {
  readonly x: (time_ms: number) => number;
  readonly y: (value: number) => number;
  readonly column_px: number;
  readonly longest_ms: number;
}

/** The columns of the points from index `from` to index `to`, each joined to the one before unless there is a hole. */
export function columnsOf(
  times: readonly number[],
  values: readonly (number | null | undefined)[],
  from: number,
  to: number,
  { x, y, column_px, longest_ms }: Place,
): Column[] {
  const columns: Column[] = [];
  let at = Number.NaN;
  let top = 0;
  let bottom = 0;
  let last_ms = Number.NaN;
  let last_y = 0;
  const end = () => {
    if (!Number.isNaN(at)) {
      columns.push({ x: at, top, bottom });
    }
  };
  for (let index = from; index <= to; index += 1) {
    const time_ms = times[index];
    const value = values[index];
    if (time_ms === undefined || value === null || value === undefined) {
      continue;
    }
    const here = Math.floor(x(time_ms) / column_px) * column_px;
    const place = y(value);
    if (here === at) {
      top = Math.min(top, place);
      bottom = Math.max(bottom, place);
    } else {
      end();
      const joined = time_ms - last_ms < longest_ms;
      // Columns without a point of their own lie on the way to this one.
      const steps = joined ? Math.round((here - at) / column_px) : 1;
      for (let step = 1; step < steps; step += 1) {
        const one = last_y + ((place - last_y) * (step - 1)) / steps;
        const other = last_y + ((place - last_y) * step) / steps;
        columns.push({ x: at + step * column_px, top: Math.min(one, other), bottom: Math.max(one, other) });
      }
      const before = joined ? last_y + ((place - last_y) * (steps - 1)) / steps : place;
      at = here;
      top = Math.min(before, place);
      bottom = Math.max(before, place);
    }
    last_ms = time_ms;
    last_y = place;
  }
  end();
  return columns;
}

/** Draws the points of a series of `plot` from index `from` to index `to`. */
export function drawDense(
  plot: uPlot,
  times: readonly number[],
  values: readonly (number | null | undefined)[],
  [from, to]: readonly [number, number],
  look: DenseLook,
): void {
  const { ctx, bbox, scales } = plot;
  const { min: from_ms = 0, max: to_ms = 1 } = scales.x ?? {};
  const { min: low = 0, max: high = 1 } = scales.y ?? {};
  const across = bbox.width / Math.max(1, (to_ms ?? 1) - (from_ms ?? 0));
  const up = bbox.height / ((high ?? 1) - (low ?? 0) || 1);
  const floor = bbox.top + bbox.height;
  const column_px = columnOf(look.line_px);
  const columns = columnsOf(times, values, from, to, {
    x: (time_ms) => bbox.left + (time_ms - (from_ms ?? 0)) * across,
    y: (value) => floor - (value - (low ?? 0)) * up,
    column_px,
    longest_ms: look.longest_ms,
  });
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top - look.line_px, bbox.width, bbox.height + 2 * look.line_px);
  ctx.clip();
  if (look.fill !== null) {
    ctx.fillStyle = look.fill;
    for (const { x, top } of columns) {
      ctx.fillRect(x, Math.round(top), column_px, floor - Math.round(top));
    }
  }
  // On whole pixels: nothing has to be smoothed, which is what makes a path dear.
  ctx.fillStyle = look.stroke;
  const half = look.line_px / 2;
  for (const { x, top, bottom } of columns) {
    const begin = Math.round(top - half);
    ctx.fillRect(x, begin, column_px, Math.max(column_px, Math.round(bottom + half) - begin));
  }
  ctx.restore();
}
