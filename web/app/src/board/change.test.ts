import { expect, it } from 'vitest';
import { changeOf } from './change';

const percent = { unit: 'EUR', as: 'percent', better: 'up' } as const;

it('a change has its sign, and the colour of a gain or a loss', () => {
  expect(changeOf(138.2, 100, percent)).toEqual({ direction: 'up', tone: 'gain', text: '+38.2 %' });
  expect(changeOf(50, 100, percent)).toEqual({ direction: 'down', tone: 'loss', text: '−50.0 %' });
  expect(changeOf(-50, -100, percent)).toMatchObject({ direction: 'up', text: '+50.0 %' });
  expect(changeOf(120, 100, { ...percent, better: 'down' })).toMatchObject({ direction: 'up', tone: 'loss' });
});

it('is a difference in its unit, and of percents in points', () => {
  expect(changeOf(3.42, 3.63, { unit: 'percent', as: 'difference', better: 'up' }).text).toBe('−0.21 pt');
  expect(changeOf(20_951, 16_641, { unit: 'USD', as: 'difference', better: 'up', decimals: 0 }).text).toBe('+$4,310');
});

it('says nothing of the unknown and in percent of nothing, and zero for no change', () => {
  const nothing = { direction: 'unknown', tone: 'none', text: '–' };
  expect([changeOf(null, 1, percent), changeOf(1, null, percent), changeOf(5, 0, percent)]).toEqual([
    nothing,
    nothing,
    nothing,
  ]);
  expect(changeOf(0, 0, percent)).toEqual({ direction: 'same', tone: 'none', text: '±0.0 %' });
});
