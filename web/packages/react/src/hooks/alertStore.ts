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
  /** What `AlertList` wants to be told; `asOf_ms` is null unless they are of an earlier visit. */
  readonly live: LiveProps;
}

type AlertRow = { readonly [column: string]: Cell };

const SEVERITIES: readonly Severity[] = ['info', 'warning', 'critical'];

export const NO_ALERTS: Alerts = {
  alerts: null,
  firing: 0,
  error: null,
  isConnected: false,
  live: { isConnected: false, isLoading: true, error: null, asOf_ms: null },
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
  const id = text(row.id) ?? key;
  const ended_ms = time_ms(row.ended) ?? (row.status === 'ended' ? (time_ms(row.time) ?? Number.NaN) : null);
  return {
    id,
    severity,
    type: text(row.rule) ?? text(row.type),
    metric: text(row.metric),
    message: text(row.message) ?? text(row.rule) ?? id,
    value: numeric(row.value ?? null),
    threshold: numeric(row.threshold ?? null),
    unit: text(row.unit),
    since_ms: time_ms(row.since ?? row.time),
    endedAt_ms: row.status === 'firing' ? null : ended_ms,
  };
}

/** Firings by id, out of what was told of them in order; what was told last of all stands last. */
export function firings(columns: readonly Column[], rows: Iterable<readonly Cell[]>): readonly AlertItem[] {
  const known = new Map<string, AlertRow>();
  let number = 0;
  for (const cells of rows) {
    const told = Object.fromEntries(columns.map(({ name }, index) => [name, cells[index] ?? null]));
    const id = text(told.id) ?? String(number);
    const before = known.get(id);
    const news = Object.fromEntries(Object.entries(told).filter(([, cell]) => cell !== null));
    // It fires since it was first told, unless it was said; what ended and fires again begins anew.
    const goesOn = before !== undefined && !(before.status === 'ended' && news.status === 'firing');
    const since = news.since ?? (goesOn ? before.since : news.time) ?? null;
    known.delete(id);
    known.set(id, { ...before, ...news, since });
    number += 1;
  }
  return [...known].map(([id, row]) => alertOf(row, id));
}

/** How many of the newest are asked for, as the server gives unless it is said. */
const LAST = 100;

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
  /** How many of the newest are asked for; another number is another subscription, which begins afresh. */
  #last = LAST;
  #asOf_ms: number | null = null;
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
    const subscription = this.#client.subscribe({ channels: [this.#channel], last: this.#last });
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

  /** Asks for the newest anew, without what is held. */
  #again(subscription: Subscription): void {
    if (this.#subscription === subscription) {
      this.#last += 1;
      this.#end();
      this.#end = this.#begin();
    }
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
        const takeTail = () => {
          if (tail.gaps.length > 0) {
            // What ended in a gap would fire for ever. A moment later, because it may be found while this begins.
            queueMicrotask(() => this.#again(subscription));
          } else {
            this.#asOf_ms = channel.storedAt_ms;
            take(tail.columns, tail.rows);
          }
        };
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
    // Whoever may not follow them is not shown what somebody else was.
    const alerts = error === null ? this.#alerts : null;
    const asOf_ms = this.#asOf_ms;
    const known = this.#result;
    const isSame = known.alerts === alerts && known.error === error && known.isConnected === isConnected;
    if (isSame && known.live.asOf_ms === asOf_ms) {
      return;
    }
    const firing = alerts?.filter(({ endedAt_ms }) => endedAt_ms === null).length ?? 0;
    const live: LiveProps = { isConnected, isLoading: alerts === null && error === null, error, asOf_ms };
    this.#result = { alerts, firing, error, isConnected, live };
    for (const listener of [...this.#listeners]) {
      listener();
    }
  }
}
