'use client';
/** A WebSocket to any URL that comes back by itself; what is sent meanwhile waits, within a bound. */

import { type Environment, platformEnvironment, type SocketLike } from '@pulseboard/client';
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

export interface WebSocketOptions<T> {
  /** Called with each message, parsed; renders nothing by itself. */
  readonly onMessage?: ((message: T) => void) | undefined;
  readonly onOpen?: (() => void) | undefined;
  readonly onClose?: ((reason: string) => void) | undefined;
  /** Turns a text into a message. Default JSON, or the text if it is none. */
  readonly parse?: ((text: string) => T) | undefined;
  /** False keeps messages out of `lastMessage`: nothing renders when one comes. Default true. */
  readonly keepLast?: boolean | undefined;
  readonly reconnect?: Partial<ReconnectOptions> | undefined;
  /** How many messages wait while it is not open; the oldest go first. Default 100. */
  readonly queue_max?: number | undefined;
  /** False closes it. Default true. */
  readonly enabled?: boolean | undefined;
  /** The world it lives in: for tests. Default the platform's. */
  readonly environment?: Environment | undefined;
}

export interface WebSocketResult<T> {
  readonly lastMessage: T | null;
  readonly status: LinkStatus;
  readonly isConnected: boolean;
  /** Failed attempts since it was last open. */
  readonly attempt: number;
  readonly retry_at_ms: number | null;
  readonly error: string | null;
  /** Objects go as JSON. Returns whether it went out at once; else it waits. */
  send(message: unknown): boolean;
  /** Tries now instead of waiting. */
  reconnect(): void;
}

interface View<T> {
  readonly link: LinkState;
  readonly lastMessage: T | null;
}

const QUEUE_MAX = 100;
/** Codes that say that coming back is no use: policy, and Pulseboard's own range. */
const isFinal = (code: number) => code === 1008 || (code >= 4500 && code < 5000);

class SocketStore<T> {
  readonly view = new Cell<View<T>>({ link: IDLE_LINK, lastMessage: null });
  readonly #environment: Environment;
  readonly #options: { readonly current: WebSocketOptions<T> };
  readonly #reconnector: Reconnector;
  #socket: SocketLike | null = null;
  #queue: string[] = [];

  constructor(url: string, reconnect: ReconnectOptions, options: { readonly current: WebSocketOptions<T> }) {
    this.#options = options;
    this.#environment = options.current.environment ?? platformEnvironment();
    this.#reconnector = new Reconnector({
      environment: this.#environment,
      reconnect,
      changed: (link) => this.view.set({ ...this.view.get(), link }),
      open: ({ opened, lost }) => {
        const socket = this.#environment.openSocket?.(url) ?? null;
        if (socket === null) {
          lost('this platform has no WebSocket', true);
          return () => {};
        }
        socket.onopen = () => {
          this.#socket = socket;
          opened();
          for (const text of this.#queue.splice(0)) {
            socket.send(text);
          }
          this.#options.current.onOpen?.();
        };
        socket.onmessage = ({ data }) => this.#message(data);
        socket.onclose = ({ code, reason }) => {
          const why = reason || `closed with code ${code}`;
          this.#socket = null;
          lost(why, isFinal(code));
          this.#options.current.onClose?.(why);
        };
        return () => {
          socket.onopen = null;
          socket.onmessage = null;
          socket.onclose = null;
          this.#socket = null;
          socket.close();
        };
      },
    });
  }

  start(): () => void {
    this.#reconnector.start();
    return () => this.#reconnector.stop();
  }

  readonly retry = (): void => this.#reconnector.retry();

  readonly send = (message: unknown): boolean => {
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    if (this.#socket !== null) {
      this.#socket.send(text);
      return true;
    }
    this.#queue.push(text);
    this.#queue.splice(0, Math.max(0, this.#queue.length - (this.#options.current.queue_max ?? QUEUE_MAX)));
    return false;
  };

  #message(data: unknown): void {
    const { parse = parsed as (text: string) => T, keepLast = true, onMessage } = this.#options.current;
    const message = typeof data === 'string' ? parse(data) : (data as T);
    onMessage?.(message);
    if (keepLast) {
      this.view.set({ ...this.view.get(), lastMessage: message });
    }
  }
}

const nothing = () => () => {};
const EMPTY: View<never> = { link: IDLE_LINK, lastMessage: null };
const emptyView = () => EMPTY;
const unsent = () => false;
const none = () => {};

/** Null opens nothing. The newest callbacks are called; changing them does not reconnect. */
export function useWebSocket<T = unknown>(url: string | null, options: WebSocketOptions<T> = {}): WebSocketResult<T> {
  const { enabled = true } = options;
  const { base_ms, cap_ms, attempts_max } = { ...DEFAULT_RECONNECT, ...options.reconnect };
  const newest = useRef(options);
  useEffect(() => {
    newest.current = options;
  });
  const store = useMemo(
    () => (url === null || !enabled ? null : new SocketStore<T>(url, { base_ms, cap_ms, attempts_max }, newest)),
    [url, enabled, base_ms, cap_ms, attempts_max],
  );
  useEffect(() => store?.start(), [store]);
  const { link, lastMessage } = useSyncExternalStore<View<T>>(
    store?.view.subscribe ?? nothing,
    store?.view.get ?? emptyView,
    emptyView,
  );
  return {
    lastMessage,
    status: link.status,
    isConnected: link.status === 'open',
    attempt: link.attempt,
    retry_at_ms: link.retry_at_ms,
    error: link.reason,
    send: store?.send ?? unsent,
    reconnect: store?.retry ?? none,
  };
}
