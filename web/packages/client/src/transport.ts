/**
 * What the two transports have in common: the client asks for subscriptions, the transport answers with messages.
 *
 * A transport lives for one connection. It never reconnects: it says that it was lost, and the state machine decides.
 */

import type { Environment } from './environment';
import type { TransportKind } from './machine';
import type { ErrorBody, Frame } from './protocol';
import type { SubscribeRequest } from './subscription';

/** What a transport tells the client. `id` is the local number of the request that a message belongs to. */
export interface TransportEvents {
  opened(): void;
  /** Said once; nothing follows. */
  lost(code: number, reason: string): void;
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

/** Makes a transport and starts to connect. `base` is the absolute URL of `/api/v1/`. */
export type OpenTransport = (base: URL, environment: Environment, events: TransportEvents) => Transport;
