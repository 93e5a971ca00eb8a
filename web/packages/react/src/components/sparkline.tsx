'use client';
/**
 * A small line of the newest values, as SVG: drawn on servers too, sized by its place.
 *
 * For values that come many times a second take `Sparkline` of `@pulseboard/react/charts`, which draws beside React.
 */

import type { CSSProperties } from 'react';
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

const WIDTH = 100;
const HEIGHT = 32;
/** Room for the line's own width at the edges. */
const EDGE = 2;
/** Below this part of its own size a series counts as flat and lies low, instead of magnifying noise. */
const FLAT = 0.0005;

export function colourOf(color: number | string): string {
  return typeof color === 'number' ? `var(--pb-series-${((Math.max(1, color) - 1) % 8) + 1})` : color;
}

/** The line's parts: an unknown value breaks it. */
export function sparkPath(
  values: readonly (number | null | undefined)[],
  min?: number,
  max?: number,
): readonly string[] {
  const known = values.filter((value): value is number => typeof value === 'number' && Number.isFinite(value));
  if (known.length === 0) {
    return [];
  }
  const low = Math.min(min ?? Number.POSITIVE_INFINITY, ...known);
  const high = Math.max(max ?? Number.NEGATIVE_INFINITY, ...known);
  const span = high - low;
  const isFlat = span <= Math.abs(high) * FLAT;
  const step = WIDTH / Math.max(1, values.length - 1);
  const place = (value: number) => {
    const part = isFlat ? 0.2 : (value - low) / span;
    return HEIGHT - EDGE - part * (HEIGHT - 2 * EDGE);
  };
  const parts: string[][] = [[]];
  values.forEach((value, index) => {
    if (typeof value === 'number' && Number.isFinite(value)) {
      parts.at(-1)?.push(`${round(index * step)} ${round(place(value))}`);
    } else if (parts.at(-1)?.length !== 0) {
      parts.push([]);
    }
  });
  return parts.filter((part) => part.length > 1).map((part) => `M${part.join('L')}`);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

export function Sparkline(props: SparklineProps) {
  const { data, maxDataPoints = DEFAULT_POINTS_MAX, color = 1, area = true, min, max, label, className, style } = props;
  const parts = sparkPath(data.slice(-maxDataPoints), min, max);
  const stroke = colourOf(color);
  return (
    <svg
      className={classes('pb-spark', className)}
      style={style}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role={label === undefined ? 'presentation' : 'img'}
      aria-hidden={label === undefined}
      aria-label={label}
    >
      {parts.map((path) => (
        <g key={path}>
          {area ? <path d={areaOf(path)} fill={stroke} opacity={0.12} /> : null}
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

function areaOf(path: string): string {
  const points = path.slice(1).split('L');
  const x = (point: string | undefined) => point?.split(' ')[0] ?? '0';
  return `${path}L${x(points.at(-1))} ${HEIGHT}L${x(points[0])} ${HEIGHT}Z`;
}
