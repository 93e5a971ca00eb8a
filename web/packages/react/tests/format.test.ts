import { describe, expect, it } from 'vitest';
import { formatAge, formatCell, formatDateTime, formatDuration, formatUnit, unitText } from '../src/format/format.js';

const GIB = 1_073_741_824;

describe('unitText', () => {
  it.each([
    [12.345, 'percent', '12.3 %'],
    [100, 'percent', '100 %'],
    [0, 'bytes', '0 B'],
    [1_023.4, 'bytes', '1,023 B'],
    [1_023.8, 'bytes', '1.0 KiB'],
    [9.25 * GIB, 'bytes', '9.3 GiB'],
    [480 * GIB, 'bytes', '480 GiB'],
    [999.6, 'bytes/s', '1.0 kB/s'],
    [1_234_567, 'bytes/s', '1.2 MB/s'],
    [3_723, 'seconds', '1 h 2 min'],
    [4.26, 'ms', '4.3 ms'],
    [1_284, '', '1,284'],
    [1_420_000, '', '1.42 M'],
    [0.5, '', '0.50'],
    [-3.4, '', '−3.40'],
    [-0.001, '', '0.00'],
    [7, 'orders', '7 orders'],
    [1e25, '', '1.00e+25'],
    [-1e15, 'short', '−1.00e+15'],
    [1e30, 'bytes', '1.00e+30 B'],
    [4.2e21, 'EUR', '€4.20E21'],
  ])('%d in %s is %s', (value, unit, text) => {
    expect(unitText(value, unit)).toBe(text);
  });

  it('says an en dash for what is unknown, never zero', () => {
    expect(unitText(null, 'bytes')).toBe('–');
    expect(unitText(Number.NaN, 'percent')).toBe('–');
    expect(formatUnit(null, 'percent')).toEqual({ text: '–', unit: '' });
  });

  it('keeps as many decimals as it is told', () => {
    expect(unitText(1.5, '', 0)).toBe('2');
    expect(unitText(2, '', 2)).toBe('2.00');
  });
});

describe('spans of time', () => {
  it('have at most two parts', () => {
    expect(formatDuration(340)).toBe('340 ms');
    expect(formatDuration(125_000)).toBe('2 min 5 s');
    expect(formatDuration(86_400_000)).toBe('1 d');
    expect(formatDuration(4 * 86_400_000 + 3 * 3_600_000 + 59_000)).toBe('4 d 3 h');
  });

  it('are one part as ages', () => {
    expect([400, 14_900, 185_000, 7_300_000, 2e8].map(formatAge)).toEqual(['now', '14 s', '3 min', '2 h', '2 d']);
  });
});

describe('formatCell', () => {
  it('formats by type', () => {
    expect(formatCell(null, { type: 'int' })).toBe('–');
    expect(formatCell(48_201, { type: 'int' })).toBe('48,201');
    expect(formatCell(48_201, { type: 'int', key: true })).toBe('48201');
    expect(formatCell('129.00', { type: 'decimal(12,2)' })).toBe('129.00');
    expect(formatCell('9007199254740993', { type: 'int' })).toBe('9007199254740993');
    expect(formatCell('NaN', { type: 'float' })).toBe('NaN');
    expect(formatCell(0.000_012, { type: 'float' })).toBe('1.200e-5');
    expect(formatCell(false, { type: 'bool' })).toBe('false');
    expect(formatCell({ a: [1] }, { type: 'json' })).toBe('{"a":[1]}');
    expect(formatCell(2_500_000, { type: 'duration' })).toBe('2 s');
    expect(formatCell(2_147_483_648, { type: 'int', unit: 'bytes' })).toBe('2.0 GiB');
  });

  it('says the year of times that are of another one', () => {
    expect(formatDateTime(Date.UTC(2023, 10, 14, 12), 'UTC')).toBe('14 Nov 2023 12:00:00');
    const thisYear = new Date().getUTCFullYear();
    expect(formatDateTime(Date.UTC(thisYear, 5, 15, 12), 'UTC')).toBe('15 Jun 12:00:00');
  });

  it('shows times in the zone asked for, with the day when it is another one', () => {
    const time_us = Date.UTC(2023, 10, 14, 22, 13, 20) * 1_000;
    expect(formatCell(time_us, { type: 'time', zone: 'Europe/Berlin' })).toBe('14 Nov 2023 23:13:20');
  });
});

describe('units of boards', () => {
  it('cover what boards show', () => {
    const text = (value: number | null, unit: string, decimals?: number) => unitText(value, unit, decimals, 'UTC');
    expect(text(12_345, 'short')).toBe('12.3 K');
    expect(text(950, 'short')).toBe('950');
    expect(text(2_500_000, 'bits/s')).toBe('2.5 Mbit/s');
    expect(text(0.0342, 'ratio')).toBe('3.4 %');
    expect(text(96_410, 'EUR', 0)).toBe('€96,410');
    expect(text(-1_081.5, 'USD')).toBe('−$1,081.50');
    expect(text(1_420_000, 'EUR')).toBe('€1.42M');
    expect(text(5_025_000_000, 'duration')).toBe('1 h 23 min');
    const time_us = Date.UTC(2026, 10, 18, 13, 45, 30) * 1_000;
    expect([text(time_us, 'date'), text(time_us, 'time'), text(time_us, 'datetime')]).toEqual([
      '18 Nov 2026',
      '13:45:30',
      '18 Nov 13:45:30',
    ]);
    expect(text(12, 'orders')).toBe('12 orders');
    expect(text(null, 'EUR')).toBe('–');
  });
});
