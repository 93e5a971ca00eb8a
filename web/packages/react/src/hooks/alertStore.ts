/**
 * Follows a channel of alerts outside React, and puts what was told of each firing together.
 *
 * A row tells of one firing, known by its `id`, and says only what is new: what it leaves out still holds. All who want the same channel
 * share one store, and what it knows stays known from one page of an app to the next.
 */

import { type Cell, type Column, numeric, type PulseClient, type Subscription } from '@pulseboard/client';
import type { AlertItem, Severity } from '../components/alertList.js';
import type { LiveProps } from '../shared/honest.js';

export interface Alerts {
  /** Null while nothing is known. */
  readonly alerts: readonly AlertItem[] | null;
  readonly firing: number;
  readonly error: string | null;
  readonly isConnected: boolean;
  /** What `AlertList` wants to be told. */
  readonly live: LiveProps;
}

type AlertRow = { readonly [column: string]: Cell };

const SEVERITIES: readonly Severity[] = ['info', 'warning', 'critical'];

export const NO_ALERTS: Alerts = {
  alerts: null,
  firing: 0,
  error: null,
  isConnected: false,
  live: { isConnected: false, isLoading: true, error: null },
};

function text(cell: Cell | undefined): string | undefined {
  return typeof cell === 'string' && cell !== '' ? cell : undefined;
}

function time_ms(cell: Cell | undefined): number | null {
  const time_us = numeric(cell ?? null);
  return time_us === null ? null : time_us / 1_000;
}

/** A firing out of a row with the columns of the stream `_alerts`; of other columns nothing is known. */
export function alertOf(row: AlertRow, key: string): AlertItem {
  const severity = SEVERITIES.find((each) => each === row.severity) ?? 'warning';
  const ended = row.status === 'ended' ? (row.ended ?? row.time) : row.ended;
  return {
    id: text(row.id) ?? key,
    severity,
    type: text(row.rule) ?? text(row.type),
    metric: text(row.metric),
    message: text(row.message) ?? text(row.rule) ?? key,
    value: numeric(row.value ?? null),
    threshold: numeric(row.threshold ?? null),
    unit: text(row.unit),
    since_ms: time_ms(row.since ?? row.time) ?? 0,
    endedAt_ms: row.status === 'firing' ? null : time_ms(ended),
  };
}

/** Firings by id, oldest first, out of what was told of them in order. */
export function firings(columns: readonly Column[], rows: Iterable<readonly Cell[]>): readonly AlertItem[] {
  const known = new Map<string, AlertRow>();
  let number = 0;
  for (const cells of rows) {
    const told = Object.fromEntries(columns.map(({ name }, index) => [name, cells[index] ?? null]));
    const id = text(told.id) ?? String(number);
    const news = Object.entries(told).filter(([, cell]) => cell !== null);
    known.set(id, { ...known.get(id), ...Object.fromEntries(news) });
    number += 1;
  }
  return [...known].map(([id, row]) => alertOf(row, id));
}

/** For so long it follows the channel after the last who wanted it has gone. */
const LINGER_MS = 10_000;

const stores = new WeakMap<PulseClient, Map<string, AlertStore>>();

/** The one store of a client's channel. */
export function alertStoreOf(client: PulseClient, channel: string): AlertStore {
  const known = stores.get(client) ?? new Map<string, AlertStore>();
  stores.set(client, known);
  const store = known.get(channel) ?? new AlertStore(client, channel);
  known.set(channel, store);
  return store;
}

export class AlertStore {
  readonly #client: PulseClient;
  readonly #channel: string;
  readonly #listeners = new Set<() => void>();
  #users = 0;
  #leave: ReturnType<typeof setTimeout> | undefined;
  #end: () => void = () => {};
  #subscription: Subscription | null = null;
  #alerts: readonly AlertItem[] | null = null;
  #result = NO_ALERTS;

  constructor(client: PulseClient, channel: string) {
    this.#client = client;
    this.#channel = channel;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly snapshot = (): Alerts => this.#result;

  /** Follows the channel until the returned function is called. */
  start(): () => void {
    this.#users += 1;
    clearTimeout(this.#leave);
    if (this.#subscription === null) {
      this.#end = this.#begin();
    }
    return () => {
      this.#users -= 1;
      if (this.#users === 0 && this.#alerts === null) {
        // What was refused is asked again by whoever comes next.
        this.#end();
      } else if (this.#users === 0) {
        this.#leave = setTimeout(() => this.#end(), LINGER_MS);
      }
    };
  }

  #begin(): () => void {
    const subscription = this.#client.subscribe({ channels: [this.#channel] });
    this.#subscription = subscription;
    const stops = [
      this.#client.onConnection(() => this.#changed()),
      subscription.onStatus(() => this.#changed()),
      this.#listen(subscription),
    ];
    this.#changed();
    return () => {
      for (const stop of stops) {
        stop();
      }
      subscription.close();
      this.#subscription = null;
    };
  }

  #listen(subscription: Subscription): () => void {
    const channel = subscription.channel(this.#channel);
    const take = (columns: readonly Column[], rows: Iterable<readonly Cell[]>) => {
      this.#alerts = channel.loaded ? firings(columns, rows) : this.#alerts;
      this.#changed();
    };
    switch (channel.kind) {
      case 'tail': {
        const { tail } = channel;
        const takeTail = () => take(tail.columns, tail.rows);
        takeTail();
        return channel.listen(takeTail);
      }
      case 'keyed': {
        const { table } = channel;
        return channel.listen(() =>
          take(
            table.columns,
            [...table.keys()].map((key) => table.row(key) ?? []),
          ),
        );
      }
      case 'board':
        return () => {};
    }
  }

  #changed(): void {
    const refusals = this.#subscription?.errors;
    const error = (refusals?.get(this.#channel) ?? refusals?.get(''))?.message ?? null;
    const isConnected = this.#client.connection.status === 'open';
    const alerts = this.#alerts;
    const known = this.#result;
    if (known.alerts === alerts && known.error === error && known.isConnected === isConnected) {
      return;
    }
    const firing = alerts?.filter(({ endedAt_ms }) => endedAt_ms === null).length ?? 0;
    const live: LiveProps = { isConnected, isLoading: alerts === null && error === null, error };
    this.#result = { alerts, firing, error, isConnected, live };
    for (const listener of [...this.#listeners]) {
      listener();
    }
  }
}
