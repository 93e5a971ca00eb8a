/** A board on a wall: the page says so to the style sheets at once, and fetches what else it takes. */

import { useEffect } from 'react';
import { insist } from '../shared/later';

export function useKiosk(on: boolean): void {
  useEffect(() => {
    if (!on) {
      return;
    }
    const { documentElement: root } = document;
    root.dataset.kiosk = 'true';
    let stop: (() => void) | null = null;
    let over = false;
    void insist(() => import('./kiosk')).then(({ beOnAWall }) => {
      if (!over) {
        stop = beOnAWall(root);
      }
    });
    return () => {
      over = true;
      delete root.dataset.kiosk;
      stop?.();
    };
  }, [on]);
}
