/**
 * What the pictures of a board draw from while it is edited: one subscription for all panels whose queries run already, so
 * that they stand at one instant as they do on the board, and a feed for each panel that outlives every change.
 *
 * When the set of panels changes it goes over to another subscription once that has everything, and not before.
 */

import type { Subscription } from '@pulseboard/client';
import { useEffect, useMemo, useState } from 'react';
import { PanelFeed } from '../board';
import { client } from '../shared/live';
import type { Draft } from './draft';
import type { BoardFile } from './files';
import type { Scene } from './picture';

/** What is not there by then is no reason to keep the old one. */
const WAIT_MS = 3_000;

export function useScene(draft: Draft, file: BoardFile | null): Scene {
  const channels = useMemo(() => (file?.board.panels ?? []).flatMap(({ channel }) => channel ?? []), [file]);
  const running = useRunning(channels);
  const feed = useMemo(() => {
    const feeds = new Map<string, PanelFeed>();
    return (panel: string) => {
      const held = feeds.get(panel) ?? new PanelFeed();
      feeds.set(panel, held);
      return held;
    };
  }, []);
  return useMemo(() => ({ draft, file, running, feed }), [draft, file, running, feed]);
}

function useRunning(channels: readonly string[]): Subscription | null {
  const key = [...new Set(channels)].sort().join('\n');
  const [feed, setFeed] = useState<Subscription | null>(null);
  useEffect(() => {
    if (key === '') {
      setFeed(null);
      return;
    }
    const names = key.split('\n');
    const next = client.subscribe({ channels: names });
    let taken = false;
    const take = () => {
      if (!taken) {
        taken = true;
        clearTimeout(timer);
        for (const stop of stops) {
          stop();
        }
        setFeed(next);
      }
    };
    const ready = (name: string) => {
      const channel = next.channel(name);
      return channel.loaded || channel.state !== null || next.errors.has(name) || next.errors.has('');
    };
    const look = () => void (names.every(ready) && take());
    const timer = setTimeout(take, WAIT_MS);
    const stops = [next.onStatus(look), ...names.map((name) => next.channel(name).listen(look))];
    return () => {
      taken = true;
      clearTimeout(timer);
      for (const stop of stops) {
        stop();
      }
      // The next one is shown in the same render at the earliest: this one goes a moment later.
      setTimeout(() => next.close(), WAIT_MS);
    };
  }, [key]);
  return feed;
}
