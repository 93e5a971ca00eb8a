import { describe, expect, it } from 'vitest';
import { curlCommand, sampleEvent } from './howToPost';
import { nextRate } from './rate';
import { sampleSql } from './sampleSql';

describe('the rate of a stream', () => {
  it('is known from the second answer on and follows smoothly', () => {
    expect(nextRate(undefined, 0, 100)).toBeNull();
    const first = { at_ms: 0, events: 100, rate: null };
    expect(nextRate(first, 2_000, 300)).toBe(100);
    expect(nextRate({ at_ms: 2_000, events: 300, rate: 100 }, 4_000, 300)).toBe(60);
  });

  it('does not go below zero when retention takes events away', () => {
    expect(nextRate({ at_ms: 0, events: 100, rate: 12 }, 2_000, 40)).toBe(12);
  });
});

describe('how to send an event', () => {
  it('quotes for the shell', () => {
    expect(curlCommand('http://h/api/v1/', 'orders', { name: "it's" })).toBe(
      `curl -X POST http://h/api/v1/streams/orders/events \\\n  -d '{"name":"it'\\''s"}'`,
    );
  });

  it('makes an event that the schema takes', () => {
    const field = (name: string, type: string) => ({ name, type, declared: false });
    const fields = [field('s', 'string'), field('n', 'int'), field('d', 'decimal(12,2)'), field('l', 'list(int)')];
    expect(sampleEvent(fields)).toEqual({ s: 's', n: 1, d: '10.00', l: [] });
  });

  it('quotes names that SQL would not read as they are', () => {
    expect(sampleSql('orders')).toContain('FROM orders ');
    expect(sampleSql('my-orders.v2')).toContain('FROM "my-orders.v2" ');
  });
});
