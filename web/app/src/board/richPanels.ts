/** The panels that most boards do not have: one part of the app, fetched when a board has one of them. */

export { BarListPanel } from './barListPanel';
export { CandlesPanel } from './candlesPanel';
export { GaugePanel } from './gaugePanel';
export { HeatmapPanel } from './heatmapPanel';
export { PercentagePanel } from './percentagePanel';
export { StateTimelinePanel } from './stateTimelinePanel';
