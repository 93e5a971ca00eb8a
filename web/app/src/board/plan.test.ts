import { describe, expect, it } from 'vitest';
import type { Panel } from '../shared/api';
import { type Chosen, channelName, parseChannel, planPanel, variablesOf } from './plan';

const NOW_MS = Date.UTC(2026, 10, 18, 12);
const HOUR = 3_600_000;
const SERIES =
  'SELECT time_bucket($bucket, time) AS t, count(*) AS n FROM orders WHERE time >= $from AND time < $to GROUP BY 1';

function panel(more: Partial<Panel>): Panel {
  return {
    id: 'p',
    type: 'timeseries',
    title: 'P',
    channel: 'view:shop.p',
    x: 0,
    y: 0,
    w: 6,
    h: 4,
    sql: SERIES,
    ...more,
  };
}
const none: Chosen = { range: null, span: null, zone: null, variables: {}, viewSql: new Map() };
const six: Chosen = {
  ...none,
  range: { from: 'now-6h', to: 'now' },
  span: { from_ms: NOW_MS - 6 * HOUR, to_ms: NOW_MS, live: true },
};
const past: Chosen = {
  ...none,
  range: { from: String(NOW_MS - 6 * HOUR), to: String(NOW_MS - HOUR) },
  span: { from_ms: NOW_MS - 6 * HOUR, to_ms: NOW_MS - HOUR, live: false },
};

describe('a panel that follows the span', () => {
  it('shows its own range until one is chosen', () => {
    expect(planPanel(panel({ options: { range: '15m' } }), none)).toMatchObject({
      channel: 'view:shop.p?bucket=5%20seconds&from=-900s',
      ask: null,
      range_ms: 900_000,
    });
    expect(planPanel(panel({}), none)).toMatchObject({ channel: 'view:shop.p', range_ms: HOUR });
  });

  it('asks for the past and follows the same buckets live', () => {
    const plan = planPanel(panel({}), six);
    expect(plan?.channel).toBe('view:shop.p?bucket=2%20minutes&from=-6h');
    expect(plan?.ask).toEqual({
      kind: 'range',
      request: { view: 'shop.p', params: { bucket: '2 minutes' }, from: '-6h', points: 302 },
    });
    expect(plan).toMatchObject({ from_ms: null, to_ms: null, range_ms: 6 * HOUR, follows: true });
  });

  it('asks once for a span that is over', () => {
    const plan = planPanel(panel({}), { ...past, zone: 'Asia/Tokyo' });
    expect(plan).toMatchObject({ channel: null, from_ms: NOW_MS - 6 * HOUR, to_ms: NOW_MS - HOUR });
    expect(plan?.ask).toMatchObject({
      request: { from: '2026-11-18T06:00:00.000Z', to: '2026-11-18T11:00:00.000Z', timezone: 'Asia/Tokyo' },
    });
  });

  it('begins at the day when that is what was chosen', () => {
    const today = { ...six, range: { from: 'now/d', to: 'now' } };
    expect(planPanel(panel({}), today)).toMatchObject({
      channel: 'view:shop.p?bucket=2%20minutes&from=2026-11-18T06%3A00%3A00.000Z',
      from_ms: NOW_MS - 6 * HOUR,
    });
  });
});

describe('a panel whose pieces of time are of a width that the reader chose', () => {
  const candles = panel({
    type: 'candles',
    w: 8,
    sql: 'SELECT time_bucket($candle, time) AS t, max(price) FROM ticks WHERE time >= $from AND time < $to GROUP BY 1',
    options: { range: '1h' },
  });
  const chosen = (more: Chosen, candle: string) => ({ ...more, variables: { candle } });

  it('keeps it while there is room for as many', () => {
    expect(planPanel(candles, chosen(none, '30 seconds'))?.channel).toBe('view:shop.p?candle=30%20seconds&from=-3600s');
    expect(planPanel(candles, chosen(six, '5 minutes'))?.ask).toMatchObject({
      request: { params: { candle: '5 minutes' }, from: '-6h' },
    });
  });

  it('widens it for a span with more than the panel has room for, live and past', () => {
    expect(planPanel(candles, chosen(six, '10 seconds'))?.channel).toBe('view:shop.p?candle=1%20minute&from=-6h');
    expect(planPanel(candles, chosen(past, '10 seconds'))?.ask).toMatchObject({
      request: { params: { candle: '1 minute' } },
    });
  });
});

describe('a panel with a span of its own', () => {
  const own = panel({ type: 'stat', sql: 'SELECT count(*) FROM orders' });
  it('stays live under a live span, and is asked as of the end of one that is over', () => {
    expect(planPanel(own, six)).toMatchObject({ channel: 'view:shop.p', ask: null, follows: false });
    expect(planPanel(own, past)).toMatchObject({
      channel: null,
      ask: { kind: 'at', view: 'shop.p', at: '2026-11-18T11:00:00.000Z' },
      to_ms: NOW_MS - HOUR,
    });
  });
});

describe('variables', () => {
  const variables = { symbol: 'BRK/B', other: 'x' };
  it('go to the panels whose queries take them', () => {
    const sql = 'SELECT price FROM ticks WHERE symbol = $symbol';
    expect(planPanel(panel({ sql }), { ...none, variables })?.channel).toBe('view:shop.p?symbol=BRK%2FB');
    expect(
      planPanel(panel({ sql: null, view: 'v', channel: 'view:v?symbol=AAPL' }), { ...none, variables })?.channel,
    ).toBe('view:v?symbol=BRK%2FB');
    expect(planPanel(panel({ sql: 'SELECT $symbols' }), { ...none, variables })?.channel).toBe('view:shop.p');
  });

  it('are what the link says where the board allows it', () => {
    const board = {
      title: 'B',
      panels: [],
      variables: [
        { name: 'symbol', type: 'string', options: ['AAPL', 'NVDA'], default: 'AAPL' },
        { name: 'size', type: 'int', options: [] },
      ],
    };
    expect(variablesOf(board, { symbol: 'NVDA', size: '3', nothing: '1' })).toEqual({ symbol: 'NVDA', size: '3' });
    expect(variablesOf(board, { symbol: "x' OR 1" })).toEqual({ symbol: 'AAPL' });
  });
});

it('names of channels survive being read and written', () => {
  const params = { symbol: "a&b=c d!'()*", from: '-6h' };
  const name = channelName('shop.p', params);
  expect(parseChannel(name)).toEqual({ view: 'shop.p', params });
  expect(name).not.toMatch(/[ !'()*]/);
});
