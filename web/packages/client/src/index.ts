/** Live Pulseboard data in any page: one connection, many subscriptions, exact resume. No framework. */

export {
  type BackoffOptions,
  type ClimbOptions,
  DEFAULT_BACKOFF,
  DEFAULT_CLIMB,
  DEFAULT_POLL,
  type PollOptions,
} from './backoff.js';
export { type BreakerOptions, type BreakerState, CircuitBreaker, DEFAULT_BREAKER } from './breaker.js';
export type { BoardChannel, Channel, ChannelContent, KeyedChannel, TailChannel } from './channel.js';
export { PulseClient } from './client.js';
export type { LossReason } from './codes.js';
export type { SocketUrlHook, TokenHook, TokenReason } from './credentials.js';
export type {
  BusLike,
  Cancel,
  Environment,
  LocksLike,
  NetworkHint,
  SocketLike,
  TextStore,
} from './environment.js';
export { indexedDbStore } from './indexedDb.js';
export { KeyedTable, type Row, type RowChange, type TableChanges } from './keyed.js';
export { type ConnectionState, TRANSPORTS, type TransportKind } from './machine.js';
export type { ClientOptions } from './options.js';
export {
  DEFAULT_OUTBOX,
  type EventFields,
  type FullPolicy,
  type OutboxOptions,
  type OutboxStatus,
  type PublishAck,
} from './outbox.js';
export type { StateStore, StoredChannel } from './persist.js';
export { platformEnvironment } from './platform.js';
export type { FrameInfo } from './presenter.js';
export type { BoardSnapshot, Cell, Column, ErrorBody, ResetReason, ViewState, ViewStatus } from './protocol.js';
export { type RangeAnswer, type RangeOptions, type RangeRequest, range } from './range.js';
export { RequestError } from './requests.js';
export { numeric, type Series, SeriesBuffer, type SeriesShape } from './series.js';
export type { SubscribeOptions, Subscription, SubscriptionStatus } from './subscription.js';
export type { TailBuffer, TailGap } from './tail.js';
