'use client';
/** One instrument in one line: name, price that flashes when it moves, change with sign and arrow, recent line. */

import type { CSSProperties } from 'react';
import { formatCurrency, formatNumber, formatPercent } from '../format/formatters.js';
import { changeOf } from '../format/trend.js';
import { useLocale } from '../shared/context.js';
import { classes, type LiveProps, NoticeMark, useNotice } from '../shared/honest.js';
import { FlashingValue } from './flashingValue.js';
import { Sparkline } from './sparkline.js';
import { TrendMark } from './trendMark.js';

export interface PriceTickerProps extends LiveProps {
  readonly symbol: string;
  readonly name?: string | undefined;
  readonly price: number | null | undefined;
  /** The price that the change is measured from: the last close, for example. */
  readonly previous?: number | null | undefined;
  /** The change in percent, if it is known otherwise. */
  readonly changePercent?: number | null | undefined;
  /** Whether the change is good news. Default what goes up. */
  readonly isPositive?: boolean | undefined;
  /** An ISO 4217 code; without one the number stands alone. */
  readonly currency?: string | undefined;
  /** Default 2. */
  readonly decimals?: number | undefined;
  readonly format?: ((price: number) => string) | undefined;
  /** Recent prices, oldest first. */
  readonly history?: readonly (number | null | undefined)[] | undefined;
  readonly maxDataPoints?: number | undefined;
  readonly className?: string | undefined;
  readonly style?: CSSProperties | undefined;
}

export function PriceTicker(props: PriceTickerProps) {
  const {
    symbol,
    name,
    price = null,
    previous,
    currency,
    decimals = 2,
    history,
    maxDataPoints,
    className,
    style,
  } = props;
  const locale = useLocale();
  const notice = useNotice(props, price !== null);
  const change = changeOf(price, previous);
  const percent = props.changePercent ?? change?.percent ?? null;
  const trend = percent === null ? (change?.trend ?? null) : percent > 0 ? 'up' : percent < 0 ? 'down' : 'stable';
  const good = props.isPositive ?? trend !== 'down';
  const format =
    props.format ??
    ((value: number) =>
      currency === undefined
        ? formatNumber(value, { locale, decimals })
        : formatCurrency(value, { locale, currency, decimals }));
  return (
    <div className={classes('pb-ticker', className)} style={style} data-dim={notice?.dims === true}>
      <span className="pb-ticker-names">
        <span className="pb-ticker-symbol">{symbol}</span>
        {name === undefined ? null : <span className="pb-ticker-name">{name}</span>}
      </span>
      <NoticeMark notice={notice} />
      {history !== undefined && history.length > 1 ? (
        <Sparkline
          className="pb-ticker-spark"
          data={history}
          maxDataPoints={maxDataPoints}
          color={good ? 'var(--pb-up)' : 'var(--pb-down)'}
        />
      ) : null}
      <FlashingValue className="pb-ticker-price" value={price} format={format} />
      <span className="pb-ticker-change">
        {trend === null ? null : (
          <TrendMark
            trend={trend}
            isPositive={props.isPositive}
            text={percent === null ? null : formatPercent(percent, { locale, decimals: 2, signed: true })}
          />
        )}
      </span>
    </div>
  );
}
