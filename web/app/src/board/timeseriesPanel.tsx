/** Lines or areas over time, with the last values in the legend and one crosshair for the whole board. */

import { SeriesBuffer } from '@pulseboard/client';
import { LineChart, seriesToken } from '@pulseboard/react/charts';
import { unitText } from '@pulseboard/react/format';
import { useEffect, useRef } from 'react';
import { Legend, type LegendEntry, summary } from './legend';
import { numberOf } from './options';
import type { PanelBodyProps } from './panelBody';

export function TimeseriesPanel({ panel, source, zone, span, legend, legends }: PanelBodyProps) {
  const host = useRef<HTMLDivElement>(null);
  const below = useRef<HTMLDivElement>(null);
  const full = legends === 'full' || (panel.options?.legend ?? []).some((each) => each !== 'last');
  useEffect(() => {
    const root = full ? below.current : legend;
    if (host.current === null || root === null) {
      return;
    }
    const options = panel.options ?? {};
    const unit = panel.unit ?? '';
    const first_color = options.first_color ?? options.color ?? 1;
    let buffer: SeriesBuffer | null = null;
    let hovered: number | null = null;
    const text = (value: number | null) => unitText(value, unit, options.decimals, zone);
    const colour = (name: string, index: number) =>
      name === options.comparison ? 'text-3' : seriesToken(first_color - 1 + index);
    const entry = (name: string, values: readonly (number | null)[], index: number): LegendEntry => {
      const last = hovered === null ? values.findLast((value) => value !== null) : values[hovered];
      const shown = [text(last ?? null)];
      if (full) {
        const end_ms = span.clock.now_ms();
        const { min, max, avg } = summary(buffer?.times ?? [], values, span.from_ms ?? end_ms - span.range_ms, end_ms);
        shown.push(text(min), text(max), text(avg));
      }
      const label = options.series_label?.replace('{}', name) ?? name;
      return { name, label, token: colour(name, index), values: shown };
    };
    const showLegend = () => lines.show((buffer?.series ?? []).map(({ name, values }, at) => entry(name, values, at)));
    const lines = new Legend({ root, full, onHide: (hidden) => chart.hide(hidden) });
    const chart = new LineChart({
      host: host.current,
      clock: span.clock,
      range_ms: span.range_ms,
      from_ms: span.from_ms ?? undefined,
      unit,
      zone,
      area: options.style === 'area',
      style: options.style === 'stacked' || options.style === 'bars' ? options.style : undefined,
      comparison: options.comparison,
      first_color,
      min: options.min,
      max: numberOf(options.max),
      thresholds: panel.thresholds,
      onZoom: span.onZoom,
      onReset: span.onReset,
      onHover(index) {
        if (hovered !== index) {
          hovered = index;
          showLegend();
        }
      },
    });
    const stop = source.listen((changes) => {
      const { table } = source;
      const time = options.time ?? table.columns.find(({ type }) => type === 'time')?.name;
      if (time === undefined) {
        return;
      }
      const by = options.series ?? null;
      if (buffer === null || changes.replaced) {
        const others = table.columns.map(({ name }) => name).filter((name) => name !== time && name !== by);
        const wanted = [options.value, options.comparison];
        const values = options.value === undefined ? others : others.filter((name) => wanted.includes(name));
        buffer = new SeriesBuffer({ time, by, values });
        buffer.apply(table, { replaced: true, changed: new Map(), removed: new Set() });
      } else {
        buffer.apply(table, changes);
      }
      chart.set(buffer.times, buffer.series);
      showLegend();
    });
    return () => {
      stop();
      lines.clear();
      chart.destroy();
    };
  }, [panel, source, zone, span, legend, full]);
  return (
    <>
      <div ref={host} className="chart min-h-0 flex-1" role="img" aria-label={`${panel.title}, over time`} />
      <div ref={below} className="legend-table" hidden={!full} />
    </>
  );
}
