/**
 * Candles or a line of prices with their volumes, drawn by lightweight-charts. Loaded only when a price chart is shown.
 *
 * The library's credit stays visible, as its licence asks. Times are written in the zone asked for, which the library
 * itself does not know.
 */

import {
  CandlestickSeries,
  createChart,
  HistogramSeries,
  type IChartApi,
  type ISeriesApi,
  LineSeries,
  TickMarkType,
  type Time,
  type UTCTimestamp,
} from 'lightweight-charts';
import { crosshair } from '../charts/crosshair.js';
import { alpha, onTheme, token } from '../charts/palette.js';
import { formatClock, formatDateTime, formatDay, formatMinute } from '../format/format.js';
import { type Candle, continuesFrom, mergeSeconds, second } from './candle.js';

export interface CandleChartOptions {
  readonly host: HTMLElement;
  readonly type: 'candles' | 'line';
  readonly decimals: number;
  readonly zone?: string | undefined;
  readonly format?: ((price: number) => string) | undefined;
  /** Which way is good news for a line. Default by its last change. */
  readonly isPositive?: boolean | undefined;
  /** Called with the candle under the pointer; null when it left. */
  readonly onHover?: ((candle: Candle | null) => void) | undefined;
}

/** The volumes' share of the height. */
const VOLUME_TOP = 0.82;
/** A mark of the time axis that is nearer to the edge than this would be cut off. */
const MARK_PX = 26;

export class CandleChart {
  readonly #options: CandleChartOptions;
  readonly #chart: IChartApi;
  readonly #prices: ISeriesApi<'Candlestick'> | ISeriesApi<'Line'>;
  readonly #volumes: ISeriesApi<'Histogram'>;
  readonly #stopTheme: () => void;
  readonly #stopCrosshair: () => void;
  #candles: readonly Candle[] = [];

  constructor(options: CandleChartOptions) {
    const { host, type, format, onHover } = options;
    this.#options = options;
    this.#chart = createChart(host, {
      autoSize: true,
      layout: { attributionLogo: true, fontSize: 11, fontFamily: '"Inter Variable", Inter, system-ui, sans-serif' },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.08, bottom: 0.22 } },
      timeScale: {
        borderVisible: false,
        timeVisible: true,
        secondsVisible: true,
        rightOffset: 2,
        lockVisibleTimeRangeOnResize: true,
      },
      localization: {
        timeFormatter: (time: Time) => formatDateTime(Number(time) * 1_000, options.zone),
        ...(format === undefined ? {} : { priceFormatter: format }),
      },
      handleScroll: { vertTouchDrag: false },
    });
    const precision = {
      priceFormat: { type: 'price' as const, precision: options.decimals, minMove: 10 ** -options.decimals },
    };
    this.#prices =
      type === 'candles'
        ? this.#chart.addSeries(CandlestickSeries, precision)
        : this.#chart.addSeries(LineSeries, { ...precision, lineWidth: 2 });
    this.#volumes = this.#chart.addSeries(HistogramSeries, {
      priceScaleId: 'volume',
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.#chart.priceScale('volume').applyOptions({ scaleMargins: { top: VOLUME_TOP, bottom: 0 } });
    this.#chart.subscribeCrosshairMove(({ time, sourceEvent }) => {
      onHover?.(this.#at(time));
      // Without an event it is this chart that follows another one.
      if (sourceEvent !== undefined) {
        crosshair.move(time === undefined ? null : Number(time) * 1_000, this);
      }
    });
    host.addEventListener('pointerleave', this.#leave);
    this.#stopCrosshair = crosshair.listen((time_ms, from) => {
      if (from !== this) {
        this.#follow(time_ms);
      }
    });
    this.#stopTheme = onTheme(() => this.#dress());
    this.#dress();
  }

  /** Shows these candles, in order of time; a continuation of what is shown only adds what is new. */
  set(candles: readonly Candle[]): void {
    const merged = mergeSeconds(candles);
    const from = continuesFrom(this.#candles, merged);
    this.#candles = merged;
    if (from === null) {
      this.#setPrices();
      this.#volumes.setData(merged.map((candle) => this.#volume(candle)));
      this.#chart.timeScale().fitContent();
    } else {
      for (const candle of merged.slice(from)) {
        this.#push(candle);
      }
    }
    this.#direct();
  }

  /** Adds a candle, or replaces the last one if it began in the same second. */
  update(candle: Candle): void {
    const last = this.#candles.at(-1);
    if (last !== undefined && second(candle) < second(last)) {
      return;
    }
    const kept = last !== undefined && second(last) === second(candle) ? this.#candles.slice(0, -1) : this.#candles;
    this.#candles = [...kept, candle];
    this.#push(candle);
    this.#direct();
  }

  destroy(): void {
    this.#stopTheme();
    this.#stopCrosshair();
    this.#options.host.removeEventListener('pointerleave', this.#leave);
    this.#chart.remove();
  }

  readonly #leave = (): void => crosshair.move(null, this);

  /** The pointer is at this instant in another chart: the candle that began by then is marked, if it is in the picture. */
  #follow(time_ms: number | null): void {
    const { from, to } = this.#chart.timeScale().getVisibleRange() ?? {};
    const at = time_ms === null ? undefined : this.#candles.findLast((candle) => candle.time_ms <= time_ms);
    const isShown =
      at !== undefined && second(at) >= Number(from) && (time_ms ?? 0) / 1_000 <= Number(to) + this.#beat_s;
    if (isShown) {
      this.#chart.setCrosshairPosition(at.close, timeOf(at), this.#prices);
    } else {
      this.#chart.clearCrosshairPosition();
    }
  }

  /** How long a candle lasts. */
  get #beat_s(): number {
    const [last, before] = [this.#candles.at(-1), this.#candles.at(-2)];
    return last === undefined || before === undefined ? 0 : second(last) - second(before);
  }

  #setPrices(): void {
    if (this.#isLine(this.#prices)) {
      this.#prices.setData(this.#candles.map((candle) => ({ time: timeOf(candle), value: candle.close })));
    } else {
      this.#prices.setData(this.#candles.map((candle) => ({ ...prices(candle), time: timeOf(candle) })));
    }
  }

  #push(candle: Candle): void {
    if (this.#isLine(this.#prices)) {
      this.#prices.update({ time: timeOf(candle), value: candle.close });
    } else {
      this.#prices.update({ ...prices(candle), time: timeOf(candle) });
    }
    this.#volumes.update(this.#volume(candle));
  }

  #isLine(series: ISeriesApi<'Candlestick'> | ISeriesApi<'Line'>): series is ISeriesApi<'Line'> {
    return series.seriesType() === 'Line';
  }

  #volume(candle: Candle) {
    const colour = alpha(token(candle.close >= candle.open ? 'up' : 'down'), 0.3);
    return { time: timeOf(candle), value: candle.volume ?? 0, color: colour };
  }

  /** A line wears the colour of where it goes. */
  #direct(): void {
    if (this.#isLine(this.#prices)) {
      const [first, last] = [this.#candles[0], this.#candles.at(-1)];
      const rises = this.#options.isPositive ?? (last?.close ?? 0) >= (first?.close ?? 0);
      this.#prices.applyOptions({ color: token(rises ? 'up' : 'down') });
    }
  }

  /** Puts on the theme's colours. */
  #dress(): void {
    const [up, down, line, quiet] = [token('up'), token('down'), token('line'), token('text-3')];
    this.#chart.applyOptions({
      layout: { background: { color: 'transparent' }, textColor: quiet },
      grid: { vertLines: { visible: false }, horzLines: { color: line } },
      crosshair: {
        vertLine: { color: quiet, labelBackgroundColor: token('line-strong') },
        horzLine: { color: quiet, labelBackgroundColor: token('line-strong') },
      },
      timeScale: { tickMarkFormatter: (time: Time, kind: TickMarkType) => this.#mark(time, kind) },
    });
    if (!this.#isLine(this.#prices)) {
      this.#prices.applyOptions({
        upColor: up,
        downColor: down,
        wickUpColor: up,
        wickDownColor: down,
        borderVisible: false,
      });
    }
    this.#volumes.setData(this.#candles.map((candle) => this.#volume(candle)));
    this.#direct();
  }

  #mark(time: Time, kind: TickMarkType): string {
    const x = this.#chart.timeScale().timeToCoordinate(time);
    return x !== null && x < MARK_PX ? '' : tickText(Number(time) * 1_000, kind, this.#options.zone);
  }

  #at(time: Time | undefined): Candle | null {
    return time === undefined ? null : (this.#candles.find((candle) => second(candle) === Number(time)) ?? null);
  }
}

function timeOf(candle: Candle): UTCTimestamp {
  return second(candle) as UTCTimestamp;
}

function prices({ open, high, low, close }: Candle) {
  return { open, high, low, close };
}

function tickText(time_ms: number, kind: TickMarkType, zone: string | undefined): string {
  if (kind === TickMarkType.TimeWithSeconds) {
    return formatClock(time_ms, zone);
  }
  return kind === TickMarkType.Time ? formatMinute(time_ms, zone) : formatDay(time_ms, zone);
}
