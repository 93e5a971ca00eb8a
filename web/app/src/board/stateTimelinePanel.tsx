/** Time from left to right, a row for each series, its states as coloured spans. Drawn beside React. */

import { type KeyedTable, numeric } from '@pulseboard/client';
import { type StateRow, type StateSpan, StateTimelineChart } from '@pulseboard/react/charts';
import { useEffect, useRef } from 'react';
import type { Panel } from '../shared/api';
import { cellReader, timeColumn } from './columns';
import type { PanelBodyProps } from './panelBody';

const LEVEL_TOKENS = { ok: 'ok', warning: 'warning', critical: 'critical', neutral: 'text-3' } as const;

export function StateTimelinePanel({ panel, source, zone, span }: PanelBodyProps) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (host.current === null) {
      return;
    }
    const levels = Object.entries(panel.options?.states ?? {}).flatMap(([state, level]) =>
      typeof level === 'string' ? [[state, LEVEL_TOKENS[level]] as const] : [],
    );
    const chart = new StateTimelineChart({
      host: host.current,
      clock: span.clock,
      range_ms: span.range_ms,
      zone,
      colors: levels.length === 0 ? undefined : Object.fromEntries(levels),
    });
    const stop = source.listen(() => chart.set(stateRows(panel, source.table)));
    return () => {
      stop();
      chart.destroy();
    };
  }, [panel, source, zone, span]);
  return <div ref={host} className="min-h-0 flex-1" role="img" aria-label={`${panel.title}, as states over time`} />;
}

/** The rows of a result as spans by series. A state lasts until its row says, else until the next one of its series. */
export function stateRows(panel: Panel, table: KeyedTable): readonly StateRow[] {
  const options = panel.options ?? {};
  const time = timeColumn(panel, table);
  if (time === null) {
    return [];
  }
  const { until, series } = options;
  const taken = [time, until, series];
  const state = options.value ?? table.columns.find(({ name }) => !taken.includes(name))?.name ?? '';
  const found = new Map<string, { from_ms: number; to_ms: number | null; state: string | null }[]>();
  for (const [, row] of table.rows()) {
    const cell = cellReader(table, row);
    const from_us = numeric(cell(time));
    if (from_us === null) {
      continue;
    }
    const name = series === undefined ? panel.title : String(cell(series) ?? '–');
    const until_us = until === undefined ? null : numeric(cell(until));
    const value = cell(state);
    const spans = found.get(name) ?? [];
    found.set(name, spans);
    spans.push({
      from_ms: from_us / 1_000,
      to_ms: until_us === null ? null : until_us / 1_000,
      state: value === null ? null : String(value),
    });
  }
  return [...found].map(([name, spans]) => {
    spans.sort((a, b) => a.from_ms - b.from_ms);
    const ended: StateSpan[] = spans.map((each, at) => ({
      ...each,
      to_ms: each.to_ms ?? spans[at + 1]?.from_ms ?? null,
    }));
    return { name: options.series_label?.replace('{}', name) ?? name, spans: ended };
  });
}
