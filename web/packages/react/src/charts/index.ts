/** Drawing without React: canvases that are fed with columns and move with the clock. */

export { type Direction, directionOf, flash } from '../shared/flash.js';
export { heldOrder } from '../shared/order.js';
export { ChartClock, type ClockSource, type NowSource, WALL_CLOCK } from './chartClock.js';
export { type ColumnBounds, ColumnBuffer, type PointValues } from './columnBuffer.js';
export { type CrosshairListener, crosshair } from './crosshair.js';
export { type Drawable, drawNoMore, writeSoon } from './drawQueue.js';
export { type Glider, glide } from './glide.js';
export { HeatmapChart, type HeatmapOptions, type HeatmapRow } from './heatmap.js';
export { LineChart, type LineChartOptions } from './lineChart.js';
export { outages } from './outages.js';
export { alpha, onTheme, seriesToken, token } from './palette.js';
export { roundStep, SteadyRange, ticks } from './scale.js';
export { Sparkline, type SparklineOptions } from './sparkline.js';
export { SPARK_HEIGHT, SPARK_WIDTH, sparkArea, sparkPath } from './sparkPath.js';
export {
  type StateRow,
  type StateSpan,
  StateTimelineChart,
  type StateTimelineOptions,
  spansOf,
  stateToken,
} from './stateTimeline.js';
export { timeLabel, timeSplits } from './timeAxis.js';
