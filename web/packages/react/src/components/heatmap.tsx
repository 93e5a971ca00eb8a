'use client';
/** Rows over time as cells whose strength is their value. The canvas draws itself; React hands it columns. */

import { type CSSProperties, useEffect, useRef } from 'react';
import type { NowSource } from '../charts/chartClock.js';
import { HeatmapChart, type HeatmapRow } from '../charts/heatmap.js';
import { useScope } from '../shared/context.js';
import { classes, HonestBody, type LiveProps, NoticeMark, useNotice } from '../shared/honest.js';

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
    <figure className={classes('pb-figure', className)} style={style}>
      {title === undefined && notice === null ? null : (
        <figcaption className="pb-head">
          <span className="pb-title">{title}</span>
          <NoticeMark notice={notice} />
        </figcaption>
      )}
      <div className="pb-figure-place" style={{ height }}>
        <HonestBody live={props} notice={notice} hasData={hasData}>
          <div ref={host} className="pb-host" role="img" aria-label={title ?? 'values over time'} />
        </HonestBody>
      </div>
    </figure>
  );
}
