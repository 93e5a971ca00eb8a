/** The one client of this page, and what React may know of it: slow facts only, never data. */

import { type Channel, type ConnectionState, PulseClient, type Subscription, TRANSPORTS } from '@pulseboard/client';
import { savesPower } from '@pulseboard/react/hooks';
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { API_URL } from './api';
import { isShare, token } from './pass';

/** The client's options that a page may be opened with, for support and tests: `?transport=sse`. */
const asked = TRANSPORTS.find((kind) => kind === new URLSearchParams(location.search).get('transport'));

export const client = new PulseClient({
  url: API_URL,
  linger_ms: Number.POSITIVE_INFINITY,
  // What a link showed is gone when the link is.
  persist: !isShare,
  ...(asked === undefined ? {} : { transport: asked }),
  ...(token() === null ? {} : { token }),
});
client.connect();

export function useConnection(): ConnectionState {
  return useSyncExternalStore(
    useCallback((changed) => client.onConnection(changed), []),
    () => client.connection,
  );
}

/** Renders again at a beat, for ages and countdowns; with `read` only when that gives something else, as text. */
export function useBeat(every_ms: number, read?: () => string): void {
  const [, setBeat] = useState<unknown>(0);
  const latest = useRef(read);
  useEffect(() => {
    latest.current = read;
  });
  useEffect(() => {
    const timer = setInterval(() => setBeat(latest.current ?? Date.now()), every_ms);
    return () => clearInterval(timer);
  }, [every_ms]);
}

/** How often frames are asked for where data or power are to be saved; null for as they come. */
export function savingHz(): number | null {
  return savesPower() ? 1 : null;
}

/** What a subscription may be asked for besides its channels. */
interface FollowOptions {
  readonly last?: number | undefined;
  readonly timezone?: string | undefined;
}

function follow(channels: readonly string[], { last, timezone }: FollowOptions, max_hz: number | null): Subscription {
  return client.subscribe({
    channels,
    ...(last === undefined ? {} : { last }),
    ...(timezone === undefined ? {} : { timezone }),
    ...(max_hz === null ? {} : { max_hz }),
  });
}

/** What is followed before the page is drawn, until somebody who follows the same takes it. */
let early: Subscription | null = null;
const EARLY_MS = 5_000;

/** Follows channels for whoever asks for just them next. Resolves with their first frame. */
export function subscribeEarly(channels: readonly string[], options: FollowOptions): Promise<void> {
  const made = follow(channels, options, savingHz());
  early = made;
  setTimeout(() => early === made && takeEarly()?.close(), EARLY_MS);
  return new Promise((resolve) => {
    const stop = client.onFrame(() => {
      stop();
      resolve();
    });
  });
}

function takeEarly(): Subscription | null {
  const taken = early;
  early = null;
  return taken;
}

/** Whether what was followed early is this. */
function isEarly(key: string, { last, timezone }: FollowOptions): boolean {
  const options = early?.options;
  return options?.channels.join('\n') === key && options.timezone === timezone && options.last === last;
}

/** Follows channels while the component is mounted. Channels are compared by their text. */
export function useSubscription(
  channels: readonly string[],
  { last, timezone }: FollowOptions = {},
): Subscription | null {
  const key = channels.join('\n');
  const [subscription, setSubscription] = useState(() => (isEarly(key, { last, timezone }) ? early : null));
  const max_hz = savingHz();
  useEffect(() => {
    if (key === '') {
      setSubscription(null);
      return;
    }
    const options = { last, timezone };
    const made = (isEarly(key, options) ? takeEarly() : null) ?? follow(key.split('\n'), options, max_hz);
    setSubscription(made);
    return () => made.close();
  }, [key, last, timezone, max_hz]);
  return subscription;
}

/** Something slow about a channel: its state, whether there is data. Renders only when `read` gives something else. */
export function useChannel<T>(channel: Channel, read: () => T): T {
  return useSyncExternalStore(
    useCallback((changed) => channel.listen(() => changed()), [channel]),
    read,
  );
}

/** Whether and why a subscription was refused. */
export function useSubscriptionStatus(subscription: Subscription | null) {
  return useSyncExternalStore(
    useCallback((changed) => subscription?.onStatus(changed) ?? (() => {}), [subscription]),
    () => subscription?.status ?? 'pending',
  );
}
