/** The functions that the editor completes, with what they take and do. Not all that the server knows: those in use. */

export interface FunctionInfo {
  /** What stands between the brackets. */
  readonly takes: string;
  readonly does: string;
}

const list: readonly (readonly [name: string, takes: string, does: string])[] = [
  ['count', '*', 'How many rows'],
  ['sum', 'x', 'The sum; null of no rows'],
  ['avg', 'x', 'The mean'],
  ['min', 'x', 'The least'],
  ['max', 'x', 'The most'],
  ['median', 'x', 'The middle value'],
  ['stddev', 'x', 'Standard deviation of a sample'],
  ['var_pop', 'x', 'Variance of all'],
  ['corr', 'x, y', 'Correlation'],
  ['first_value', 'x ORDER BY time', 'The value of the first row'],
  ['last_value', 'x ORDER BY time', 'The value of the last row'],
  ['any_value', 'x', 'The first value that is not null'],
  ['array_agg', 'x', 'All values as a list'],
  ['string_agg', "x, ', '", 'All values as one text'],
  ['approx_distinct', 'x', 'How many different values, about'],
  ['approx_percentile_cont', 'x, 0.95', 'A percentile, about'],
  ['bool_and', 'x', 'Whether all are true'],
  ['bool_or', 'x', 'Whether any is true'],
  ['date_trunc', "'minute', time", 'The beginning of the minute, hour, day … of the zone'],
  ['date_bin', "interval '5 minutes', time", 'The beginning of its bucket'],
  ['date_part', "'hour', time", 'A part of a date'],
  ['to_char', "time, '%H:%M'", 'A time as text'],
  ['to_timestamp', 'x', 'A time of a text or number'],
  ['now', '', 'The instant of the answer, in whole seconds'],
  ['abs', 'x', 'Without its sign'],
  ['ceil', 'x', 'Rounded up'],
  ['floor', 'x', 'Rounded down'],
  ['round', 'x, 2', 'Rounded'],
  ['ln', 'x', 'Natural logarithm'],
  ['log', 'x', 'Logarithm to base 10'],
  ['exp', 'x', 'e to the power of x'],
  ['power', 'x, y', 'x to the power of y'],
  ['sqrt', 'x', 'Square root'],
  ['greatest', 'x, y', 'The greatest of its arguments'],
  ['least', 'x, y', 'The least of its arguments'],
  ['coalesce', 'x, y', 'The first that is not null'],
  ['nullif', 'x, y', 'Null where both are equal'],
  ['lower', 'x', 'In small letters'],
  ['upper', 'x', 'In capitals'],
  ['trim', 'x', 'Without spaces around it'],
  ['length', 'x', 'How many characters'],
  ['substr', 'x, 1, 3', 'A part of a text'],
  ['concat', 'x, y', 'One text'],
  ['split_part', "x, '/', 1", 'One of the parts of a text'],
  ['starts_with', "x, 'a'", 'Whether a text begins so'],
  ['regexp_like', "x, 'a.*'", 'Whether a text matches'],
  ['regexp_replace', "x, 'a', 'b'", 'A text with matches replaced'],
  ['array_length', 'x', 'How many items'],
  ['array_has', 'x, y', 'Whether an item is there'],
  ['row_number', '', 'The number of a row; with OVER (…)'],
  ['rank', '', 'The rank of a row; with OVER (…)'],
  ['lag', 'x', 'The value of the row before; with OVER (…)'],
];

export const FUNCTIONS: ReadonlyMap<string, FunctionInfo> = new Map(
  list.map(([name, takes, does]) => [name, { takes, does }]),
);
