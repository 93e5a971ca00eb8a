import { describe, expect, it } from 'vitest';
import { roundStep, SteadyRange, ticks } from '../src/charts/scale.js';

describe('ticks', () => {
  it('are round in the system of the unit', () => {
    expect(ticks(0, 100, 4, false)).toEqual([0, 25, 50, 75, 100]);
    expect(ticks(0, 9, 4, false)).toEqual([0, 2.5, 5, 7.5]);
    expect(ticks(0, 16 * 1_024, 4, true)).toEqual([0, 4_096, 8_192, 12_288, 16_384]);
  });

  it('survive an empty span', () => {
    expect(roundStep(0, 4, false)).toBe(1);
    expect(ticks(0, 0, 4, false)).toEqual([0]);
  });
});

describe('SteadyRange', () => {
  it('grows at once and shrinks late', () => {
    const range = new SteadyRange();
    expect(range.top(0, 10, 4, false)).toBe(15);
    expect(range.top(0, 9, 4, false)).toBe(15);
    expect(range.top(0, 30, 4, false)).toBe(40);
    expect(range.top(0, 23, 4, false)).toBe(40);
    expect(range.top(0, 10, 4, false)).toBe(15);
  });
});
