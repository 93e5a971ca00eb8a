/** Every type of panel in every state it may be in, for the design page. */

import type { Notice, PanelSource } from '../board';
import type { Panel } from '../shared/api';
import { AT_MS, randoms, series, source, walk } from './data';

export interface Specimen {
  readonly panel: Panel;
  readonly source: PanelSource | null;
  readonly notice: Notice | null;
  readonly content: 'none' | 'empty' | 'rows';
}

function panel(id: string, more: Partial<Panel>): Panel {
  return { id, type: 'stat', title: id, channel: 'view:design', x: 0, y: 0, w: 3, h: 2, ...more };
}

export const NOTICES = {
  stale: { tone: 'warning', icon: 'clock', label: '14 s old', detail: 'no newer events have come', dims: true },
  partial: { tone: 'warning', icon: 'warning', label: 'partial', detail: 'the source `broker` is away', dims: false },
  error: { tone: 'critical', icon: 'warning', label: 'error', detail: 'overflow in `sum(total)`', dims: true },
  waiting: { tone: 'quiet', icon: 'wait', label: 'waiting', detail: 'waiting for the stream `orders`', dims: false },
  rebuilding: {
    tone: 'quiet',
    icon: 'wait',
    label: 'rebuilding 42 %',
    detail: 'being rebuilt from the log',
    dims: false,
  },
  cached: {
    tone: 'warning',
    icon: 'clock',
    label: 'cached, 3 min old',
    detail: 'kept from the last visit',
    dims: true,
  },
} as const satisfies { readonly [name: string]: Notice };

const DAY_S = 86_400;
const range = { range: '2m' };
const line = (seed: number, level: number, step: number) => series(120, 1, { v: walk(seed, 120, level, step) });
const number = (value: number | null) => source([{ name: 'v', type: 'float' }], [[value]]);

function stat(id: string, from: PanelSource | null, more: Partial<Panel> = {}, told: Notice | null = null): Specimen {
  return { panel: panel(id, more), source: from, notice: told, content: from === null ? 'none' : 'rows' };
}

const against = { compare: 'before', compare_label: 'vs yesterday {now}' } as const;
const two = (now: number | null, before: number | null) =>
  source(
    [
      { name: 'v', type: 'float' },
      { name: 'before', type: 'float' },
    ],
    [[now, before]],
  );

export const STATS: readonly Specimen[] = [
  stat('Live', line(1, 1_284, 60), { options: { ...range, detail: 'last minute {v}' } }),
  stat('Loading', null),
  stat('Stale', line(2, 64, 8), { unit: 'percent', options: { ...range, color: 2 } }, NOTICES.stale),
  stat('Partial', line(3, 40_253, 900), { unit: 'EUR', options: { ...range, decimals: 0, color: 3 } }, NOTICES.partial),
  stat('Error', line(4, 3.4, 0.4), { unit: 'percent', options: { ...range, color: 4 } }, NOTICES.error),
  stat('Cached', line(5, 8e9, 3e8), { unit: 'bytes', options: { ...range, color: 5 } }, NOTICES.cached),
  stat('Waiting', null, {}, NOTICES.waiting),
  stat('Rebuilding', null, {}, NOTICES.rebuilding),
  stat('Zero', number(0)),
  stat('Unknown', number(null)),
  stat('Negative', number(-20_951.5), { unit: 'USD' }),
  stat('Huge', number(98_765_432_109_876)),
  stat('A very long title of a panel that nobody wanted to shorten', number(12.5), { unit: 'orders per minute' }),
  stat('Gain', two(96_410, 68_040), { unit: 'EUR', options: { ...against, decimals: 0 } }),
  stat('Loss', two(3.42, 3.63), { unit: 'percent', options: { ...against, compare_as: 'difference', decimals: 2 } }),
  stat('No comparison', two(12, null), { options: against }),
  stat('High', number(91.2), { unit: 'percent', thresholds: { warning: 85, critical: 95 } }),
  stat('Critical', number(97.9), { unit: 'percent', thresholds: { warning: 85, critical: 95 } }),
  stat('Low', number(6), { thresholds: { warning: 10, critical: 3 } }),
  stat('Duration', number(5_025), { unit: 'seconds' }),
];

const chart = (id: string, more: Partial<Panel>) => panel(id, { type: 'timeseries', w: 6, h: 4, ...more });
const days = (seed: number, level: number, step: number) => walk(seed, 144, level, step);

export const CHARTS: readonly Specimen[] = [
  {
    panel: chart('Lines', { options: { range: '5m' } }),
    source: series(300, 1, {
      requests: walk(11, 300, 320, 40),
      errors: walk(12, 300, 40, 9),
      retries: walk(13, 300, 90, 14),
    }),
    notice: null,
    content: 'rows',
  },
  {
    panel: chart('Area with a comparison', {
      options: { range: '24h', style: 'area', comparison: 'yesterday', legend: ['last', 'min', 'max', 'avg'] },
    }),
    source: series(DAY_S, 600, { today: days(21, 62, 16), yesterday: days(22, 48, 12) }),
    notice: null,
    content: 'rows',
  },
  {
    panel: chart('Thresholds and a hole', {
      unit: 'percent',
      thresholds: { warning: 70, critical: 90 },
      options: { range: '5m', min: 0, max: 100 },
    }),
    source: series(300, 1, { cpu: walk(31, 300, 66, 22).map((value, at) => (at > 120 && at < 170 ? null : value)) }),
    notice: NOTICES.stale,
    content: 'rows',
  },
  {
    panel: chart('Many series', { options: { range: '5m', series_label: 'core {}' } }),
    source: series(
      300,
      2,
      Object.fromEntries(Array.from({ length: 8 }, (_, at) => [String(at), walk(40 + at, 150, 10 + at * 11, 9)])),
    ),
    notice: null,
    content: 'rows',
  },
  {
    panel: chart('Negative and huge', { unit: 'USD', options: { range: '5m' } }),
    source: series(300, 1, { profit: walk(51, 300, -1.2e7, 9e6) }),
    notice: NOTICES.error,
    content: 'rows',
  },
  {
    panel: chart('Chart without rows', {}),
    source: source([{ name: 't', type: 'time' }], []),
    notice: null,
    content: 'empty',
  },
  { panel: chart('Chart loading', {}), source: null, notice: null, content: 'none' },
  { panel: chart('Chart waiting', {}), source: null, notice: NOTICES.waiting, content: 'none' },
];

const products = ['Trail Runner 2 · 42', 'Summit Shell · M', 'Flask 0.7 l', 'Headlamp 400', 'Merino Base · L'];
const stock = [2, 6, 9, 31, 58];
const next = randoms(7);
const people = [
  'Amara N.',
  'Jonas W.',
  'Li Na',
  'P. Okafor',
  'Sofía R.',
  'Somebody With An Extraordinarily Long Name Indeed',
];

export const LISTS: readonly Specimen[] = [
  {
    panel: panel('Bars', {
      type: 'bars',
      w: 4,
      h: 5,
      thresholds: { warning: 10, critical: 3 },
      options: { label: 'product', value: 'left', max: 120, hint: 'under 10 first' },
    }),
    source: source(
      [
        { name: 'product', type: 'string', key: true },
        { name: 'left', type: 'int' },
      ],
      products.map((product, at) => [product, stock[at] ?? 0]),
    ),
    notice: null,
    content: 'rows',
  },
  {
    panel: panel('Table', { type: 'table', w: 8, h: 5, options: { units: { total: 'EUR' } } }),
    source: source(
      [
        { name: 'order', type: 'int', key: true },
        { name: 'customer', type: 'string' },
        { name: 'total', type: 'decimal(12,2)' },
        { name: 'paid', type: 'bool' },
        { name: 'at', type: 'time' },
        { name: 'note', type: 'string' },
      ],
      people.map((person, at) => [
        48_201 - at,
        person,
        (20 + next() * 300).toFixed(2),
        at !== 3,
        (AT_MS - at * 2_400) * 1_000,
        at === 2 ? null : '',
      ]),
    ),
    notice: null,
    content: 'rows',
  },
  {
    panel: panel('Text', {
      type: 'text',
      w: 4,
      h: 4,
      text: '# Flash sale\n\nStarts at **20:00**, ends when the *last pair* is gone. See [the shop](shop).\n\n- `oversell_guard` watches stock\n- payment retries after 5 s',
    }),
    source: source([], []),
    notice: null,
    content: 'rows',
  },
  {
    panel: panel('Table without rows', { type: 'table', w: 4, h: 4 }),
    source: source([{ name: 'a', type: 'int' }], []),
    notice: null,
    content: 'empty',
  },
  {
    panel: panel('Unknown type', { type: 'sculpture' as never, w: 4, h: 4 }),
    source: null,
    notice: null,
    content: 'none',
  },
];
