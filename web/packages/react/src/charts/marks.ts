/** What is drawn on a chart beside its lines: thresholds, and the dot at the live end of each line. */

import type uPlot from 'uplot';
import type { Thresholds } from '../format/level.js';
import { alpha, token } from './palette.js';

/** A dotted line at each value from which on something is not as it should be. */
export function drawThresholds(plot: uPlot, { warning, critical }: Thresholds): void {
  const { ctx, bbox } = plot;
  for (const [name, value] of [
    ['warning', warning],
    ['critical', critical],
  ] as const) {
    const y = value === undefined ? Number.NaN : Math.round(plot.valToPos(value, 'y', true));
    if (!(y >= bbox.top && y <= bbox.top + bbox.height)) {
      continue;
    }
    ctx.save();
    ctx.beginPath();
    ctx.setLineDash([2 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.lineWidth = devicePixelRatio;
    ctx.strokeStyle = alpha(token(name), 0.8);
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  }
}

/** The dot that marks where a line stands now. */
export function drawLiveEnd(plot: uPlot, time_ms: number, value: number, colour: string): void {
  const { ctx, bbox } = plot;
  const x = plot.valToPos(time_ms, 'x', true);
  const y = plot.valToPos(value, 'y', true);
  if (x < bbox.left) {
    return;
  }
  for (const [radius, fill] of [
    [6, alpha(colour, 0.25)],
    [3, colour],
  ] as const) {
    ctx.beginPath();
    ctx.arc(x, y, radius * devicePixelRatio, 0, 2 * Math.PI);
    ctx.fillStyle = fill;
    ctx.fill();
  }
}
