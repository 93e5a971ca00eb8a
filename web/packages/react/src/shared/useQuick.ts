'use client';
/**
 * Marks an element whose value does not stand still (`data-quick`): the style sheet lets it jump then, because what is always on its way
 * cannot be read, and moves at the cost of the whole page.
 */

import { type RefObject, useEffect, useRef } from 'react';

/** A value that changes more often than this does not stand still. */
const REST_MS = 600;

export function useQuick(element: RefObject<HTMLElement | null>, value: unknown): void {
  const changedAt_ms = useRef(Number.NEGATIVE_INFINITY);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each change of the value is what counts
  useEffect(() => {
    const now_ms = performance.now();
    element.current?.toggleAttribute('data-quick', now_ms - changedAt_ms.current < REST_MS);
    changedAt_ms.current = now_ms;
  }, [element, value]);
}
