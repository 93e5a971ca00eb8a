/** Lines or areas over time, with the last values in the legend and one crosshair for the whole board. */

import { SeriesBuffer } from '@pulseboard/client';
import { LineChart, seriesToken } from '@pulseboard/react/charts';
import { unitText } from '@pulseboard/react/format';
import { useEffect, useRef } from 'react';
import { boardClock } from '../shared/boardClock';
import { parseSpan } from './notice';
import type { PanelBodyProps } from './panel';

const RANGE_MS = 300_000;
/** More than this and the legend would push the title away; the rest is counted. */
const LEGEND_MAX = 5;

export function TimeseriesPanel({ panel, channel, zone, legend }: PanelBodyProps) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (host.current === null || legend === null) {
      return;
    }
    const options = panel.options ?? {};
    const unit = panel.unit ?? '';
    const first_color = options.first_color ?? options.color ?? 1;
    let buffer: SeriesBuffer | null = null;
    let hovered: number | null = null;
    const colour = (name: string, index: number) =>
      name === options.comparison ? 'text-3' : seriesToken(first_color - 1 + index);
    const writeLegend = legendWriter(legend, colour, (name) => options.series_label?.replace('{}', name) ?? name);
    const showLegend = () => {
      const at = hovered ?? undefined;
      const entries = (buffer?.series ?? []).map(({ name, values }) => ({
        name,
        text: unitText(
          at === undefined ? (values.findLast((value) => value !== null) ?? null) : (values[at] ?? null),
          unit,
        ),
      }));
      writeLegend(entries);
    };
    const chart = new LineChart({
      host: host.current,
      clock: boardClock,
      range_ms: parseSpan(options.range) ?? RANGE_MS,
      unit,
      zone,
      area: options.style === 'area',
      comparison: options.comparison,
      first_color,
      min: options.min,
      max: options.max,
      onHover(index) {
        if (hovered !== index) {
          hovered = index;
          showLegend();
        }
      },
    });
    const stop = channel.listen((changes) => {
      const { table } = channel;
      const time = options.time ?? table.columns.find(({ type }) => type === 'time')?.name;
      if (time === undefined) {
        return;
      }
      const by = options.series ?? null;
      if (buffer === null || changes.replaced) {
        const others = table.columns.map(({ name }) => name).filter((name) => name !== time && name !== by);
        const values = options.value === undefined ? others : [options.value];
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
      chart.destroy();
    };
  }, [panel, channel, zone, legend]);
  return <div ref={host} className="chart min-h-0 flex-1" role="img" aria-label={`${panel.title}, over time`} />;
}

interface LegendEntry {
  readonly name: string;
  readonly text: string;
}

/** Keeps one element per series and writes only texts that changed. */
function legendWriter(
  root: HTMLElement,
  colour: (name: string, index: number) => string,
  label: (name: string) => string,
) {
  let shown = '';
  return (entries: readonly LegendEntry[]) => {
    const visible = entries.slice(0, LEGEND_MAX);
    const names = entries.map(({ name }) => name).join('\u0000');
    if (names !== shown) {
      shown = names;
      root.replaceChildren(...visible.map(({ name }, index) => legendItem(label(name), colour(name, index))));
      if (entries.length > LEGEND_MAX) {
        const more = document.createElement('span');
        more.className = 'legend-more';
        more.textContent = `+${entries.length - LEGEND_MAX}`;
        root.append(more);
      }
    }
    visible.forEach(({ text }, index) => {
      const value = root.children[index]?.lastElementChild;
      if (value && value.textContent !== text) {
        value.textContent = text;
      }
    });
  };
}

function legendItem(name: string, token: string): HTMLElement {
  const item = document.createElement('span');
  item.className = 'legend-item';
  const swatch = document.createElement('i');
  swatch.style.background = `var(--${token})`;
  const label = document.createElement('span');
  label.textContent = name;
  const value = document.createElement('b');
  item.append(swatch, label, value);
  return item;
}
