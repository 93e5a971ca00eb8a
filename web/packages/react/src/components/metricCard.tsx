'use client';
/** One number that matters: what it is, its value, how it stands against an earlier period, and its recent line. */

import { type CSSProperties, type ReactNode, useId, useState } from 'react';
import { formatUnit, UNKNOWN } from '../format/format.js';
import { formatPercent } from '../format/formatters.js';
import { LEVEL_WORD, levelOf, type Thresholds } from '../format/level.js';
import { changeOf, type Trend } from '../format/trend.js';
import { useLocale } from '../shared/context.js';
import { classes, type LiveProps, NoticeMark, useNotice } from '../shared/honest.js';
import { WarningIcon } from '../shared/icons.js';
import { AnimatedNumber } from './animatedNumber.js';
import { DEFAULT_POINTS_MAX, Sparkline } from './sparkline.js';
import { TrendMark } from './trendMark.js';

export interface MetricCardProps extends LiveProps {
  readonly title: string;
  /** Null and undefined are unknown and show a dash; zero is a number. */
  readonly value: number | null | undefined;
  readonly icon?: ReactNode;
  /** As in `formatUnit`: `percent`, `bytes`, `currency:EUR`, … or any text. */
  readonly unit?: string | undefined;
  readonly decimals?: number | undefined;
  readonly prefix?: string | undefined;
  readonly suffix?: string | undefined;
  /** Writes the number itself; then it does not roll. */
  readonly format?: ((value: number) => string) | undefined;
  /** The value of the earlier period, from which the trend is worked out. */
  readonly previous?: number | null | undefined;
  /** What the earlier period is: `vs yesterday 21:04`. */
  readonly period?: string | undefined;
  /** The direction, if it is known otherwise than from `previous`. */
  readonly trend?: Trend | undefined;
  /** What is written beside the arrow: a percentage, or a text. */
  readonly trendValue?: number | string | null | undefined;
  /** Whether the trend is good news. Default what goes up. */
  readonly isPositive?: boolean | undefined;
  /** The recent values, oldest first. Default those that the card has been given. */
  readonly history?: readonly (number | null | undefined)[] | undefined;
  /** How many values the line has. Default 20. */
  readonly maxDataPoints?: number | undefined;
  /** False leaves the line out. */
  readonly sparkline?: boolean | undefined;
  readonly color?: number | string | undefined;
  readonly thresholds?: Thresholds | null | undefined;
  readonly animated?: boolean | undefined;
  /** `bare` has no frame and no title of its own: for a place that has them. Default `card`. */
  readonly variant?: 'card' | 'bare' | undefined;
  readonly className?: string | undefined;
  readonly style?: CSSProperties | undefined;
}

/** Units whose number the digits' roll can write: a plain number with a unit behind it. */
const ROLLING = new Set(['', 'percent', 'ms']);
/** From here on a plain number is shortened, which cannot roll. */
const SHORTENED = 1e6;

/** The values that a component was given, newest last, each change once. */
function useSeen(value: number | null, points_max: number): readonly number[] {
  const [seen, setSeen] = useState<readonly number[]>([]);
  if (value !== null && Number.isFinite(value) && value !== seen.at(-1)) {
    setSeen([...seen, value].slice(-points_max));
  }
  return seen;
}

export function MetricCard(props: MetricCardProps) {
  const { title, value = null, icon, period, maxDataPoints = DEFAULT_POINTS_MAX, sparkline = true, color = 1 } = props;
  const id = useId();
  const isKnown = value !== null && Number.isFinite(value);
  const notice = useNotice(props, isKnown);
  const seen = useSeen(value, maxDataPoints);
  const history = props.history ?? seen;
  const level = levelOf(value, props.thresholds);
  const isBare = props.variant === 'bare';
  const loading = !isKnown && props.isLoading === true && notice === null;
  return (
    <section
      className={classes('pb-metric', !isBare && 'pb-card', props.className)}
      style={props.style}
      data-dim={notice?.dims === true}
      data-state={isKnown ? 'known' : notice?.tone === 'critical' ? 'broken' : loading ? 'loading' : 'unknown'}
      aria-labelledby={isBare ? undefined : id}
      aria-label={isBare ? title : undefined}
    >
      {isBare ? null : (
        <header className="pb-head">
          {icon === undefined ? null : <span className="pb-metric-icon">{icon}</span>}
          <h3 className="pb-title" id={id}>
            {title}
          </h3>
          <NoticeMark notice={notice} />
        </header>
      )}
      <div className="pb-metric-value" data-level={level ?? undefined}>
        {loading ? <span className="pb-skeleton" aria-hidden="true" /> : <Value {...props} />}
        {level === 'warning' || level === 'critical' ? (
          <span className="pb-level" data-level={level}>
            {LEVEL_WORD[level]}
          </span>
        ) : null}
        {isBare ? <NoticeMark notice={notice} /> : null}
      </div>
      <Detail {...props} reason={notice?.tone === 'critical' ? notice.detail : null} period={period} />
      {sparkline && history.length > 1 ? (
        <Sparkline className="pb-metric-spark" data={history} maxDataPoints={maxDataPoints} color={color} />
      ) : null}
    </section>
  );
}

function Value(props: MetricCardProps) {
  const { value = null, unit = '', decimals, prefix, suffix, format, animated = true } = props;
  const locale = useLocale();
  if (value === null || !Number.isFinite(value)) {
    return (
      <span className="pb-number pb-unknown" title="no data">
        {UNKNOWN}
      </span>
    );
  }
  if (format !== undefined) {
    return <span className="pb-number">{format(value)}</span>;
  }
  const written = formatUnit(value, unit, decimals, undefined, locale);
  const isPlain = ROLLING.has(unit) || (/^[^:/]*$/.test(unit) && written.unit === unit);
  const rolls = animated && isPlain && (decimals !== undefined || Math.abs(value) < SHORTENED);
  return (
    <>
      {rolls ? (
        <AnimatedNumber
          value={value}
          prefix={prefix}
          suffix={suffix}
          decimals={decimals ?? shownDecimals(written.text, locale)}
        />
      ) : (
        <span className="pb-number">
          {prefix}
          {written.text}
          {suffix}
        </span>
      )}
      {written.unit === '' ? null : <span className="pb-metric-unit">{written.unit}</span>}
    </>
  );
}

/** How many decimals a number was written with, so that rolling digits show as many as standing ones. */
function shownDecimals(text: string, locale: string): number {
  const point = new Intl.NumberFormat(locale).formatToParts(1.5).find(({ type }) => type === 'decimal')?.value ?? '.';
  const at = text.lastIndexOf(point);
  return at < 0 ? 0 : text.length - at - point.length;
}

type DetailProps = Pick<MetricCardProps, 'value' | 'previous' | 'trend' | 'trendValue' | 'isPositive' | 'period'> & {
  /** Why there is no value or none that is newer, if that is known. */
  readonly reason: string | null;
};

function Detail({ value, previous, trend, trendValue, isPositive, period, reason }: DetailProps) {
  const locale = useLocale();
  if (reason !== null) {
    return (
      <p className="pb-metric-detail" data-tone="critical" role="status">
        <WarningIcon size={12} /> {reason}
      </p>
    );
  }
  const change = changeOf(value, previous);
  const shown = trend ?? change?.trend ?? null;
  if (shown === null && period === undefined) {
    return null;
  }
  const percent = trendValue === undefined ? (change?.percent ?? null) : trendValue;
  const text = typeof percent === 'number' ? formatPercent(Math.abs(percent), { locale }) : percent;
  return (
    <p className="pb-metric-detail">
      {shown === null ? null : <TrendMark trend={shown} isPositive={isPositive} text={text} />}
      {period === undefined ? null : <span>{period}</span>}
    </p>
  );
}
