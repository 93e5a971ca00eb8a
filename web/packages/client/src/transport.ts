/**
 * What all transports have in common: the link asks for subscriptions, the transport answers with messages.
 *
 * A transport lives for one connection. It never reconnects: it says that it was lost, and the state machine decides.
 */

import type { PollOptions } from './backoff.js';
import type { Loss } from './codes.js';
import type { Environment } from './environment.js';
import type { TransportKind } from './machine.js';
import type { ErrorBody, Frame } from './protocol.js';
import type { SubscribeOptions } from './subscription.js';

/** What a transport needs to ask for a subscription. */
export interface SubscribeRequest extends SubscribeOptions {
  /** Local number, echoed by the server. A subscription that is asked for again gets a new one. */
  readonly id: number;
  readonly since: string | null;
}

/** What a transport tells the link. `id` is the local number of the request that a message belongs to. */
export interface TransportEvents {
  opened(): void;
  /** Said once; nothing follows. */
  lost(loss: Loss): void;
  accepted(id: number): void;
  refused(id: number | null, channel: string | null, error: ErrorBody): void;
  frame(id: number, frame: Frame): void;
  /** The cursor of a quiet subscription. */
  advanced(id: number, cursor: string): void;
  /** The server's clock was `server_ms` at some instant since `sentAt_ms`. */
  pong(server_ms: number, sentAt_ms: number): void;
}

export interface Transport {
  readonly kind: TransportKind;
  /** May be called before `opened`. */
  subscribe(request: SubscribeRequest): void;
  unsubscribe(id: number): void;
  /** Finds out soon whether the connection is alive; if not, `lost` follows. */
  probe(): void;
  close(): void;
}

/** What a connection is made with. */
export interface TransportContext {
  /** The absolute URL of `/api/v1/`. */
  readonly base: URL;
  readonly environment: Environment;
  readonly token: string | null;
  /** Another token for a connection whose own has ended. */
  readonly renew: () => Promise<string>;
  readonly poll: PollOptions;
  /** Whether nobody looks: then polls are rare. */
  readonly hidden: () => boolean;
  /** Requests held open at a time, at most; browsers allow six per server over HTTP/1.1 in all tabs together. */
  readonly held_max: number;
  /** Where a WebSocket is opened. */
  readonly socketUrl: string;
}

/** Makes a transport and starts to connect. */
export type OpenTransport = (context: TransportContext, events: TransportEvents) => Transport;
