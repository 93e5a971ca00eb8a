import { expect, test } from 'vitest';
import { columnsOf, type Place } from '../src/charts/dense.js';

/** A pixel for each 10 ms, values from the top. */
const place: Place = { x: (time_ms) => time_ms / 10, y: (value) => value, column_px: 1, longest_ms: 100 };

const drawn = (times: readonly number[], values: readonly (number | null)[]) =>
  columnsOf(times, values, 0, times.length - 1, place).map(({ x, top, bottom }) => [x, top, bottom]);

test('a column goes from its least to its most, however many points it has', () => {
  const times = [0, 1, 2, 3, 4];
  expect(drawn(times, [5, 9, 2, 90, 6])).toEqual([[0, 2, 90]]);
});

test('columns touch: each begins where the one before ended', () => {
  expect(drawn([0, 5, 10, 15], [10, 20, 50, 60])).toEqual([
    [0, 10, 20],
    [1, 20, 60],
  ]);
});

test('columns without a point of their own lie on the way to the next point', () => {
  expect(drawn([0, 40], [0, 40])).toEqual([
    [0, 0, 0],
    [1, 0, 10],
    [2, 10, 20],
    [3, 20, 30],
    [4, 30, 40],
  ]);
});

test('an outage stays open, and what is unknown is no point', () => {
  expect(drawn([0, 10, 200, 210], [1, 2, 3, 4])).toEqual([
    [0, 1, 1],
    [1, 1, 2],
    [20, 3, 3],
    [21, 3, 4],
  ]);
  expect(drawn([0, 1, 2], [7, null, 8])).toEqual([[0, 7, 8]]);
  expect(drawn([], [])).toEqual([]);
});
