/** The panels that a board can do without: one part of the app, fetched when a board has one of them. */

export { AlertsPanel } from './alertsPanel';
export { BarListPanel } from './barListPanel';
export { BarsPanel } from './barsPanel';
export { CandlesPanel } from './candlesPanel';
export { GaugePanel } from './gaugePanel';
export { HeatmapPanel } from './heatmapPanel';
export { PercentagePanel } from './percentagePanel';
export { StateTimelinePanel } from './stateTimelinePanel';
export { TextPanel } from './textPanel';
