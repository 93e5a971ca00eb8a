/**
 * States over time, a row for each thing: a span lasts until the next one, what is unknown is hatched.
 *
 * Fed with spans, never through React. Colour never stands alone: the state's name is written where it fits, and in the tip.
 */

import { formatClock, formatDuration } from '../format/format.js';
import { type NowSource, WALL_CLOCK } from './chartClock.js';
import { glide } from './glide.js';
import { alpha, seriesToken, token } from './palette.js';
import { AXIS_PX, CANVAS_FONT, drawTimeAxis, fitText, hatch, Surface } from './surface.js';

export interface StateSpan {
  readonly from_ms: number;
  /** Null while it lasts. */
  readonly to_ms: number | null;
  /** Null for a time of which nothing is known. */
  readonly state: string | null;
}

export interface StateRow {
  readonly name: string;
  /** In order of time. */
  readonly spans: readonly StateSpan[];
}

export interface StateTimelineOptions {
  readonly host: HTMLElement;
  readonly clock?: NowSource;
  /** How much of the past is shown; undefined shows what there is, up to now. */
  readonly range_ms?: number | undefined;
  readonly zone?: string | undefined;
  /** The token of each state's colour: `ok`, `warning`, `critical`, `series-3`, … Default by its name. */
  readonly colors?: { readonly [state: string]: string } | undefined;
}

const LABEL_PX_MAX = 120;
const ROW_GAP_PX = 6;

/** Words that say by themselves how things are. */
const KNOWN_WORDS: readonly (readonly [RegExp, string])[] = [
  [/^(ok|up|live|open|ready|running|healthy|true|on|success|passing|closed_breaker)$/i, 'ok'],
  [/^(warn(ing)?|degraded|retry(ing)?|pending|half[-_ ]?open|slow|partial|stale)$/i, 'warning'],
  [/^(crit(ical)?|down|dead|error|fail(ed|ing|ure)?|false|off|offline|broken)$/i, 'critical'],
  [/^(unknown|maintenance|silenced|idle|paused|none)$/i, 'text-3'],
];

/** The token of a state's colour. States without a meaning of their own take the series' colours in order. */
export function stateToken(
  state: string,
  others: readonly string[],
  colors: { readonly [state: string]: string } = {},
): string {
  const known = colors[state] ?? KNOWN_WORDS.find(([words]) => words.test(state))?.[1];
  return known ?? seriesToken(Math.max(0, others.indexOf(state)));
}

/** Spans from samples: each state lasts until the next sample says another; equal neighbours are one span. */
export function spansOf(
  samples: readonly { readonly time_ms: number; readonly state: string | null }[],
): readonly StateSpan[] {
  const spans: { from_ms: number; to_ms: number | null; state: string | null }[] = [];
  for (const { time_ms, state } of samples) {
    const last = spans.at(-1);
    if (last === undefined || last.state !== state) {
      if (last !== undefined) {
        last.to_ms = time_ms;
      }
      spans.push({ from_ms: time_ms, to_ms: null, state });
    }
  }
  return spans;
}

export class StateTimelineChart {
  readonly #options: StateTimelineOptions;
  readonly #surface: Surface;
  readonly #stop: () => void;
  #rows: readonly StateRow[] = [];
  #states: readonly string[] = [];
  #left = 0;

  constructor(options: StateTimelineOptions) {
    this.#options = options;
    this.#surface = new Surface({
      host: options.host,
      draw: (context, width, height) => this.#draw(context, width, height),
      tip: (x, y) => this.#tip(x, y),
      span: () => ({ left: this.#left, window: this.#window() }),
    });
    const self = this;
    const range_ms = options.range_ms ?? 600_000;
    this.#stop = glide({
      get step_ms() {
        return Math.max(100, range_ms / Math.max(1, self.#surface.width));
      },
      draw: () => self.#surface.invalidate(),
    });
  }

  set(rows: readonly StateRow[]): void {
    this.#rows = rows;
    const names = new Set(this.#states);
    for (const { spans } of rows) {
      for (const { state } of spans) {
        if (state !== null) {
          names.add(state);
        }
      }
    }
    this.#states = [...names];
    this.#surface.invalidate();
  }

  destroy(): void {
    this.#stop();
    this.#surface.destroy();
  }

  #window(): readonly [number, number] {
    const { clock = WALL_CLOCK, range_ms } = this.#options;
    const end_ms = clock.now_ms();
    if (range_ms !== undefined) {
      return [end_ms - range_ms, end_ms];
    }
    const first_ms = Math.min(...this.#rows.map(({ spans }) => spans[0]?.from_ms ?? end_ms), end_ms - 1_000);
    return [first_ms, end_ms];
  }

  #colour(state: string): string {
    return token(stateToken(state, this.#states, this.#options.colors));
  }

  #draw(context: CanvasRenderingContext2D, width: number, height: number): void {
    context.font = CANVAS_FONT;
    context.textBaseline = 'middle';
    const widest = this.#rows.reduce((most, { name }) => Math.max(most, context.measureText(name).width), 0);
    this.#left = Math.min(LABEL_PX_MAX, widest) + 12;
    const rowHeight = (height - AXIS_PX) / Math.max(1, this.#rows.length);
    const gap = Math.min(ROW_GAP_PX, rowHeight / 3);
    const [from_ms, to_ms] = this.#window();
    const scale = (width - this.#left) / Math.max(1, to_ms - from_ms);
    this.#rows.forEach(({ name, spans }, row) => {
      const y = row * rowHeight;
      context.fillStyle = token('text-2');
      context.textAlign = 'left';
      context.fillText(fitText(context, name, this.#left - 12), 0, y + (rowHeight - gap) / 2);
      for (const span of spans) {
        const x = Math.max(this.#left, this.#left + (span.from_ms - from_ms) * scale);
        const end = Math.min(width, this.#left + ((span.to_ms ?? to_ms) - from_ms) * scale);
        if (end > x) {
          this.#drawSpan(context, span.state, x, y, Math.max(1, end - x - (end - x > 3 ? 1 : 0)), rowHeight - gap);
        }
      }
    });
    const { zone } = this.#options;
    drawTimeAxis(context, { left: this.#left, width, y: height - AXIS_PX / 2 + 2, from_ms, to_ms, zone });
  }

  #drawSpan(
    context: CanvasRenderingContext2D,
    state: string | null,
    x: number,
    y: number,
    width: number,
    height: number,
  ): void {
    if (state === null) {
      hatch(context, x, y, width, height);
      return;
    }
    const colour = this.#colour(state);
    context.fillStyle = alpha(colour, 0.24);
    context.fillRect(x, y, width, height);
    context.fillStyle = colour;
    context.fillRect(x, y, Math.min(2, width), height);
    if (width > 28 && height > 12) {
      context.textAlign = 'left';
      context.fillStyle = token('text-1');
      context.fillText(fitText(context, state, width - 12), x + 7, y + height / 2);
    }
  }

  #tip(x: number, y: number): readonly string[] | null {
    const { host, zone } = this.#options;
    const [, to_ms] = this.#window();
    const time_ms = this.#surface.timeAt(x);
    const row = this.#rows[Math.floor(y / ((host.clientHeight - AXIS_PX) / Math.max(1, this.#rows.length)))];
    const span = row?.spans.find(
      (each) => time_ms !== null && each.from_ms <= time_ms && time_ms < (each.to_ms ?? to_ms),
    );
    if (row === undefined || span === undefined) {
      return null;
    }
    const end_ms = span.to_ms ?? to_ms;
    const until = span.to_ms === null ? 'until now' : `to ${formatClock(span.to_ms, zone)}`;
    return [
      `${row.name}  ${span.state ?? 'no data'}`,
      `${formatClock(span.from_ms, zone)} ${until}, ${formatDuration(end_ms - span.from_ms)}`,
    ];
  }
}
