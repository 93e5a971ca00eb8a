'use client';
/** The rows of a view or of SQL, live: they change as soon as the server's do, and stay while it is away. */

import { numeric } from '@pulseboard/client';
import { useEffect, useMemo, useSyncExternalStore } from 'react';
import { useScope } from '../shared/context.js';
import type { LiveProps } from '../shared/honest.js';
import { type LiveQuery, type QueryParams, resolveQuery } from './query.js';
import { emptyResult, type LiveQueryResult, type LiveRow, type QueryStatus, QueryStore } from './queryStore.js';

export interface LiveQueryOptions {
  /** Values for the `$name` parameters of SQL, or the parameters of a view. */
  readonly params?: QueryParams | undefined;
  /** Changes per second at most; fractions are allowed. Default 10, and 1 for readers who save data. */
  readonly max_hz?: number | undefined;
  /** An IANA name: in which zone days begin. Default the provider's, else the server's. */
  readonly timezone?: string | undefined;
}

const IDLE = emptyResult<never>('idle');
const LOADING = emptyResult<never>('loading');
const nothing = () => () => {};

/**
 * Follows a view by its name, a channel, or SQL: `useLiveQuery('orders_today')`, `useLiveQuery('SELECT …', { params, max_hz: 4 })`.
 * Null follows nothing. Queries are compared by what they say, not by identity.
 */
export function useLiveQuery<Row = LiveRow>(
  query: LiveQuery | null,
  options: LiveQueryOptions = {},
): LiveQueryResult<Row> {
  const { client, timezone } = useScope();
  const { params, max_hz } = options;
  const asked = query === null ? null : JSON.stringify(resolveQuery(query, params, options.timezone ?? timezone));
  const store = useMemo(
    () => (client === null || asked === null ? null : new QueryStore<Row>(client, JSON.parse(asked), { max_hz })),
    [client, asked, max_hz],
  );
  useEffect(() => store?.start(), [store]);
  const waiting = (asked === null ? IDLE : LOADING) as LiveQueryResult<Row>;
  return useSyncExternalStore(store?.subscribe ?? nothing, store?.snapshot ?? (() => waiting), () => waiting);
}

export interface LiveValue {
  /** The number in the first row; null while unknown. Large integers and decimals may lose digits here. */
  readonly value: number | null;
  /** The cell as it came: decimals are texts with all their digits. */
  readonly cell: LiveRow[string] | undefined;
  readonly status: QueryStatus;
  readonly isConnected: boolean;
  readonly asOf_ms: number | null;
  /** What components want to be told: `<Gauge value={cpu.value} {...cpu.live} />`. */
  readonly live: LiveProps;
}

const NUMBERS = /^(int|float|decimal|duration)/;

/** One number of a query: a column of its first row. Default the first column that holds numbers. */
export function useLiveValue(query: LiveQuery | null, column?: string, options: LiveQueryOptions = {}): LiveValue {
  const { row, columns, status, isConnected, asOf_ms, live } = useLiveQuery(query, options);
  const name = column ?? columns.find(({ type }) => NUMBERS.test(type))?.name ?? '';
  const cell = row?.[name];
  const value = cell === undefined ? null : numeric(cell);
  return useMemo(
    () => ({ value, cell, status, isConnected, asOf_ms, live }),
    [value, cell, status, isConnected, asOf_ms, live],
  );
}
