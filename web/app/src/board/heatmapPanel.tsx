/** Time from left to right, a row for each series, the value as the strength of the colour. Drawn beside React. */

import { SeriesBuffer } from '@pulseboard/client';
import { HeatmapChart } from '@pulseboard/react/charts';
import { useEffect, useRef } from 'react';
import { timeColumn, valueColumn } from './columns';
import { numberOf } from './options';
import type { PanelBodyProps } from './panelBody';

export function HeatmapPanel({ panel, source, zone, span }: PanelBodyProps) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (host.current === null) {
      return;
    }
    const options = panel.options ?? {};
    const strength = (value: number | null) =>
      options.scale === 'log' && value !== null ? Math.log1p(Math.max(0, value)) : value;
    const logarithmic = options.scale === 'log';
    const chart = new HeatmapChart({
      host: host.current,
      clock: span.clock,
      range_ms: span.range_ms,
      unit: panel.unit ?? '',
      decimals: options.decimals,
      zone,
      min: logarithmic ? undefined : options.min,
      max: logarithmic ? undefined : numberOf(options.max),
      color: options.color ?? 1,
      ...(logarithmic ? { format: (value: number) => String(Math.round(Math.expm1(value))) } : {}),
    });
    let buffer: SeriesBuffer | null = null;
    const stop = source.listen((changes) => {
      const { table } = source;
      const time = timeColumn(panel, table);
      if (time === null) {
        return;
      }
      const by = options.series ?? null;
      if (buffer === null || changes.replaced) {
        const others = table.columns.map(({ name }) => name).filter((name) => name !== time && name !== by);
        // Without a series each column is a row of its own.
        const values = by === null && options.value === undefined ? others : [valueColumn(panel, table, [time, by])];
        buffer = new SeriesBuffer({ time, by, values });
        buffer.apply(table, { replaced: true, changed: new Map(), removed: new Set() });
      } else {
        buffer.apply(table, changes);
      }
      const rows = buffer.series.map(({ name, values }) => ({
        name: options.series_label?.replace('{}', name) ?? name,
        values: logarithmic ? values.map(strength) : values,
      }));
      chart.set(buffer.times, rows);
    });
    return () => {
      stop();
      chart.destroy();
    };
  }, [panel, source, zone, span]);
  return <div ref={host} className="min-h-0 flex-1" role="img" aria-label={`${panel.title}, as strengths over time`} />;
}
