import { describe, expect, it } from 'vitest';
import { ColumnBuffer } from '../src/charts/columnBuffer.js';
import { ramp, rampIndex } from '../src/charts/ramp.js';
import { sparkPath } from '../src/charts/sparkPath.js';
import { stacked } from '../src/charts/stack.js';
import { spansOf, stateToken } from '../src/charts/stateTimeline.js';
import { seriesFigures } from '../src/components/chartLegend.js';
import { type Candle, continuesFrom, mergeSeconds } from '../src/price/candle.js';
import { heldOrder } from '../src/shared/order.js';

describe('ColumnBuffer', () => {
  it('keeps the newest points, and what a point does not say is unknown', () => {
    const buffer = new ColumnBuffer({ points_max: 3 });
    buffer.append(1, { cpu: 10 });
    buffer.append(2, { cpu: 20, limit: 80 });
    buffer.append(3, { limit: 80 });
    buffer.append(4, { cpu: 40 });
    expect(buffer.times).toEqual([2, 3, 4]);
    expect(buffer.series).toEqual([
      { name: 'cpu', values: [20, null, 40] },
      { name: 'limit', values: [80, 80, null] },
    ]);
  });

  it('replaces a point of the same time, and leaves out one that is older', () => {
    const buffer = new ColumnBuffer({ points_max: 10 });
    buffer.append(5, 1);
    buffer.append(5, 2);
    buffer.append(4, 3);
    expect([buffer.times, buffer.series]).toEqual([[5], [{ name: 'value', values: [2] }]]);
  });

  it('keeps one point before its range, so that the line reaches the edge', () => {
    const buffer = new ColumnBuffer({ points_max: 100, range_ms: 10 });
    for (const time_ms of [0, 5, 10, 15, 20]) {
      buffer.append(time_ms, [time_ms]);
    }
    expect(buffer.times).toEqual([5, 10, 15, 20]);
    buffer.set([100, 200, 201], [{ name: 'a', values: [1, 2, 3] }]);
    expect(buffer.times).toEqual([100, 200, 201]);
    buffer.clear();
    expect(buffer.times).toEqual([]);
  });
});

it('a stack stands on what is known, and is a gap only where nothing is', () => {
  expect(
    stacked([
      [1, null, null],
      [2, 3, null],
    ]),
  ).toEqual([
    [1, null, null],
    [3, 3, null],
  ]);
});

describe('states', () => {
  it('last until another one, and an unknown time is a span of its own', () => {
    const samples = [
      { time_ms: 0, state: 'live' },
      { time_ms: 5, state: 'live' },
      { time_ms: 9, state: null },
      { time_ms: 12, state: 'down' },
    ];
    expect(spansOf(samples)).toEqual([
      { from_ms: 0, to_ms: 9, state: 'live' },
      { from_ms: 9, to_ms: 12, state: null },
      { from_ms: 12, to_ms: null, state: 'down' },
    ]);
  });

  it('have the colour of what they mean, else the next of the series', () => {
    expect(['live', 'Retrying', 'DOWN', 'maintenance'].map((state) => stateToken(state, []))).toEqual([
      'ok',
      'warning',
      'critical',
      'text-3',
    ]);
    expect(stateToken('v42', ['v41', 'v42'])).toBe('series-2');
    expect(stateToken('v42', ['v42'], { v42: 'series-5' })).toBe('series-5');
  });
});

it('the faintest colour of a heat map is not the ground: zero is seen', () => {
  const colours = ramp('#10151e', '#5aa9ff');
  expect(colours[0]).not.toBe('rgb(16 21 30)');
  expect(colours.at(-1)).toBe('rgb(90 169 255)');
  expect([rampIndex(0, 0, 100), rampIndex(100, 0, 100), rampIndex(500, 0, 100)]).toEqual([
    0,
    colours.length - 1,
    colours.length - 1,
  ]);
});

it('colours are read as style sheets write them, long or short', () => {
  expect(ramp('#fff', '#1d6fdc')).toEqual(ramp('#ffffff', '#1d6fdc'));
});

it('a held order keeps rows in their places, drops what went and puts new ones last', () => {
  expect(heldOrder(['a', 'b', 'c'], ['d', 'c', 'a'])).toEqual(['a', 'c', 'd']);
});

describe('candles', () => {
  const candle = (second: number, close = 1): Candle => ({ time_ms: second * 1_000, open: 1, high: 2, low: 0, close });

  it('of one second are one', () => {
    const ticks = [
      { time_ms: 1_000, open: 5, high: 6, low: 4, close: 5, volume: 10 },
      { time_ms: 1_900, open: 5, high: 9, low: 3, close: 8, volume: 5 },
    ];
    expect(mergeSeconds(ticks)).toEqual([{ time_ms: 1_000, open: 5, high: 9, low: 3, close: 8, volume: 15 }]);
  });

  it('that go on are added, and others are set anew', () => {
    const before = [candle(1), candle(2), candle(3)];
    expect(continuesFrom(before, [candle(1), candle(2), candle(3, 7), candle(4)])).toBe(2);
    expect(continuesFrom(before, [candle(2), candle(3), candle(4)])).toBeNull();
    expect(continuesFrom(before, [candle(1), candle(2, 9), candle(3)]), 'a correction of the past').toBeNull();
    expect(continuesFrom([], before)).toBeNull();
  });
});

it('figures of a line leave out what is unknown', () => {
  expect(seriesFigures([null, 2, null, 4, null])).toEqual({ last: 4, min: 2, max: 4, avg: 3 });
  expect(seriesFigures([null])).toEqual({ last: null, min: null, max: null, avg: null });
});

it('a sparkline breaks where nothing is known, and never touches zero for it', () => {
  expect(sparkPath([1, 2, null, 3, 4])).toHaveLength(2);
  expect(sparkPath([null, null])).toEqual([]);
  expect(sparkPath([5, 5, 5])[0], 'a flat line lies low').toBe('M0 24.4L50 24.4L100 24.4');
});
