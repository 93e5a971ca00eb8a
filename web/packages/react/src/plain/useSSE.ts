'use client';
/** Server-sent events from any URL. EventSource gives up for good at some failures; this does not. */

import { type Environment, platformEnvironment } from '@pulseboard/client';
import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import {
  DEFAULT_RECONNECT,
  IDLE_LINK,
  type LinkState,
  type LinkStatus,
  type ReconnectOptions,
  Reconnector,
} from './reconnector.js';
import { Cell, parsed } from './store.js';

/** The part of an EventSource that is used. */
export interface EventSourceLike {
  onopen: ((event: unknown) => void) | null;
  onerror: ((event: unknown) => void) | null;
  addEventListener(
    name: string,
    listener: (event: { readonly data: string; readonly lastEventId: string }) => void,
  ): void;
  close(): void;
}

export interface SSEOptions<T> {
  /** The names of the events to hear, besides those without a name. */
  readonly events?: readonly string[] | undefined;
  /** Called with each event, parsed; renders nothing by itself. */
  readonly onEvent?: ((data: T, event: string, id: string) => void) | undefined;
  /** Turns a text into data. Default JSON, or the text if it is none. */
  readonly parse?: ((text: string) => T) | undefined;
  /** False keeps events out of `data`: nothing renders when one comes. Default true. */
  readonly keepLast?: boolean | undefined;
  readonly withCredentials?: boolean | undefined;
  /** The query parameter that a new connection tells the last event's id in, where the server cannot be asked by header. */
  readonly resumeParam?: string | undefined;
  readonly reconnect?: Partial<ReconnectOptions> | undefined;
  readonly enabled?: boolean | undefined;
  readonly environment?: Environment | undefined;
  /** How a stream is opened: for tests. Default `EventSource`. */
  readonly openSource?: ((url: string, withCredentials: boolean) => EventSourceLike) | undefined;
}

export interface SSEResult<T> {
  /** The newest event's data; null before the first. */
  readonly data: T | null;
  /** The newest event's name. */
  readonly event: string | null;
  readonly lastEventId: string;
  readonly status: LinkStatus;
  readonly isConnected: boolean;
  readonly attempt: number;
  readonly retry_at_ms: number | null;
  readonly error: string | null;
  reconnect(): void;
}

interface View<T> {
  readonly link: LinkState;
  readonly data: T | null;
  readonly event: string | null;
  readonly lastEventId: string;
}

const EMPTY: View<never> = { link: IDLE_LINK, data: null, event: null, lastEventId: '' };

function platformSource(url: string, withCredentials: boolean): EventSourceLike {
  return new EventSource(url, { withCredentials }) as unknown as EventSourceLike;
}

class SourceStore<T> {
  readonly view = new Cell<View<T>>(EMPTY);
  readonly #reconnector: Reconnector;
  readonly #options: { readonly current: SSEOptions<T> };

  constructor(
    url: string,
    names: readonly string[],
    reconnect: ReconnectOptions,
    options: { readonly current: SSEOptions<T> },
  ) {
    this.#options = options;
    const { environment = platformEnvironment(), openSource = platformSource } = options.current;
    this.#reconnector = new Reconnector({
      environment,
      reconnect,
      changed: (link) => this.view.set({ ...this.view.get(), link }),
      open: ({ opened, lost }) => {
        const source = openSource(this.#resumed(url), options.current.withCredentials ?? false);
        source.onopen = opened;
        // Its own way of coming back has neither a bound nor jitter, and none at all after a refusal.
        source.onerror = () => lost('the stream was lost');
        for (const name of new Set(['message', ...names])) {
          source.addEventListener(name, ({ data, lastEventId }) => this.#event(name, data, lastEventId));
        }
        return () => {
          source.onopen = null;
          source.onerror = null;
          source.close();
        };
      },
    });
  }

  start(): () => void {
    this.#reconnector.start();
    return () => this.#reconnector.stop();
  }

  readonly retry = (): void => this.#reconnector.retry();

  #resumed(url: string): string {
    const { resumeParam } = this.#options.current;
    const { lastEventId } = this.view.get();
    if (resumeParam === undefined || lastEventId === '') {
      return url;
    }
    return `${url}${url.includes('?') ? '&' : '?'}${encodeURIComponent(resumeParam)}=${encodeURIComponent(lastEventId)}`;
  }

  #event(event: string, text: string, lastEventId: string): void {
    const { parse = parsed as (text: string) => T, keepLast = true, onEvent } = this.#options.current;
    const data = parse(text);
    onEvent?.(data, event, lastEventId);
    if (keepLast) {
      this.view.set({ ...this.view.get(), data, event, lastEventId });
    }
  }
}

const nothing = () => () => {};
const emptyView = () => EMPTY;
const none = () => {};

/** Null opens nothing. The newest callbacks are called; changing them does not reconnect. */
export function useSSE<T = unknown>(url: string | null, options: SSEOptions<T> = {}): SSEResult<T> {
  const { enabled = true } = options;
  const { base_ms, cap_ms, attempts_max } = { ...DEFAULT_RECONNECT, ...options.reconnect };
  const names = (options.events ?? []).join('\n');
  const newest = useRef(options);
  useEffect(() => {
    newest.current = options;
  });
  const store = useMemo(() => {
    if (url === null || !enabled) {
      return null;
    }
    return new SourceStore<T>(url, names === '' ? [] : names.split('\n'), { base_ms, cap_ms, attempts_max }, newest);
  }, [url, enabled, names, base_ms, cap_ms, attempts_max]);
  useEffect(() => store?.start(), [store]);
  const view = useSyncExternalStore<View<T>>(store?.view.subscribe ?? nothing, store?.view.get ?? emptyView, emptyView);
  const { link, data, event, lastEventId } = view;
  return {
    data,
    event,
    lastEventId,
    status: link.status,
    isConnected: link.status === 'open',
    attempt: link.attempt,
    retry_at_ms: link.retry_at_ms,
    error: link.reason,
    reconnect: store?.retry ?? none,
  };
}
