/**
 * Rows over time as cells whose strength is their value: cores, endpoints, hours.
 *
 * Fed with columns, never through React. An unknown cell is hatched, zero is the faintest colour.
 */

import { formatClock, unitText } from '../format/format.js';
import { type NowSource, WALL_CLOCK } from './chartClock.js';
import { glide } from './glide.js';
import { seriesToken, token } from './palette.js';
import { ramp, rampIndex } from './ramp.js';
import { AXIS_PX, CANVAS_FONT, drawTimeAxis, fitText, hatch, Surface } from './surface.js';

export interface HeatmapOptions {
  readonly host: HTMLElement;
  /** Where the picture ends. Default the page's own clock. */
  readonly clock?: NowSource;
  /** How much of the past is shown; undefined shows what there is. */
  readonly range_ms?: number | undefined;
  readonly unit?: string;
  readonly decimals?: number | undefined;
  readonly format?: ((value: number) => string) | undefined;
  readonly zone?: string | undefined;
  /** What the faintest and the strongest colour stand for. Default the data's own ends, and zero where nothing is below. */
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  /** Which colour of the series, from 1. */
  readonly color?: number;
}

export interface HeatmapRow {
  readonly name: string;
  readonly values: readonly (number | null | undefined)[];
}

const LABEL_PX_MAX = 96;
const GAP_PX = 1;

export class HeatmapChart {
  readonly #options: HeatmapOptions;
  readonly #surface: Surface;
  readonly #stop: () => void;
  #times: readonly number[] = [];
  #rows: readonly HeatmapRow[] = [];
  #beat_ms = 1_000;
  #left = 0;

  constructor(options: HeatmapOptions) {
    this.#options = options;
    this.#surface = new Surface({
      host: options.host,
      draw: (context, width, height) => this.#draw(context, width, height),
      tip: (x, y) => this.#tip(x, y),
      span: () => ({ left: this.#left, window: this.#window() }),
    });
    const self = this;
    const { range_ms } = options;
    this.#stop =
      range_ms === undefined
        ? () => {}
        : glide({
            get step_ms() {
              return Math.max(100, range_ms / Math.max(1, self.#surface.width));
            },
            draw: () => self.#surface.invalidate(),
          });
  }

  /** Shows these columns: times in ms, ascending, and for each row one value per time. */
  set(times: readonly number[], rows: readonly HeatmapRow[]): void {
    this.#times = times;
    this.#rows = rows;
    this.#beat_ms = usualStep(times) ?? this.#beat_ms;
    this.#surface.invalidate();
  }

  destroy(): void {
    this.#stop();
    this.#surface.destroy();
  }

  /** A cell stands for the time from its own to the next. */
  #window(): readonly [number, number] {
    const { clock = WALL_CLOCK, range_ms } = this.#options;
    if (range_ms !== undefined) {
      const end_ms = clock.now_ms();
      return [end_ms - range_ms, end_ms];
    }
    return [this.#times[0] ?? 0, (this.#times.at(-1) ?? 0) + this.#beat_ms];
  }

  #extent(): readonly [number, number] {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const { values } of this.#rows) {
      for (const value of values) {
        if (typeof value === 'number' && Number.isFinite(value)) {
          low = Math.min(low, value);
          high = Math.max(high, value);
        }
      }
    }
    const { min, max } = this.#options;
    return [min ?? Math.min(0, low), max ?? high];
  }

  #draw(context: CanvasRenderingContext2D, width: number, height: number): void {
    context.font = CANVAS_FONT;
    context.textBaseline = 'middle';
    this.#left = this.#labelWidth(context);
    const bottom = height - AXIS_PX;
    const rowHeight = bottom / Math.max(1, this.#rows.length);
    const [from_ms, to_ms] = this.#window();
    const scale = (width - this.#left) / Math.max(1, to_ms - from_ms);
    const [low, high] = this.#extent();
    const colours = ramp(token('panel'), token(seriesToken((this.#options.color ?? 1) - 1)));
    // Of each colour where its cells are: a colour is set once, not for each of hundreds of cells.
    const cells = colours.map((): number[] => []);
    const labelEvery = Math.max(1, Math.ceil(14 / rowHeight));
    this.#rows.forEach(({ name, values }, row) => {
      const y = row * rowHeight;
      if (row % labelEvery === 0) {
        context.fillStyle = token('text-3');
        context.textAlign = 'left';
        context.fillText(fitText(context, name, this.#left - 10), 0, y + rowHeight / 2);
      }
      this.#times.forEach((time_ms, index) => {
        const value = values[index];
        if (time_ms + this.#beat_ms < from_ms) {
          return;
        }
        const x = Math.max(this.#left, this.#left + (time_ms - from_ms) * scale);
        const end = Math.min(width, this.#left + (this.#endOf(index) - from_ms) * scale);
        if (end > x) {
          const gap = end - x > 4 ? GAP_PX : 0;
          const tall = Math.max(1, rowHeight - (rowHeight > 4 ? GAP_PX : 0));
          if (typeof value === 'number' && Number.isFinite(value)) {
            cells[rampIndex(value, low, high)]?.push(x, y, end - x - gap, tall);
          } else {
            hatch(context, x, y, end - x, tall);
          }
        }
      });
    });
    colours.forEach((colour, index) => {
      const places = cells[index] ?? [];
      context.fillStyle = colour;
      for (let at = 0; at < places.length; at += 4) {
        context.fillRect(places[at] ?? 0, places[at + 1] ?? 0, places[at + 2] ?? 0, places[at + 3] ?? 0);
      }
    });
    const { zone } = this.#options;
    drawTimeAxis(context, { left: this.#left, width, y: height - AXIS_PX / 2 + 2, from_ms, to_ms, zone });
  }

  /** The end of a cell: the next time, unless a hole is in between. */
  #endOf(index: number): number {
    const time_ms = this.#times[index] ?? 0;
    return Math.min(this.#times[index + 1] ?? Number.POSITIVE_INFINITY, time_ms + this.#beat_ms * 1.5);
  }

  #labelWidth(context: CanvasRenderingContext2D): number {
    const widest = this.#rows.reduce((most, { name }) => Math.max(most, context.measureText(name).width), 0);
    return Math.min(LABEL_PX_MAX, widest) + 10;
  }

  #tip(x: number, y: number): readonly string[] | null {
    const { host, unit = '', decimals, format, zone } = this.#options;
    const time_ms = this.#surface.timeAt(x);
    const row = this.#rows[Math.floor(y / ((host.clientHeight - AXIS_PX) / Math.max(1, this.#rows.length)))];
    const index = time_ms === null ? -1 : this.#times.findLastIndex((time) => time <= time_ms);
    if (time_ms === null || row === undefined || index < 0 || time_ms > this.#endOf(index)) {
      return null;
    }
    const value = row.values[index] ?? null;
    const text = value === null ? 'no data' : format ? format(value) : unitText(value, unit, decimals);
    return [`${row.name}  ${text}`, formatClock(this.#times[index] ?? 0, zone)];
  }
}

/** The step that most neighbours have. */
export function usualStep(times: readonly number[]): number | null {
  const steps = times.slice(-120).flatMap((time, index, all) => (index === 0 ? [] : [time - (all[index - 1] ?? time)]));
  return [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? null;
}
