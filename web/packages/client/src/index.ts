/** Live Pulseboard data in any page: one connection, many subscriptions, exact resume. No framework. */

export { type BackoffOptions, DEFAULT_BACKOFF } from './backoff';
export type { BoardChannel, Channel, KeyedChannel, TailChannel } from './channel';
export { type ClientOptions, type FrameInfo, PulseClient } from './client';
export {
  browserEnvironment,
  type Cancel,
  type Environment,
  type EventSourceLike,
  type SocketLike,
} from './environment';
export type { KeyedTable, Row, RowChange, TableChanges } from './keyed';
export type { ConnectionState, TransportKind } from './machine';
export type { Cell, Column, ErrorBody, ResetReason, ViewState, ViewStatus } from './protocol';
export { type RangeAnswer, type RangeOptions, RangeQueryError, type RangeRequest, range } from './range';
export { numeric, type Series, SeriesBuffer, type SeriesShape } from './series';
export type { SubscribeOptions, Subscription, SubscriptionStatus } from './subscription';
export type { TailBuffer, TailGap } from './tail';
