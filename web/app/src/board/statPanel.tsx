/** One big number, its change, and its sparkline. The text is written straight into the page; React only lays it out. */

import { type KeyedTable, numeric, SeriesBuffer, type TableChanges } from '@pulseboard/client';
import { Sparkline, seriesToken } from '@pulseboard/react/charts';
import { formatUnit, levelOf, unitText } from '@pulseboard/react/format';
import { useEffect, useRef } from 'react';
import type { Panel, PanelOptions } from '../shared/api';
import { setText } from '../shared/text';
import { changeLabel, changeOf } from './change';
import { Headline } from './headline';
import { parseSpan } from './notice';
import { numberOf } from './options';
import type { PanelBodyProps, PanelSpan } from './panelBody';
import { fillTemplate } from './template';

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

export function StatPanel({ panel, source, zone, span, related }: PanelBodyProps) {
  const root = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (root.current === null || canvas.current === null) {
      return;
    }
    const options = panel.options ?? {};
    const spark = new Sparkline({
      canvas: canvas.current,
      clock: span.clock,
      color: seriesToken((options.color ?? 1) - 1),
      // Another panel's rows are shown as far as they go.
      range_ms: parseSpan(options.range) ?? (options.spark_panel === undefined ? RANGE_MS : undefined),
      min: options.min,
      max: numberOf(options.max),
    });
    const show = writer(root.current, panel, zone, span);
    const read = reader(options);
    const borrowed = options.spark_panel === undefined ? null : related(options.spark_panel);
    const stops = [
      source.listen((changes) => {
        const reading = read(source.table, changes);
        if (borrowed === null) {
          spark.set(reading.times, reading.values);
        }
        show(reading);
      }),
    ];
    if (borrowed !== null) {
      const readSpark = reader(options.spark_value === undefined ? {} : { value: options.spark_value });
      stops.push(
        borrowed.listen((changes) => {
          const { times, values } = readSpark(borrowed.table, changes);
          spark.set(times, values);
        }),
      );
    }
    return () => {
      for (const stop of stops) {
        stop();
      }
      spark.destroy();
    };
  }, [panel, source, zone, span, related]);
  return (
    <div ref={root} className="stat">
      <div className="stat-value" data-level="">
        <span data-part="value">–</span>
        <span data-part="unit" className="stat-unit" />
      </div>
      <div className="stat-detail">
        <span data-part="change" className="change" />
        <span data-part="detail" />
      </div>
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
function writer(
  root: HTMLElement,
  panel: Panel,
  zone: string | undefined,
  span: PanelSpan,
): (reading: Reading) => void {
  const part = (name: string) => root.querySelector<HTMLElement>(`[data-part=${name}]`);
  const write = (element: HTMLElement | null, text: string) => element !== null && setText(element, text);
  const [value, unit, detail, change] = [part('value'), part('unit'), part('detail'), part('change')];
  const headline = value === null ? null : new Headline(value);
  const options = panel.options ?? {};
  const ownUnit = panel.unit ?? '';
  const { warning, critical } = panel.thresholds ?? {};
  // Colour never stands alone: the word says which side of the threshold it is on.
  const warned = warning !== undefined && critical !== undefined && critical < warning ? 'low' : 'high';
  const unitOf = (column: string) => options.units?.[column] ?? ownUnit;
  return ({ last, current }) => {
    const formatted = formatUnit(current, ownUnit, options.decimals, zone);
    headline?.show(formatted.text, current);
    write(unit, formatted.unit);
    if (value?.parentElement) {
      const state = levelOf(current, panel.thresholds) ?? '';
      value.parentElement.dataset.level = state;
      value.parentElement.dataset.word = state === 'warning' ? warned : state;
      value.parentElement.title = unitText(current, ownUnit, undefined, zone);
    }
    const label = options.compare_label ?? '';
    if (options.compare !== undefined && change !== null) {
      const { compare_as = 'percent', better = 'up', decimals } = options;
      const against = { unit: ownUnit, as: compare_as, better, decimals } as const;
      const { direction, tone, text } = changeOf(current, last(options.compare), against);
      write(change, text);
      change.dataset.direction = direction;
      change.dataset.tone = tone;
    }
    const words = options.detail === undefined ? '' : fillTemplate(options.detail, last, unitOf);
    write(detail, [changeLabel(label, span.clock.now_ms(), zone), words].filter(Boolean).join(' · '));
  };
}
