'use client';
/** A headline number whose digits roll to the new value, at most four times a second; unknown is a dash. */

import NumberFlow from '@number-flow/react';
import { type CSSProperties, useEffect, useRef } from 'react';
import { UNKNOWN } from '../format/format.js';
import { useLocale } from '../shared/context.js';
import { classes } from '../shared/honest.js';

/** What digits that roll can be written with. */
export type RollingFormat = Omit<Intl.NumberFormatOptions, 'notation'> & {
  readonly notation?: 'standard' | 'compact';
};

export interface AnimatedNumberProps {
  readonly value: number | null | undefined;
  readonly prefix?: string | undefined;
  readonly suffix?: string | undefined;
  /** Exactly this many. Default none for whole numbers, two else. */
  readonly decimals?: number | undefined;
  /** A BCP 47 name. Default the provider's, else the reader's. */
  readonly locale?: string | undefined;
  /** More of `Intl.NumberFormat`; scientific notation is not available. */
  readonly format?: RollingFormat | undefined;
  /** False writes without rolling. Reduced motion is obeyed anyway. */
  readonly animated?: boolean | undefined;
  readonly className?: string | undefined;
  readonly style?: CSSProperties | undefined;
}

/** Digits that roll faster than this cannot be read. */
const ROLL_MS_MIN = 250;

export function AnimatedNumber(props: AnimatedNumberProps) {
  const { value, prefix, suffix, decimals, locale: asked, format, animated = true, className, style } = props;
  const locale = useLocale(asked);
  const rolled_ms = useRef(Number.NEGATIVE_INFINITY);
  const isKnown = value !== null && value !== undefined && Number.isFinite(value);
  const rests = performance.now() - rolled_ms.current >= ROLL_MS_MIN;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the moment that counts is the one at which the value changes.
  useEffect(() => {
    if (performance.now() - rolled_ms.current >= ROLL_MS_MIN) {
      rolled_ms.current = performance.now();
    }
  }, [value]);
  if (!isKnown) {
    return (
      <span className={classes('pb-number', 'pb-unknown', className)} style={style} title="no data">
        {UNKNOWN}
      </span>
    );
  }
  const digits = decimals ?? (Number.isInteger(value) ? 0 : 2);
  return (
    <NumberFlow
      className={classes('pb-number', className)}
      style={style}
      value={value}
      locales={locale}
      format={{ minimumFractionDigits: digits, maximumFractionDigits: digits, ...format }}
      prefix={prefix ?? ''}
      suffix={suffix ?? ''}
      animated={animated && rests}
      willChange
    />
  );
}
