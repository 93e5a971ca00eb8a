/** The rarer panels in their states, for the design page. */

import type { Cell, Column } from '@pulseboard/client';
import type { Panel } from '../shared/api';
import { AT_MS, randoms, source, walk } from './data';
import { NOTICES, type Specimen } from './panels';

function specimen(
  id: string,
  type: Panel['type'],
  more: Partial<Panel>,
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
): Specimen {
  const panel: Panel = { id, type, title: id, channel: 'view:design', x: 0, y: 0, w: 3, h: 3, ...more };
  return { panel, source: source(columns, rows), notice: null, content: rows.length === 0 ? 'empty' : 'rows' };
}

const int = (name: string): Column => ({ name, type: 'int' });
const float = (name: string): Column => ({ name, type: 'float' });
const text = (name: string, key = false): Column => ({ name, type: 'string', ...(key ? { key: true } : {}) });
const moment = (name: string): Column => ({ name, type: 'time' });
const TIME: Column = { name: 't', type: 'time', key: true };
const ago_us = (seconds: number) => (AT_MS - seconds * 1_000) * 1_000;

const gauge = (id: string, value: number | null, more: Partial<Panel> = {}) =>
  specimen(id, 'gauge', { unit: 'percent', ...more }, [float('v')], [[value]]);
const limits = { thresholds: { warning: 70, critical: 90 } };

const cores = Array.from({ length: 6 }, (_, core) => walk(70 + core, 60, 12 + core * 14, 26));
const heat = cores.flatMap((values, core) =>
  values.map((value, at): Cell[] => [ago_us((60 - at) * 5), core, Math.max(0, value)]),
);

const prices = walk(91, 61, 190, 3.4);
const random = randoms(9);
const candles = prices.slice(1).map((close, at): Cell[] => {
  const open = prices[at] ?? close;
  const room = random() * 1.6;
  return [
    ago_us((59 - at) * 60),
    open,
    Math.max(open, close) + room,
    Math.min(open, close) - room,
    close,
    Math.round(200 + random() * 900),
  ];
});

const STATES: readonly Cell[][] = [
  [ago_us(280), 'exchange', 'live'],
  [ago_us(280), 'broker', 'live'],
  [ago_us(190), 'broker', 'retrying'],
  [ago_us(150), 'broker', 'down'],
  [ago_us(90), 'broker', 'live'],
  [ago_us(280), 'costs', null],
  [ago_us(120), 'costs', 'retrying'],
];

const TOP = [
  'Trail Runner 2',
  'Summit Shell',
  'Merino Base Layer',
  'Flask 0.7 l',
  'Headlamp 400',
  'A product whose name is much too long for its place',
  'Rope 60 m',
];

const ALERTS: readonly Cell[][] = [
  ['1', 'critical', 'oversell_guard', 'Trail Runner 2 · 42 is about to oversell', 2, 5, null, ago_us(18), null],
  ['2', 'warning', 'revenue_drop', 'Revenue fell to half of an hour ago', 412.5, 900, 'EUR', ago_us(340), null],
  ['3', 'info', null, 'A new version of the catalogue was loaded', null, null, null, ago_us(4_000), null],
  ['4', 'critical', 'payments', 'Payments fail', 31, 5, 'percent', ago_us(7_400), ago_us(7_100)],
];

export const RICH: readonly Specimen[] = [
  gauge('Gauge', 42.5),
  gauge('Gauge high', 78, limits),
  gauge('Gauge critical', 96, limits),
  gauge('Gauge unknown', null),
  gauge('Gauge zero', 0, limits),
  { ...gauge('Gauge stale', 61, limits), notice: NOTICES.stale },
  specimen(
    'Percentage',
    'percentage',
    { unit: 'percent' },
    [text('name', true), float('v')],
    [
      ['cart', 38.2],
      ['checkout', 12.9],
      ['paid', 0],
      ['refunds', null],
    ],
  ),
  specimen(
    'Both directions',
    'percentage',
    { unit: 'percent', options: { min: -100, low_label: 'sell', high_label: 'buy' } },
    [text('name', true), float('v')],
    [
      ['NVDA', 44],
      ['TSLA', -63.5],
      ['MSFT', 0],
    ],
  ),
  specimen(
    'Ranking',
    'barlist',
    { w: 4, h: 5, options: { limit: 5, share: true } },
    [text('product', true), int('sold')],
    TOP.map((name, at) => [name, 38 - at * 5]),
  ),
  specimen(
    'Heat',
    'heatmap',
    {
      w: 8,
      h: 5,
      unit: 'percent',
      options: { series: 'core', series_label: 'core {}', range: '5m', min: 0, max: 100 },
    },
    [TIME, { name: 'core', type: 'int', key: true }, float('v')],
    heat,
  ),
  specimen(
    'States',
    'statetimeline',
    {
      w: 6,
      h: 4,
      options: { series: 'source', range: '5m', states: { live: 'ok', retrying: 'warning', down: 'critical' } },
    },
    [TIME, text('source', true), text('state')],
    STATES,
  ),
  specimen(
    'Candles',
    'candles',
    { w: 6, h: 5, options: { range: '1h' } },
    [TIME, float('open'), float('high'), float('low'), float('close'), int('volume')],
    candles,
  ),
  specimen(
    'Alerts',
    'alerts',
    { w: 12, h: 4 },
    [
      text('id', true),
      text('severity'),
      text('rule'),
      text('message'),
      float('value'),
      float('threshold'),
      text('unit'),
      moment('since'),
      moment('ended'),
    ],
    ALERTS,
  ),
  specimen('Ranking without rows', 'barlist', { w: 4, h: 2 }, [text('product', true), int('sold')], []),
  specimen('Heat without rows', 'heatmap', { w: 4, h: 2 }, [TIME, float('v')], []),
  specimen(
    'Table with looks',
    'table',
    {
      w: 12,
      h: 3,
      options: {
        columns: ['order', 'status', 'total', 'change', 'at'],
        labels: { order: 'Order', status: 'Status', total: 'Total', change: 'Change', at: 'Age' },
        units: { total: 'EUR' },
        states: { status: { paid: 'ok', retry: 'warning', failed: 'critical' } },
        signed: ['change'],
        column_decimals: { change: 2 },
      },
    },
    [
      { name: 'order', type: 'int', key: true },
      text('status'),
      float('total'),
      float('change'),
      int('hidden'),
      { name: 'at', type: 'time' },
    ],
    [
      [48_201, 'paid', 129, 2.31, 1, ago_us(1)],
      [48_200, 'retry', 98.5, -1.87, 2, ago_us(14)],
      [48_199, 'failed', 0, 0, 3, ago_us(180)],
    ],
  ),
];
