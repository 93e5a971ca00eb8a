import { describe, expect, it } from 'vitest';
import { timeLabel, timeSplits } from '../src/charts/timeAxis.js';

const HOUR = 3_600_000;
const NOON = Date.UTC(2026, 10, 18, 12);
const hours = (times: readonly number[]) => times.map((time) => new Date(time).toISOString().slice(5, 16));

describe('time axes', () => {
  it('tick at round readings of the clock in their zone', () => {
    expect(hours(timeSplits(NOON - 24 * HOUR, NOON, 5, 'Asia/Kolkata'))).toEqual([
      '11-17T12:30',
      '11-17T18:30',
      '11-18T00:30',
      '11-18T06:30',
    ]);
    expect(timeSplits(NOON, NOON + 5 * 60_000, 6, 'UTC')).toHaveLength(6);
  });

  it('have days begin at midnight across a change of the clock', () => {
    const days = timeSplits(Date.UTC(2026, 9, 23, 12), Date.UTC(2026, 9, 27, 12), 6, 'Europe/Berlin');
    expect(hours(days)).toEqual(['10-23T22:00', '10-24T22:00', '10-25T23:00', '10-26T23:00']);
  });

  it('are labelled with what changes', () => {
    expect(timeLabel(NOON + 15_000, 15_000, 'UTC')).toBe('12:00:15');
    expect(timeLabel(NOON, 15 * 60_000, 'UTC')).toBe('12:00');
    expect(timeLabel(NOON + 12 * HOUR, 6 * HOUR, 'UTC')).toBe('19 Nov');
    expect(timeLabel(NOON, 24 * HOUR, 'UTC')).toBe('18 Nov');
  });
});
