/**
 * What the client needs of a connection, be it its own (`DirectLink`) or one that it shares with other tabs
 * (`SharedLink`).
 */

import type { NetworkHint } from './environment.js';
import type { ConnectionState } from './machine.js';
import type { ErrorBody, Frame } from './protocol.js';
import type { SubscribeOptions } from './subscription.js';

/** A subscription that shall live through reconnects. */
export interface LinkRequest {
  readonly id: number;
  readonly options: SubscribeOptions;
  /** Where it stands now; asked at each reconnect. */
  readonly cursor: () => string | null;
}

export interface LinkEvents {
  state(state: ConnectionState): void;
  accepted(id: number): void;
  refused(id: number, channel: string | null, error: ErrorBody): void;
  frame(id: number, frame: Frame): void;
  advanced(id: number, cursor: string): void;
  /** The server's clock was `server_ms` somewhere between the two local instants. */
  pong(server_ms: number, sentAt_ms: number, receivedAt_ms: number): void;
}

export interface Link {
  readonly state: ConnectionState;
  /** Connects, if it is not connected. */
  want(): void;
  /** Disconnects; `want` connects again. */
  unwant(): void;
  subscribe(request: LinkRequest): void;
  unsubscribe(id: number): void;
  hint(hint: NetworkHint): void;
  /** A person asks to try now. */
  retry(): void;
  /** Ends it for good. */
  close(): void;
}
