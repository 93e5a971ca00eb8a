/** One big number with its sparkline. The text is written straight into the page; React only lays it out. */

import { type KeyedTable, numeric, SeriesBuffer, type TableChanges } from '@pulseboard/client';
import { Sparkline, seriesToken } from '@pulseboard/react/charts';
import { formatUnit, unitText } from '@pulseboard/react/format';
import { useEffect, useRef } from 'react';
import type { Panel, PanelOptions } from '../shared/api';
import { boardClock } from '../shared/boardClock';
import { Headline } from './headline';
import { parseSpan } from './notice';
import type { PanelBodyProps } from './panel';
import { fillTemplate } from './template';
import { level } from './threshold';

const RANGE_MS = 120_000;
/** The types of columns that hold a number. */
const NUMBERS = /^(int|float|decimal)/;

/** What the newest row says; the time column is only there when the query makes a series. */
interface Reading {
  readonly times: readonly number[];
  readonly values: readonly (number | null)[];
  /** The number that the panel is about. */
  readonly current: number | null;
  readonly last: (column: string) => number | null;
}

export function StatPanel({ panel, channel }: PanelBodyProps) {
  const root = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (root.current === null || canvas.current === null) {
      return;
    }
    const options = panel.options ?? {};
    const spark = new Sparkline({
      canvas: canvas.current,
      clock: boardClock,
      color: seriesToken((options.color ?? 1) - 1),
      range_ms: parseSpan(options.range) ?? RANGE_MS,
      min: options.min,
      max: options.max,
    });
    const show = writer(root.current, panel);
    const read = reader(options);
    const stop = channel.listen((changes) => {
      const reading = read(channel.table, changes);
      spark.set(reading.times, reading.values);
      show(reading);
    });
    return () => {
      stop();
      spark.destroy();
    };
  }, [panel, channel]);
  return (
    <div ref={root} className="relative flex min-h-0 flex-1 flex-col">
      <div className="stat-value" data-level="">
        <span data-part="value">–</span>
        <span data-part="unit" className="stat-unit" />
      </div>
      <div data-part="detail" className="truncate text-[12px] leading-[18px] text-t3" />
      <canvas ref={canvas} className="stat-spark" />
    </div>
  );
}

function reader(options: PanelOptions): (table: KeyedTable, changes: TableChanges) => Reading {
  let buffer: SeriesBuffer | null = null;
  return (table, changes) => {
    const time = options.time ?? table.columns.find(({ type }) => type === 'time')?.name ?? null;
    const columns = table.columns.map(({ name }) => name).filter((name) => name !== time);
    const isNumber = (column: string) => NUMBERS.test(table.columns[table.columnIndex(column)]?.type ?? '');
    const wanted = options.value ?? columns.find(isNumber) ?? columns[0] ?? '';
    if (time === null) {
      const row = table.rows().next().value?.[1];
      const last = (column: string) => numeric(row?.[table.columnIndex(column)] ?? null);
      return { times: [], values: [], current: last(wanted), last };
    }
    if (changes.replaced || buffer === null) {
      buffer = new SeriesBuffer({ time, by: null, values: columns });
      buffer.apply(table, { replaced: true, changed: new Map(), removed: new Set() });
    } else {
      buffer.apply(table, changes);
    }
    const series = new Map(buffer.series.map(({ name, values }) => [name, values]));
    return {
      times: buffer.times,
      values: series.get(wanted) ?? [],
      current: series.get(wanted)?.at(-1) ?? null,
      last: (column) => series.get(column)?.at(-1) ?? null,
    };
  };
}

/** Writes a reading into the elements, and only what is different. */
function writer(root: HTMLElement, panel: Panel): (reading: Reading) => void {
  const part = (name: string) => root.querySelector<HTMLElement>(`[data-part=${name}]`);
  const [value, unit, detail] = [part('value'), part('unit'), part('detail')];
  const headline = value === null ? null : new Headline(value);
  const options = panel.options ?? {};
  const unitOf = (column: string) => options.units?.[column] ?? panel.unit ?? '';
  return ({ last, current }) => {
    const formatted = formatUnit(current, panel.unit ?? '', options.decimals);
    headline?.show(formatted.text, current);
    setText(unit, formatted.unit);
    if (value?.parentElement) {
      value.parentElement.dataset.level = level(current, panel.thresholds) ?? '';
      value.parentElement.title = unitText(current, panel.unit ?? '');
    }
    setText(detail, options.detail === undefined ? '' : fillTemplate(options.detail, last, unitOf));
  };
}

function setText(element: HTMLElement | null, text: string): void {
  if (element !== null && element.textContent !== text) {
    element.textContent = text;
  }
}
