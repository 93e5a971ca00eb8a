'use client';
/** One timer for everything on a page that counts seconds: ages, countdowns. It stands still while nobody looks. */

import { useSyncExternalStore } from 'react';

const BEAT_MS = 1_000;

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let now_ms = 0;

function beat(): void {
  if (document.visibilityState !== 'hidden') {
    tell();
  }
}

function tell(): void {
  now_ms = Date.now();
  for (const listener of [...listeners]) {
    listener();
  }
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (listeners.size === 1) {
    now_ms = Date.now();
    timer = setInterval(beat, BEAT_MS);
    document.addEventListener('visibilitychange', beat);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', beat);
    }
  };
}

const idle = () => () => {};

function read(): number {
  // Before the first beat of a page that was idle the last one may be long ago; within a beat the answer stays the same.
  if (listeners.size === 0 && Date.now() - now_ms >= BEAT_MS) {
    now_ms = Date.now();
  }
  return now_ms;
}

const unknown = () => null;

/** The wall clock in ms, again each second; null on a server that renders, and while `wanted` is false. */
export function useNow(wanted = true): number | null {
  return useSyncExternalStore<number | null>(wanted ? subscribe : idle, wanted ? read : unknown, unknown);
}
