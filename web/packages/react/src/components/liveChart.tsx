'use client';
/**
 * Lines, areas, stacks or bars over time. React lays it out; the points go straight to the canvas.
 *
 * Points come from `data`, from a live query's `channel`, or one by one through the handle's `append`.
 */

import { type KeyedChannel, SeriesBuffer } from '@pulseboard/client';
import { type CSSProperties, type Ref, useEffect, useImperativeHandle, useRef, useState } from 'react';
import type { NowSource } from '../charts/chartClock.js';
import { ColumnBuffer, ONLY_SERIES, type PointValues } from '../charts/columnBuffer.js';
import { LineChart } from '../charts/lineChart.js';
import type { Thresholds } from '../format/level.js';
import { useScope } from '../shared/context.js';
import { classes, HonestBody, type LiveProps, NoticeMark, useNotice } from '../shared/honest.js';
import { ChartLegend, type LegendEntry, type LegendFigure, seriesFigures } from './chartLegend.js';
import { DEFAULT_POINTS_MAX } from './sparkline.js';

export interface LiveChartColumns {
  /** Ms since 1970, ascending. */
  readonly times: readonly number[];
  /** One value per time; what is null is a gap. */
  readonly series: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
}

export interface LiveChartPoint {
  readonly time_ms: number;
  readonly value: number | null;
}

export interface LiveChartHandle {
  /** Adds a point without rendering anything: a value, one per series, or by name. `time_ms` is now by default. */
  append(values: PointValues, time_ms?: number): void;
  set(columns: LiveChartColumns): void;
  clear(): void;
}

export interface LiveChartProps extends LiveProps {
  /** Columns or points, oldest first; null while nothing is known. Leave it out to feed the chart otherwise. */
  readonly data?: LiveChartColumns | readonly LiveChartPoint[] | null | undefined;
  /** The data of a live query: `useLiveQuery(…).channel`. */
  readonly channel?: KeyedChannel | null | undefined;
  /** Which of the channel's columns are what. Default: the time column, and every other one as a series. Keep the object's identity. */
  readonly columns?: ChannelColumns | undefined;
  /** Default `line`. */
  readonly type?: 'line' | 'area' | 'stacked' | 'bars' | undefined;
  /** How much of the past is shown, moving with the clock. Default what there is. */
  readonly range_ms?: number | undefined;
  /** How many of the newest points are kept. Default 20; with `range_ms` or `channel` as many as there are. */
  readonly maxDataPoints?: number | undefined;
  readonly title?: string | undefined;
  readonly unit?: string | undefined;
  readonly decimals?: number | undefined;
  readonly zone?: string | undefined;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  /** Keep the object's identity. */
  readonly thresholds?: Thresholds | null | undefined;
  /** The series that is drawn dashed and quiet. */
  readonly comparison?: string | undefined;
  /** Which colour of the series comes first, from 1. */
  readonly color?: number | undefined;
  /** The figures beside the names; false for no legend. Default the last value when there are several series. */
  readonly legend?: readonly LegendFigure[] | boolean | undefined;
  readonly clock?: NowSource | undefined;
  /** Pixels, or any CSS length. Default 220. */
  readonly height?: number | string | undefined;
  readonly ref?: Ref<LiveChartHandle> | undefined;
  readonly className?: string | undefined;
  readonly style?: CSSProperties | undefined;
}

export interface ChannelColumns {
  readonly time?: string | undefined;
  /** The column whose values name the series. */
  readonly series?: string | undefined;
  readonly values?: readonly string[] | undefined;
}

const DEFAULT_HEIGHT_PX = 220;
/** More points than this are never drawn: a chart has only so many pixels. */
const CAPACITY = 20_000;
/** The legend is read, not watched. */
const LEGEND_MS = 250;

function columnsOf(data: LiveChartColumns | readonly LiveChartPoint[]): LiveChartColumns {
  if ('times' in data) {
    return data;
  }
  return {
    times: data.map(({ time_ms }) => time_ms),
    series: [{ name: ONLY_SERIES, values: data.map(({ value }) => value) }],
  };
}

export function LiveChart(props: LiveChartProps) {
  const { data, channel, columns, type = 'line', range_ms, title, unit = '', decimals, comparison, color = 1 } = props;
  const { min, max, thresholds, clock, height = DEFAULT_HEIGHT_PX, ref, className, style } = props;
  const { timezone } = useScope();
  const zone = props.zone ?? timezone;
  const points_max = props.maxDataPoints ?? (range_ms === undefined && channel == null ? DEFAULT_POINTS_MAX : CAPACITY);
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<LineChart | null>(null);
  const hovered = useRef<number | null>(null);
  const [entries, setEntries] = useState<readonly LegendEntry[]>([]);
  const [feed] = useState(() => new Feed(setEntries));
  const [hasData, setHasData] = useState(false);
  const notice = useNotice(props, hasData);

  useImperativeHandle(ref, () => ({
    append(values, time_ms = clock?.now_ms() ?? Date.now()) {
      feed.buffer.append(time_ms, values);
      feed.show(chart.current, hovered.current);
      setHasData(true);
    },
    set({ times, series }) {
      feed.buffer.set(times, series);
      feed.show(chart.current, hovered.current);
      setHasData(times.length > 0);
    },
    clear() {
      feed.buffer.clear();
      feed.show(chart.current, hovered.current);
      setHasData(false);
    },
  }));

  // The bounds come before the data, which is cut to them.
  useEffect(() => feed.bound(points_max, range_ms), [feed, points_max, range_ms]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: other bounds cut the same data anew.
  useEffect(() => {
    if (data === undefined) {
      return;
    }
    const { times, series } = columnsOf(data ?? []);
    feed.buffer.set(times, series);
    feed.show(chart.current, hovered.current);
    setHasData(times.length > 0);
  }, [data, feed, points_max, range_ms]);

  useEffect(() => {
    if (channel == null) {
      return;
    }
    return follow(channel, columns ?? {}, (times, series) => {
      feed.buffer.set(times, series);
      feed.show(chart.current, hovered.current);
      setHasData(times.length > 0);
    });
  }, [channel, columns, feed]);

  useEffect(() => {
    if (!hasData || host.current === null) {
      return;
    }
    const made = new LineChart({
      host: host.current,
      range_ms,
      unit,
      zone,
      area: type === 'area',
      style: type === 'stacked' || type === 'bars' ? type : undefined,
      comparison,
      first_color: color,
      min,
      max,
      thresholds,
      onHover(index) {
        if (hovered.current !== index) {
          hovered.current = index;
          feed.legend(index, 0);
        }
      },
      ...(clock === undefined ? {} : { clock }),
    });
    chart.current = made;
    feed.show(made, null);
    return () => {
      chart.current = null;
      made.destroy();
    };
  }, [hasData, range_ms, unit, zone, type, comparison, color, min, max, thresholds, clock, feed]);

  useEffect(() => {
    feed.isRead = props.legend !== false;
  }, [feed, props.legend]);
  useEffect(() => () => feed.stop(), [feed]);

  const isShown = props.legend ?? entries.length > 1;
  const figures = Array.isArray(props.legend) ? (props.legend as readonly LegendFigure[]) : undefined;
  const dressed = entries.map((entry, index) =>
    entry.name === comparison
      ? { ...entry, color: 'var(--pb-text-3)', isDashed: true }
      : { ...entry, color: color + index },
  );
  return (
    <figure className={classes('pb-figure', className)} style={style}>
      {title === undefined && notice === null && !isShown ? null : (
        <figcaption className="pb-head">
          <span className="pb-title">{title}</span>
          {isShown ? (
            <ChartLegend
              className="pb-chart-legend"
              entries={dressed}
              figures={figures}
              unit={unit}
              decimals={decimals}
            />
          ) : null}
          <NoticeMark notice={notice} />
        </figcaption>
      )}
      <div className="pb-figure-place" style={{ height }}>
        <HonestBody live={props} notice={notice} hasData={hasData}>
          <div ref={host} className="pb-host" role="img" aria-label={`${title ?? 'values'} over time`} />
        </HonestBody>
      </div>
    </figure>
  );
}

/** The columns, and what the legend says of them a few times a second. */
class Feed {
  buffer = new ColumnBuffer({ points_max: DEFAULT_POINTS_MAX });
  /** Whether there is a legend: without one nothing is rendered for new points. */
  isRead = true;
  readonly #setEntries: (entries: readonly LegendEntry[]) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(setEntries: (entries: readonly LegendEntry[]) => void) {
    this.#setEntries = setEntries;
  }

  bound(points_max: number, range_ms: number | undefined): void {
    const { times, series } = this.buffer;
    this.buffer = new ColumnBuffer({ points_max, range_ms });
    this.buffer.set(times, series);
  }

  show(chart: LineChart | null, hovered: number | null): void {
    chart?.set(this.buffer.times, this.buffer.series);
    this.legend(hovered, LEGEND_MS);
  }

  /** Writes the legend after `delay_ms`, if that is not on its way already; at once for 0. */
  legend(hovered: number | null, delay_ms: number): void {
    if (!this.isRead) {
      return;
    }
    if (delay_ms > 0) {
      this.#timer ??= setTimeout(() => this.legend(hovered, 0), delay_ms);
      return;
    }
    this.stop();
    this.#setEntries(
      this.buffer.series.map(({ name, values }) => {
        const figures = seriesFigures(values);
        return { name, ...figures, last: hovered === null ? figures.last : (values[hovered] ?? null) };
      }),
    );
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** Turns the changes of a channel into columns, beside React. */
function follow(
  channel: KeyedChannel,
  { time, series, values }: ChannelColumns,
  show: (times: readonly number[], series: LiveChartColumns['series']) => void,
): () => void {
  let buffer: SeriesBuffer | null = null;
  return channel.listen((changes) => {
    const { table } = channel;
    const timeColumn = time ?? table.columns.find((column) => column.type === 'time')?.name;
    if (timeColumn === undefined) {
      return;
    }
    if (buffer === null || changes.replaced) {
      const others = table.columns.map(({ name }) => name).filter((name) => name !== timeColumn && name !== series);
      buffer = new SeriesBuffer({ time: timeColumn, by: series ?? null, values: values ?? others });
      buffer.apply(table, { replaced: true, changed: new Map(), removed: new Set() });
    } else {
      buffer.apply(table, changes);
    }
    show(buffer.times, buffer.series);
  });
}
