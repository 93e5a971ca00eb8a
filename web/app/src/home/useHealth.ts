/** How the server says it is, asked at a slow beat while the page can be seen. */

import { useEffect, useState } from 'react';
import { api, type Health } from '../shared/api';

const ASK_EVERY_MS = 5_000;

/** Null until it is known; the last known while the server is away. */
export function useHealth(): Health | null {
  const [health, setHealth] = useState<Health | null>(null);
  useEffect(() => {
    let over = false;
    const ask = async () => {
      if (document.visibilityState === 'visible') {
        const told = await api.health().catch(() => null);
        if (!over && told !== null) {
          setHealth(told);
        }
      }
    };
    void ask();
    const timer = setInterval(ask, ASK_EVERY_MS);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, []);
  return health;
}
