/**
 * The connection's state machine: a pure function from (state, event) to (state, what to do).
 *
 * It decides when to connect, over which transport, how long to wait and when to try a better one. It never touches a
 * socket or a timer: the link performs the effects it returns and feeds back what happened.
 */

import { type BackoffOptions, backoffDelay, type ClimbOptions, climbDelay } from './backoff.js';
import type { Loss, LossReason } from './codes.js';

/** From the best to the last resort. */
export const TRANSPORTS = ['websocket', 'sse', 'longpoll', 'poll'] as const;

export type TransportKind = (typeof TRANSPORTS)[number];

/** Where the connection stands. Times are wall-clock ms. */
export type ConnectionState =
  /** Nobody asked for anything yet. */
  | { readonly status: 'idle' }
  /** `attempt` counts from 1 within an outage. */
  | { readonly status: 'connecting'; readonly transport: TransportKind; readonly attempt: number }
  | { readonly status: 'open'; readonly transport: TransportKind }
  /** Lost or refused; the next attempt starts at `retry_at_ms`. */
  | {
      readonly status: 'waiting';
      readonly retry_at_ms: number;
      readonly attempt: number;
      readonly reason: LossReason;
      /** For a person; may be empty. */
      readonly detail: string;
    }
  /** It will not come back by itself: the server said so, the token was refused, or the attempts are used up. */
  | { readonly status: 'closed'; readonly reason: LossReason; readonly detail: string };

export type ConnectionEvent =
  | { readonly type: 'wanted' }
  | { readonly type: 'unwanted' }
  | { readonly type: 'opened' }
  /** An open connection has lasted long enough to count as a success. */
  | { readonly type: 'settled' }
  /** An attempt failed or an open connection ended. */
  | { readonly type: 'lost'; readonly loss: Loss }
  | { readonly type: 'retry_due' }
  /** The network came back or the page became visible. */
  | { readonly type: 'wake' }
  /** A person asked to try now; unlike a wake-up this revives a closed connection. */
  | { readonly type: 'retry' }
  /** The network is said to be gone. */
  | { readonly type: 'doubt' }
  | { readonly type: 'climb_due' }
  /** A better transport works and has taken over. */
  | { readonly type: 'climbed'; readonly transport: TransportKind }
  | { readonly type: 'climb_failed' };

export type ConnectionEffect =
  | { readonly do: 'open'; readonly transport: TransportKind }
  | { readonly do: 'close' }
  | { readonly do: 'wait'; readonly delay_ms: number }
  /** Say `settled` if the connection is still open after this. */
  | { readonly do: 'settle'; readonly delay_ms: number }
  /** Say `climb_due` after this. */
  | { readonly do: 'climb_wait'; readonly delay_ms: number }
  /** Find out, beside the open connection, which of these works, the first of them first. */
  | { readonly do: 'climb'; readonly transports: readonly TransportKind[] }
  /** Keep in mind for the next visit that this one works here. */
  | { readonly do: 'remember'; readonly transport: TransportKind }
  /** Find out whether the open connection is still alive. */
  | { readonly do: 'probe' };

export interface Machine {
  readonly state: ConnectionState;
  /** Attempts that failed since a connection last settled. */
  readonly failures: number;
  /** Those of them that speak against the transport rather than against the server or the token. */
  readonly turns: number;
  /** When the current outage began. */
  readonly outage_since_ms: number | null;
  /** What last worked here, now or at an earlier visit. With one, a failure means rather that the server is away. */
  readonly proven: TransportKind | null;
  /** Climbs since the best transport, or a better one than before, last settled; a wake-up forgets them. */
  readonly climbs: number;
}

export interface MachineOptions {
  readonly backoff: BackoffOptions;
  readonly climb: ClimbOptions;
  /** In order of preference. One entry pins the client to it. */
  readonly transports: readonly TransportKind[];
}

/** Reasons that came over the transport, or before it was asked: it is not to blame. */
const SAID_BY_SERVER: ReadonlySet<LossReason> = new Set([
  'restart',
  'overloaded',
  'internal',
  'unauthorized',
  'no_token',
]);

/** Failed attempts before another transport gets a turn. */
const PATIENCE = { unproven: 1, proven: 3 };

/**
 * How long a connection must last to count as one that works: an SSE stream past its first heartbeat, a long poll past
 * its first full wait, because proxies that spoil them let the first answer through.
 */
const SETTLE_MS: Record<TransportKind, number> = { websocket: 5_000, sse: 20_000, longpoll: 30_000, poll: 5_000 };

export function initialMachine(proven: TransportKind | null): Machine {
  return { state: { status: 'idle' }, failures: 0, turns: 0, outage_since_ms: null, proven, climbs: 0 };
}

type Step = readonly [Machine, readonly ConnectionEffect[]];

/** One step. `random` is used at most once, for the jitter. */
export function step(
  machine: Machine,
  event: ConnectionEvent,
  now_ms: number,
  random: () => number,
  options: MachineOptions,
): Step {
  const { status } = machine.state;
  const nothing: Step = [machine, []];
  switch (event.type) {
    case 'wanted':
      return status === 'idle' ? connect(machine, options) : nothing;
    case 'unwanted':
      return status === 'idle' ? nothing : [initialMachine(machine.proven), [{ do: 'close' }]];
    case 'opened':
      return machine.state.status === 'connecting'
        ? opened(machine, machine.state.transport, random, options)
        : nothing;
    case 'settled':
      return machine.state.status === 'open' ? settled(machine, machine.state.transport, options) : nothing;
    case 'lost':
      return status === 'connecting' || status === 'open'
        ? lost(machine, event.loss, now_ms, random, options)
        : nothing;
    case 'retry_due':
      return status === 'waiting' ? connect(machine, options) : nothing;
    case 'retry':
      return status === 'closed' ? connect(initialMachine(machine.proven), options) : woken(machine, random, options);
    case 'wake':
      return woken(machine, random, options);
    case 'doubt':
      return status === 'open' ? [machine, [{ do: 'probe' }]] : nothing;
    case 'climb_due':
      return machine.state.status === 'open'
        ? [machine, [{ do: 'climb', transports: betterThan(machine.state.transport, options) }]]
        : nothing;
    case 'climbed':
      return status === 'open' ? opened(climbedOnce(machine), event.transport, random, options) : nothing;
    case 'climb_failed':
      return status === 'open' ? [climbedOnce(machine), climbWait(climbedOnce(machine), random, options)] : nothing;
  }
}

function connect(machine: Machine, options: MachineOptions): Step {
  const transport = pickTransport(machine, options.transports);
  return [
    { ...machine, state: { status: 'connecting', transport, attempt: machine.failures + 1 } },
    [{ do: 'open', transport }],
  ];
}

function woken(machine: Machine, random: () => number, options: MachineOptions): Step {
  const { state } = machine;
  if (state.status !== 'open') {
    return state.status === 'waiting' ? connect(machine, options) : [machine, []];
  }
  // It may be another network by now, on which a better transport works.
  const fresh = { ...machine, climbs: 0 };
  return [fresh, [{ do: 'probe' }, ...climbWait(fresh, random, options)]];
}

function opened(machine: Machine, transport: TransportKind, random: () => number, options: MachineOptions): Step {
  // A WebSocket that opens gets through: no proxy opens one and then spoils it. The others have to show it.
  const proven = transport === 'websocket' ? transport : machine.proven;
  const open: Machine = { ...machine, state: { status: 'open', transport }, proven };
  return [open, [{ do: 'settle', delay_ms: SETTLE_MS[transport] }, ...climbWait(open, random, options)]];
}

function settled(machine: Machine, transport: TransportKind, { transports }: MachineOptions): Step {
  const rank = (kind: TransportKind | null) => (kind === null ? transports.length : transports.indexOf(kind));
  const climbs = rank(transport) === 0 || rank(transport) < rank(machine.proven) ? 0 : machine.climbs;
  return [
    { ...machine, failures: 0, turns: 0, outage_since_ms: null, proven: transport, climbs },
    [{ do: 'remember', transport }],
  ];
}

function lost(machine: Machine, loss: Loss, now_ms: number, random: () => number, options: MachineOptions): Step {
  const { reason, detail } = loss;
  const failed = hasSettled(machine) ? 0 : 1;
  const failures = machine.failures + failed;
  const turns = machine.turns + (SAID_BY_SERVER.has(reason) ? 0 : failed);
  if (loss.final || failures >= options.backoff.attempts_max) {
    const state: ConnectionState = loss.final
      ? { status: 'closed', reason, detail }
      : { status: 'closed', reason: 'attempts_max', detail: detail || reason };
    return [{ ...machine, state }, [{ do: 'close' }]];
  }
  const outage_since_ms = machine.outage_since_ms ?? now_ms;
  const attempt = Math.max(0, failures - 1);
  const delay_ms = loss.after_ms ?? backoffDelay(attempt, now_ms - outage_since_ms, random(), options.backoff);
  const state: ConnectionState = {
    status: 'waiting',
    retry_at_ms: now_ms + delay_ms,
    attempt: failures,
    reason,
    detail,
  };
  return [{ ...machine, state, failures, turns, outage_since_ms }, [{ do: 'close' }, { do: 'wait', delay_ms }]];
}

/** An open connection that counted as a success: no failure and no outage is on record. */
function hasSettled({ state, outage_since_ms, failures, proven }: Machine): boolean {
  return state.status === 'open' && outage_since_ms === null && failures === 0 && proven === state.transport;
}

/**
 * The transport that works here, or the best one, until it has failed often enough; then the others get a turn, between
 * attempts with the one that works.
 */
function pickTransport({ proven, turns }: Machine, transports: readonly TransportKind[]): TransportKind {
  const best = transports[0] ?? 'websocket';
  if (proven === null || !transports.includes(proven)) {
    return turns < PATIENCE.unproven ? best : (transports[turns % transports.length] ?? best);
  }
  const turn = turns - PATIENCE.proven;
  if (turn < 0 || turn % 2 === 1) {
    return proven;
  }
  const others = transports.filter((kind) => kind !== proven);
  return others[(turn / 2) % others.length] ?? proven;
}

function betterThan(transport: TransportKind, { transports }: MachineOptions): readonly TransportKind[] {
  return transports.slice(0, Math.max(0, transports.indexOf(transport)));
}

function climbedOnce(machine: Machine): Machine {
  return { ...machine, climbs: machine.climbs + 1 };
}

/** Nothing if there is no better transport than the open one. */
function climbWait({ state, climbs }: Machine, random: () => number, options: MachineOptions): ConnectionEffect[] {
  const canClimb = state.status === 'open' && betterThan(state.transport, options).length > 0;
  return canClimb ? [{ do: 'climb_wait', delay_ms: climbDelay(climbs, random(), options.climb) }] : [];
}
