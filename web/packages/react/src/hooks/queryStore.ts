/**
 * One live query outside React: registers it, follows its channel, and keeps an answer that only changes when something did.
 *
 * Rows that did not change keep their identity, so that memoised components are not rendered again. Old rows stay until
 * newer ones come; a refusal is told beside them.
 */

import type {
  Cell,
  Column,
  ErrorBody,
  KeyedChannel,
  PulseClient,
  Subscription,
  ViewState,
  ViewStatus,
} from '@pulseboard/client';
import { RequestError } from '@pulseboard/client';
import type { LiveProps } from '../shared/honest.js';
import { paced } from './pace.js';
import type { ResolvedQuery } from './query.js';

/** A row by column names. Times are µs UTC, decimals and integers beyond 2^53 are texts, null is unknown. */
export type LiveRow = { readonly [column: string]: Cell };

/** `idle`: nothing to follow. `loading`: nothing came yet. `refused`: the server said no; else how good the answer is. */
export type QueryStatus = 'idle' | 'loading' | 'refused' | ViewStatus;

export interface LiveQueryResult<Row = LiveRow> {
  /** Null while nothing is known; an empty list is an answer. */
  readonly rows: readonly Row[] | null;
  /** The first row, for queries that have one. */
  readonly row: Row | null;
  readonly columns: readonly Column[];
  /** What identifies each row, in the order of `rows`. */
  readonly keys: readonly string[];
  readonly status: QueryStatus;
  /** Whether nothing is known yet, and it is on its way. */
  readonly isLoading: boolean;
  readonly isConnected: boolean;
  readonly error: ErrorBody | null;
  /** Up to when the data goes, wall-clock ms; null while unknown. */
  readonly asOf_ms: number | null;
  /** Where the answer stands in the log: opaque, equal for equal instants. */
  readonly position: string | null;
  /** What components want to be told: `<MetricCard {...result.live} />`. */
  readonly live: LiveProps;
  /** The data itself, for what draws beside React. */
  readonly channel: KeyedChannel | null;
}

export interface QueryStoreOptions {
  /** Changes per second at most; fractions are allowed. Default 10, and 1 for readers who save data. */
  readonly max_hz?: number | undefined;
}

const NO_ROWS: readonly never[] = [];

export function emptyResult<Row>(status: QueryStatus, error: ErrorBody | null = null): LiveQueryResult<Row> {
  const isLoading = status === 'loading';
  return {
    rows: null,
    row: null,
    columns: NO_ROWS,
    keys: NO_ROWS,
    status,
    isLoading,
    isConnected: false,
    error,
    asOf_ms: null,
    position: null,
    live: { isLoading, error: error?.message ?? null },
    channel: null,
  };
}

const REGISTER_MS = 2_000;
/** A stream appears by being written to: what is unknown now may be known soon. */
const UNKNOWN_STREAM_MS = 5_000;

export class QueryStore<Row = LiveRow> {
  readonly #client: PulseClient;
  readonly #query: ResolvedQuery;
  readonly #max_hz: number | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #known = new Map<string, Row>();
  #subscription: Subscription | null = null;
  #channel: KeyedChannel | null = null;
  #error: ErrorBody | null = null;
  #result: LiveQueryResult<Row> = emptyResult('loading');
  #stops: (() => void)[] = [];
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(client: PulseClient, query: ResolvedQuery, options: QueryStoreOptions = {}) {
    this.#client = client;
    this.#query = query;
    this.#max_hz = options.max_hz;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly snapshot = (): LiveQueryResult<Row> => this.#result;

  /** Begins to follow. The returned function ends it; it may begin again. */
  start(): () => void {
    this.#attempt += 1;
    this.#stops.push(this.#client.onConnection((state) => this.#connectionChanged(state.status)));
    if (this.#query.kind === 'channel') {
      this.#follow(this.#query.channel);
    } else {
      void this.#register(this.#attempt);
    }
    return () => this.#stop();
  }

  #stop(): void {
    this.#attempt += 1;
    clearTimeout(this.#retry);
    for (const stop of this.#stops.splice(0)) {
      stop();
    }
    this.#subscription?.close();
    this.#subscription = null;
  }

  async #register(attempt: number): Promise<void> {
    const { sql, params, timezone } = this.#query as Extract<ResolvedQuery, { kind: 'sql' }>;
    const body = JSON.stringify({ sql, params, ...(timezone === undefined ? {} : { timezone }) });
    const headers = { 'content-type': 'application/json' };
    try {
      const { channel } = await this.#client.request<{ channel: string }>('live/queries', {
        method: 'POST',
        headers,
        body,
      });
      if (attempt === this.#attempt) {
        this.#error = null;
        this.#follow(channel);
      }
    } catch (cause) {
      if (attempt !== this.#attempt) {
        return;
      }
      const refused = cause instanceof RequestError ? cause : new RequestError('unexpected', String(cause));
      if (refused.temporary) {
        this.#retry = setTimeout(() => void this.#register(attempt), refused.after_ms ?? REGISTER_MS);
      } else {
        this.#error = { code: refused.code, message: refused.message, details: refused.details };
        if (refused.code === 'unknown_stream') {
          this.#retry = setTimeout(() => void this.#register(attempt), UNKNOWN_STREAM_MS);
        }
      }
      this.#changed();
    }
  }

  #follow(name: string): void {
    const subscription = this.#client.subscribe({ channels: [name], max_hz: paced(this.#max_hz) });
    const channel = subscription.channel(name);
    this.#subscription = subscription;
    if (channel.kind !== 'keyed') {
      this.#error = { code: 'bad_channel', message: `${name} carries no rows by key: follow it with useSubscription` };
      this.#changed();
      return;
    }
    this.#channel = channel;
    this.#stops.push(
      subscription.onStatus(() => this.#statusChanged(subscription, name)),
      channel.listen((changes) => {
        if (changes.replaced) {
          this.#known.clear();
        }
        for (const key of changes.changed.keys()) {
          this.#known.delete(key);
        }
        for (const key of changes.removed) {
          this.#known.delete(key);
        }
        this.#changed();
      }),
    );
    this.#changed();
  }

  #statusChanged(subscription: Subscription, name: string): void {
    this.#error = subscription.errors.get(name) ?? subscription.errors.get('') ?? null;
    // A server that forgot a query, after a day or with its data, learns it again.
    if (this.#error?.code === 'unknown_query' && this.#query.kind === 'sql') {
      this.#stop();
      this.start();
      return;
    }
    this.#changed();
  }

  #connectionChanged(status: string): void {
    if ((status === 'open') !== this.#result.isConnected) {
      this.#changed();
    }
  }

  #changed(): void {
    this.#result = this.#read();
    for (const listener of [...this.#listeners]) {
      listener();
    }
  }

  #read(): LiveQueryResult<Row> {
    const channel = this.#channel;
    const isConnected = this.#client.connection.status === 'open';
    if (channel === null || !channel.loaded) {
      const { error, status } = this.#standing(channel?.state ?? null);
      const isLoading = status === 'loading' || status === 'backfilling';
      const message = error?.message ?? null;
      return {
        ...emptyResult<Row>(status, error),
        isLoading,
        isConnected,
        channel,
        live: { isLoading, error: message },
      };
    }
    const { table, state } = channel;
    const keys = [...table.keys()];
    const rows = keys.map((key) => this.#row(channel, key));
    const { error, status } = this.#standing(state);
    const asOf_us = state?.as_of ?? channel.newest_us;
    const asOf_ms = asOf_us === null ? null : asOf_us / 1_000;
    return {
      rows,
      row: rows[0] ?? null,
      columns: table.columns,
      keys,
      status,
      isLoading: false,
      isConnected,
      error,
      asOf_ms,
      position: this.#subscription?.position ?? null,
      live: { isConnected, isLoading: false, asOf_ms, error: error?.message ?? null },
      channel,
    };
  }

  #standing(state: ViewState | null): { readonly error: ErrorBody | null; readonly status: QueryStatus } {
    if (this.#error !== null) {
      return { error: this.#error, status: 'refused' };
    }
    if (state?.status === 'error') {
      return { error: { code: 'error', message: state.reason ?? 'the query failed' }, status: 'error' };
    }
    return { error: null, status: state?.status ?? (this.#channel?.loaded === true ? 'live' : 'loading') };
  }

  #row({ table }: KeyedChannel, key: string): Row {
    let row = this.#known.get(key);
    if (row === undefined) {
      const cells = table.row(key) ?? [];
      row = Object.fromEntries(table.columns.map(({ name }, index) => [name, cells[index] ?? null])) as Row;
      this.#known.set(key, row);
    }
    return row;
  }
}
