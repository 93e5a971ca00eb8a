/** For the few panels that React draws: what they show, read from a source a few times a second at most. */

import type { KeyedTable } from '@pulseboard/client';
import { useEffect, useState } from 'react';
import type { PanelSource } from './source';

/** Quick enough to be live, slow enough for React: four times a second. */
const SAMPLE_MS = 250;

/** What `read` makes of the rows; at once when they come, then not more often than `SAMPLE_MS`, and always the last. */
export function useSample<T>(source: PanelSource, read: (table: KeyedTable) => T): T | null {
  const [sample, setSample] = useState<T | null>(null);
  useEffect(() => {
    let readAt_ms = Number.NEGATIVE_INFINITY;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const take = () => {
      timer = undefined;
      readAt_ms = performance.now();
      setSample(() => read(source.table));
    };
    const stop = source.listen(() => {
      const wait_ms = readAt_ms + SAMPLE_MS - performance.now();
      if (wait_ms <= 0) {
        take();
      } else {
        timer ??= setTimeout(take, wait_ms);
      }
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [source, read]);
  return sample;
}
