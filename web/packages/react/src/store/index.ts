/** A store of named metrics with their recent history. */

export {
  connectStore,
  createLiveStore,
  HISTORY_MAX,
  type HistoryPoint,
  type LiveState,
  type LiveStore,
  type MetricSource,
  type MetricValue,
} from './liveStore.js';
export { liveStore, useLiveStore } from './useLiveStore.js';
