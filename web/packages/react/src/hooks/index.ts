/** Hooks: live data of a Pulseboard, and plain connections to any URL. */

export {
  IDLE_LINK,
  type LinkState,
  type LinkStatus,
  type ReconnectOptions,
} from '../plain/reconnector.js';
export { type PollingOptions, type PollingResult, usePolling } from '../plain/usePolling.js';
export { type EventSourceLike, type SSEOptions, type SSEResult, useSSE } from '../plain/useSSE.js';
export { useWebSocket, type WebSocketOptions, type WebSocketResult } from '../plain/useWebSocket.js';
export { type Alerts, alertOf } from './alertStore.js';
export { savesPower } from './pace.js';
export { apiUrl, PulseboardProvider, type PulseboardProviderProps, usePulseClient } from './provider.js';
export { type LiveQuery, type QueryParams, type SqlQuery, type ViewQuery, viewChannel } from './query.js';
export type { LiveQueryResult, LiveRow, QueryStatus } from './queryStore.js';
export type { LiveSource, Push, RealtimeOptions } from './realtime.js';
export { useAlerts } from './useAlerts.js';
export { type BoardDefinition, type BoardOptions, type BoardPanel, type LiveBoard, useBoard } from './useBoard.js';
export { type Connection, useConnection } from './useConnection.js';
export { type LiveQueryOptions, type LiveValue, useLiveQuery, useLiveValue } from './useLiveQuery.js';
export { type Fetcher, type RealtimeData, useRealtimeData } from './useRealtimeData.js';
export { type LiveEvent, type SubscriptionInfo, type SubscriptionOptions, useSubscription } from './useSubscription.js';
