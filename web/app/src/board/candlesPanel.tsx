/** Open, high, low and close of each bucket, with the volume beneath. Fed beside React through the chart's handle. */

import { type KeyedTable, numeric, type TableChanges } from '@pulseboard/client';
import { type Candle, PriceChart, type PriceChartHandle } from '@pulseboard/react';
import { useEffect, useRef } from 'react';
import type { Panel } from '../shared/api';
import { cellReader, timeColumn } from './columns';
import type { PanelBodyProps } from './panelBody';

export function CandlesPanel({ panel, source, zone, span }: PanelBodyProps) {
  const chart = useRef<PriceChartHandle>(null);
  useEffect(
    () =>
      source.listen((changes) => {
        const end_ms = span.clock.now_ms();
        const from_ms = span.from_ms ?? end_ms - span.range_ms;
        const shown = candles(panel, source.table).filter(({ time_ms }) => time_ms >= from_ms && time_ms <= end_ms);
        const last = shown.at(-1);
        if (last !== undefined && onlyLast(changes, source.table)) {
          chart.current?.update(last);
        } else {
          chart.current?.set(shown);
        }
      }),
    [panel, source, span],
  );
  return (
    <PriceChart
      ref={chart}
      className="candles"
      type={panel.options?.style === 'line' ? 'line' : 'candles'}
      decimals={panel.options?.decimals}
      zone={zone}
      height="100%"
    />
  );
}

/** Whether nothing but the newest row changed: the usual case, a tick. */
function onlyLast({ replaced, changed, removed }: TableChanges, table: KeyedTable): boolean {
  if (replaced || removed.size > 0 || changed.size !== 1) {
    return false;
  }
  const [key] = changed.keys();
  let last: string | undefined;
  for (const each of table.keys()) {
    last = each;
  }
  return key === last;
}

/** Oldest first. A bucket without a price is none. */
function candles(panel: Panel, table: KeyedTable): Candle[] {
  const { open = 'open', high = 'high', low = 'low', close = 'close', volume = 'volume' } = panel.options ?? {};
  const time = timeColumn(panel, table) ?? '';
  const found = [...table.rows()].flatMap(([, row]): Candle[] => {
    const cell = cellReader(table, row);
    const [at, first, most, least, last] = [time, open, high, low, close].map((column) => numeric(cell(column)));
    if (at == null || first == null || most == null || least == null || last == null) {
      return [];
    }
    const traded = numeric(cell(volume));
    const candle = { time_ms: at / 1_000, open: first, high: most, low: least, close: last };
    return [traded === null ? candle : { ...candle, volume: traded }];
  });
  return found.sort((a, b) => a.time_ms - b.time_ms);
}
