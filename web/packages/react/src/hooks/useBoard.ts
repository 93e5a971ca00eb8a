'use client';
/** A board: its definition, and all its panels' data in one subscription, so that they move together. */

import type { Channel, PulseClient, Subscription } from '@pulseboard/client';
import { RequestError } from '@pulseboard/client';
import { useEffect, useState } from 'react';
import { useScope } from '../shared/context.js';
import { paced } from './pace.js';

export interface BoardPanel {
  readonly id: string;
  readonly type: string;
  readonly title: string;
  /** The channel that its rows come from. */
  readonly channel: string;
  readonly unit?: string | null;
  readonly [option: string]: unknown;
}

export interface BoardDefinition {
  readonly title: string;
  readonly description?: string | null;
  readonly timezone?: string | null;
  readonly panels: readonly BoardPanel[];
}

export interface LiveBoard {
  /** Null until it is known; then it stays while the server is away. */
  readonly board: BoardDefinition | null;
  /** Why there is none, or none that is newer. */
  readonly error: string | null;
  readonly isLoading: boolean;
  readonly subscription: Subscription | null;
  /** The live data of a panel, by its id: `useChannel`, `DataTable` and charts take it. */
  panel(id: string): Channel | null;
}

export interface BoardOptions {
  /** Changes per second at most. Default 10, and 1 for readers who save data. */
  readonly max_hz?: number | undefined;
}

const RETRY_MS = 2_000;

interface Held {
  readonly name: string;
  readonly board: BoardDefinition | null;
  readonly error: string | null;
}

export function useBoard(name: string, options: BoardOptions = {}): LiveBoard {
  const { client } = useScope();
  const { max_hz } = options;
  const [held, setHeld] = useState<Held>({ name, board: null, error: null });
  const [subscription, setSubscription] = useState<Subscription | null>(null);
  // Another board's definition is not this one's, not even for a moment.
  const { board, error } = held.name === name ? held : { board: null, error: null };
  useEffect(() => (client === null ? undefined : follow(client, name, setHeld)), [client, name]);
  const channels = [...new Set(board?.panels.map(({ channel }) => channel))].join('\n');
  useEffect(() => {
    if (client === null || channels === '') {
      setSubscription(null);
      return;
    }
    const made = client.subscribe({ channels: channels.split('\n'), max_hz: paced(max_hz) });
    setSubscription(made);
    return () => made.close();
  }, [client, channels, max_hz]);
  return {
    board,
    error,
    isLoading: board === null && error === null,
    subscription,
    panel(id) {
      const channel = board?.panels.find((panel) => panel.id === id)?.channel;
      return channel === undefined ? null : (subscription?.channel(channel) ?? null);
    },
  };
}

/** Fetches the definition now and after each reconnect; it may have been changed meanwhile. */
function follow(client: PulseClient, name: string, set: (change: (held: Held) => Held) => void): () => void {
  let over = false;
  let retry: ReturnType<typeof setTimeout> | undefined;
  const load = async () => {
    clearTimeout(retry);
    try {
      const board = await client.request<BoardDefinition>(`boards/${encodeURIComponent(name)}`);
      if (!over) {
        set((held) => (same(held, name, board) ? held : { name, board, error: null }));
      }
    } catch (cause) {
      if (over) {
        return;
      }
      const message = cause instanceof Error ? cause.message : String(cause);
      set((held) => ({ name, board: held.name === name ? held.board : null, error: message }));
      if (cause instanceof RequestError && cause.temporary) {
        retry = setTimeout(load, cause.after_ms ?? RETRY_MS);
      }
    }
  };
  void load();
  client.connect();
  const stop = client.onConnection(({ status }) => {
    if (status === 'open') {
      void load();
    }
  });
  return () => {
    over = true;
    clearTimeout(retry);
    stop();
  };
}

function same(held: Held, name: string, board: BoardDefinition): boolean {
  return held.name === name && held.error === null && JSON.stringify(held.board) === JSON.stringify(board);
}
