'use client';
/** `useRealtimeData` for pages that use SWR: SWR fetches and keeps, live changes go into its cache for every reader of the key. */

import { useEffect, useRef } from 'react';
import useSWR, { type SWRConfiguration, type SWRResponse } from 'swr';
import { type Push, pulseboardSource, type RealtimeOptions } from '../hooks/realtime.js';
import { useScope } from '../shared/context.js';

export type RealtimeSWROptions<T> = RealtimeOptions<T> & {
  /** What SWR itself is told. */
  readonly swr?: SWRConfiguration<T, Error> | undefined;
};

/** SWR's own answer; `data` changes live. */
export function useRealtimeData<T>(
  key: string | null,
  fetcher: (key: string) => Promise<T>,
  options: RealtimeSWROptions<T> = {},
): SWRResponse<T, Error> {
  const { client } = useScope();
  const answer = useSWR<T, Error>(key, fetcher, options.swr);
  const { mutate } = answer;
  const newest = useRef(options);
  useEffect(() => {
    newest.current = options;
  });
  const mode = options.live === false ? 'off' : options.live === undefined ? 'channel' : 'own';
  const { max_hz } = options;
  useEffect(() => {
    if (key === null || mode === 'off') {
      return;
    }
    const { live, select } = newest.current;
    const push: Push<T> = (next) => {
      const change = (current: T | undefined) =>
        typeof next === 'function' ? (next as (current: T | null) => T)(current ?? null) : next;
      void mutate(change, { revalidate: false });
    };
    if (typeof live === 'function') {
      return live(key, push);
    }
    return client === null ? undefined : pulseboardSource<T>(client, { max_hz, select })(key, push);
  }, [key, client, mode, max_hz, mutate]);
  return answer;
}
