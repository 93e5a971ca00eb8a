/**
 * The wire: what the server sends over WebSocket and SSE, as types, and the one place where text becomes them.
 *
 * Talks to nobody. Never interprets a cursor or a position: both are opaque and only ever compared for equality.
 */

/** One value of a row. Times are µs UTC; decimals and integers beyond 2^53 are strings; null is SQL's NULL. */
export type Cell = string | number | boolean | null | readonly unknown[] | { readonly [field: string]: unknown };

/** A column of a result: `type` as in the contract, for example `int` or `decimal(12,2)`. */
export interface Column {
  readonly name: string;
  readonly type: string;
  /** Part of what identifies a row. */
  readonly key?: boolean;
}

/** Why a channel starts over with a snapshot. */
export type ResetReason = 'restart' | 'gap' | 'ahead' | 'schema' | 'changed' | 'skipped';

export type ViewStatus =
  | 'error'
  | 'waiting'
  | 'backfilling'
  | 'stale'
  | 'cached'
  | 'partial'
  | 'truncated'
  | 'rerun'
  | 'live';

/** How good an answer is right now. Times are µs UTC. */
export interface ViewState {
  readonly status: ViewStatus;
  readonly mode: 'maintained' | 'rerun';
  readonly reason?: string;
  readonly since?: number;
  readonly input_at?: number;
  readonly as_of?: number;
  readonly progress?: { readonly done: number; readonly total: number };
  /** Rows that came when they were already older than every window of the query; absent means none. */
  readonly late_rows?: number;
  /** Rows that a group or row limit refused since the answer was last built; absent means none. */
  readonly truncated_rows?: number;
  /** The sources that feed it and have failed; absent means none. */
  readonly sources?: readonly { readonly name: string; readonly reason: string; readonly since: number }[];
}

export interface KeyedSnapshot {
  readonly columns: readonly Column[];
  readonly keys: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  readonly order?: readonly string[];
}

export interface KeyedDelta {
  readonly set?: { readonly [key: string]: { readonly [column: string]: Cell } };
  readonly del?: readonly string[];
  readonly order?: readonly string[];
}

export interface TailSnapshot {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

export interface TailDelta {
  readonly append: readonly (readonly Cell[])[];
  readonly columns?: readonly Column[];
}

export interface BoardSnapshot {
  readonly definition_hash: string;
  readonly panels: { readonly [panel: string]: string };
}

/** What one channel brings in a frame: a snapshot, a delta, or only a state. */
export interface Change {
  readonly channel: string;
  readonly snapshot?: KeyedSnapshot | TailSnapshot | BoardSnapshot;
  readonly delta?: KeyedDelta | TailDelta;
  readonly state?: ViewState;
  readonly reset?: ResetReason;
  /** With `reset: skipped`: how many items were left out. */
  readonly missed?: number;
}

/** Everything that changed up to one position. `time` and `newest` are µs UTC. */
export interface Frame {
  readonly type: 'frame';
  readonly sub: number;
  readonly cursor: string;
  readonly position: string;
  readonly time: number;
  readonly newest: number | null;
  readonly resumed?: boolean;
  /** Others belong to it, at the same position; only the last of them has a cursor. */
  readonly more?: true;
  readonly changes: readonly Change[];
}

export interface Subscribed {
  readonly type: 'subscribed';
  readonly id?: number | string;
  readonly sub: number;
  readonly channels: readonly string[];
  readonly cursor: string;
  readonly resumed: boolean;
}

/** The server's word on why something was refused. */
export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly details?: { readonly [name: string]: unknown } | null;
}

export interface ErrorMessage {
  readonly type: 'error';
  readonly id?: number | string;
  /** Which channel it is about, as it was asked for. */
  readonly channel?: string;
  readonly error: ErrorBody;
}

export type ServerMessage =
  | Frame
  | Subscribed
  | ErrorMessage
  /** `time` is the server's wall clock, µs UTC. */
  | { readonly type: 'pong'; readonly id?: number | string; readonly time: number }
  | { readonly type: 'authenticated'; readonly id?: number | string; readonly expires: number | null }
  /** Without another token the connection is closed after `grace_ms`. */
  | { readonly type: 'expired'; readonly grace_ms: number }
  | { readonly type: 'ack'; readonly id?: number | string; readonly sub?: number; readonly position?: string };

const KNOWN_TYPES = new Set(['frame', 'subscribed', 'error', 'pong', 'ack', 'authenticated', 'expired']);

/** Reads one message. Unknown types are null, so that a newer server may say more; broken text throws. */
export function parseMessage(text: string): ServerMessage | null {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || !('type' in value)) {
    throw new SyntaxError('a message without a type');
  }
  return KNOWN_TYPES.has(String(value.type)) ? (value as ServerMessage) : null;
}

/** Whether a channel carries items in order (a tail) instead of keyed rows. */
export function isTailChannel(channel: string): boolean {
  return /^(stream:|alerts)/.test(channel);
}

/** Whether a channel carries a board's definition. */
export function isBoardChannel(channel: string): boolean {
  return channel.startsWith('board:');
}
