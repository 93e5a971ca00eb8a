/**
 * A store of named metrics with their recent history, for pages that want one place to read from.
 *
 * Plain zustand: usable in React (`useLiveStore`) and without it. Its setters are public, so anything may feed it;
 * `connectStore` feeds it from a Pulseboard client.
 */

import { numeric, type PulseClient } from '@pulseboard/client';
import { createStore, type StoreApi } from 'zustand/vanilla';
import { type LiveQuery, resolveQuery } from '../hooks/query.js';
import { QueryStore } from '../hooks/queryStore.js';

export interface HistoryPoint {
  readonly time_ms: number;
  readonly value: number;
}

export type MetricValue = number | null;

export interface LiveState {
  /** The newest value of each metric; null or absent is unknown. */
  readonly metrics: { readonly [name: string]: MetricValue };
  /** The newest values of each metric, oldest first, never more than `HISTORY_MAX`. */
  readonly history: { readonly [name: string]: readonly HistoryPoint[] };
  readonly connected: boolean;
  /** Whether nothing is known yet. */
  readonly loading: boolean;
  readonly error: string | null;
  /** When anything last changed, wall-clock ms. */
  readonly updatedAt_ms: number | null;
  /** Sets a metric and adds it to its history; an unknown value adds nothing. */
  setMetric(name: string, value: MetricValue, time_ms?: number): void;
  setMetrics(values: { readonly [name: string]: MetricValue }, time_ms?: number): void;
  /** Adds a point to a history without changing the metric: for a past that was fetched. */
  addToHistory(name: string, point: HistoryPoint): void;
  setConnected(connected: boolean): void;
  setLoading(loading: boolean): void;
  setError(error: string | null): void;
  /** Back to the beginning. */
  reset(): void;
}

export type LiveStore = StoreApi<LiveState>;

/** How many points a history keeps; the oldest go first. */
export const HISTORY_MAX = 100;

const START = { metrics: {}, history: {}, connected: false, loading: true, error: null, updatedAt_ms: null } as const;

function capped(points: readonly HistoryPoint[] | undefined, point: HistoryPoint): readonly HistoryPoint[] {
  return [...(points ?? []).slice(-(HISTORY_MAX - 1)), point];
}

export function createLiveStore(): LiveStore {
  return createStore<LiveState>()((set) => ({
    ...START,
    setMetric: (name, value, time_ms) => set((held) => withMetrics(held, { [name]: value }, time_ms)),
    setMetrics: (values, time_ms) => set((held) => withMetrics(held, values, time_ms)),
    addToHistory: (name, point) =>
      set(({ history }) => ({ history: { ...history, [name]: capped(history[name], point) } })),
    setConnected: (connected) => set({ connected }),
    setLoading: (loading) => set({ loading }),
    setError: (error) => set({ error }),
    reset: () => set({ ...START }),
  }));
}

function withMetrics(
  held: LiveState,
  values: { readonly [name: string]: MetricValue },
  time_ms = Date.now(),
): Partial<LiveState> {
  const history = { ...held.history };
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && Number.isFinite(value)) {
      history[name] = capped(history[name], { time_ms, value });
    }
  }
  return { metrics: { ...held.metrics, ...values }, history, loading: false, updatedAt_ms: time_ms };
}

/** Which query a metric comes from, and which column of its first row. */
export type MetricSource = LiveQuery | { readonly query: LiveQuery; readonly column: string };

/** Feeds a store from a client: one metric for each query. The returned function ends it; the values stay. */
export function connectStore(
  store: LiveStore,
  client: PulseClient,
  sources: { readonly [metric: string]: MetricSource },
  options: { readonly max_hz?: number | undefined } = {},
): () => void {
  const connection = () => store.getState().setConnected(client.connection.status === 'open');
  const stops = [client.onConnection(connection)];
  connection();
  for (const [metric, source] of Object.entries(sources)) {
    const isNamed = typeof source === 'object' && 'query' in source;
    const query = new QueryStore(client, resolveQuery(isNamed ? source.query : source), options);
    const read = () => {
      const { row, columns, error } = query.snapshot();
      const column = isNamed
        ? source.column
        : columns.find(({ type }) => /^(int|float|decimal|duration)/.test(type))?.name;
      const value = column === undefined ? null : numeric(row?.[column] ?? null);
      if (error !== null) {
        store.getState().setError(error.message);
      } else if (row !== null && value !== store.getState().metrics[metric]) {
        store.getState().setError(null);
        store.getState().setMetric(metric, value);
      }
    };
    stops.push(query.subscribe(read), query.start());
  }
  return () => {
    for (const stop of stops) {
      stop();
    }
    store.getState().setConnected(false);
  };
}
