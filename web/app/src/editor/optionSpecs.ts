/**
 * What can be set of a panel of each type, as the server reads it (`config/panel_types.rs`), and how a form asks for it.
 *
 * A table, no code: what each option means is told in the guide's page of boards.
 */

import type { PanelType } from '../shared/api';

export type OptionKind =
  | { readonly is: 'text'; readonly example?: string }
  | { readonly is: 'number' }
  | { readonly is: 'flag' }
  | { readonly is: 'colour' }
  /** A span of time. */
  | { readonly is: 'span' }
  /** A column of the answer. */
  | { readonly is: 'column' }
  /** A number, or a column that has it. */
  | { readonly is: 'number-or-column' }
  /** Another panel of the board. */
  | { readonly is: 'panel' }
  /** Several columns of the answer. */
  | { readonly is: 'columns' }
  /** A word or a number for each column of the answer. */
  | { readonly is: 'by-column'; readonly of: 'text' | 'number'; readonly choices?: readonly string[] }
  /** One of these, the first unless set. */
  | { readonly is: 'choice'; readonly of: readonly string[] }
  /** Any of these. */
  | { readonly is: 'any'; readonly of: readonly string[] }
  /** A level for each value; by column if the panel has several. */
  | { readonly is: 'states'; readonly byColumn: boolean };

export interface OptionSpec {
  readonly name: string;
  readonly label: string;
  readonly kind: OptionKind;
  /** What it does, where the label does not say it. */
  readonly hint?: string;
}

const spec = (name: string, label: string, kind: OptionKind, hint?: string): OptionSpec => ({
  name,
  label,
  kind,
  ...(hint === undefined ? {} : { hint }),
});
const text = (example: string): OptionKind => ({ is: 'text', example });
const column: OptionKind = { is: 'column' };
const number: OptionKind = { is: 'number' };
const colour: OptionKind = { is: 'colour' };
const choice = (...of: readonly string[]): OptionKind => ({ is: 'choice', of });

/** The units that are more than a word behind the number. */
export const UNITS_KNOWN: readonly string[] = [
  'percent',
  'bytes',
  'bytes/s',
  'bits/s',
  'seconds',
  'ms',
  'EUR',
  'USD',
  'GBP',
];

const VALUE = spec('value', 'Value column', column);
const DECIMALS = spec('decimals', 'Decimals', number);
const COLOUR = spec('color', 'Colour', colour);
const UNITS = spec('units', 'Units of columns', { is: 'by-column', of: 'text', choices: UNITS_KNOWN });
const HINT = spec('hint', 'Hint', text('fullest first'), 'a few words beside the title');
const TIME = spec('time', 'Time column', column);
const RANGE = spec('range', 'Range', { is: 'span' }, 'how much time is shown');
const MIN = spec('min', 'Least', number, 'where the scale begins');
const MAX = spec('max', 'Most', number, 'where the scale ends');
const MAX_OR_COLUMN = spec('max', 'Full length', { is: 'number-or-column' }, 'a number, or the column that has it');
const DETAIL = spec('detail', 'Detail', text('{used} of {total}'), 'a line with columns in braces');
const LABEL = spec('label', 'Label column', column);
const SERIES = spec('series', 'Series column', column, 'a line or row for each of its values');
const SERIES_LABEL = spec('series_label', 'Series label', text('core {}'));
const SPARK_PANEL = spec('spark_panel', 'Sparkline from', { is: 'panel' }, 'the panel whose rows it is drawn from');
const SPARK_VALUE = spec('spark_value', 'Sparkline column', column);

const OF_TYPE: { readonly [Type in PanelType]: readonly OptionSpec[] } = {
  stat: [
    DETAIL,
    spec('compare', 'Compared with', column, 'the column with the earlier value'),
    spec('compare_as', 'Change as', choice('percent', 'difference')),
    spec('compare_label', 'Change against', text('vs yesterday {now}')),
    spec('better', 'A gain is', choice('up', 'down')),
    TIME,
    RANGE,
    MIN,
    MAX,
    SPARK_PANEL,
    SPARK_VALUE,
  ],
  timeseries: [
    SERIES,
    SERIES_LABEL,
    spec('style', 'Style', choice('line', 'area', 'stacked', 'bars')),
    spec('comparison', 'Compared with', column, 'dashed and quiet'),
    spec('legend', 'Legend', { is: 'any', of: ['last', 'min', 'max', 'avg'] }),
    TIME,
    RANGE,
    MIN,
    MAX,
    spec('first_color', 'First colour', colour),
  ],
  bars: [LABEL, DETAIL, MAX_OR_COLUMN],
  barlist: [
    LABEL,
    DETAIL,
    MAX_OR_COLUMN,
    spec('limit', 'Rows', number, '10 unless set'),
    spec('share', 'Share of the whole', { is: 'flag' }),
  ],
  gauge: [DETAIL, MIN, spec('max', 'Most', { is: 'number-or-column' }, 'a number, or the column that has it')],
  percentage: [
    LABEL,
    DETAIL,
    MIN,
    MAX,
    spec('low_label', 'At the low end', text('sell')),
    spec('high_label', 'At the high end', text('buy')),
  ],
  table: [
    spec('columns', 'Columns', { is: 'columns' }, 'all unless some are chosen'),
    spec('labels', 'Names of columns', { is: 'by-column', of: 'text' }),
    spec('column_decimals', 'Decimals of columns', { is: 'by-column', of: 'number' }),
    spec('signed', 'With a sign', { is: 'columns' }),
    spec('ages', 'Shown as an age', { is: 'columns' }),
    spec('states', 'States', { is: 'states', byColumn: true }, 'cells that are shown as pills'),
    SPARK_PANEL,
    SPARK_VALUE,
    spec('spark_series', 'Sparkline row by', column),
  ],
  heatmap: [SERIES, SERIES_LABEL, spec('scale', 'Scale', choice('linear', 'log')), TIME, RANGE, MIN, MAX],
  statetimeline: [
    SERIES,
    SERIES_LABEL,
    spec('states', 'States', { is: 'states', byColumn: false }),
    TIME,
    spec('until', 'Ends at', column, 'else it lasts until the next row'),
    RANGE,
  ],
  candles: [
    spec('style', 'Style', choice('candles', 'line')),
    TIME,
    ...['open', 'high', 'low', 'close', 'volume'].map((name) =>
      spec(name, `${name[0]?.toUpperCase()}${name.slice(1)} column`, column),
    ),
    RANGE,
  ],
  alerts: [spec('limit', 'Rows', number, '20 unless set')],
  text: [],
};

/** The options of a type, the most used first. */
export function optionSpecs(type: PanelType): readonly OptionSpec[] {
  const own = OF_TYPE[type] ?? [];
  return type === 'text' ? [HINT] : [VALUE, ...own, DECIMALS, COLOUR, HINT, UNITS];
}

/** What a panel of a type is for, for whoever chooses one. */
export interface TypeInfo {
  readonly type: PanelType;
  readonly label: string;
  readonly what: string;
}

export const TYPES: readonly TypeInfo[] = [
  { type: 'stat', label: 'Number', what: 'One number, its change, its line' },
  { type: 'timeseries', label: 'Lines', what: 'How values went over time' },
  { type: 'table', label: 'Table', what: 'Rows and columns' },
  { type: 'barlist', label: 'Ranking', what: 'The first so many, and the rest' },
  { type: 'bars', label: 'Bars', what: 'A bar for each row' },
  { type: 'gauge', label: 'Gauge', what: 'One number on its scale' },
  { type: 'percentage', label: 'Shares', what: 'How full, or to which side' },
  { type: 'heatmap', label: 'Heat map', what: 'Strength over time, by row' },
  { type: 'statetimeline', label: 'States', what: 'What was when, by row' },
  { type: 'candles', label: 'Candles', what: 'Open, high, low, close' },
  { type: 'alerts', label: 'Alerts', what: 'What fires, and what ended' },
  { type: 'text', label: 'Text', what: 'Words in Markdown' },
];

export function typeLabel(type: PanelType): string {
  return TYPES.find((each) => each.type === type)?.label ?? type;
}
