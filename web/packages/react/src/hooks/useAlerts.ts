'use client';
/** The alerts that fire and those that ended, from the channel `alerts`. A server without alerts says so in `error`. */

import { type Cell, numeric } from '@pulseboard/client';
import { useMemo } from 'react';
import type { AlertItem, Severity } from '../components/alertList.js';
import type { LiveProps } from '../shared/honest.js';
import type { LiveRow } from './queryStore.js';
import { useLiveQuery } from './useLiveQuery.js';

export interface Alerts {
  /** Null while nothing is known. */
  readonly alerts: readonly AlertItem[] | null;
  readonly firing: number;
  readonly error: string | null;
  readonly isConnected: boolean;
  /** What `AlertList` wants to be told. */
  readonly live: LiveProps;
}

const SEVERITIES: readonly Severity[] = ['info', 'warning', 'critical'];

function text(cell: Cell | undefined): string | undefined {
  return typeof cell === 'string' && cell !== '' ? cell : undefined;
}

function time_ms(cell: Cell | undefined): number | null {
  const time_us = numeric(cell ?? null);
  return time_us === null ? null : time_us / 1_000;
}

export function alertOf(row: LiveRow, key: string): AlertItem {
  const severity = SEVERITIES.find((each) => each === row.severity) ?? 'warning';
  return {
    id: text(row.id) ?? key,
    severity,
    type: text(row.rule) ?? text(row.type),
    metric: text(row.metric),
    message: text(row.message) ?? text(row.rule) ?? key,
    value: numeric(row.value ?? null),
    threshold: numeric(row.threshold ?? null),
    unit: text(row.unit),
    since_ms: time_ms(row.since) ?? 0,
    endedAt_ms: time_ms(row.ended),
  };
}

export function useAlerts(channel = 'alerts'): Alerts {
  const { rows, keys, error, isConnected, live } = useLiveQuery(channel);
  return useMemo(() => {
    const alerts = rows?.map((row, index) => alertOf(row, keys[index] ?? String(index))) ?? null;
    const firing = alerts?.filter(({ endedAt_ms }) => endedAt_ms === null).length ?? 0;
    return { alerts, firing, error: error?.message ?? null, isConnected, live };
  }, [rows, keys, error, isConnected, live]);
}
