/**
 * Numbers, sizes, ages and times as text. Unknown is always an en dash, never zero.
 *
 * Widths are kept steady: how many decimals a value gets depends on its magnitude only, so digits do not come and go.
 */

import { type Cell, numeric } from '@pulseboard/client';

/** What stands where nothing is known. */
export const UNKNOWN = '–';

/** A value and its unit, apart because the unit is set more quietly. */
export interface Formatted {
  readonly text: string;
  readonly unit: string;
}

const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
const DECIMAL = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
const RATE = DECIMAL.map((name) => `${name}/s`);
const BITS = ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s'];
const COUNTS = ['', 'K', 'M', 'B', 'T'];

/** Outside a browser (a server that renders, a test) there is no reader whose habits could be followed. */
export const SERVER_LOCALE = 'en-US';

/** The language that the reader set in the browser. */
export function readerLocale(): string {
  return typeof document === 'undefined' ? SERVER_LOCALE : navigator.language;
}

const numberFormats = new Map<string, Intl.NumberFormat>();

/** One formatter for each locale and set of options: making one costs more than using it a thousand times. */
export function numberFormat(locale: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `${locale} ${JSON.stringify(options)}`;
  let format = numberFormats.get(key);
  if (format === undefined) {
    format = new Intl.NumberFormat(locale, options);
    numberFormats.set(key, format);
  }
  return format;
}

/** A true minus sign is as wide as a digit, and "-0" is a lie of rounding. */
export function tidySign(text: string): string {
  return text.replace(/^-(?=[^1-9]*$)/, '').replace('-', '−');
}

/** A number with grouping and a fixed count of decimals. */
export function fixed(value: number, decimals: number, locale: string = readerLocale()): string {
  const options = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return tidySign(numberFormat(locale, options).format(value));
}

/**
 * Formats a number in a board's unit: `percent`, `ratio` (1 is 100 %), `short`, `bytes`, `bytes:si`, `bytes/s`, `bits/s`, `seconds`, `ms`, `duration`
 * (µs), `date`, `time` and `datetime` (µs since 1970, in `zone`), the code of a currency, or any text that stands behind it.
 */
export function formatUnit(
  value: number | null,
  unit: string,
  decimals?: number,
  zone?: string,
  locale: string = readerLocale(),
): Formatted {
  if (value === null || !Number.isFinite(value)) {
    return { text: UNKNOWN, unit: '' };
  }
  switch (unit) {
    case 'percent':
      return { text: fixed(value, decimals ?? (Math.abs(value) >= 99.95 ? 0 : 1), locale), unit: '%' };
    case 'ratio':
      return { text: fixed(value * 100, decimals ?? 1, locale), unit: '%' };
    case 'bytes':
      return scaled(value, 1_024, BINARY, locale, decimals);
    case 'bytes:si':
      return scaled(value, 1_000, DECIMAL, locale, decimals);
    case 'bytes/s':
      return scaled(value, 1_000, RATE, locale, decimals);
    case 'bits/s':
      return scaled(value, 1_000, BITS, locale, decimals);
    case 'short': {
      const whole = Math.abs(value) < 999.5 && Number.isInteger(value);
      return scaled(value, 1_000, COUNTS, locale, decimals ?? (whole ? 0 : undefined));
    }
    case 'seconds':
      return { text: formatDuration(value * 1_000), unit: '' };
    case 'duration':
      return { text: formatDuration(value / 1_000), unit: '' };
    case 'ms':
      return { text: fixed(value, decimals ?? (Math.abs(value) < 10 ? 1 : 0), locale), unit: 'ms' };
    case 'date':
      return { text: formatFullDay(value / 1_000, zone), unit: '' };
    case 'time':
      return { text: formatClock(value / 1_000, zone), unit: '' };
    case 'datetime':
      return { text: formatDateTime(value / 1_000, zone), unit: '' };
    case '':
      return plain(value, locale, decimals);
    default: {
      if (isCurrency(unit)) {
        return { text: money(value, unit, locale, decimals), unit: '' };
      }
      const short = plain(value, locale, decimals);
      return { text: short.text, unit: short.unit === '' ? unit : `${short.unit} ${unit}` };
    }
  }
}

let currencies: ReadonlySet<string> | null = null;

/** Whether a unit is the code of a currency: `EUR` is, `RPM` is not. */
export function isCurrency(unit: string): boolean {
  if (!/^[A-Z]{3}$/.test(unit)) {
    return false;
  }
  currencies ??= new Set(Intl.supportedValuesOf('currency'));
  return currencies.has(unit);
}

/** An amount with its currency where the reader's language has it; a million and more in short. */
function money(value: number, currency: string, locale: string, decimals?: number): string {
  const form: Intl.NumberFormatOptions = { style: 'currency', currency, currencyDisplay: 'narrowSymbol' };
  if (decimals !== undefined) {
    form.minimumFractionDigits = decimals;
    form.maximumFractionDigits = decimals;
  } else if (Math.abs(value) >= 1e6) {
    form.notation = Math.abs(value) < HUGE ? 'compact' : 'scientific';
    form.minimumFractionDigits = 2;
    form.maximumFractionDigits = 2;
  }
  return tidySign(numberFormat(locale, form).format(value));
}

/** The same as one text. */
export function unitText(
  value: number | null,
  unit: string,
  decimals?: number,
  zone?: string,
  locale?: string,
): string {
  const formatted = formatUnit(value, unit, decimals, zone, locale);
  return formatted.unit === '' ? formatted.text : `${formatted.text} ${formatted.unit}`;
}

function scaled(value: number, base: number, names: readonly string[], locale: string, decimals?: number): Formatted {
  let step = 0;
  let size = Math.abs(value);
  // 999.5 would round up to a fourth digit, so it already belongs to the next unit.
  while (size >= base - 0.5 && step < names.length - 1) {
    size /= base;
    step += 1;
  }
  if (size >= base) {
    return { text: tidySign(value.toExponential(2)), unit: names[0] ?? '' };
  }
  const digits = decimals ?? (step === 0 ? 0 : size < 99.95 ? 1 : 0);
  return { text: fixed(Math.sign(value) * size, digits, locale), unit: names[step] ?? '' };
}

/** From here on names of thousands run out. */
const HUGE = 1e15;

function plain(value: number, locale: string, decimals?: number): Formatted {
  if (Math.abs(value) >= HUGE) {
    return { text: tidySign(value.toExponential(2)), unit: '' };
  }
  if (decimals !== undefined) {
    return { text: fixed(value, decimals, locale), unit: '' };
  }
  if (Math.abs(value) >= 1e6) {
    return scaled(value, 1_000, COUNTS, locale, 2);
  }
  return { text: fixed(value, Number.isInteger(value) ? 0 : Math.abs(value) < 100 ? 2 : 1, locale), unit: '' };
}

/** A span of time in its two largest parts: `4 d 3 h`, `2 min 5 s`, `340 ms`. */
export function formatDuration(span_ms: number): string {
  if (span_ms < 1_000) {
    return `${Math.round(span_ms)} ms`;
  }
  const parts: [number, string][] = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ];
  const first = parts.findIndex(([size]) => span_ms >= size);
  let rest = span_ms;
  return parts
    .slice(first, first + 2)
    .flatMap(([size, name]) => {
      const count = Math.floor(rest / size);
      rest -= count * size;
      return count === 0 ? [] : [`${count} ${name}`];
    })
    .join(' ');
}

/** How long ago, in one part: `now`, `14 s`, `3 min`, `2 h`, `5 d`. */
export function formatAge(age_ms: number): string {
  const seconds = Math.floor(age_ms / 1_000);
  if (seconds < 1) {
    return 'now';
  }
  if (seconds < 60) {
    return `${seconds} s`;
  }
  if (seconds < 3_600) {
    return `${Math.floor(seconds / 60)} min`;
  }
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

const timeFormats = new Map<string, Intl.DateTimeFormat>();

function timeFormat(zone: string | undefined, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${zone} ${JSON.stringify(options)}`;
  let format = timeFormats.get(key);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-GB', { ...options, ...(zone === undefined ? {} : { timeZone: zone }) });
    timeFormats.set(key, format);
  }
  return format;
}

const CLOCK: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', second: '2-digit' };

/** `21:04:33` in `zone` (an IANA name; the browser's own if undefined). */
export function formatClock(time_ms: number, zone?: string): string {
  return timeFormat(zone, CLOCK).format(time_ms);
}

/** `21:04:33.218`. */
export function formatInstant(time_ms: number, zone?: string): string {
  return timeFormat(zone, { ...CLOCK, fractionalSecondDigits: 3 }).format(time_ms);
}

/** `21:04`. */
export function formatMinute(time_ms: number, zone?: string): string {
  return timeFormat(zone, { hour: '2-digit', minute: '2-digit' }).format(time_ms);
}

/** `23 Nov`. */
export function formatDay(time_ms: number, zone?: string): string {
  return timeFormat(zone, { day: '2-digit', month: 'short' }).format(time_ms);
}

/** `23 Nov 2026`. */
export function formatFullDay(time_ms: number, zone?: string): string {
  return timeFormat(zone, { day: '2-digit', month: 'short', year: 'numeric' }).format(time_ms);
}

/** `23 Nov 21:04:33`: for times that may be of another day; `23 Nov 2023 21:04:33` if they are of another year. */
export function formatDateTime(time_ms: number, zone?: string): string {
  const thisYear = new Date(time_ms).getUTCFullYear() === new Date().getUTCFullYear();
  return timeFormat(zone, { ...CLOCK, day: '2-digit', month: 'short', ...(thisYear ? {} : { year: 'numeric' }) })
    .format(time_ms)
    .replace(',', '');
}

/** The name of the browser's own zone. */
export function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** How a column's cells become text. */
export interface CellStyle {
  readonly type: string;
  readonly unit?: string;
  readonly zone?: string | undefined;
  /** A key names a row; its digits are not grouped. */
  readonly key?: boolean;
}

/** Whether cells of a type stand to the right. */
export function isNumeric(type: string): boolean {
  return type === 'int' || type === 'float' || type === 'duration' || type.startsWith('decimal');
}

/** One cell of a table as text. */
export function formatCell(cell: Cell | undefined, style: CellStyle): string {
  if (cell === null || cell === undefined) {
    return UNKNOWN;
  }
  if (style.unit !== undefined) {
    return unitText(numeric(cell), style.unit, undefined, style.zone);
  }
  if (typeof cell === 'object') {
    return JSON.stringify(cell);
  }
  if (style.type === 'time' && typeof cell === 'number') {
    return formatTimeCell(cell / 1_000, style.zone);
  }
  if (style.type === 'duration' && typeof cell === 'number') {
    return formatDuration(cell / 1_000);
  }
  if (typeof cell === 'number') {
    return style.key === true ? String(cell) : formatNumberCell(cell, style.type);
  }
  return String(cell);
}

function formatTimeCell(time_ms: number, zone: string | undefined): string {
  const recent = Math.abs(Date.now() - time_ms) < 12 * 3_600_000;
  return recent ? formatInstant(time_ms, zone) : formatDateTime(time_ms, zone);
}

function formatNumberCell(value: number, type: string): string {
  if (type === 'int') {
    return fixed(value, 0);
  }
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e15)) {
    return value.toExponential(3);
  }
  return fixed(value, size !== 0 && size < 1 ? 4 : size < 1_000 ? 2 : 1);
}
