import { expect, test } from 'vitest';
import { outages } from '../src/charts/outages.js';

const each = (from: number, count: number, step: number) => Array.from({ length: count }, (_, i) => from + i * step);
const ones = (times: readonly number[]) => times.map(() => 1);

test('a steady line has no outage', () => {
  const times = each(0, 300, 1_000);
  expect(outages(times, ones(times), 300_000)).toEqual([]);
});

test('a hole that is long against the beat breaks the line', () => {
  const times = [...each(0, 60, 1_000), ...each(120_000, 60, 1_000)];
  expect(outages(times, ones(times), 300_000)).toEqual([[59_000, 120_000]]);
});

test('one missing beat is jitter, and a point a minute is steady too', () => {
  const jitter = [...each(0, 60, 1_000), ...each(62_000, 60, 1_000)];
  expect(outages(jitter, ones(jitter), 300_000)).toEqual([]);
  const slow = each(0, 60, 60_000);
  expect(outages(slow, ones(slow), 300_000)).toEqual([]);
});

test('each line has its own holes: values that are missing count as no points', () => {
  const times = each(0, 120, 1_000);
  const values = times.map((time) => (time > 40_000 && time < 90_000 ? null : 1));
  expect(outages(times, values, 300_000)).toEqual([[40_000, 90_000]]);
});

test('nothing and a single point have no outage', () => {
  expect(outages([], [], 300_000)).toEqual([]);
  expect(outages([1], [1], 300_000)).toEqual([]);
});
