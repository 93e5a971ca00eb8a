/** How an answer is best drawn, read off its columns. Pure. */

import type { Column } from '@pulseboard/client';
import type { PanelOptions, PanelType } from '../shared/api';

export interface Suggestion {
  readonly type: PanelType;
  readonly options: PanelOptions;
}

const NUMBER = /^(int|float|decimal)/;
/** More bars than this are a ranking. */
const BARS_MAX = 12;

/** What else than a table an answer can be; null if nothing. The time of single events makes no line. */
export function suggestChart(columns: readonly Column[], rows: number): Suggestion | null {
  const time = columns.find(({ type }) => type === 'time');
  const keys = columns.filter(({ name, key }) => key === true && name !== time?.name);
  const numbers = columns.filter(({ name, type }) => NUMBER.test(type) && !keys.some((each) => each.name === name));
  const value = numbers[0];
  if (value === undefined) {
    return null;
  }
  if (time !== undefined && time.key === true) {
    const series = keys[0];
    return { type: 'timeseries', options: series === undefined ? {} : { series: series.name, value: value.name } };
  }
  const label = keys[0] ?? columns.find(({ type }) => type === 'string');
  if (label !== undefined && time === undefined) {
    const options = { label: label.name, value: value.name };
    return { type: rows > BARS_MAX ? 'barlist' : 'bars', options };
  }
  return rows <= 1 && time === undefined && numbers.length === columns.length
    ? { type: 'stat', options: { value: value.name } }
    : null;
}

/** Whether the chart is what is shown first: over time yes, elsewhere rows say more. */
export function chartFirst(chart: Suggestion | null): boolean {
  return chart?.type === 'timeseries';
}

/** The span that a query over time looks back, as its panel would have it: `5m` of `now() - interval '5 minutes'`. */
export function rangeOf(sql: string): string | null {
  const found = /now\(\)\s*-\s*interval\s*'(\d+)\s*(second|minute|hour|day)s?'/i.exec(sql);
  const unit = { second: 's', minute: 'm', hour: 'h', day: 'd' }[found?.[2]?.toLowerCase() ?? ''];
  return found === null || unit === undefined ? null : `${found[1]}${unit}`;
}
