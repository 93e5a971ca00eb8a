'use client';
/** A value that flashes when it really changed: not when it is drawn again, not for a change that its text does not show. */

import { useLayoutEffect as useBrowserLayoutEffect, useEffect, useRef } from 'react';
import { UNKNOWN } from '../format/format.js';
import { formatNumber } from '../format/formatters.js';
import { useLocale } from '../shared/context.js';
import { type Direction, directionOf, flash } from '../shared/flash.js';
import { classes, type LiveProps, useNotice } from '../shared/honest.js';

/** On a server that renders, effects do not run, and React warns of those that come before painting. */
const useLayoutEffect = typeof document === 'undefined' ? useEffect : useBrowserLayoutEffect;

export interface FlashingValueProps<T extends number | string = number | string> extends LiveProps {
  readonly value: T | null | undefined;
  /** Default: a number with grouping. Also under the name `format`. */
  readonly formatter?: ((value: T) => string) | undefined;
  readonly format?: ((value: T) => string) | undefined;
  /** What a change flashes as. Default by the direction that it went in. */
  readonly isPositive?: boolean | undefined;
  readonly duration_ms?: number | undefined;
  readonly className?: string | undefined;
}

export function FlashingValue<T extends number | string = number | string>(props: FlashingValueProps<T>) {
  const { value = null, formatter, format = formatter, isPositive, duration_ms, className, ...live } = props;
  const locale = useLocale();
  const notice = useNotice(live, value !== null);
  const element = useRef<HTMLSpanElement>(null);
  const plain = (known: T) => (typeof known === 'number' ? formatNumber(known, { locale }) : String(known));
  const text = value === null ? UNKNOWN : (format ?? plain)(value);
  useFlash(element, value, text, isPositive, duration_ms);
  return (
    <span
      ref={element}
      className={classes('pb-flashing', value === null && 'pb-unknown', className)}
      data-dim={notice?.dims === true}
      title={notice?.detail}
    >
      {text}
    </span>
  );
}

/** Flashes an element when what it shows changed from one known value to another. */
export function useFlash(
  element: { readonly current: HTMLElement | null },
  value: number | string | null,
  text: string,
  isPositive?: boolean,
  duration_ms?: number,
): void {
  const before = useRef<{ readonly value: number | string | null; readonly text: string } | null>(null);
  useLayoutEffect(() => {
    const last = before.current;
    before.current = { value, text };
    if (last === null || last.text === text || last.value === null || value === null || element.current === null) {
      return;
    }
    const went = directionOf(last.value, value);
    const direction: Direction = isPositive === undefined ? went : isPositive ? 'up' : 'down';
    element.current.dataset.direction = direction;
    flash(element.current, direction, duration_ms);
  }, [element, value, text, isPositive, duration_ms]);
}
