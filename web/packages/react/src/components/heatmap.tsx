'use client';
/** Rows over time as cells whose strength is their value. The canvas draws itself; React hands it columns. */

import { type CSSProperties, useEffect, useRef } from 'react';
import type { NowSource } from '../charts/chartClock.js';
import { HeatmapChart, type HeatmapRow } from '../charts/heatmap.js';
import { useScope } from '../shared/context.js';
import { type LiveProps, useNotice } from '../shared/honest.js';
import { Figure } from './figure.js';

export interface HeatmapData {
  /** Ms since 1970, ascending. */
  readonly times: readonly number[];
  /** One value per time; what is null is left open. */
  readonly rows: readonly HeatmapRow[];
}

export interface HeatmapProps extends LiveProps {
  readonly data: HeatmapData | null | undefined;
  readonly title?: string | undefined;
  /** How much of the past is shown, moving with the clock. Default what there is. */
  readonly range_ms?: number | undefined;
  readonly clock?: NowSource | undefined;
  readonly unit?: string | undefined;
  readonly decimals?: number | undefined;
  readonly format?: ((value: number) => string) | undefined;
  readonly zone?: string | undefined;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  /** Which colour of the series, from 1. */
  readonly color?: number | undefined;
  /** Pixels, or any CSS length. Default 200. */
  readonly height?: number | string | undefined;
  readonly className?: string | undefined;
  readonly style?: CSSProperties | undefined;
}

const DEFAULT_HEIGHT_PX = 200;

export function Heatmap(props: HeatmapProps) {
  const {
    data,
    title,
    range_ms,
    clock,
    unit = '',
    decimals,
    format,
    min,
    max,
    color = 1,
    height = DEFAULT_HEIGHT_PX,
    className,
    style,
  } = props;
  const { timezone } = useScope();
  const zone = props.zone ?? timezone;
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<HeatmapChart | null>(null);
  const newest = useRef(data);
  const hasData = data !== null && data !== undefined && data.times.length > 0;
  const notice = useNotice(props, hasData);

  useEffect(() => {
    if (!hasData || host.current === null) {
      return;
    }
    const made = new HeatmapChart({
      host: host.current,
      range_ms,
      unit,
      decimals,
      format,
      zone,
      min,
      max,
      color,
      ...(clock === undefined ? {} : { clock }),
    });
    chart.current = made;
    made.set(newest.current?.times ?? [], newest.current?.rows ?? []);
    return () => {
      chart.current = null;
      made.destroy();
    };
  }, [hasData, range_ms, clock, unit, decimals, format, zone, min, max, color]);

  useEffect(() => {
    newest.current = data;
    if (data !== null && data !== undefined) {
      chart.current?.set(data.times, data.rows);
    }
  }, [data]);

  return (
    <Figure
      host={host}
      title={title}
      label="values over time"
      live={props}
      notice={notice}
      hasData={hasData}
      height={height}
      className={className}
      style={style}
    />
  );
}
