import { expect, describe as group, it } from 'vitest';
import { describe, makeAbsolute, moved, resolve, resolveInstant, toServer, zoomedOut } from './range';
import { parseTyped } from './typed';
import { shift, startOf, wallTime } from './zone';

const BERLIN = 'Europe/Berlin';
/** Wednesday, 18 November 2026, 13:45:30 in Berlin. */
const NOW_MS = Date.UTC(2026, 10, 18, 12, 45, 30);
const iso = (time_ms: number | null | undefined) =>
  typeof time_ms === 'number' ? new Date(time_ms).toISOString() : null;
const span = (from: string, to: string, zone = BERLIN) => {
  const found = resolve({ from, to }, NOW_MS, zone);
  return found === null ? null : [iso(found.from_ms), iso(found.to_ms), found.live];
};

group('ranges', () => {
  it('that go back from now are live', () => {
    expect(span('now-6h', 'now')).toEqual(['2026-11-18T06:45:30.000Z', '2026-11-18T12:45:30.000Z', true]);
    expect(span('now-1d-6h', 'now-1h')?.[2]).toBe(false);
  });

  it('round to the days, weeks and months of their zone', () => {
    expect(span('now/d', 'now')?.[0]).toBe('2026-11-17T23:00:00.000Z');
    expect(span('now/d', 'now', 'America/New_York')?.[0]).toBe('2026-11-18T05:00:00.000Z');
    expect(span('now-1d/d', 'now-1d/d')).toEqual(['2026-11-16T23:00:00.000Z', '2026-11-17T23:00:00.000Z', false]);
    expect(span('now/w', 'now/w')).toEqual(['2026-11-15T23:00:00.000Z', '2026-11-22T23:00:00.000Z', true]);
    expect(span('now/M', 'now')?.[0]).toBe('2026-10-31T23:00:00.000Z');
    expect(span('now/y', 'now')?.[0]).toBe('2025-12-31T23:00:00.000Z');
  });

  it('know days of 23 and 25 hours', () => {
    const hours = (day_ms: number) => (shift(day_ms, 1, 'd', BERLIN) - day_ms) / 3_600_000;
    const midnight = (month: number, day: number) => startOf('d', Date.UTC(2026, month - 1, day, 12), BERLIN);
    expect([hours(midnight(3, 29)), hours(midnight(10, 25)), hours(midnight(11, 18))]).toEqual([23, 25, 24]);
    expect(wallTime(shift(Date.UTC(2026, 0, 31, 12), 1, 'M', 'UTC'), 'UTC').day).toBe(28);
  });

  it('may be instants in the zone, in ISO 8601 or since 1970', () => {
    expect(iso(resolveInstant('2026-05-01 13:00', 'from', 0, BERLIN))).toBe('2026-05-01T11:00:00.000Z');
    expect(iso(resolveInstant('2026-05-01', 'to', 0, BERLIN))).toBe('2026-05-01T22:00:00.000Z');
    expect(iso(resolveInstant('2026-05-01T13:00:00Z', 'from', 0, BERLIN))).toBe('2026-05-01T13:00:00.000Z');
    expect(resolveInstant('1700000000', 'from', 0)).toBe(1_700_000_000_000);
    expect(resolveInstant('1700000000123', 'from', 0)).toBe(1_700_000_000_123);
  });

  it('that make no sense are none', () => {
    for (const [from, to] of [
      ['now', 'now-1h'],
      ['nonsense', 'now'],
      ['now-6x', 'now'],
      ['', 'now'],
    ] as const) {
      expect(resolve({ from, to }, NOW_MS), `${from} to ${to}`).toBeNull();
    }
  });
});

group('what is typed', () => {
  const typed = (text: string) => parseTyped(text, NOW_MS, BERLIN);
  it('is read as people write it', () => {
    expect(typed('3h')).toEqual({ from: 'now-3h', to: 'now' });
    expect(typed('last 15 minutes')).toEqual({ from: 'now-15m', to: 'now' });
    expect(typed('2 months')).toEqual({ from: 'now-2M', to: 'now' });
    expect(typed('Yesterday')).toEqual({ from: 'now-1d/d', to: 'now-1d/d' });
    expect(typed('6:00 - 1:00 pm')).toEqual({ from: '2026-11-18 06:00:00', to: '2026-11-18 13:00:00' });
    expect(typed('now-2h to now-1h')).toEqual({ from: 'now-2h', to: 'now-1h' });
    expect(typed('1700000000 - 1700003600')).toEqual({ from: '1700000000', to: '1700003600' });
    expect(typed('2026-11-01')).toEqual({ from: '2026-11-01', to: '2026-11-01' });
  });

  it('is refused where it is no range', () => {
    expect([typed(''), typed('soon'), typed('13:00 - 6:00'), typed('a - b - c')]).toEqual([null, null, null, null]);
  });
});

group('a range', () => {
  const six = { from_ms: NOW_MS - 6 * 3_600_000, to_ms: NOW_MS, live: true };
  it('is described in words', () => {
    expect(describe({ from: 'now-6h', to: 'now' })).toBe('Last 6 hours');
    expect(describe({ from: 'now-1d', to: 'now' })).toBe('Last day');
    expect(describe({ from: 'now-90m', to: 'now' })).toBe('Last 90 minutes');
    expect(describe({ from: '2026-11-18 06:00:00', to: '2026-11-18 13:00:00' }, BERLIN)).toBe(
      '2026-11-18 06:00 – 2026-11-18 13:00',
    );
  });

  it('freezes, moves and widens', () => {
    expect(resolve(makeAbsolute(six), NOW_MS)).toEqual({ ...six, live: false });
    expect(resolve(moved(six, -1), NOW_MS)?.to_ms).toBe(NOW_MS - 3 * 3_600_000);
    expect(zoomedOut(six)).toEqual({ from: 'now-43200s', to: 'now' });
    expect(resolve(zoomedOut({ ...six, live: false }), NOW_MS)?.from_ms).toBe(NOW_MS - 9 * 3_600_000);
  });

  it('is asked of the server so that it moves with its clock', () => {
    expect(toServer({ from: 'now-6h', to: 'now' }, six)).toEqual({ from: '-6h', to: null });
    expect(toServer({ from: 'now/d', to: 'now' }, six).from).toBe('2026-11-18T06:45:30.000Z');
    expect(toServer(makeAbsolute(six), { ...six, live: false }).to).toBe('2026-11-18T12:45:30.000Z');
  });
});
