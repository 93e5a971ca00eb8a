'use client';
/** The page's store, or one of your own, read in React: only what is selected makes it render. */

import { useStore } from 'zustand';
import { createLiveStore, type LiveState, type LiveStore } from './liveStore.js';

/** The store of this page. A server that renders many pages makes one for each: `createLiveStore`. */
export const liveStore: LiveStore = createLiveStore();

export function useLiveStore(): LiveState;
export function useLiveStore<T>(select: (state: LiveState) => T, store?: LiveStore): T;
export function useLiveStore<T>(select?: (state: LiveState) => T, store: LiveStore = liveStore): T | LiveState {
  return useStore(store, select ?? ((state: LiveState) => state as unknown as T));
}
