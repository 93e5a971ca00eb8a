/** Data that is fetched first and live after: where the live part comes from, and what it makes of the data. No React. */

import type { PulseClient } from '@pulseboard/client';
import { resolveQuery } from './query.js';
import { QueryStore } from './queryStore.js';

/** Gives the next data, or makes it from what is there. */
export type Push<T> = (next: T | ((current: T | null) => T)) => void;

/** A live source of one's own: begins to push, returns how to stop. */
export type LiveSource<T> = (key: string, push: Push<T>) => () => void;

export interface RealtimeOptions<T> {
  /**
   * Where changes come from after the first fetch. Default the Pulseboard channel or view that the key names, if there
   * is a provider; a function is a source of your own; false fetches only.
   */
  readonly live?: LiveSource<T> | false | undefined;
  /** Makes data of the live rows. Default: the rows where the fetcher gave a list, else the first row. */
  readonly select?: ((rows: readonly never[], current: T | null) => T) | undefined;
  readonly max_hz?: number | undefined;
}

/** Follows the channel that `key` names. */
export function pulseboardSource<T>(client: PulseClient, options: RealtimeOptions<T>): LiveSource<T> {
  return (key, push) => {
    const store = new QueryStore<never>(client, resolveQuery(key), { max_hz: options.max_hz });
    const stopListening = store.subscribe(() => {
      const { rows, status } = store.snapshot();
      // What was kept from an earlier visit is older than what was just fetched.
      if (rows !== null && status !== 'cached') {
        push((current) => (options.select ?? plain)(rows, current) as T);
      }
    });
    const stop = store.start();
    return () => {
      stopListening();
      stop();
    };
  };
}

function plain(rows: readonly unknown[], current: unknown): unknown {
  return Array.isArray(current) || current === null ? rows : (rows[0] ?? current);
}
