/** Live Pulseboard data in React: everything but the SWR integration. Only what is used is bundled. */

export { type AlertItem, AlertList, type AlertListProps, type Severity, sortAlerts } from './components/alertList.js';
export { AnimatedNumber, type AnimatedNumberProps } from './components/animatedNumber.js';
export { BarList, type BarListItem, type BarListProps } from './components/barList.js';
export {
  ChartLegend,
  type ChartLegendProps,
  type LegendEntry,
  type LegendFigure,
  seriesFigures,
} from './components/chartLegend.js';
export { ConnectionStatus, type ConnectionStatusProps } from './components/connectionStatus.js';
export { FlashingValue, type FlashingValueProps } from './components/flashingValue.js';
export { Gauge, type GaugeProps } from './components/gauge.js';
export { Heatmap, type HeatmapData, type HeatmapProps } from './components/heatmap.js';
export {
  type ChannelColumns,
  LiveChart,
  type LiveChartColumns,
  type LiveChartHandle,
  type LiveChartPoint,
  type LiveChartProps,
} from './components/liveChart.js';
export { MetricCard, type MetricCardProps } from './components/metricCard.js';
export { PercentageBar, type PercentageBarProps } from './components/percentageBar.js';
export { PriceTicker, type PriceTickerProps } from './components/priceTicker.js';
export { Sparkline, type SparklineProps } from './components/sparkline.js';
export { StateTimeline, type StateTimelineProps } from './components/stateTimeline.js';
export { TrendMark, type TrendMarkProps } from './components/trendMark.js';
export * from './fetch/index.js';
export * from './format/index.js';
export * from './hooks/index.js';
export type { Candle } from './price/candle.js';
export { PriceChart, type PriceChartHandle, type PriceChartProps } from './price/priceChart.js';
export type { LiveProps } from './shared/honest.js';
export * from './store/index.js';
export type { DataColumn, SortOrder, TableRow } from './table/columns.js';
export { DataTable, type DataTableProps } from './table/dataTable.js';
