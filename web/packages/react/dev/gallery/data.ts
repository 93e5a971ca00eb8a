/** Made-up data that is the same on every visit: what the gallery shows must be comparable. */

import type { AlertItem, Candle } from '../../src/index.js';

/** A generator of numbers between 0 and 1. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

export function walk(seed: number, count: number, start: number, step: number): number[] {
  const random = seeded(seed);
  let value = start;
  return Array.from({ length: count }, () => {
    value += (random() - 0.48) * step;
    return value;
  });
}

export const NOON_MS = Date.UTC(2026, 10, 18, 12);

export function candles(count: number): Candle[] {
  const random = seeded(7);
  let price = 184;
  return Array.from({ length: count }, (_, index) => {
    const open = price;
    const close = open + (random() - 0.46) * 1.6;
    price = close;
    return {
      time_ms: NOON_MS - (count - index) * 30_000,
      open,
      close,
      high: Math.max(open, close) + random() * 0.8,
      low: Math.min(open, close) - random() * 0.8,
      volume: Math.round(400 + random() * 1_200),
    };
  });
}

export const heat = {
  times: Array.from({ length: 60 }, (_, index) => NOON_MS - (60 - index) * 5_000),
  rows: Array.from({ length: 8 }, (_, row) => ({
    name: `core ${row}`,
    values: walk(row + 3, 60, 30 + row * 4, 22).map((value, index) =>
      row === 5 && index > 20 && index < 32 ? null : row === 6 && index < 12 ? 0 : Math.max(0, Math.min(100, value)),
    ),
  })),
};

export const alerts: AlertItem[] = [
  {
    id: '1',
    severity: 'critical',
    type: 'oversell_guard',
    metric: 'stock',
    message: 'Trail Runner 2 · 42 is about to oversell',
    value: 2,
    threshold: 5,
    since_ms: Date.now() - 18_000,
  },
  {
    id: '2',
    severity: 'warning',
    type: 'payment_failures',
    message: 'Payment failures are above 2 %',
    value: 2.7,
    threshold: 2,
    unit: 'percent',
    since_ms: Date.now() - 240_000,
  },
  { id: '3', severity: 'info', message: 'Flash sale began', since_ms: Date.now() - 3_600_000 },
  {
    id: '4',
    severity: 'critical',
    type: 'absence',
    message: 'No prices from the broker',
    since_ms: Date.now() - 900_000,
    endedAt_ms: Date.now() - 600_000,
  },
];
