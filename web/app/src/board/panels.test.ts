import { levelOf } from '@pulseboard/react/format';
import { describe, expect, it } from 'vitest';
import { fillTemplate } from './template';

describe('thresholds', () => {
  it('are reached by the value itself', () => {
    const thresholds = { warning: 80, critical: 92 };
    expect([79.9, 80, 91.9, 92].map((value) => levelOf(value, thresholds))).toEqual([
      'ok',
      'warning',
      'warning',
      'critical',
    ]);
  });

  it('say nothing about the unknown, and nothing where there are none', () => {
    expect(levelOf(null, { warning: 1 })).toBeNull();
    expect(levelOf(5, undefined)).toBeNull();
    expect(levelOf(5, { critical: 9 })).toBe('ok');
  });
});

describe('templates', () => {
  it('fill columns in their own units and show the unknown as such', () => {
    const values: Record<string, number> = { used: 2_147_483_648 };
    const text = fillTemplate(
      '{used} of {total}',
      (column) => values[column] ?? null,
      () => 'bytes',
    );
    expect(text).toBe('2.0 GiB of –');
  });
});
