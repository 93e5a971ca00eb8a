'use client';
/** A share of a whole, or a change in either direction: then zero stands inside the bar and the fill grows away from it. */

import { type CSSProperties, useRef } from 'react';
import { formatUnit, UNKNOWN } from '../format/format.js';
import { levelOf, type Thresholds } from '../format/level.js';
import { useLocale } from '../shared/context.js';
import { classes, type LiveProps, NoticeMark, useNotice } from '../shared/honest.js';
import { meterProps } from '../shared/meter.js';
import { useQuick } from '../shared/useQuick.js';
import { colourOf } from './sparkline.js';

export interface PercentageBarProps extends LiveProps {
  readonly value: number | null | undefined;
  /** The ends. Default 0 and 100, and −100 as soon as the value is negative. */
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly label?: string | undefined;
  readonly decimals?: number | undefined;
  readonly unit?: string | undefined;
  readonly format?: ((value: number) => string) | undefined;
  readonly thresholds?: Thresholds | null | undefined;
  /** Whether the value is good news. Default for a bar in both directions: what is above zero. */
  readonly isPositive?: boolean | undefined;
  readonly color?: number | string | undefined;
  readonly showValue?: boolean | undefined;
  readonly className?: string | undefined;
  readonly style?: CSSProperties | undefined;
}

export function PercentageBar(props: PercentageBarProps) {
  const {
    value = null,
    label,
    decimals,
    unit = 'percent',
    format,
    thresholds,
    showValue = true,
    color = 1,
    className,
    style,
  } = props;
  const locale = useLocale();
  const isKnown = value !== null && Number.isFinite(value);
  const notice = useNotice(props, isKnown);
  const max = props.max ?? 100;
  const min = props.min ?? (isKnown && value < 0 ? -max : 0);
  const isSigned = min < 0;
  const place = (of: number) => Math.min(100, Math.max(0, (100 * (of - min)) / (max - min || 1)));
  const zero = place(Math.max(min, Math.min(max, 0)));
  const end = isKnown ? place(value) : zero;
  const level = levelOf(value, thresholds);
  const written = format && isKnown ? format(value) : textOf(value, unit, decimals, locale, isSigned);
  const isGood = props.isPositive ?? (isKnown && value >= 0);
  const direction =
    isSigned || props.isPositive !== undefined ? (isGood ? 'var(--pb-up)' : 'var(--pb-down)') : colourOf(color);
  const fill = level === null ? direction : `var(--pb-${level})`;
  const fills = useRef<HTMLElement>(null);
  useQuick(fills, value);
  const broken = !isKnown && notice?.tone === 'critical';
  const said = isKnown ? written : broken ? notice.detail : 'no data';
  const bar = { left: `${Math.min(zero, end)}%`, width: `${Math.abs(end - zero)}%`, background: fill };
  return (
    <div className={classes('pb-percent', className)} style={style} data-dim={notice?.dims === true}>
      {label === undefined && !showValue ? null : (
        <div className="pb-percent-head">
          <span className="pb-percent-label">{label}</span>
          <NoticeMark notice={notice} />
          {showValue ? (
            <b className={isKnown ? 'pb-value' : 'pb-value pb-unknown'}>{isKnown ? written : UNKNOWN}</b>
          ) : null}
        </div>
      )}
      <div
        className="pb-percent-track"
        data-known={isKnown}
        data-broken={broken}
        {...meterProps({ value: isKnown ? value : null, min, max, label: label ?? 'share', text: said })}
      >
        {isKnown ? <i ref={fills} className="pb-percent-fill" style={bar} /> : null}
        {isSigned ? <i className="pb-percent-zero" style={{ left: `${zero}%` }} /> : null}
      </div>
    </div>
  );
}

function textOf(
  value: number | null,
  unit: string,
  decimals: number | undefined,
  locale: string,
  signed: boolean,
): string {
  const { text, unit: name } = formatUnit(value, unit, decimals, undefined, locale);
  const plus = signed && value !== null && value > 0 ? '+' : '';
  return `${plus}${text}${name === '' ? '' : ` ${name}`}`;
}
