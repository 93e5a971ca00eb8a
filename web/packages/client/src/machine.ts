/**
 * The connection's state machine: a pure function from (state, event) to (state, what to do).
 *
 * It decides when to connect, over which transport, and how long to wait. It never touches a socket or a timer: the
 * client performs the effects it returns and feeds back what happened.
 */

import { type BackoffOptions, backoffDelay } from './backoff';
import { isFinalClose, readCloseReason } from './codes';

export type TransportKind = 'websocket' | 'sse';

/** Where the connection stands. Times are wall-clock ms. */
export type ConnectionState =
  /** Nobody asked for anything yet. */
  | { readonly status: 'idle' }
  | { readonly status: 'connecting'; readonly transport: TransportKind }
  | { readonly status: 'open'; readonly transport: TransportKind }
  /** Lost or refused; the next attempt starts at `retry_at_ms`. */
  | { readonly status: 'waiting'; readonly retry_at_ms: number; readonly reason: string }
  /** The server told us not to come back. */
  | { readonly status: 'closed'; readonly reason: string };

export type ConnectionEvent =
  | { readonly type: 'wanted' }
  | { readonly type: 'unwanted' }
  | { readonly type: 'opened' }
  /** An attempt failed or an open connection ended. */
  | { readonly type: 'lost'; readonly code: number; readonly reason: string }
  | { readonly type: 'retry_due' }
  /** The network came back or the page became visible. */
  | { readonly type: 'wake' };

export type ConnectionEffect =
  | { readonly do: 'open'; readonly transport: TransportKind }
  | { readonly do: 'close' }
  | { readonly do: 'wait'; readonly delay_ms: number }
  /** Find out whether the open connection is still alive. */
  | { readonly do: 'probe' };

export interface Machine {
  readonly state: ConnectionState;
  /** Attempts that failed since the connection was last open. */
  readonly failures: number;
  /** When the current outage began. */
  readonly outage_since_ms: number | null;
  /** Whether a WebSocket has ever opened here: if so, a failure means the server is away, not that a proxy is in the way. */
  readonly websocket_proven: boolean;
}

export interface MachineOptions {
  readonly backoff: BackoffOptions;
  /** In order of preference. One entry pins the client to it. */
  readonly transports: readonly TransportKind[];
}

/** Failed attempts before another transport gets a turn. */
const FALLBACK_AFTER = { unproven: 2, proven: 6 };

export const INITIAL_MACHINE: Machine = {
  state: { status: 'idle' },
  failures: 0,
  outage_since_ms: null,
  websocket_proven: false,
};

/** One step. `random` is used at most once, for the jitter. */
export function step(
  machine: Machine,
  event: ConnectionEvent,
  now_ms: number,
  random: () => number,
  options: MachineOptions,
): [Machine, readonly ConnectionEffect[]] {
  const { state } = machine;
  switch (event.type) {
    case 'wanted':
      return state.status === 'idle' || state.status === 'closed' ? connect(machine, options) : [machine, []];
    case 'unwanted':
      return [
        { ...INITIAL_MACHINE, websocket_proven: machine.websocket_proven },
        state.status === 'idle' ? [] : [{ do: 'close' }],
      ];
    case 'opened':
      return state.status === 'connecting' ? [opened(machine, state.transport), []] : [machine, []];
    case 'lost':
      return state.status === 'connecting' || state.status === 'open'
        ? lost(machine, event, now_ms, random, options)
        : [machine, []];
    case 'retry_due':
      return state.status === 'waiting' ? connect(machine, options) : [machine, []];
    case 'wake':
      if (state.status === 'waiting') {
        return connect(machine, options);
      }
      return [machine, state.status === 'open' ? [{ do: 'probe' }] : []];
  }
}

function connect(machine: Machine, options: MachineOptions): [Machine, readonly ConnectionEffect[]] {
  const transport = pickTransport(machine, options.transports);
  return [{ ...machine, state: { status: 'connecting', transport } }, [{ do: 'open', transport }]];
}

function opened(machine: Machine, transport: TransportKind): Machine {
  return {
    state: { status: 'open', transport },
    failures: 0,
    outage_since_ms: null,
    websocket_proven: machine.websocket_proven || transport === 'websocket',
  };
}

function lost(
  machine: Machine,
  event: { readonly code: number; readonly reason: string },
  now_ms: number,
  random: () => number,
  options: MachineOptions,
): [Machine, readonly ConnectionEffect[]] {
  const { reason, after_ms } = readCloseReason(event.reason);
  if (isFinalClose(event.code)) {
    return [{ ...machine, state: { status: 'closed', reason } }, [{ do: 'close' }]];
  }
  const outage_since_ms = machine.outage_since_ms ?? now_ms;
  const delay_ms = after_ms ?? backoffDelay(machine.failures, now_ms - outage_since_ms, random(), options.backoff);
  const state: ConnectionState = {
    status: 'waiting',
    retry_at_ms: now_ms + delay_ms,
    reason,
  };
  const failures = machine.failures + (machine.state.status === 'connecting' ? 1 : 0);
  return [{ ...machine, state, failures, outage_since_ms }, [{ do: 'close' }, { do: 'wait', delay_ms }]];
}

/** The preferred transport, until it has failed often enough; then they take turns until one opens. */
function pickTransport(machine: Machine, transports: readonly TransportKind[]): TransportKind {
  const preferred = transports[0] ?? 'websocket';
  const patience = machine.websocket_proven ? FALLBACK_AFTER.proven : FALLBACK_AFTER.unproven;
  if (machine.failures < patience) {
    return preferred;
  }
  return transports[(machine.failures - patience + 1) % transports.length] ?? preferred;
}
