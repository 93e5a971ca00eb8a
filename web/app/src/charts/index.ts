export { boardClock } from './boardClock';
export { LineChart } from './lineChart';
export { seriesToken } from './palette';
export { Sparkline } from './sparkline';
