/**
 * Who looks at this page, as the server sees them: what they may do, and whether they must say who they are.
 *
 * A login is a cookie that no script reads: neither a password nor what the cookie holds is kept here. What is kept is the
 * last answer, for this tab, so that a reload offers at once what may be done.
 */

import { useCallback, useSyncExternalStore } from 'react';
import { API_URL } from './api';
import { isShare, withToken } from './pass';
import type { Me } from './rights';

export interface Session {
  /** `out`: the server asks who comes. `asking`: it has not said yet, or is not reached. */
  readonly status: 'asking' | 'in' | 'out';
  readonly me: Me | null;
  /** Whether they were in since the page was opened: then what they see behind the door stays. */
  readonly was: boolean;
}

const KEPT = 'pulseboard.me 1';

let session: Session = { status: 'asking', me: keptMe(), was: false };
const listeners = new Set<() => void>();

function keptMe(): Me | null {
  try {
    return isShare ? null : (JSON.parse(sessionStorage.getItem(KEPT) ?? 'null') as Me | null);
  } catch {
    return null;
  }
}

export function keepMe(me: Me | null): void {
  try {
    if (isShare) {
      return;
    }
    if (me === null) {
      sessionStorage.removeItem(KEPT);
    } else {
      sessionStorage.setItem(KEPT, JSON.stringify(me));
    }
  } catch {
    // A browser may keep nothing; then a reload begins with nothing.
  }
}

function tell(next: Session): void {
  session = next;
  for (const listener of listeners) {
    listener();
  }
}

/** Asks the server who is there. */
export async function lookWho(): Promise<void> {
  try {
    const response = await fetch(new URL('session', API_URL), withToken({ cache: 'no-store' }));
    if (response.status === 401) {
      keepMe(null);
      tell({ status: 'out', me: session.me, was: session.was });
    } else if (response.ok) {
      const me = (await response.json()) as Me;
      keepMe(me);
      tell({ status: 'in', me, was: true });
    }
  } catch {
    // The server is not reached: the app says so by itself.
  }
}

export function useSession(): Session {
  return useSyncExternalStore(
    useCallback((changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    }, []),
    () => session,
  );
}
