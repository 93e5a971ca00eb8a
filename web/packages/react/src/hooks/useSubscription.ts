'use client';
/** Many channels, one callback: for whoever wants the events themselves rather than something to render. */

import type { Cell, Column, ErrorBody, Subscription, SubscriptionStatus, TailBuffer } from '@pulseboard/client';
import { useEffect, useRef, useState } from 'react';
import { useScope } from '../shared/context.js';
import type { LiveRow } from './queryStore.js';

/** What happened in a channel, at most once per frame. */
export type LiveEvent =
  /** Rows by key of a view or query. `replaced`: everything was read anew. */
  | {
      readonly type: 'rows';
      readonly channel: string;
      readonly changed: ReadonlyMap<string, LiveRow>;
      readonly removed: ReadonlySet<string>;
      readonly replaced: boolean;
    }
  /** New items of a stream's tail, oldest first. `missed` were left out before them; null if nobody knows how many. */
  | {
      readonly type: 'items';
      readonly channel: string;
      readonly items: readonly LiveRow[];
      readonly missed: number | null;
    }
  | { readonly type: 'board'; readonly channel: string; readonly panels: { readonly [panel: string]: string } };

export interface SubscriptionOptions {
  /** Events per second and channel at most. Default 60. */
  readonly max_hz?: number | undefined;
  readonly batch_ms?: number | undefined;
  /** How many of a stream's newest items come first. Default 0. */
  readonly last?: number | undefined;
}

export interface SubscriptionInfo {
  readonly status: SubscriptionStatus | 'idle';
  /** Why channels were refused, by channel. */
  readonly errors: ReadonlyMap<string, ErrorBody>;
}

const IDLE: SubscriptionInfo = { status: 'idle', errors: new Map() };

/** Calls `onEvent` with what happens in the channels. The newest callback is called; changing it does not subscribe anew. */
export function useSubscription(
  channels: string | readonly string[] | null,
  onEvent: (event: LiveEvent) => void,
  options: SubscriptionOptions = {},
): SubscriptionInfo {
  const { client } = useScope();
  const { max_hz, batch_ms, last } = options;
  const names = (typeof channels === 'string' ? [channels] : (channels ?? [])).join('\n');
  const [info, setInfo] = useState(IDLE);
  const callback = useRef(onEvent);
  useEffect(() => {
    callback.current = onEvent;
  });
  useEffect(() => {
    if (client === null || names === '') {
      setInfo(IDLE);
      return;
    }
    const asked = { channels: names.split('\n'), ...defined({ max_hz, batch_ms, last }) };
    const subscription = client.subscribe(asked);
    const tell = () => setInfo({ status: subscription.status, errors: new Map(subscription.errors) });
    const stops = [subscription.onStatus(tell), ...asked.channels.map((name) => listen(subscription, name, callback))];
    tell();
    return () => {
      for (const stop of stops) {
        stop();
      }
      subscription.close();
    };
  }, [client, names, max_hz, batch_ms, last]);
  return info;
}

function defined<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

type Callback = { readonly current: (event: LiveEvent) => void };

function listen(subscription: Subscription, name: string, callback: Callback): () => void {
  const channel = subscription.channel(name);
  switch (channel.kind) {
    case 'keyed':
      return channel.listen(({ replaced, changed, removed }) => {
        const { table } = channel;
        const keys = replaced ? [...table.keys()] : [...changed.keys()];
        const rows = new Map(keys.map((key) => [key, rowOf(table.columns, table.row(key) ?? [])]));
        if (replaced || rows.size > 0 || removed.size > 0) {
          callback.current({ type: 'rows', channel: name, changed: rows, removed, replaced });
        }
      });
    case 'tail': {
      let next = channel.tail.first;
      return channel.listen(() => {
        const { tail } = channel;
        const missed = missedSince(tail, next);
        const items = tail.rows.slice(Math.max(0, next - tail.first)).map((cells) => rowOf(tail.columns, cells));
        next = tail.first + tail.rows.length;
        if (items.length > 0 || missed !== 0) {
          callback.current({ type: 'items', channel: name, items, missed });
        }
      });
    }
    case 'board':
      return channel.listen(() =>
        callback.current({ type: 'board', channel: name, panels: channel.board?.panels ?? {} }),
      );
  }
}

function rowOf(columns: readonly Column[], cells: readonly Cell[]): LiveRow {
  return Object.fromEntries(columns.map(({ name }, index) => [name, cells[index] ?? null]));
}

/** How many items were left out since number `next`; null if nobody knows. */
function missedSince(tail: TailBuffer, next: number): number | null {
  let missed = Math.max(0, tail.first - next);
  for (const gap of tail.gaps) {
    if (gap.before >= next) {
      if (gap.missed === null) {
        return null;
      }
      missed += gap.missed;
    }
  }
  return missed;
}
