'use client';
/**
 * A small line of the newest values, as SVG: drawn on servers too, sized by its place.
 *
 * For values that come many times a second take `Sparkline` of `@pulseboard/react/charts`, which draws beside React.
 */

import type { CSSProperties } from 'react';
import { SPARK_HEIGHT, SPARK_WIDTH, sparkArea, sparkPath } from '../charts/sparkPath.js';
import { classes } from '../shared/honest.js';

export interface SparklineProps {
  /** Evenly spaced, oldest first. Unknown values are left out of the line, never drawn as zero. */
  readonly data: readonly (number | null | undefined)[];
  /** How many of the newest are drawn. Default 20. */
  readonly maxDataPoints?: number | undefined;
  /** Which colour of the series, from 1; or any CSS colour. Default 1. */
  readonly color?: number | string | undefined;
  /** Fills below the line. Default true. */
  readonly area?: boolean | undefined;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  /** What a screen reader says. Default nothing: the number beside it says it. */
  readonly label?: string | undefined;
  readonly className?: string | undefined;
  readonly style?: CSSProperties | undefined;
}

export const DEFAULT_POINTS_MAX = 20;

export function colourOf(color: number | string): string {
  return typeof color === 'number' ? `var(--pb-series-${((Math.max(1, color) - 1) % 8) + 1})` : color;
}

export function Sparkline(props: SparklineProps) {
  const { data, maxDataPoints = DEFAULT_POINTS_MAX, color = 1, area = true, min, max, label, className, style } = props;
  const parts = sparkPath(data.slice(-maxDataPoints), min, max);
  const stroke = colourOf(color);
  return (
    <svg
      className={classes('pb-spark', className)}
      style={style}
      viewBox={`0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`}
      preserveAspectRatio="none"
      role={label === undefined ? 'presentation' : 'img'}
      aria-hidden={label === undefined}
      aria-label={label}
    >
      {parts.map((path) => (
        <g key={path}>
          {area ? <path d={sparkArea(path)} fill={stroke} opacity={0.12} /> : null}
          <path
            d={path}
            fill="none"
            stroke={stroke}
            strokeWidth={1.5}
            strokeLinejoin="round"
            vectorEffect="non-scaling-stroke"
          />
        </g>
      ))}
    </svg>
  );
}
