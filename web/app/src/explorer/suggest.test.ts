import type { Column } from '@pulseboard/client';
import { describe, expect, it } from 'vitest';
import { chartFirst, rangeOf, suggestChart } from './suggest';

const column = (name: string, type: string, key = false): Column => ({ name, type, ...(key ? { key } : {}) });

describe('the picture of an answer', () => {
  it('is a line over time where rows are buckets of time, one for each other key', () => {
    const total = suggestChart([column('t', 'time', true), column('n', 'int')], 300);
    expect(total).toEqual({ type: 'timeseries', options: {} });
    expect(chartFirst(total)).toBe(true);
    const perCore = [column('t', 'time', true), column('core', 'int', true), column('usage', 'float')];
    expect(suggestChart(perCore, 600)).toEqual({ type: 'timeseries', options: { series: 'core', value: 'usage' } });
  });

  it('is bars of names with numbers, a ranking of many', () => {
    const columns = [column('item', 'string', true), column('n', 'int'), column('total', 'decimal(10,2)')];
    expect(suggestChart(columns, 5)).toEqual({ type: 'bars', options: { label: 'item', value: 'n' } });
    expect(suggestChart(columns, 50)?.type).toBe('barlist');
    expect(chartFirst(suggestChart(columns, 5))).toBe(false);
  });

  it('is one number where there is one', () => {
    expect(suggestChart([column('n', 'int')], 1)).toEqual({ type: 'stat', options: { value: 'n' } });
  });

  it('is none of events and of rows without numbers', () => {
    expect(suggestChart([column('time', 'time'), column('item', 'string'), column('n', 'int')], 20)).toBeNull();
    expect(suggestChart([column('item', 'string', true)], 3)).toBeNull();
  });

  it('shows as much time as the query looks back', () => {
    expect(rangeOf("SELECT 1 FROM s WHERE time > now() - INTERVAL '15 minutes'")).toBe('15m');
    expect(rangeOf("time >= now() - interval '1 hour'")).toBe('1h');
    expect(rangeOf('SELECT 1')).toBeNull();
  });
});
