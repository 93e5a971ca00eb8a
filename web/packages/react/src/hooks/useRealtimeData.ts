'use client';
/** Data that is fetched first and live after. It is only ever replaced by newer data, never by nothing. */

import { useCallback, useEffect, useRef, useState } from 'react';
import { useScope } from '../shared/context.js';
import type { LiveProps } from '../shared/honest.js';
import { type Push, pulseboardSource, type RealtimeOptions } from './realtime.js';
import { useConnection } from './useConnection.js';

export type Fetcher<T> = (key: string, options: { readonly signal: AbortSignal }) => Promise<T>;

export interface RealtimeData<T> {
  /** Null until something is known. */
  readonly data: T | null;
  readonly error: Error | null;
  readonly isLoading: boolean;
  /** Whether a live change has replaced what was fetched. */
  readonly isLive: boolean;
  readonly isConnected: boolean;
  /** When the data last changed, wall-clock ms. */
  readonly updatedAt_ms: number | null;
  /** Fetches again. */
  refresh(): void;
  /** What components want to be told. */
  readonly live: LiveProps;
}

interface Held<T> {
  readonly key: string | null;
  readonly data: T | null;
  readonly error: Error | null;
  readonly isLive: boolean;
  readonly updatedAt_ms: number | null;
}

const EMPTY = { data: null, error: null, isLive: false, updatedAt_ms: null };

/**
 * `useRealtimeData('view:orders_today', fetcher)`: what the fetcher gives is shown at once; from then on the channel that
 * the key names changes it, if there is a provider. Null fetches nothing. The newest fetcher is called.
 */
export function useRealtimeData<T>(
  key: string | null,
  fetcher: Fetcher<T>,
  options: RealtimeOptions<T> = {},
): RealtimeData<T> {
  const { client } = useScope();
  const connection = useConnection();
  const [held, setHeld] = useState<Held<T>>({ key, ...EMPTY });
  const [turn, setTurn] = useState(0);
  const newest = useRef({ fetcher, options });
  useEffect(() => {
    newest.current = { fetcher, options };
  });

  // biome-ignore lint/correctness/useExhaustiveDependencies: another turn fetches again.
  useEffect(() => {
    if (key === null) {
      return;
    }
    const abort = new AbortController();
    newest.current.fetcher(key, { signal: abort.signal }).then(
      (data) => {
        if (!abort.signal.aborted) {
          // A live change that came meanwhile is newer than an answer that was asked for before it.
          setHeld((now) =>
            now.key === key && now.isLive ? now : { key, data, error: null, isLive: false, updatedAt_ms: Date.now() },
          );
        }
      },
      (cause) => {
        if (!abort.signal.aborted) {
          const error = cause instanceof Error ? cause : new Error(String(cause));
          setHeld((now) => (now.key === key ? { ...now, error } : { key, ...EMPTY, error }));
        }
      },
    );
    return () => abort.abort();
  }, [key, turn]);

  const mode = options.live === false ? 'off' : options.live === undefined ? 'channel' : 'own';
  const { max_hz } = options;
  useEffect(() => {
    if (key === null || mode === 'off' || (mode === 'channel' && client === null)) {
      return;
    }
    const { live } = newest.current.options;
    const select = (rows: readonly never[], current: T | null) => {
      const chosen = newest.current.options.select;
      return chosen === undefined ? undefined : chosen(rows, current);
    };
    const push: Push<T> = (next) =>
      setHeld((now) => {
        const current = now.key === key ? now.data : null;
        const data = typeof next === 'function' ? (next as (current: T | null) => T)(current) : next;
        return { key, data, error: null, isLive: true, updatedAt_ms: Date.now() };
      });
    if (typeof live === 'function') {
      return live(key, push);
    }
    const chosen = newest.current.options.select === undefined ? undefined : (select as RealtimeOptions<T>['select']);
    return client === null ? undefined : pulseboardSource<T>(client, { max_hz, select: chosen })(key, push);
  }, [key, client, mode, max_hz]);

  const refresh = useCallback(() => setTurn((last) => last + 1), []);
  const { data, error, isLive, updatedAt_ms }: Omit<Held<T>, 'key'> = held.key === key ? held : EMPTY;
  const isConnected = mode === 'channel' && client !== null ? connection.isConnected : error === null;
  const isLoading = key !== null && data === null && error === null;
  return {
    data,
    error,
    isLoading,
    isLive,
    isConnected,
    updatedAt_ms,
    refresh,
    live: { isConnected, isLoading, asOf_ms: updatedAt_ms, error: data === null ? (error?.message ?? null) : null },
  };
}
