'use client';
/** How the link to the server is. Renders when its state changes, not with the data. */

import type { ConnectionState, PulseClient } from '@pulseboard/client';
import { useCallback, useMemo, useSyncExternalStore } from 'react';
import { useScope } from '../shared/context.js';

export interface Connection {
  readonly state: ConnectionState;
  readonly isConnected: boolean;
  /** Median event→screen time of the last events in ms, read when asked; null until one was seen. */
  readonly latency_ms: number | null;
  /** The instant of the newest data that is known, wall-clock ms, read when asked; null without any. */
  readonly lastKnown_ms: number | null;
  /** Tries now instead of waiting. */
  retry(): void;
}

const IDLE: ConnectionState = { status: 'idle' };
const idle = () => IDLE;

class ClientConnection implements Connection {
  readonly state: ConnectionState;
  readonly #client: PulseClient | null;

  constructor(client: PulseClient | null, state: ConnectionState) {
    this.#client = client;
    this.state = state;
  }

  get isConnected(): boolean {
    return this.state.status === 'open';
  }

  get latency_ms(): number | null {
    return this.#client?.latency_ms ?? null;
  }

  get lastKnown_ms(): number | null {
    return this.#client?.lastFrameAt_ms ?? this.#client?.storedAt_ms ?? null;
  }

  retry = (): void => this.#client?.retryNow();
}

/** The connection of the provider above; without one it is idle. */
export function useConnection(): Connection {
  const { client } = useScope();
  const subscribe = useCallback((changed: () => void) => client?.onConnection(changed) ?? (() => {}), [client]);
  const state = useSyncExternalStore(subscribe, () => client?.connection ?? IDLE, idle);
  return useMemo(() => new ClientConnection(client, state), [client, state]);
}
