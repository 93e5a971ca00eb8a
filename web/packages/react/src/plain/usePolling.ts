'use client';
/**
 * Any URL asked again and again: with its ETag, with back-off while it fails, not at all while nobody looks.
 *
 * The last good answer stays. Renders only when the answer is another one: not for a 304, not for equal data.
 */

import { type Environment, platformEnvironment } from '@pulseboard/client';
import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import { Cell } from './store.js';

export interface PollingOptions<T> {
  /** The pause between answers. Default 5,000 ms. */
  readonly every_ms?: number | undefined;
  /** What the pause doubles up to while the URL fails. Default 60,000 ms. */
  readonly cap_ms?: number | undefined;
  /** How long an answer may take. Default 10,000 ms. */
  readonly timeout_ms?: number | undefined;
  /** Headers and the like. The newest is used; changing it does not ask anew. */
  readonly init?: RequestInit | undefined;
  /** Turns an answer's text into data. Default JSON. */
  readonly parse?: ((text: string) => T) | undefined;
  /** What stands until the first answer. */
  readonly initialData?: T | undefined;
  /** Called with each answer that is another one. */
  readonly onData?: ((data: T) => void) | undefined;
  /** False asks nothing. Default true. */
  readonly enabled?: boolean | undefined;
  readonly environment?: Environment | undefined;
}

export interface PollingResult<T> {
  /** The last good answer; null before the first. */
  readonly data: T | null;
  /** Why the last try failed; null once one worked. */
  readonly error: string | null;
  /** Whether nothing is known yet. */
  readonly isLoading: boolean;
  /** Whether the last try worked. */
  readonly isConnected: boolean;
  /** When `data` last changed, wall-clock ms. */
  readonly updatedAt_ms: number | null;
  /** Asks now. */
  refresh(): void;
}

interface View<T> {
  readonly data: T | null;
  readonly error: string | null;
  readonly updatedAt_ms: number | null;
}

const EVERY_MS = 5_000;
const CAP_MS = 60_000;
const TIMEOUT_MS = 10_000;

class Poller<T> {
  readonly view: Cell<View<T>>;
  readonly #url: string;
  readonly #options: { readonly current: PollingOptions<T> };
  readonly #environment: Environment;
  #etag: string | null = null;
  #text: string | null = null;
  #failures = 0;
  #run = 0;
  #cancel = () => {};
  #abort: AbortController | null = null;

  constructor(url: string, options: { readonly current: PollingOptions<T> }) {
    this.#url = url;
    this.#options = options;
    this.#environment = options.current.environment ?? platformEnvironment();
    this.view = new Cell<View<T>>({ data: options.current.initialData ?? null, error: null, updatedAt_ms: null });
  }

  start(): () => void {
    const stopNetwork = this.#environment.onNetwork((hint) => {
      if (hint === 'wake') {
        this.refresh();
      }
    });
    this.refresh();
    return () => {
      stopNetwork();
      this.#run += 1;
      this.#cancel();
      this.#abort?.abort();
    };
  }

  readonly refresh = (): void => {
    this.#run += 1;
    this.#cancel();
    this.#abort?.abort();
    void this.#ask(this.#run);
  };

  async #ask(run: number): Promise<void> {
    // A page that nobody sees asks nothing; when it is seen again it asks at once.
    if (!this.#environment.hidden()) {
      const problem = await this.#once();
      if (run !== this.#run) {
        return;
      }
      this.#failures = problem === null ? 0 : this.#failures + 1;
      const view = this.view.get();
      if (view.error !== problem) {
        this.view.set({ ...view, error: problem });
      }
    }
    this.#cancel = this.#environment.after(this.#pause_ms(), () => void this.#ask(run));
  }

  #pause_ms(): number {
    const { every_ms = EVERY_MS, cap_ms = CAP_MS } = this.#options.current;
    if (this.#failures === 0) {
      return every_ms;
    }
    const ceiling_ms = Math.max(every_ms, Math.min(cap_ms, every_ms * 2 ** Math.min(this.#failures, 16)));
    return every_ms + Math.floor(this.#environment.random() * (ceiling_ms - every_ms));
  }

  /** Asks once. Gives why it failed, or null. */
  async #once(): Promise<string | null> {
    const { init = {}, timeout_ms = TIMEOUT_MS } = this.#options.current;
    const abort = new AbortController();
    this.#abort = abort;
    const cancel = this.#environment.after(timeout_ms, () => abort.abort());
    const headers = new Headers(init.headers);
    if (this.#etag !== null) {
      headers.set('if-none-match', this.#etag);
    }
    try {
      const response = await this.#environment.fetch(this.#url, { ...init, headers, signal: abort.signal });
      if (response.status === 304) {
        return null;
      }
      if (!response.ok) {
        return `the server answered ${response.status}`;
      }
      const text = await response.text();
      if (!abort.signal.aborted) {
        this.#take(text, response.headers.get('etag'));
      }
      return null;
    } catch (cause) {
      return cause instanceof SyntaxError
        ? 'the answer is not JSON'
        : abort.signal.aborted
          ? `no answer in ${timeout_ms} ms`
          : 'the server cannot be reached';
    } finally {
      cancel();
    }
  }

  #take(text: string, etag: string | null): void {
    const { parse = JSON.parse as (text: string) => T, onData } = this.#options.current;
    if (text !== this.#text) {
      const data = parse(text);
      const before = this.view.get().data;
      // Another text may say the same: in another order of white space, say.
      const isSame = this.#text !== null && JSON.stringify(before) === JSON.stringify(data);
      this.#text = text;
      if (!isSame) {
        this.view.set({ ...this.view.get(), data, updatedAt_ms: this.#environment.now() });
        onData?.(data);
      }
    }
    this.#etag = etag;
  }
}

const nothing = () => () => {};
const none = () => {};

/** Null asks nothing. */
export function usePolling<T = unknown>(url: string | null, options: PollingOptions<T> = {}): PollingResult<T> {
  const { enabled = true, initialData } = options;
  const newest = useRef(options);
  useEffect(() => {
    newest.current = options;
  });
  const poller = useMemo(() => (url === null || !enabled ? null : new Poller<T>(url, newest)), [url, enabled]);
  useEffect(() => poller?.start(), [poller]);
  const [empty] = useEmpty(initialData ?? null);
  const view = useSyncExternalStore<View<T>>(poller?.view.subscribe ?? nothing, poller?.view.get ?? empty, empty);
  const { data, error, updatedAt_ms } = view;
  return {
    data,
    error,
    isLoading: data === null && error === null && poller !== null,
    isConnected: error === null && updatedAt_ms !== null,
    updatedAt_ms,
    refresh: poller?.refresh ?? none,
  };
}

/** The view before the first answer, the same one each time. */
function useEmpty<T>(data: T | null): readonly [() => View<T>] {
  return useMemo(() => {
    const view: View<T> = { data, error: null, updatedAt_ms: null };
    return [() => view] as const;
  }, [data]);
}
