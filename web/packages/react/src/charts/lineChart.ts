/**
 * A time-series chart: uPlot with the house's axes, live dots, shared crosshair, moving with the clock.
 *
 * Fed with columns, never through React. Redraws when data came or the picture moved; the axis of values stays steady.
 */

import uPlot from 'uplot';
import { formatClock, formatDateTime, unitText } from '../format/format.js';
import { type NowSource, WALL_CLOCK } from './chartClock.js';
import { crosshair } from './crosshair.js';
import type { DensePicture } from './dense.js';
import { columnPx, densePicture, isDense } from './density.js';
import { drawNoMore } from './drawQueue.js';
import { changed, type Glider, glide } from './glide.js';
import { strokePath, strokePx } from './hairlines.js';
import { drawLiveEnd, drawThresholds } from './marks.js';
import { longestStep, outages } from './outages.js';
import { alpha, seriesToken, token } from './palette.js';
import { SteadyRange, ticks } from './scale.js';
import { stacked } from './stack.js';
import { timeLabel, timeSplits } from './timeAxis.js';
import { watchSize } from './watchSize.js';

export interface LineChartOptions {
  readonly host: HTMLElement;
  /** Where the picture ends. Default the page's own clock. */
  readonly clock?: NowSource;
  /** How much of the past is shown, moving with the clock; undefined shows what there is and stands still. */
  readonly range_ms?: number | undefined;
  /** Where the picture begins, if that does not move with its end. */
  readonly from_ms?: number | undefined;
  readonly unit: string;
  readonly zone: string | undefined;
  readonly area: boolean;
  /** What is drawn instead of lines: areas on top of each other, or bars. */
  readonly style?: 'stacked' | 'bars' | undefined;
  /** The series that is drawn dashed and quiet. */
  readonly comparison?: string | undefined;
  readonly first_color: number;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  /** Values from which on something is not as it should be: drawn as lines in their colours. */
  readonly thresholds?: { readonly warning?: number; readonly critical?: number } | null | undefined;
  /** Called with the span that was dragged over. Without it nothing can be dragged. */
  readonly onZoom?: ((from_ms: number, to_ms: number) => void) | undefined;
  /** Called on a double click. */
  readonly onReset?: (() => void) | undefined;
  /** Called when the pointer moves over any chart: the place in the columns, null when it left. */
  readonly onHover: (index: number | null) => void;
}

type Columns = [readonly number[], ...(readonly (number | null)[])[]];

const LINE_PX = 1.8;
const COMPARISON_PX = 1.2;
const TICKS_MAX = 4;
/** What the axes are set in unless the token `size-axis` says otherwise. */
const AXIS_PX = 11;
/** A drag over less than this is a click that slipped. */
const DRAG_PX_MIN = 6;
const LINES = uPlot.paths.linear?.() ?? null;
/** Bars leave a fifth of their place free and never get plump. */
const BARS = uPlot.paths.bars?.({ size: [0.8, 48], radius: 0.15 }) ?? null;
/** A longer picture needs the day beside the clock. */
const DAY_MS = 86_400_000;

function lines(line_px: number, ...where: Parameters<uPlot.Series.PathBuilder>): uPlot.Series.Paths | null {
  const paths = LINES?.(...where) ?? null;
  // A line of one colour is one path.
  return paths && { ...paths, stroke: strokePath(paths.stroke as Path2D, line_px, devicePixelRatio) };
}

/** Where an axis begins that nobody set: at zero, unless the data is far from it and the differences would be lost. */
function baseline(low: number, high: number): number {
  return low < high && low > high * 0.6 ? low : Math.min(low, 0);
}

export class LineChart {
  readonly #options: LineChartOptions;
  readonly #observer: ResizeObserver;
  readonly #range = new SteadyRange();
  readonly #time: HTMLElement;
  #width = 0;
  #height = 0;
  #plot: uPlot | null = null;
  #names: readonly string[] = [];
  #columns: Columns = [[]];
  /** As they are drawn: those of a stack stand on each other. */
  #drawn: Columns = [[]];
  #hidden: ReadonlySet<string> = new Set();
  #dense: DensePicture | null = null;
  /** The crosshair was moved by another chart, which needs not be told. */
  #followed = false;
  #glider: Glider = { step_ms: Number.POSITIVE_INFINITY, draw: () => this.draw() };
  #stop: () => void = () => {};
  readonly #stopCrosshair: () => void;

  constructor(options: LineChartOptions) {
    this.#options = options;
    this.#time = document.createElement('div');
    this.#time.className = 'pb-crosshair-time';
    this.#observer = watchSize(options.host, (width, height) => this.#resize(width, height));
    this.#stopCrosshair = crosshair.listen((time_ms, from) => {
      if (from !== this) {
        this.#follow(time_ms);
      }
    });
  }

  /** Shows these columns; `names` are the series in the same order. */
  set(
    times: readonly number[],
    series: readonly { readonly name: string; readonly values: readonly (number | null)[] }[],
  ) {
    this.#columns = [times, ...series.map(({ values }) => values)];
    this.#drawn = this.#options.style === undefined ? this.#columns : [times, ...stacked(this.#columns.slice(1))];
    const names = series.map(({ name }) => name);
    if (this.#plot === null || names.join('\u0000') !== this.#names.join('\u0000')) {
      this.#names = names;
      this.#build();
    } else {
      changed(this.#glider);
    }
  }

  /** Leaves out the series of these names; the others keep their colours. */
  hide(names: ReadonlySet<string>): void {
    this.#hidden = names;
    this.#names.forEach((name, index) => {
      this.#plot?.setSeries(index + 1, { show: !names.has(name) });
    });
  }

  /** Draws the columns as they are now. */
  draw(): void {
    // Drawn before this returns, not after it: what it costs is looked at. uPlot reads the arrays only; its types ask for mutable ones.
    this.#plot?.batch((plot: uPlot) => plot.setData(this.#drawn as unknown as uPlot.AlignedData, true));
  }

  destroy(): void {
    this.#stop();
    drawNoMore(this.#glider);
    this.#stopCrosshair();
    this.#observer.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
  }

  #build(): void {
    const { host, range_ms } = this.#options;
    this.#stop();
    this.#plot?.destroy();
    const [width, height] = [this.#width, this.#height];
    if (width === 0 || height === 0) {
      this.#plot = null;
      return;
    }
    this.#plot = new uPlot(this.#plotOptions(width, height), this.#drawn as unknown as uPlot.AlignedData, host);
    this.#plot.over.append(this.#time);
    if (range_ms !== undefined) {
      this.#glider = { ...this.#glider, step_ms: Math.max(60, (range_ms / width) * 0.5) };
      this.#stop = glide(this.#glider);
    }
  }

  #plotOptions(width: number, height: number): uPlot.Options {
    const { unit, onZoom, zone } = this.#options;
    const font_px = Number.parseFloat(token('size-axis')) || AXIS_PX;
    const font = `${font_px}px "Inter Variable", sans-serif`;
    const axis = { stroke: () => token('text-3'), font, ticks: { show: false } } as const;
    const room = Math.max(2, Math.floor(width / (font_px * 10)));
    return {
      width,
      height,
      ms: 1,
      padding: [8, 10, 0, 0],
      legend: { show: false },
      cursor: {
        points: { size: 7, width: 0, fill: (_, index) => this.#stroke(index - 1) },
        drag: { setScale: false, x: onZoom !== undefined, y: false, dist: DRAG_PX_MIN },
        bind: {
          dblclick: () => () => {
            this.#options.onReset?.();
            return null;
          },
        },
        y: false,
      },
      scales: {
        x: { range: () => this.#window() },
        y: { range: (_, low, high) => this.#valueRange(low, high) },
      },
      axes: [
        {
          ...axis,
          size: Math.round(font_px * 2.2),
          gap: 6,
          grid: { show: false },
          splits: (_plot, _axis, from, to) => timeSplits(from, to, room, zone),
          values: (_plot, splits) => {
            const step_ms = Math.min(...splits.slice(1).map((time_ms, at) => time_ms - (splits[at] ?? 0)), DAY_MS);
            return splits.map((time_ms) => timeLabel(time_ms, step_ms, zone));
          },
        },
        {
          ...axis,
          size: (_plot, values) => 18 + 0.58 * font_px * Math.max(3, ...(values ?? []).map((value) => value.length)),
          gap: 8,
          grid: { stroke: () => token('line'), width: 1 },
          splits: (_plot, _axis, from, to) => ticks(from, to, TICKS_MAX, unit === 'bytes'),
          values: (_plot, splits) => this.#valueLabels(splits),
        },
      ],
      series: [{}, ...this.#names.map((name, index) => this.#series(name, index))],
      bands:
        this.#options.style === undefined
          ? []
          : this.#names.slice(1).map((_, below) => ({ series: [below + 2, below + 1] })),
      hooks: {
        drawAxes: [(plot) => drawThresholds(plot, this.#options.thresholds ?? {})],
        draw: [(plot) => this.#drawDense(plot), (plot) => this.#drawLiveEnds(plot)],
        setCursor: [(plot) => this.#hover(plot)],
        setSelect: [(plot) => this.#zoom(plot)],
      },
    };
  }

  #window(): [number, number] {
    const { clock = WALL_CLOCK, range_ms, from_ms } = this.#options;
    if (range_ms !== undefined) {
      const end_ms = clock.now_ms();
      return [from_ms ?? end_ms - range_ms, end_ms];
    }
    const [times] = this.#columns;
    const [first_ms, last_ms] = [times[0] ?? clock.now_ms(), times.at(-1) ?? clock.now_ms()];
    // A bar stands around its time, and a single point needs room at all.
    const room_ms = this.#options.style === 'bars' ? (last_ms - first_ms) / Math.max(1, times.length - 1) / 2 : 0;
    const edge_ms = first_ms + room_ms < last_ms + room_ms ? room_ms : 500;
    return [first_ms - edge_ms, last_ms + edge_ms];
  }

  /** How long the picture is. */
  get #span_ms(): number {
    const [from_ms, to_ms] = this.#window();
    return to_ms - from_ms;
  }

  #series(name: string, index: number): uPlot.Series {
    const { area, comparison, style } = this.#options;
    const line_px = name === comparison ? COMPARISON_PX : LINE_PX;
    const series: uPlot.Series = {
      label: name,
      show: !this.#hidden.has(name),
      width: strokePx(line_px),
      stroke: () => this.#stroke(index),
      points: { show: false },
      spanGaps: false,
      gaps: (plot, at, _from, _to, holes) => this.#gaps(plot, at, holes),
      // Too many points for a path: these are drawn behind all series.
      paths: (plot, at, from, to) => (this.#isDense(plot, from, to) ? null : lines(line_px, plot, at, from, to)),
    };
    if (name === comparison) {
      series.dash = [4, 4];
    } else if (style === 'bars') {
      series.width = 0;
      if (BARS !== null) {
        series.paths = BARS;
      }
      series.fill = () => alpha(this.#color(index), 0.85);
    } else if (style === 'stacked') {
      series.fill = () => alpha(this.#color(index), 0.3);
    } else if (area || this.#names.length === 1) {
      series.fill = () => alpha(this.#color(index), 0.12);
    }
    return series;
  }

  #isDense(plot: uPlot, from: number, to: number): boolean {
    return this.#options.style === undefined && isDense(plot, from, to, LINE_PX * devicePixelRatio);
  }

  /** All lines at once: they have the same times, and are dense together. */
  #drawDense(plot: uPlot): void {
    const [from, to] = plot.series[0]?.idxs ?? [0, -1];
    if (!this.#isDense(plot, from, to)) {
      this.#dense = null;
      return;
    }
    const [times, ...series] = this.#columns;
    const lines = series.flatMap((values, index) => {
      const name = this.#names[index] ?? '';
      const isFilled = (this.#options.area || series.length === 1) && name !== this.#options.comparison;
      const line = {
        values,
        stroke: this.#stroke(index),
        fill: isFilled ? alpha(this.#color(index), 0.12) : null,
        longest_ms: longestStep(times, values, this.#span_ms),
      };
      return this.#hidden.has(name) ? [] : [line];
    });
    this.#dense ??= densePicture(() => changed(this.#glider));
    const line_px = LINE_PX * devicePixelRatio;
    this.#dense?.draw(plot, times, lines, [from, to], { line_px, column_px: columnPx(line_px) });
  }

  /** A line does not run on over an outage as if there had been values. */
  #gaps(plot: uPlot, at: number, holes: uPlot.Series.Gaps): uPlot.Series.Gaps {
    const found = outages(this.#columns[0], this.#columns[at] ?? [], this.#span_ms);
    const pixel = (time_ms: number) => Math.round(plot.valToPos(time_ms, 'x', true));
    const cuts = found.map(([from, to]): [number, number] => [pixel(from), pixel(to)]);
    return cuts.length === 0 ? holes : [...holes, ...cuts].sort(([a], [b]) => a - b);
  }

  #color(index: number): string {
    return token(seriesToken(this.#options.first_color - 1 + index));
  }

  #stroke(index: number): string {
    return this.#names[index] === this.#options.comparison ? token('text-3') : this.#color(index);
  }

  #valueRange(low: number | null, high: number | null): [number, number] {
    const { min, max, style, unit } = this.#options;
    const floor = style === undefined ? baseline(low ?? 0, high ?? 0) : Math.min(0, low ?? 0);
    const bottom = Math.min(min ?? floor, low ?? 0);
    if (max !== undefined && (high ?? 0) <= max) {
      return [bottom, max];
    }
    return [bottom, this.#range.top(bottom, Math.max(high ?? 0, bottom), TICKS_MAX, unit === 'bytes')];
  }

  #valueLabels(splits: readonly number[]): string[] {
    const { unit } = this.#options;
    const whole = splits.every((value) => Number.isInteger(value));
    return splits.map((value) => {
      if (unit === '' || unit === 'percent') {
        return unitText(value, '', whole ? 0 : 1);
      }
      return value === 0 ? '0' : unitText(value, unit).replace(/[.,]0(?=\s)/, '');
    });
  }

  #drawLiveEnds(plot: uPlot): void {
    if (this.#options.style === 'bars') {
      return;
    }
    this.#drawn.slice(1).forEach((values, index) => {
      const at = values.findLastIndex((value) => value !== null);
      const value = values[at];
      const time_ms = this.#columns[0][at];
      const quiet = this.#names[index] === this.#options.comparison;
      if (
        quiet ||
        this.#hidden.has(this.#names[index] ?? '') ||
        value === null ||
        value === undefined ||
        time_ms === undefined
      ) {
        return;
      }
      drawLiveEnd(plot, time_ms, value, this.#color(index));
    });
  }

  #hover(plot: uPlot): void {
    const { idx, left } = plot.cursor;
    const time_ms = idx === null || idx === undefined ? undefined : this.#columns[0][idx];
    const inside = time_ms !== undefined && left !== undefined && left >= 0;
    this.#time.hidden = !inside;
    if (inside) {
      const { zone } = this.#options;
      this.#time.textContent = this.#span_ms >= DAY_MS / 2 ? formatDateTime(time_ms, zone) : formatClock(time_ms, zone);
      const half = this.#time.offsetWidth / 2;
      const x = Math.min(Math.max(left, half), plot.over.clientWidth - half);
      this.#time.style.transform = `translateX(calc(${x}px - 50%))`;
    }
    if (!this.#followed) {
      crosshair.move(left !== undefined && left >= 0 ? plot.posToVal(left, 'x') : null, this);
    }
    this.#options.onHover(inside ? (idx ?? null) : null);
  }

  /** Another chart's crosshair moved. */
  #follow(time_ms: number | null): void {
    const plot = this.#plot;
    if (plot === null) {
      return;
    }
    const left = time_ms === null ? -10 : plot.valToPos(time_ms, 'x');
    const inside = left >= 0 && left <= plot.over.clientWidth;
    this.#followed = true;
    plot.setCursor({ left: inside ? left : -10, top: inside ? 1 : -10 });
    this.#followed = false;
  }

  #zoom(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < DRAG_PX_MIN) {
      return;
    }
    const [from_ms, to_ms] = [plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')];
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.#options.onZoom?.(from_ms, to_ms);
  }

  #resize(width: number, height: number): void {
    this.#width = width;
    this.#height = height;
    if (this.#plot === null) {
      if (this.#names.length > 0) {
        this.#build();
      }
    } else if (width > 0 && height > 0) {
      this.#plot.setSize({ width, height });
    }
  }
}
