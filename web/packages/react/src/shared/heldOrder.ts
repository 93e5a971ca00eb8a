'use client';
/** The order of rows while somebody points at them: what one is about to read or click does not move away. */

import { useRef, useState } from 'react';
import { heldOrder } from './order.js';

export interface HeldOrder {
  readonly order: readonly string[];
  readonly isHeld: boolean;
  /** For the element that holds the rows. */
  readonly handlers: {
    readonly onPointerEnter: () => void;
    readonly onPointerLeave: () => void;
  };
}

/** The rows' order; while the pointer is over them, the order that stood when it came. */
export function useHeldOrder(now: readonly string[], enabled = true): HeldOrder {
  const [isHeld, setHeld] = useState(false);
  const shown = useRef<readonly string[]>(now);
  const order = isHeld && enabled ? heldOrder(shown.current, now) : now;
  shown.current = order;
  return {
    order,
    isHeld,
    handlers: { onPointerEnter: () => setHeld(true), onPointerLeave: () => setHeld(false) },
  };
}
