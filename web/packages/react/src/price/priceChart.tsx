'use client';
/**
 * Prices as candles or a line, with volumes and the last price. Its drawing code is fetched when the first one is shown.
 *
 * Data comes by props or, beside React, through the handle: `update` takes each tick as it comes.
 */

import { type CSSProperties, type Ref, useEffect, useImperativeHandle, useRef, useState } from 'react';
import { FlashingValue } from '../components/flashingValue.js';
import { TrendMark } from '../components/trendMark.js';
import { formatNumber, formatPercent } from '../format/formatters.js';
import { changeOf } from '../format/trend.js';
import { useLocale, useScope } from '../shared/context.js';
import { classes, HonestBody, type LiveProps, NoticeMark, useNotice } from '../shared/honest.js';
import type { Candle } from './candle.js';
import type { CandleChart } from './candleChart.js';

export interface PriceChartHandle {
  /** Adds a candle, or replaces the last one if it began in the same second. */
  update(candle: Candle): void;
  set(candles: readonly Candle[]): void;
}

export interface PriceChartProps extends LiveProps {
  /** Oldest first; null while nothing is known. Leave it out to feed the chart through its handle. */
  readonly data?: readonly Candle[] | null | undefined;
  readonly type?: 'candles' | 'line' | undefined;
  readonly symbol?: string | undefined;
  /** The price that the change is measured from. Default the first that is shown. */
  readonly previous?: number | null | undefined;
  readonly isPositive?: boolean | undefined;
  /** How many of the newest candles are shown. Default all. */
  readonly maxDataPoints?: number | undefined;
  /** Default 2. */
  readonly decimals?: number | undefined;
  readonly format?: ((price: number) => string) | undefined;
  /** An IANA name. Default the provider's, else the reader's. */
  readonly zone?: string | undefined;
  /** Pixels, or any CSS length. Default 280. */
  readonly height?: number | string | undefined;
  readonly ref?: Ref<PriceChartHandle> | undefined;
  readonly className?: string | undefined;
  readonly style?: CSSProperties | undefined;
}

const DEFAULT_HEIGHT_PX = 280;

/** The server may be away for a moment. */
const LOAD_AGAIN_MS = 2_000;

export function PriceChart(props: PriceChartProps) {
  const {
    data,
    type = 'candles',
    symbol,
    maxDataPoints,
    decimals = 2,
    format,
    isPositive,
    height = DEFAULT_HEIGHT_PX,
    ref,
    className,
    style,
  } = props;
  const { timezone } = useScope();
  const zone = props.zone ?? timezone;
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<CandleChart | null>(null);
  const held = useRef<readonly Candle[]>([]);
  const [pushed, setPushed] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const shown = data === null || data === undefined || maxDataPoints === undefined ? data : data.slice(-maxDataPoints);
  const hasData = pushed || (shown !== null && shown !== undefined && shown.length > 0);
  const live: LiveProps = { ...props, error: props.error ?? problem };
  const notice = useNotice(live, hasData);

  useImperativeHandle(ref, () => ({
    set(candles) {
      held.current = candles;
      chart.current?.set(candles);
      setPushed(candles.length > 0);
    },
    update(candle) {
      // Kept for a chart that is still being fetched, or made again.
      const last = held.current.at(-1);
      held.current =
        last?.time_ms === candle.time_ms ? [...held.current.slice(0, -1), candle] : [...held.current, candle];
      chart.current?.update(candle);
      setPushed(true);
    },
  }));

  useEffect(() => {
    if (shown !== undefined && shown !== null) {
      held.current = shown;
      chart.current?.set(shown);
    }
  }, [shown]);

  useEffect(() => {
    let over = false;
    if (!hasData) {
      return;
    }
    let again: ReturnType<typeof setTimeout> | undefined;
    const load = async () => {
      try {
        const { CandleChart } = await import('./candleChart.js');
        if (!over && host.current !== null) {
          chart.current = new CandleChart({ host: host.current, type, decimals, zone, format, isPositive });
          chart.current.set(held.current);
          setProblem(null);
        }
      } catch {
        if (!over) {
          setProblem('the drawing of prices could not be loaded');
          again = setTimeout(load, LOAD_AGAIN_MS);
        }
      }
    };
    void load();
    return () => {
      over = true;
      clearTimeout(again);
      chart.current?.destroy();
      chart.current = null;
    };
  }, [hasData, type, decimals, zone, format, isPositive]);

  return (
    <figure className={classes('pb-price', className)} style={style}>
      <PriceHead {...props} candles={shown ?? null}>
        <NoticeMark notice={notice} />
      </PriceHead>
      <div className="pb-price-place" style={{ height }}>
        <HonestBody live={live} notice={notice} hasData={hasData}>
          {/* biome-ignore lint/a11y/useSemanticElements: a picture with the library's credit in it, which is a link */}
          <div ref={host} className="pb-price-host" role="group" aria-label={`${symbol ?? 'prices'} over time`} />
        </HonestBody>
      </div>
    </figure>
  );
}

type HeadProps = PriceChartProps & { readonly candles: readonly Candle[] | null; readonly children: React.ReactNode };

function PriceHead({ symbol, candles, previous, decimals = 2, format, isPositive, children }: HeadProps) {
  const locale = useLocale();
  const last = candles?.at(-1)?.close ?? null;
  const change = changeOf(last, previous ?? candles?.[0]?.open);
  if (symbol === undefined) {
    return children;
  }
  return (
    <figcaption className="pb-head">
      <b className="pb-ticker-symbol">{symbol}</b>
      <FlashingValue value={last} format={format ?? ((price: number) => formatNumber(price, { locale, decimals }))} />
      {change === null ? null : (
        <TrendMark
          trend={change.trend}
          isPositive={isPositive}
          text={formatPercent(change.percent, { locale, decimals: 2, signed: true })}
        />
      )}
      {children}
    </figcaption>
  );
}
