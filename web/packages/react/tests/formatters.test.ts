import { describe, expect, it } from 'vitest';
import {
  changeOf,
  formatBitRate,
  formatBytes,
  formatCompact,
  formatCurrency,
  formatDate,
  formatNumber,
  formatPercent,
  levelOf,
  unitText,
} from '../src/format/index.js';

const locale = 'en-US';

describe('formatters', () => {
  it.each([
    ['money', formatCurrency(1_284.5, { currency: 'EUR', locale }), '€1,284.50'],
    [
      'money as it is written elsewhere',
      formatCurrency(1_284.5, { currency: 'EUR', locale: 'de-DE' }),
      '1.284,50\u00a0€',
    ],
    ['money in short', formatCurrency(1_420_000, { currency: 'USD', compact: true, locale }), '$1.42M'],
    ['a loss', formatCurrency(-12, { locale, decimals: 0 }), '−$12'],
    ['a percentage', formatPercent(3.42, { locale }), '3.4%'],
    ['a gain in percent', formatPercent(0.0342, { ratio: true, signed: true, decimals: 2, locale }), '+3.42%'],
    ['a large count', formatCompact(12_345, { locale }), '12.3K'],
    ['a count', formatNumber(12_345, { locale }), '12,345'],
    ['bytes', formatBytes(4_724_464_025, { locale }), '4.4 GiB'],
    ['bytes by thousands', formatBytes(4_724_464_025, { base: 'decimal', locale }), '4.7 GB'],
    ['bits', formatBitRate(940_000_000, { locale }), '940 Mbit/s'],
    ['a moment', formatDate(0, { locale, timezone: 'Asia/Tokyo' }), 'Jan 1, 1970, 9:00:00\u202fAM'],
    ['a rounded zero has no sign', formatNumber(-0.001, { decimals: 1, locale }), '0.0'],
    [
      'a large number in a unit',
      unitText(-123_456_789, 'requests', undefined, undefined, locale),
      '−123.46 M requests',
    ],
    ['what only looks like a currency', unitText(12, 'RPM', undefined, undefined, locale), '12 RPM'],
  ])('%s', (_, text, expected) => {
    expect(text.replace('\u202f', ' ')).toBe(expected.replace('\u202f', ' '));
  });

  it('unknown is a dash, never zero', () => {
    const formatters = [
      formatCurrency,
      formatPercent,
      formatCompact,
      formatNumber,
      formatBytes,
      formatBitRate,
      formatDate,
    ];
    for (const format of formatters) {
      expect([format(null), format(undefined), format(Number.NaN)]).toEqual(['–', '–', '–']);
    }
  });
});

it('levels rise, or fall where less is worse', () => {
  const high = { warning: 70, critical: 90 };
  expect([10, 70, 95, null].map((value) => levelOf(value, high))).toEqual(['ok', 'warning', 'critical', null]);
  const stock = { warning: 10, critical: 3 };
  expect([58, 10, 3].map((value) => levelOf(value, stock))).toEqual(['ok', 'warning', 'critical']);
  expect(levelOf(5, {})).toBeNull();
});

it('a change without a base has no percentage', () => {
  expect(changeOf(10, 8)).toEqual({ trend: 'up', absolute: 2, percent: 25 });
  expect(changeOf(-10, -8)).toMatchObject({ trend: 'down', percent: -25 });
  expect(changeOf(5, 0)).toMatchObject({ trend: 'up', percent: null });
  expect(changeOf(5, 5.001)).toMatchObject({ trend: 'stable' });
  expect(changeOf(null, 5)).toBeNull();
});
