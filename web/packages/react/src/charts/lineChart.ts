/**
 * A time-series chart: uPlot with the house's axes, live dots, shared crosshair, moving with the clock.
 *
 * Fed with columns, never through React. Redraws when data came or the picture moved; the axis of values stays steady.
 */

import uPlot from 'uplot';
import { formatClock, formatMinute, unitText } from '../format/format.js';
import { type NowSource, WALL_CLOCK } from './chartClock.js';
import { glide } from './glide.js';
import { outages } from './outages.js';
import { alpha, seriesToken, token } from './palette.js';
import { SteadyRange, ticks } from './scale.js';

export interface LineChartOptions {
  readonly host: HTMLElement;
  /** Where the picture ends. Default the page's own clock. */
  readonly clock?: NowSource;
  readonly range_ms: number;
  readonly unit: string;
  readonly zone: string | undefined;
  readonly area: boolean;
  /** The series that is drawn dashed and quiet. */
  readonly comparison?: string | undefined;
  readonly first_color: number;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  /** Called when the pointer moves over any chart: the place in the columns, null when it left. */
  readonly onHover: (index: number | null) => void;
}

type Columns = [readonly number[], ...(readonly (number | null)[])[]];

const LINE_PX = 1.8;
const TICKS_MAX = 4;
const AXIS_FONT = '11px "Inter Variable", sans-serif';
/** All charts of a page share one crosshair. */
const CROSSHAIR = 'board';

/** Where an axis begins that nobody set: at zero, unless the data is far from it and the differences would be lost. */
function baseline(low: number, high: number): number {
  return low < high && low > high * 0.6 ? low : Math.min(low, 0);
}

export class LineChart {
  readonly #options: LineChartOptions;
  readonly #observer: ResizeObserver;
  readonly #range = new SteadyRange();
  readonly #time: HTMLElement;
  #plot: uPlot | null = null;
  #names: readonly string[] = [];
  #columns: Columns = [[]];
  #stop: () => void = () => {};

  constructor(options: LineChartOptions) {
    this.#options = options;
    this.#time = document.createElement('div');
    this.#time.className = 'pb-crosshair-time';
    this.#observer = new ResizeObserver(() => this.#resize());
    this.#observer.observe(options.host);
  }

  /** Shows these columns; `names` are the series in the same order. */
  set(
    times: readonly number[],
    series: readonly { readonly name: string; readonly values: readonly (number | null)[] }[],
  ) {
    this.#columns = [times, ...series.map(({ values }) => values)];
    const names = series.map(({ name }) => name);
    if (this.#plot === null || names.join('\u0000') !== this.#names.join('\u0000')) {
      this.#names = names;
      this.#build();
    } else {
      this.draw();
    }
  }

  /** Draws the columns as they are now. */
  draw(): void {
    // uPlot reads the arrays only; its types ask for mutable ones.
    this.#plot?.setData(this.#columns as unknown as uPlot.AlignedData, true);
  }

  destroy(): void {
    this.#stop();
    this.#observer.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
  }

  #build(): void {
    const { host, range_ms } = this.#options;
    this.#stop();
    this.#plot?.destroy();
    const { clientWidth: width, clientHeight: height } = host;
    if (width === 0 || height === 0) {
      this.#plot = null;
      return;
    }
    this.#plot = new uPlot(this.#plotOptions(width, height), this.#columns as unknown as uPlot.AlignedData, host);
    this.#plot.over.append(this.#time);
    this.#stop = glide({
      step_ms: Math.max(60, (range_ms / width) * 0.5),
      draw: () => this.draw(),
    });
  }

  #plotOptions(width: number, height: number): uPlot.Options {
    const { unit } = this.#options;
    const axis = { stroke: () => token('text-3'), font: AXIS_FONT, ticks: { show: false } } as const;
    return {
      width,
      height,
      ms: 1,
      padding: [8, 10, 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: CROSSHAIR, scales: ['x', null] },
        points: { size: 7, width: 0, fill: (_, index) => this.#stroke(index - 1) },
        drag: { setScale: false, x: false, y: false },
        y: false,
      },
      scales: {
        x: { range: () => this.#window() },
        y: { range: (_, low, high) => this.#valueRange(low, high) },
      },
      axes: [
        {
          ...axis,
          size: 24,
          gap: 6,
          grid: { show: false },
          splits: (_plot, _axis, from, to) => this.#timeSplits(from, to, width),
          values: (_plot, splits) => splits.map((time_ms) => this.#timeLabel(time_ms)),
        },
        {
          ...axis,
          size: (_plot, values) => 18 + 6.4 * Math.max(3, ...(values ?? []).map((value) => value.length)),
          gap: 8,
          grid: { stroke: () => token('line'), width: 1 },
          splits: (_plot, _axis, from, to) => ticks(from, to, TICKS_MAX, unit === 'bytes'),
          values: (_plot, splits) => this.#valueLabels(splits),
        },
      ],
      series: [{}, ...this.#names.map((name, index) => this.#series(name, index))],
      hooks: { draw: [(plot) => this.#drawLiveEnds(plot)], setCursor: [(plot) => this.#hover(plot)] },
    };
  }

  #window(): [number, number] {
    const { clock = WALL_CLOCK, range_ms } = this.#options;
    const end_ms = clock.now_ms();
    return [end_ms - range_ms, end_ms];
  }

  #series(name: string, index: number): uPlot.Series {
    const series: uPlot.Series = {
      label: name,
      width: LINE_PX,
      stroke: () => this.#stroke(index),
      points: { show: false },
      spanGaps: false,
      gaps: (plot, at, _from, _to, holes) => this.#gaps(plot, at, holes),
    };
    if (name === this.#options.comparison) {
      series.dash = [4, 4];
      series.width = 1.2;
    } else if (this.#options.area || this.#names.length === 1) {
      series.fill = () => alpha(this.#color(index), 0.12);
    }
    return series;
  }

  /** A line does not run on over an outage as if there had been values. */
  #gaps(plot: uPlot, at: number, holes: uPlot.Series.Gaps): uPlot.Series.Gaps {
    const found = outages(this.#columns[0], this.#columns[at] ?? [], this.#options.range_ms);
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
    const { min, max, unit } = this.#options;
    const bottom = Math.min(min ?? baseline(low ?? 0, high ?? 0), low ?? 0);
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

  /** Whole minutes, or parts of them when the range is short; as many as fit. */
  #timeSplits(from_ms: number, to_ms: number, width: number): number[] {
    const steps_ms = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600].map((s) => s * 1_000);
    const room = Math.max(2, Math.floor(width / 110));
    const step_ms = steps_ms.find((step) => (to_ms - from_ms) / step <= room) ?? 86_400_000;
    const splits: number[] = [];
    for (let time_ms = Math.ceil(from_ms / step_ms) * step_ms; time_ms <= to_ms; time_ms += step_ms) {
      splits.push(time_ms);
    }
    return splits;
  }

  #timeLabel(time_ms: number): string {
    const { zone } = this.#options;
    return time_ms % 60_000 === 0 ? formatMinute(time_ms, zone) : formatClock(time_ms, zone);
  }

  #drawLiveEnds(plot: uPlot): void {
    const { ctx } = plot;
    const ratio = devicePixelRatio;
    this.#columns.slice(1).forEach((values, index) => {
      const at = values.findLastIndex((value) => value !== null);
      const value = values[at];
      const time_ms = this.#columns[0][at];
      const quiet = this.#names[index] === this.#options.comparison;
      if (quiet || value === null || value === undefined || time_ms === undefined) {
        return;
      }
      const x = plot.valToPos(time_ms, 'x', true);
      const y = plot.valToPos(value, 'y', true);
      if (x < plot.bbox.left) {
        return;
      }
      for (const [radius, fill] of [
        [6, alpha(this.#color(index), 0.25)],
        [3, this.#color(index)],
      ] as const) {
        ctx.beginPath();
        ctx.arc(x, y, radius * ratio, 0, 2 * Math.PI);
        ctx.fillStyle = fill;
        ctx.fill();
      }
    });
  }

  #hover(plot: uPlot): void {
    const { idx, left } = plot.cursor;
    const time_ms = idx === null || idx === undefined ? undefined : this.#columns[0][idx];
    const inside = time_ms !== undefined && left !== undefined && left >= 0;
    this.#time.hidden = !inside;
    if (inside) {
      this.#time.textContent = formatClock(time_ms, this.#options.zone);
      const half = 32;
      const x = Math.min(Math.max(left, half), plot.over.clientWidth - half);
      this.#time.style.transform = `translateX(calc(${x}px - 50%))`;
    }
    this.#options.onHover(inside ? (idx ?? null) : null);
  }

  #resize(): void {
    const { clientWidth: width, clientHeight: height } = this.#options.host;
    if (this.#plot === null) {
      if (this.#names.length > 0) {
        this.#build();
      }
    } else if (width > 0 && height > 0) {
      this.#plot.setSize({ width, height });
    }
  }
}
