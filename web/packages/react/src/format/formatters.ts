/**
 * Formatters to hand to a component, or to call: currency, percent, compact, bytes, bit rates, durations, dates.
 *
 * All take what may be unknown and say so with a dash. They are plain functions on `Intl`; the components' `unit`
 * names the same forms in one word.
 */

import { fixed, formatUnit, numberFormat, readerLocale, tidySign, UNKNOWN, unitText } from './format.js';

/** How a value becomes text. */
export type Formatter = (value: number) => string;

/** What is not known, or not a number, is unknown. */
export type MaybeNumber = number | null | undefined;

export interface FormatOptions {
  /** A BCP 47 name. Default the reader's own. */
  readonly locale?: string;
  readonly decimals?: number;
}

export interface CurrencyOptions extends FormatOptions {
  /** An ISO 4217 code. Default `USD`. */
  readonly currency?: string;
  /** `€1.42M` instead of `€1,420,000.00`. */
  readonly compact?: boolean;
}

function known(value: MaybeNumber): value is number {
  return value !== null && value !== undefined && Number.isFinite(value);
}

function digits(decimals: number | undefined, otherwise: Intl.NumberFormatOptions = {}): Intl.NumberFormatOptions {
  return decimals === undefined ? otherwise : { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
}

/** `€1,284.50`. */
export function formatCurrency(value: MaybeNumber, options: CurrencyOptions = {}): string {
  if (!known(value)) {
    return UNKNOWN;
  }
  const { locale = readerLocale(), currency = 'USD', compact = false, decimals } = options;
  const form: Intl.NumberFormatOptions = { style: 'currency', currency, currencyDisplay: 'narrowSymbol' };
  const short = compact
    ? { notation: 'compact' as const, ...digits(decimals, { maximumFractionDigits: 2 }) }
    : digits(decimals);
  return tidySign(numberFormat(locale, { ...form, ...short }).format(value));
}

export interface PercentOptions extends FormatOptions {
  /** Whether 0.42 means 42 %. Default false: 42 means 42 %. */
  readonly ratio?: boolean;
  /** Whether a gain shows its plus. */
  readonly signed?: boolean;
}

/** `3.4%` as the locale writes it. */
export function formatPercent(value: MaybeNumber, options: PercentOptions = {}): string {
  if (!known(value)) {
    return UNKNOWN;
  }
  const { locale = readerLocale(), ratio = false, signed = false, decimals = 1 } = options;
  const form: Intl.NumberFormatOptions = { style: 'percent', ...digits(decimals) };
  if (signed) {
    form.signDisplay = 'exceptZero';
  }
  return tidySign(numberFormat(locale, form).format(ratio ? value : value / 100));
}

/** `12.3K`. */
export function formatCompact(value: MaybeNumber, options: FormatOptions = {}): string {
  if (!known(value)) {
    return UNKNOWN;
  }
  const { locale = readerLocale(), decimals } = options;
  const form = { notation: 'compact' as const, ...digits(decimals, { maximumFractionDigits: 1 }) };
  return tidySign(numberFormat(locale, form).format(value));
}

/** `1,284`: with grouping, and as many decimals as asked for. */
export function formatNumber(value: MaybeNumber, options: FormatOptions = {}): string {
  if (!known(value)) {
    return UNKNOWN;
  }
  const { locale = readerLocale(), decimals } = options;
  return decimals === undefined
    ? formatUnit(value, '', undefined, undefined, locale).text
    : fixed(value, decimals, locale);
}

export interface BytesOptions extends FormatOptions {
  /** `binary` (KiB, default) or `decimal` (kB). */
  readonly base?: 'binary' | 'decimal';
}

/** `4.4 GiB`. */
export function formatBytes(value: MaybeNumber, options: BytesOptions = {}): string {
  const unit = options.base === 'decimal' ? 'bytes:si' : 'bytes';
  return unitText(value ?? null, unit, options.decimals, undefined, options.locale);
}

/** `940 Mbit/s`. */
export function formatBitRate(value: MaybeNumber, options: FormatOptions = {}): string {
  return unitText(value ?? null, 'bits/s', options.decimals, undefined, options.locale);
}

export interface DateOptions {
  readonly locale?: string;
  /** An IANA name. Default the reader's own zone. */
  readonly timezone?: string;
  /** Default a short date with the time of day. */
  readonly form?: Intl.DateTimeFormatOptions;
}

const DATE_FORM: Intl.DateTimeFormatOptions = { dateStyle: 'medium', timeStyle: 'medium' };

/** A moment as the locale writes it: a date, wall-clock ms or an ISO text. */
export function formatDate(moment: Date | number | string | null | undefined, options: DateOptions = {}): string {
  const time_ms = moment === null || moment === undefined ? Number.NaN : new Date(moment).getTime();
  if (Number.isNaN(time_ms)) {
    return UNKNOWN;
  }
  const { locale = readerLocale(), timezone, form = DATE_FORM } = options;
  return new Intl.DateTimeFormat(locale, timezone === undefined ? form : { ...form, timeZone: timezone }).format(
    time_ms,
  );
}
