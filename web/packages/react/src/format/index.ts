/** Numbers, sizes, ages and times as text, on the platform's `Intl`. Plain functions: no React, no page. */

export {
  type CellStyle,
  type Formatted,
  fixed,
  formatAge,
  formatCell,
  formatClock,
  formatDateTime,
  formatDay,
  formatDuration,
  formatInstant,
  formatMinute,
  formatUnit,
  isCurrency,
  isNumeric,
  localZone,
  readerLocale,
  SERVER_LOCALE,
  UNKNOWN,
  unitText,
} from './format.js';
export {
  type BytesOptions,
  type CurrencyOptions,
  type DateOptions,
  type FormatOptions,
  type Formatter,
  formatBitRate,
  formatBytes,
  formatCompact,
  formatCurrency,
  formatDate,
  formatNumber,
  formatPercent,
  type MaybeNumber,
  type PercentOptions,
} from './formatters.js';
export { LEVEL_WORD, type Level, levelOf, type Thresholds } from './level.js';
export { type Change, changeOf, type Trend } from './trend.js';
