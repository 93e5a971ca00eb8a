/** A query on its way: registered, explained, followed; or refused, with the place in its text. */

import { localZone } from '@pulseboard/react/format';
import { useCallback, useRef, useState } from 'react';
import { api, type Explanation } from '../shared/api';
import { type QueryProblem, readProblem } from '../sql';

export interface RunningQuery {
  readonly sql: string;
  readonly channel: string;
  /** Null while it is not known, or the server would not say. */
  readonly explanation: Explanation | null;
}

export interface QueryState {
  readonly query: RunningQuery | null;
  readonly problem: QueryProblem | null;
  readonly busy: boolean;
}

export function useQuery(onAccepted: (sql: string) => void) {
  const [state, setState] = useState<QueryState>({ query: null, problem: null, busy: false });
  const runs = useRef(0);
  const run = useCallback(
    async (sql: string) => {
      runs.current += 1;
      const current = runs.current;
      const update = (change: Partial<QueryState>) => {
        if (runs.current === current) {
          setState((held) => ({ ...held, ...change }));
        }
      };
      update({ busy: true });
      try {
        const zone = localZone();
        const { channel } = await api.liveQuery(sql, zone);
        if (runs.current === current) {
          onAccepted(sql);
        }
        update({ busy: false, problem: null, query: { sql, channel, explanation: null } });
        // What the plan is does not hold the answer up, and failing to say it fails nothing.
        const explanation = await api.explain(sql, zone).catch(() => null);
        update({ query: { sql, channel, explanation } });
      } catch (error) {
        update({ busy: false, problem: readProblem(error) });
      }
    },
    [onAccepted],
  );
  return { ...state, run };
}
