'use client';
/** States over time, a row for each thing. The canvas draws itself; React hands it spans. */

import { type CSSProperties, useEffect, useRef } from 'react';
import type { NowSource } from '../charts/chartClock.js';
import { type StateRow, StateTimelineChart } from '../charts/stateTimeline.js';
import { useScope } from '../shared/context.js';
import { type LiveProps, useNotice } from '../shared/honest.js';
import { Figure } from './figure.js';

export interface StateTimelineProps extends LiveProps {
  readonly rows: readonly StateRow[] | null | undefined;
  readonly title?: string | undefined;
  readonly range_ms?: number | undefined;
  readonly clock?: NowSource | undefined;
  readonly zone?: string | undefined;
  /** The token of each state's colour: `ok`, `warning`, `critical`, `series-3`, … Default by its name. Keep the object's identity. */
  readonly colors?: { readonly [state: string]: string } | undefined;
  /** Pixels, or any CSS length. Default 30 for each row and the axis. */
  readonly height?: number | string | undefined;
  readonly className?: string | undefined;
  readonly style?: CSSProperties | undefined;
}

const ROW_PX = 30;
const AXIS_PX = 24;

export function StateTimeline(props: StateTimelineProps) {
  const { rows, title, range_ms, clock, colors, className, style } = props;
  const { timezone } = useScope();
  const zone = props.zone ?? timezone;
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<StateTimelineChart | null>(null);
  const newest = useRef(rows);
  const hasData = rows !== null && rows !== undefined && rows.length > 0;
  const notice = useNotice(props, hasData);
  const height = props.height ?? (rows?.length ?? 1) * ROW_PX + AXIS_PX;

  useEffect(() => {
    if (!hasData || host.current === null) {
      return;
    }
    const made = new StateTimelineChart({
      host: host.current,
      range_ms,
      zone,
      colors,
      ...(clock === undefined ? {} : { clock }),
    });
    chart.current = made;
    made.set(newest.current ?? []);
    return () => {
      chart.current = null;
      made.destroy();
    };
  }, [hasData, range_ms, clock, zone, colors]);

  useEffect(() => {
    newest.current = rows;
    if (rows !== null && rows !== undefined) {
      chart.current?.set(rows);
    }
  }, [rows]);

  return (
    <Figure
      host={host}
      title={title}
      label="states over time"
      live={props}
      notice={notice}
      hasData={hasData}
      height={height}
      className={className}
      style={style}
    />
  );
}
