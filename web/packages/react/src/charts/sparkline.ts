/** A line along the bottom edge of a stat: canvas only, no axes, moving with the clock. */

import { type NowSource, WALL_CLOCK } from './chartClock.js';
import { crosshair } from './crosshair.js';
import { changed, type Glider, glide } from './glide.js';
import { strokePath, strokePx } from './hairlines.js';
import { alpha, token } from './palette.js';
import { watchSize } from './watchSize.js';

export interface SparklineOptions {
  readonly canvas: HTMLCanvasElement;
  /** Where the picture ends. Default the page's own clock. */
  readonly clock?: NowSource;
  /** The token of its colour. */
  readonly color: string;
  /** How much of the past is shown; undefined shows what there is. */
  readonly range_ms?: number | undefined;
  /** The values that the edges stand for; data beyond them widens the picture. */
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

const LINE_PX = 1.5;
/** Below this part of its own size a series counts as flat and lies low, instead of magnifying noise. */
const FLAT = 0.02;

export class Sparkline {
  readonly #options: SparklineOptions;
  readonly #observer: ResizeObserver;
  readonly #glider: Glider;
  readonly #stop: () => void;
  readonly #stopCrosshair: () => void;
  #times: readonly number[] = [];
  #values: readonly (number | null)[] = [];
  #width = 0;
  #height = 0;

  constructor(options: SparklineOptions) {
    this.#options = options;
    this.#observer = watchSize(options.canvas, (width, height) => this.#resize(width, height));
    this.#stopCrosshair = crosshair.listen(() => this.draw());
    const self = this;
    this.#glider = {
      get step_ms() {
        return (self.#range_ms(options.clock?.now_ms() ?? Date.now()) / Math.max(1, self.#width)) * 0.5;
      },
      draw: () => this.draw(),
    };
    this.#stop = glide(this.#glider);
  }

  set(times: readonly number[], values: readonly (number | null)[]): void {
    this.#times = times;
    this.#values = values;
    changed(this.#glider);
  }

  destroy(): void {
    this.#stop();
    this.#stopCrosshair();
    this.#observer.disconnect();
  }

  draw(): void {
    const { canvas, clock = WALL_CLOCK, color } = this.#options;
    const context = canvas.getContext('2d');
    if (context === null || this.#width === 0) {
      return;
    }
    const ratio = devicePixelRatio;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.#width, this.#height);
    const end_ms = clock.now_ms();
    const points = this.#points(end_ms, this.#range_ms(end_ms));
    if (points.length < 2) {
      return;
    }
    const stroke = token(color);
    const line = new Path2D();
    for (const [x, y] of points) {
      line.lineTo(x, y);
    }
    context.lineWidth = strokePx(LINE_PX);
    context.lineJoin = 'round';
    context.strokeStyle = stroke;
    context.stroke(strokePath(line, LINE_PX));
    line.lineTo(points.at(-1)?.[0] ?? 0, this.#height);
    line.lineTo(points[0]?.[0] ?? 0, this.#height);
    context.fillStyle = alpha(stroke, 0.12);
    context.fill(line);
    this.#drawCrosshair(context, end_ms);
  }

  #range_ms(end_ms: number): number {
    const [first_ms = Number.NEGATIVE_INFINITY] = this.#times;
    return this.#options.range_ms ?? Math.max(1, end_ms - first_ms);
  }

  /** The instant that the pointer is at in some chart of the page. */
  #drawCrosshair(context: CanvasRenderingContext2D, end_ms: number): void {
    const { time_ms } = crosshair;
    const x = time_ms === null ? -1 : this.#width * (1 - (end_ms - time_ms) / this.#range_ms(end_ms));
    if (x < 0 || x > this.#width) {
      return;
    }
    context.beginPath();
    context.setLineDash([3, 3]);
    context.moveTo(x, 0);
    context.lineTo(x, this.#height);
    context.lineWidth = 1;
    context.strokeStyle = token('text-3');
    context.stroke();
    context.setLineDash([]);
  }

  #points(end_ms: number, range_ms: number): [number, number][] {
    const known = this.#values.filter((value) => value !== null);
    const [low, high] = this.#extent(known);
    const top = LINE_PX + 1;
    const bottom = this.#height - LINE_PX - 1;
    const points: [number, number][] = [];
    for (let index = 0; index < this.#times.length; index += 1) {
      const value = this.#values[index];
      const time_ms = this.#times[index];
      if (value === null || value === undefined || time_ms === undefined) {
        continue;
      }
      const x = this.#width * (1 - (end_ms - time_ms) / range_ms);
      const part = high > low ? (value - low) / (high - low) : 0;
      points.push([x, bottom - part * (bottom - top)]);
    }
    // The last value holds until now: the line reaches the edge.
    const last = points.at(-1);
    if (last !== undefined && last[0] < this.#width) {
      points.push([this.#width, last[1]]);
    }
    return points;
  }

  #extent(known: readonly number[]): [number, number] {
    const low = Math.min(...known);
    const high = Math.max(...known);
    const floor = this.#options.min ?? 0;
    const span = high - low;
    if (span <= Math.abs(high) * FLAT) {
      return [Math.min(floor, low), Math.max(high * 3, floor + 1e-9)];
    }
    return [low - span * 0.25, high + span * 0.1];
  }

  #resize(width: number, height: number): void {
    const { canvas } = this.#options;
    this.#width = width;
    this.#height = height;
    canvas.width = Math.round(width * devicePixelRatio);
    canvas.height = Math.round(height * devicePixelRatio);
    this.draw();
  }
}
