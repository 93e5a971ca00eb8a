/**
 * Whether a line has so many points that it is drawn by columns. What draws it is only fetched by whoever shows one.
 */

import type uPlot from 'uplot';
import type { DensePicture } from './dense.js';

/** So many points for each column, and it cannot be told from a line any more. */
const POINTS_PER_COLUMN = 2;

/** How wide a column is, in pixels of the canvas: as a line is. */
export function columnPx(line_px: number): number {
  return Math.max(1, Math.round(line_px));
}

/** Whether the points from one index to another are too many for a line. */
export function isDense(plot: uPlot, from: number, to: number, line_px: number): boolean {
  return to - from > (POINTS_PER_COLUMN * plot.bbox.width) / columnPx(line_px);
}

let Picture: typeof DensePicture | null = null;

/** A picture to draw dense lines into; null while what draws them is on its way: `there` is called when it has come. */
export function densePicture(there: () => void): DensePicture | null {
  if (Picture === null) {
    import('./dense.js').then(
      (dense) => {
        Picture = dense.DensePicture;
        there();
      },
      // The server is away: asked for again with the next picture.
      () => {},
    );
    return null;
  }
  return new Picture();
}
